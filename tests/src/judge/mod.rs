//! Recorded histories of other systems, judged by our checkers and compared with the verdicts that are known.
//!
//! A checker that is held against our own histories alone inherits our own blind spots. These were recorded by others, on other systems, and
//! judged by other checkers; a folder of them has a list of verdicts, and the command `judge` prints how many of them ours gives, too.
//!
//! - `folder`: the list, and the comparison;
//! - `model`: which kinds of history there are, and how each is read and judged;
//! - `register` and `texts`: the two sequential models, with the forms in which their histories are written;
//! - `elle`: transactions, as Jepsen and Elle write them;
//! - `edn`: the notation of most of them; `paired` puts invocations and completions together.

mod edn;
mod elle;
mod folder;
mod model;
mod paired;
mod register;
mod texts;

pub use edn::{Edn, EdnError};
pub use elle::{Workload, read_transactions};
pub use folder::{Case, FolderError, Judged, judge, read};
pub use model::{Asked, ReadError, Ruling, UnknownModel, Workloads, of_model};
pub use register::{RegisterModel, RegisterOp, RegisterRet, read_register};
pub use texts::{TextOp, TextRet, TextsModel, read_texts};
