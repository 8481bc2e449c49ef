//! The kinds of history that can be judged, by the names that a list of verdicts uses for them.

use std::fmt;

use dormouse_sim::check::{
    linearizability,
    transactions::{self, Level, Transactions},
};

use super::{
    elle::{self, Workload},
    register::{RegisterModel, read_register},
    texts::{TextsModel, read_texts},
};

/// How a kind of history is read and judged: its text, and the verdict that is expected, of which the checker needs to know what is asked.
pub type Workloads = fn(&str, Asked) -> Result<Ruling, ReadError>;

/// What a verdict is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Whether there is an order of single operations.
    Linearizable,
    /// Whether a level of isolation was kept.
    Level(Level),
}

impl Asked {
    /// What `linearizable`, or the name of a level, asks.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "linearizable" => Some(Self::Linearizable),
            level => Level::named(level).map(Self::Level),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linearizable => f.write_str("linearizable"),
            Self::Level(level) => level.fmt(f),
        }
    }
}

/// What our checker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It is so.
    Yes,
    /// It is not, as the text shows.
    No(String),
    /// It could not be decided, for the reason in the text.
    Unknown(String),
}

/// A history cannot be read, or not as what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The text is wrong.
    #[error("{0}")]
    Text(String),
    /// The verdict is about something else.
    #[error(
        "of this kind of history it can be said whether it is {can}, not whether it is {asked}"
    )]
    Asked {
        /// What is expected.
        asked: String,
        /// What can be.
        can: &'static str,
    },
}

/// A name for a kind of history that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no model `{0}`; there are: {known}", known = names())]
pub struct UnknownModel(pub String);

/// By name: how it is judged.
const MODELS: [(&str, Workloads); 4] = [
    ("etcd", register),
    ("kv", texts),
    ("list-append", list_append),
    ("rw-register", rw_register),
];

fn names() -> String {
    MODELS.map(|(name, _)| name).join(", ")
}

/// How the histories of a model are judged.
///
/// # Errors
/// There is no such model; the error names those that there are.
pub fn of_model(name: &str) -> Result<Workloads, UnknownModel> {
    let found = MODELS.iter().find(|(known, _)| *known == name);
    let (_, judges) = found.ok_or_else(|| UnknownModel(name.to_owned()))?;
    Ok(*judges)
}

/// Enough for histories that are known to be hard.
const BUDGET: linearizability::Budget = linearizability::Budget {
    steps: 200_000_000,
    memory_bytes_max: 4 << 30,
};

fn register(text: &str, asked: Asked) -> Result<Ruling, ReadError> {
    only_linearizable(asked)?;
    let history = read_register(text).map_err(ReadError::Text)?;
    Ok(ruling(linearizability::check(
        &RegisterModel,
        &history,
        BUDGET,
    )))
}

fn texts(text: &str, asked: Asked) -> Result<Ruling, ReadError> {
    only_linearizable(asked)?;
    let history = read_texts(text).map_err(ReadError::Text)?;
    let model = TextsModel::default();
    Ok(ruling(linearizability::check(&model, &history, BUDGET)))
}

fn only_linearizable(asked: Asked) -> Result<(), ReadError> {
    match asked {
        Asked::Linearizable => Ok(()),
        Asked::Level(level) => Err(ReadError::Asked {
            asked: level.to_string(),
            can: "linearizable",
        }),
    }
}

fn ruling(verdict: linearizability::Verdict) -> Ruling {
    match verdict {
        linearizability::Verdict::Ok => Ruling::Yes,
        linearizability::Verdict::Illegal(why) => Ruling::No(format!("{why:#}")),
        linearizability::Verdict::Unknown(bound) => {
            Ruling::Unknown(format!("the search ended at {bound}"))
        }
    }
}

fn list_append(text: &str, asked: Asked) -> Result<Ruling, ReadError> {
    isolation(text, asked, Workload::ListAppend)
}

fn rw_register(text: &str, asked: Asked) -> Result<Ruling, ReadError> {
    isolation(text, asked, Workload::Register)
}

fn isolation(text: &str, asked: Asked, workload: Workload) -> Result<Ruling, ReadError> {
    let Asked::Level(level) = asked else {
        return Err(ReadError::Asked {
            asked: asked.to_string(),
            can: "strict-serializable, serializable and so on",
        });
    };
    let read = elle::read_transactions(text, workload).map_err(ReadError::Text)?;
    // Such histories are often taken out of longer ones.
    let history = read
        .into_iter()
        .collect::<Transactions>()
        .cut_from_a_longer_one();
    Ok(
        match transactions::check(&history, level, transactions::Budget::default()) {
            transactions::Verdict::Ok => Ruling::Yes,
            transactions::Verdict::Illegal(why) => Ruling::No(why.to_string()),
            transactions::Verdict::Unknown(why) => Ruling::Unknown(why.to_string()),
        },
    )
}
