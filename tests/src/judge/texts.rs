//! Texts under keys, which are read, replaced and appended to, and histories of them in EDN.
//!
//! Texts grow with the history, and a search meets each of them again and again. So a state is a number: a text is what it was before and a piece
//! behind it, found by a hash that can be continued, and compared piece by piece where hashes agree. No step copies a text.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fmt,
};

use dormouse_sim::{History, Model, Outcome};

use super::{edn::Edn, paired::Paired};

/// What is asked of the text under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextOp {
    /// The text.
    Get(String),
    /// To be this.
    Put(String, Piece),
    /// To have this behind it.
    Append(String, Piece),
}

/// What is answered: a text to `Get`, nothing else to the others.
pub type TextRet = Option<Piece>;

impl TextOp {
    fn key(&self) -> &str {
        let (Self::Get(key) | Self::Put(key, _) | Self::Append(key, _)) = self;
        key
    }
}

/// A text with its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece {
    text: String,
    hash: Rolling,
}

impl Piece {
    /// Of this text.
    pub fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            hash: Rolling::of(text),
        }
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// A polynomial of a text's bytes, modulo the prime 2^61 - 1, and the power by which one in front of it would be multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Rolling {
    hash: u64,
    power: u64,
}

impl Rolling {
    const EMPTY: Self = Self { hash: 0, power: 1 };
    const BASE: u64 = 0x0d4c_7f4a_7c15_9e37;
    const PRIME: u64 = (1 << 61) - 1;

    fn of(text: &str) -> Self {
        text.bytes().fold(Self::EMPTY, |before, byte| {
            before.then(Self {
                hash: u64::from(byte) + 1,
                power: Self::BASE,
            })
        })
    }

    fn then(self, behind: Self) -> Self {
        Self {
            hash: (times(self.hash, behind.power) + behind.hash) % Self::PRIME,
            power: times(self.power, behind.power),
        }
    }
}

fn times(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other) % u128::from(Rolling::PRIME);
    u64::try_from(product).expect("it is below the prime")
}

/// A text by its number in [`TextsModel`].
pub type TextState = u32;

/// Texts that are empty at first, each key on its own.
#[derive(Debug)]
pub struct TextsModel {
    known: RefCell<Known>,
}

#[derive(Debug)]
struct Known {
    texts: Vec<Rope>,
    by_hash: HashMap<Rolling, TextState>,
}

/// A text: what it was before, and what was put behind it.
#[derive(Debug)]
struct Rope {
    before: TextState,
    piece: String,
    length: usize,
    hash: Rolling,
    /// Another one with the same hash.
    next: Option<TextState>,
}

const EMPTY: TextState = 0;

impl Default for TextsModel {
    fn default() -> Self {
        let empty = Rope {
            before: EMPTY,
            piece: String::new(),
            length: 0,
            hash: Rolling::EMPTY,
            next: None,
        };
        Self {
            known: RefCell::new(Known {
                texts: vec![empty],
                by_hash: HashMap::from([(Rolling::EMPTY, EMPTY)]),
            }),
        }
    }
}

impl Known {
    /// The number of the text that `before` becomes with a piece behind it.
    fn number(&mut self, before: TextState, piece: &Piece) -> TextState {
        let rope = &self.texts[before as usize];
        let hash = rope.hash.then(piece.hash);
        let length = rope.length + piece.text.len();
        let mut found = self.by_hash.get(&hash).copied();
        while let Some(number) = found {
            if self.texts[number as usize].length == length && self.is(number, before, &piece.text)
            {
                return number;
            }
            found = self.texts[number as usize].next;
        }
        let new = TextState::try_from(self.texts.len()).expect("the budget ends long before");
        self.texts.push(Rope {
            before,
            piece: piece.text.clone(),
            length,
            hash,
            next: self.by_hash.insert(hash, new),
        });
        new
    }

    /// Whether a text is `before` and `piece`, which are as long as it is.
    fn is(&self, text: TextState, before: TextState, piece: &str) -> bool {
        let rope = &self.texts[text as usize];
        if rope.before == before && rope.piece == piece {
            return true;
        }
        self.pieces(text)
            .eq(piece.bytes().rev().chain(self.pieces(before)))
    }

    /// The bytes of a text, the last one first.
    fn pieces(&self, text: TextState) -> impl Iterator<Item = u8> + '_ {
        let behind = |text: &TextState| {
            Some(self.texts[*text as usize].before).filter(|before| *before != EMPTY)
        };
        let ropes = std::iter::successors(Some(text), behind);
        ropes.flat_map(|text| self.texts[text as usize].piece.bytes().rev())
    }
}

impl Model for TextsModel {
    type Op = TextOp;
    type Ret = TextRet;
    type State = TextState;

    fn initial(&self) -> TextState {
        EMPTY
    }

    fn step(&self, state: &TextState, op: &TextOp, ret: Option<&TextRet>) -> Option<TextState> {
        let mut known = self.known.borrow_mut();
        match op {
            TextOp::Get(_) => {
                let Some(Some(seen)) = ret else {
                    return Some(*state);
                };
                let rope = &known.texts[*state as usize];
                let is_seen = rope.hash == seen.hash
                    && rope.length == seen.text.len()
                    && known.pieces(*state).eq(seen.text.bytes().rev());
                is_seen.then_some(*state)
            }
            TextOp::Put(_, piece) => Some(known.number(EMPTY, piece)),
            TextOp::Append(_, piece) => Some(known.number(*state, piece)),
        }
    }

    fn object(&self, op: &TextOp) -> String {
        op.key().to_owned()
    }

    fn is_same(&self, one: &TextOp, other: &TextOp) -> bool {
        one == other
    }

    fn heap_bytes(&self, state: &TextState) -> usize {
        let rope = &self.known.borrow().texts[*state as usize];
        rope.piece.len() + size_of::<Rope>() + size_of::<(Rolling, TextState)>() * 2
    }

    fn in_words(&self, state: &TextState) -> String {
        format!("{:?}", in_order(self.known.borrow().pieces(*state)))
    }
}

/// The bytes of a text, in order, as far as they are text.
fn in_order(bytes: impl Iterator<Item = u8>) -> String {
    let mut bytes: Vec<u8> = bytes.collect();
    bytes.reverse();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads a history: maps with `:process`, `:type`, `:f` (`:get`, `:put`, `:append`), `:key` and `:value`.
///
/// # Errors
/// With the line, where it is no EDN, an operation is not one of a text, or answers do not fit what was asked.
pub fn read_texts(text: &str) -> Result<History<TextOp, TextRet>, String> {
    let forms = Edn::read_all(text).map_err(|error| error.to_string())?;
    let mut calls = Paired::new();
    let mut keys = BTreeMap::new();
    for (line, form) in &forms {
        note(form, &mut calls, &mut keys).map_err(|why| format!("line {line}: {why}"))?;
    }
    Ok(calls.finish())
}

fn note(
    form: &Edn<'_>,
    calls: &mut Paired<TextOp, TextRet>,
    names: &mut BTreeMap<i64, &'static str>,
) -> Result<(), String> {
    let field = |name: &str| form.get(name).ok_or_else(|| format!("there is no :{name}"));
    let Some(process) = field("process")?.number() else {
        return Ok(()); // what was done to the system, not by a client
    };
    let kind = field("type")?.name().unwrap_or_default();
    let value = form.get("value");
    let what = match field("f")?.name().unwrap_or_default() {
        "get" => "get",
        "put" => "put",
        "append" => "append",
        other => return Err(format!("a text has no operation `{other}`")),
    };
    if kind == "invoke" {
        let key = match field("key")? {
            Edn::Text(key) => key.to_string(),
            Edn::Number(key) => key.to_string(),
            Edn::Keyword(key) => (*key).to_owned(),
            other => return Err(format!("{other:?} is no key")),
        };
        let piece = || match value {
            Some(Edn::Text(text)) => Ok(Piece::new(text)),
            other => Err(format!("a text is put or appended, not {other:?}")),
        };
        names.insert(process, what);
        let op = match what {
            "get" => TextOp::Get(key),
            "put" => TextOp::Put(key, piece()?),
            _ => TextOp::Append(key, piece()?),
        };
        return calls.invoke(process, op);
    }
    calls.asked(process)?;
    if names.get(&process) != Some(&what) {
        return Err(format!("process {process} did not ask :{what}"));
    }
    let outcome = match (kind, what, value) {
        ("ok", "get", Some(Edn::Text(text))) => Outcome::Ok(Some(Piece::new(text))),
        ("ok", "get", None | Some(Edn::Nil)) => Outcome::Ok(Some(Piece::new(""))),
        ("ok", "get", Some(other)) => return Err(format!("{other:?} is no text")),
        ("ok", ..) => Outcome::Ok(None),
        ("fail", ..) | ("info", "get", _) => Outcome::Failed("it failed".to_owned()),
        ("info", ..) => Outcome::Unknown("nobody knows".to_owned()),
        (other, ..) => return Err(format!("an operation has no type `{other}`")),
    };
    calls.settle(process, outcome)
}

#[cfg(test)]
mod tests {
    use dormouse_sim::check::linearizability::{Budget, Verdict, check};

    use super::*;

    fn judged(text: &str) -> Verdict {
        let history = read_texts(text).expect("a history");
        check(&TextsModel::default(), &history, Budget::default())
    }

    #[test]
    fn texts_that_are_put_together_differently_are_one() {
        let model = TextsModel::default();
        let text = |pieces: &[&str]| {
            pieces.iter().fold(EMPTY, |state, piece| {
                let append = TextOp::Append("k".to_owned(), Piece::new(piece));
                model
                    .step(&state, &append, Some(&None))
                    .expect("it always works")
            })
        };
        assert_eq!(text(&["ab", "c"]), text(&["a", "", "bc"]));
        assert_ne!(text(&["ab"]), text(&["ba"]));
        let seen = |text: &str| Some(Some(Piece::new(text)));
        let state = text(&["ab", "c"]);
        let get = TextOp::Get("k".to_owned());
        assert_eq!(model.step(&state, &get, seen("abc").as_ref()), Some(state));
        assert_eq!(model.step(&state, &get, seen("ab").as_ref()), None);
        let put = TextOp::Put("k".to_owned(), Piece::new("abc"));
        assert_eq!(model.step(&EMPTY, &put, Some(&None)), Some(state));
    }

    #[test]
    fn keys_are_judged_one_by_one() {
        let ok = r#"{:process 0, :type :invoke, :f :append, :key "1", :value "a"}
                    {:process 1, :type :invoke, :f :get, :key "1", :value nil}
                    {:process 0, :type :ok, :f :append, :key "1", :value "a"}
                    {:process 1, :type :ok, :f :get, :key "1", :value "a"}
                    {:process 0, :type :invoke, :f :get, :key "2", :value nil}
                    {:process 0, :type :ok, :f :get, :key "2", :value ""}"#;
        assert_eq!(judged(ok), Verdict::Ok);
        let lost = ok.replace(r#":key "2""#, r#":key "1""#);
        let Verdict::Illegal(why) = judged(&lost) else {
            panic!("the append is gone")
        };
        assert_eq!(why.states, ["\"a\""]);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, message) in [
            ("{:process 0}", "line 1: there is no :type"),
            (
                "\n{:process 0, :type :ok, :f :cas}",
                "line 2: a text has no operation `cas`",
            ),
            (
                "{:process 0, :type :ok, :f :get}",
                "line 1: process 0 is answered and asked nothing",
            ),
            (
                r#"{:process 0, :type :invoke, :f :put, :key "k", :value 3}"#,
                "line 1: a text is put or appended, not Some(Number(3))",
            ),
        ] {
            assert_eq!(read_texts(text).expect_err(message), message);
        }
    }
}
