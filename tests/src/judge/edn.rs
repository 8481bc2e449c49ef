//! EDN, the notation of Clojure's data, as far as histories use it.
//!
//! Maps, vectors, lists, sets, keywords, symbols, texts, numbers, `nil`, booleans, comments, `#_` and tags, which are skipped. An error names the
//! line: histories are long, and mostly have one operation in a line.

use std::{borrow::Cow, fmt};

/// One form.
#[derive(Clone, Debug, PartialEq)]
pub enum Edn<'a> {
    /// `nil`
    Nil,
    /// `true`, `false`
    Bool(bool),
    /// `42`
    Number(i64),
    /// `4.2`
    Float(f64),
    /// `"text"`
    Text(Cow<'a, str>),
    /// `:name`, without the colon.
    Keyword(&'a str),
    /// `name`
    Symbol(&'a str),
    /// `[a b]`, `(a b)` or `#{a b}`
    List(Vec<Edn<'a>>),
    /// `{a b}`
    Map(Vec<(Edn<'a>, Edn<'a>)>),
}

impl<'a> Edn<'a> {
    /// All forms of a text, each with the line in which it begins, from 1 on.
    ///
    /// # Errors
    /// With the line, if the text is no EDN.
    ///
    /// # Example
    /// ```
    /// use dormouse_tests::judge::Edn;
    /// let forms = Edn::read_all("{:type :ok, :value [1 nil]} ; done")?;
    /// assert_eq!(forms[0].1.get("type"), Some(&Edn::Keyword("ok")));
    /// # Ok::<(), dormouse_tests::judge::EdnError>(())
    /// ```
    pub fn read_all(text: &'a str) -> Result<Vec<(usize, Self)>, EdnError> {
        let mut reader = Reader {
            text,
            at: 0,
            line: 1,
            depth: 0,
        };
        let mut forms = Vec::new();
        while reader.skip() {
            let line = reader.line;
            if let Some(form) = reader.form()? {
                forms.push((line, form));
            }
        }
        Ok(forms)
    }

    /// What a map has under a keyword.
    pub fn get(&self, keyword: &str) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        let is_it =
            |(key, _): &&(Self, Self)| matches!(key, Self::Keyword(name) if *name == keyword);
        pairs.iter().find(is_it).map(|(_, value)| value)
    }

    /// The elements of a list.
    pub fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(all) => Some(all),
            _ => None,
        }
    }

    /// A keyword, symbol or text.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Keyword(name) | Self::Symbol(name) => Some(name),
            Self::Text(name) => Some(name),
            _ => None,
        }
    }

    /// A whole number.
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// Why a text is no EDN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct EdnError {
    /// The line, from 1 on.
    pub line: usize,
    what: String,
}

/// How deep forms may stand in each other.
const DEPTH_MAX: usize = 128;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn wrong(&self, what: impl fmt::Display) -> EdnError {
        EdnError {
            line: self.line,
            what: what.to_string(),
        }
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips spaces, commas and comments; `false` at the end.
    fn skip(&mut self) -> bool {
        while let Some(byte) = self.next() {
            match byte {
                b'\n' => {
                    self.line += 1;
                    self.at += 1;
                }
                b' ' | b'\t' | b'\r' | b',' => self.at += 1,
                b';' => {
                    let rest = &self.text[self.at..];
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                _ => return true,
            }
        }
        false
    }

    /// The next form; `None` if it is one to be left out.
    fn form(&mut self) -> Result<Option<Edn<'a>>, EdnError> {
        if !self.skip() {
            return Err(self.wrong("the text ends where a form is expected"));
        }
        let byte = self.next().expect("it was not the end");
        Ok(Some(match byte {
            b'[' => Edn::List(self.all_until(b']')?),
            b'(' => Edn::List(self.all_until(b')')?),
            b'{' => self.map()?,
            b'"' => Edn::Text(self.quoted()?),
            b'#' => {
                self.at += 1;
                match self.next() {
                    Some(b'{') => Edn::List(self.all_until(b'}')?),
                    Some(b'_') => {
                        self.at += 1;
                        self.nested()?;
                        return Ok(None);
                    }
                    _ => {
                        self.word(); // a tag: what it is put on says enough
                        return self.nested();
                    }
                }
            }
            b']' | b')' | b'}' => {
                return Err(self.wrong(format_args!("`{}` closes nothing", byte as char)));
            }
            _ => {
                let word = self.word();
                if word.is_empty() {
                    let character = self.text[self.at..].chars().next().unwrap_or('?');
                    return Err(self.wrong(format_args!("`{character}` begins no form")));
                }
                self.atom(word)?
            }
        }))
    }

    fn nested(&mut self) -> Result<Option<Edn<'a>>, EdnError> {
        if self.depth == DEPTH_MAX {
            return Err(self.wrong(format_args!(
                "forms stand in each other more than {DEPTH_MAX} deep"
            )));
        }
        self.depth += 1;
        let form = self.form();
        self.depth -= 1;
        form
    }

    fn all_until(&mut self, close: u8) -> Result<Vec<Edn<'a>>, EdnError> {
        let begun = self.line;
        self.at += 1;
        let mut all = Vec::new();
        loop {
            if !self.skip() {
                return Err(self.wrong(format_args!(
                    "the text ends before the `{}` of what began in line {begun}",
                    close as char
                )));
            }
            if self.next() == Some(close) {
                self.at += 1;
                return Ok(all);
            }
            all.extend(self.nested()?);
        }
    }

    fn map(&mut self) -> Result<Edn<'a>, EdnError> {
        let all = self.all_until(b'}')?;
        if !all.len().is_multiple_of(2) {
            return Err(self.wrong("a map has a key without a value"));
        }
        let mut pairs = Vec::with_capacity(all.len() / 2);
        let mut all = all.into_iter();
        while let (Some(key), Some(value)) = (all.next(), all.next()) {
            pairs.push((key, value));
        }
        Ok(Edn::Map(pairs))
    }

    fn quoted(&mut self) -> Result<Cow<'a, str>, EdnError> {
        let begun = self.line;
        self.at += 1;
        let mut text = Cow::Borrowed("");
        loop {
            let rest = &self.text[self.at..];
            let Some(length) = rest.find(['"', '\\']) else {
                return Err(self.wrong(format_args!("the text of line {begun} is not closed")));
            };
            let plain = &rest[..length];
            self.line += plain.matches('\n').count();
            if text.is_empty() {
                text = Cow::Borrowed(plain);
            } else {
                text.to_mut().push_str(plain);
            }
            self.at += length + 1;
            if rest.as_bytes()[length] == b'"' {
                return Ok(text);
            }
            let Some(escaped) = self.text[self.at..].chars().next() else {
                return Err(self.wrong("the text ends behind a `\\`"));
            };
            self.at += escaped.len_utf8();
            let character = match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '"' | '\\' => escaped,
                other => return Err(self.wrong(format_args!("`\\{other}` is no escape"))),
            };
            text.to_mut().push(character);
        }
    }

    fn word(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let ends = |character: char| character.is_whitespace() || ",;()[]{}\"".contains(character);
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn atom(&self, word: &'a str) -> Result<Edn<'a>, EdnError> {
        Ok(match word {
            "nil" => Edn::Nil,
            "true" => Edn::Bool(true),
            "false" => Edn::Bool(false),
            _ if word.starts_with(':') => Edn::Keyword(&word[1..]),
            _ if word
                .trim_start_matches(['-', '+'])
                .starts_with(|first: char| first.is_ascii_digit()) =>
            {
                let digits = word.trim_end_matches(['N', 'M']);
                match (digits.parse(), digits.parse()) {
                    (Ok(number), _) => Edn::Number(number),
                    (_, Ok(float)) => Edn::Float(float),
                    _ => return Err(self.wrong(format_args!("`{word}` is no number"))),
                }
            }
            _ => Edn::Symbol(word),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Edn<'_> {
        let mut forms = Edn::read_all(text).expect("it is EDN");
        assert_eq!(forms.len(), 1, "{forms:?}");
        forms.remove(0).1
    }

    #[test]
    fn operations_as_they_are_written_are_read() {
        let form = one(
            "#jepsen.history.Op{:index 3, :process :nemesis, :value [[:r \"k\" nil] [:append 1 -2]], :time 1.5}",
        );
        assert_eq!(form.get("index"), Some(&Edn::Number(3)));
        assert_eq!(form.get("process").and_then(Edn::name), Some("nemesis"));
        let value = form.get("value").and_then(Edn::list).expect("a vector");
        assert_eq!(
            value[0],
            Edn::List(vec![Edn::Keyword("r"), Edn::Text("k".into()), Edn::Nil])
        );
        assert_eq!(value[1].list().expect("a vector")[2], Edn::Number(-2));
        assert_eq!(form.get("time"), Some(&Edn::Float(1.5)));
        assert_eq!(form.get("error"), None);
    }

    #[test]
    fn what_is_to_be_left_out_is_left_out() {
        let forms = Edn::read_all("; a comment\n#_ {:a 1} 2, 3 ; more\n#{4 5}").expect("EDN");
        let lines: Vec<_> = forms.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 2, 3]);
        assert_eq!(forms[2].1, Edn::List(vec![Edn::Number(4), Edn::Number(5)]));
    }

    #[test]
    fn texts_have_escapes() {
        assert_eq!(one(r#""a\n\"b\" \\""#), Edn::Text("a\n\"b\" \\".into()));
        assert_eq!(one("\"\""), Edn::Text("".into()));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, message) in [
            ("1\n]", "line 2: `]` closes nothing"),
            (
                "[1\n2",
                "line 2: the text ends before the `]` of what began in line 1",
            ),
            ("{:a}", "line 1: a map has a key without a value"),
            ("\n\"a", "line 2: the text of line 2 is not closed"),
            ("12x", "line 1: `12x` is no number"),
            (r#""\q""#, "line 1: `\\q` is no escape"),
            ("#_", "line 1: the text ends where a form is expected"),
        ] {
            let error = Edn::read_all(text).expect_err(text);
            assert_eq!(error.to_string(), message);
        }
        let deep = "[".repeat(1_000_000);
        let error = Edn::read_all(&deep).expect_err("too deep");
        assert_eq!(
            error.to_string(),
            "line 1: forms stand in each other more than 128 deep"
        );
    }
}
