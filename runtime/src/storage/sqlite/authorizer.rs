//! What the SQL of an object's code may do.
//!
//! The runtime keeps its own tables in the same database, under names that begin with `_cf_` (AU-1), and it alone begins and ends
//! transactions (AU-4). SQLite asks about every table, function and pragma while it compiles a statement; the runtime's own
//! statements pass unasked. Whatever is not on the lists here is refused, so that a newer SQLite cannot open a door by itself. What is
//! denied gives SQLite's own texts, except for transactions, where the original explains itself.

use std::{cell::Cell, ffi::CStr};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::functions;

/// The original's text for BEGIN, COMMIT, ROLLBACK, SAVEPOINT and RELEASE (AU-4).
pub(super) const USE_TRANSACTION: &str = "To execute a transaction, please use the state.storage.transaction() or \
    state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements. The JavaScript API is safer \
    because it will automatically roll back on exceptions, and because it interacts correctly with Durable Objects' automatic atomic \
    write coalescing.";

/// Names that belong to the runtime begin so, in any case of letters.
const RESERVED_PREFIX: &str = "_cf_";

/// Virtual tables that may be created, and the only modules that a connection keeps beside SQLite's built-in ones (AU-3). The original
/// as recorded has no rtree.
pub(super) const MODULES: [&CStr; 2] = [c"fts5", c"fts5vocab"];

/// What a pragma may be given.
#[derive(Clone, Copy)]
enum PragmaArgument {
    Anything,
    Nothing,
    /// Or nothing, which reads the setting.
    Boolean,
    /// Or nothing.
    Integer,
    Name,
    /// Or nothing. A number is a name, too.
    OptionalName,
}

/// The pragmas of AU-6, as typed: SQLite ignores the case of letters, the original does not. `page_size` is refused, as recorded.
fn pragma(name: &str) -> Option<PragmaArgument> {
    Some(match name {
        "table_list" => PragmaArgument::Anything,
        "data_version" => PragmaArgument::Nothing,
        "case_sensitive_like"
        | "foreign_keys"
        | "defer_foreign_keys"
        | "ignore_check_constraints"
        | "legacy_alter_table"
        | "recursive_triggers"
        | "reverse_unordered_selects" => PragmaArgument::Boolean,
        "optimize" => PragmaArgument::Integer,
        "table_info" | "table_xinfo" | "index_info" | "index_list" | "index_xinfo"
        | "foreign_key_list" => PragmaArgument::Name,
        "foreign_key_check" | "quick_check" => PragmaArgument::OptionalName,
        _ => return None,
    })
}

impl PragmaArgument {
    fn fits(self, value: Option<&str>) -> bool {
        let Some(value) = value else {
            return !matches!(self, Self::Name);
        };
        match self {
            Self::Anything => true,
            Self::Nothing => false,
            Self::Boolean => begins_with_boolean(value),
            Self::Integer => is_integer(value),
            Self::Name | Self::OptionalName => !is_reserved(value),
        }
    }
}

/// The original compares no further than the word goes, and takes off a pair of quotes.
fn begins_with_boolean(value: &str) -> bool {
    let unquoted = ['\'', '"'].into_iter().find_map(|quote| {
        let inner = value.strip_prefix(quote)?;
        inner.strip_suffix(quote)
    });
    let value = unquoted.unwrap_or(value).as_bytes();
    ["true", "false", "yes", "no", "on", "off", "1", "0"]
        .iter()
        .any(|word| {
            value
                .get(..word.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(word.as_bytes()))
        })
}

/// Of 32 bits, decimal or hexadecimal.
fn is_integer(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let hex = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    match hex {
        Some(hex) => !hex.starts_with(['-', '+']) && i32::from_str_radix(hex, 16).is_ok(),
        None => !value.starts_with('+') && value.parse::<i32>().is_ok(),
    }
}

/// Judges the statements of one connection.
#[derive(Default)]
pub(super) struct Authorizer {
    /// The statement in hand is the runtime's own.
    pub(super) trusted: Cell<bool>,
    /// The statement in hand was refused because it is about transactions.
    pub(super) refused_transaction: Cell<bool>,
    /// The statement in hand changes a table's definition, perhaps its name.
    pub(super) alters_table: Cell<bool>,
}

impl Authorizer {
    pub(super) fn judge(&self, context: AuthContext<'_>) -> Authorization {
        if self.trusted.get() {
            return Authorization::Allow;
        }
        match context.action {
            AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
                self.refused_transaction.set(true);
            }
            AuthAction::AlterTable { .. } => self.alters_table.set(true),
            _ => {}
        }
        let database = match context.action {
            // Here, what comes in the database's place is the column that is dropped or renamed.
            AuthAction::AlterTable { database_name, .. } => Some(database_name),
            _ => context.database_name,
        };
        let allowed = match database {
            None | Some("main") => allows(&context.action),
            // The list of temporary things may be read: there are none, and renaming a table looks for its name there.
            Some("temp") => match context.action {
                AuthAction::Read { table_name, .. } | AuthAction::Update { table_name, .. } => {
                    !is_reserved(table_name)
                }
                _ => false,
            },
            Some(_) => false,
        };
        if allowed {
            Authorization::Allow
        } else {
            Authorization::Deny
        }
    }
}

/// Whether a name belongs to the runtime.
pub(super) fn is_reserved(name: &str) -> bool {
    let prefix = name.as_bytes().get(..RESERVED_PREFIX.len());
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(RESERVED_PREFIX.as_bytes()))
}

fn allows(action: &AuthAction<'_>) -> bool {
    match *action {
        // ANALYZE without a name looks at every table, ours included, and tells no more than their sizes.
        AuthAction::Select | AuthAction::Recursive | AuthAction::Analyze { .. } => true,
        AuthAction::Function { function_name } => functions::is_allowed(function_name),
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => pragma(pragma_name).is_some_and(|argument| argument.fits(pragma_value)),
        AuthAction::CreateVtable {
            table_name,
            module_name,
        }
        | AuthAction::DropVtable {
            table_name,
            module_name,
        } => {
            !is_reserved(table_name)
                && MODULES.iter().any(|module| {
                    module
                        .to_bytes()
                        .eq_ignore_ascii_case(module_name.as_bytes())
                })
        }
        AuthAction::CreateIndex {
            index_name: name,
            table_name,
        }
        | AuthAction::DropIndex {
            index_name: name,
            table_name,
        }
        | AuthAction::CreateTrigger {
            trigger_name: name,
            table_name,
        }
        | AuthAction::DropTrigger {
            trigger_name: name,
            table_name,
        } => !is_reserved(name) && !is_reserved(table_name),
        // Column names are free.
        AuthAction::CreateTable { table_name: name }
        | AuthAction::CreateView { view_name: name }
        | AuthAction::Delete { table_name: name }
        | AuthAction::DropTable { table_name: name }
        | AuthAction::DropView { view_name: name }
        | AuthAction::Insert { table_name: name }
        | AuthAction::Read {
            table_name: name, ..
        }
        | AuthAction::Update {
            table_name: name, ..
        }
        | AuthAction::AlterTable {
            table_name: name, ..
        }
        | AuthAction::Reindex { index_name: name } => !is_reserved(name),
        // Transactions, ATTACH and DETACH, everything temporary (AU-5), and what a later SQLite may add.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_are_recognised_in_any_case_of_letters() {
        assert!(is_reserved("_cf_KV"));
        assert!(is_reserved("_CF_kv"));
        assert!(is_reserved("_cf_"));
        assert!(!is_reserved("_cf"));
        assert!(!is_reserved("my_cf_table"));
        assert!(!is_reserved("_cé_"));
    }

    #[test]
    fn a_boolean_is_recognised_by_its_beginning_and_in_quotes() {
        for value in ["on", "TRUE", "'yes'", "\"off\"", "1", "0", "nothing", "10"] {
            assert!(begins_with_boolean(value), "{value}");
        }
        for value in ["maybe", "2", "", "'", "'on", "o", "' on'"] {
            assert!(!begins_with_boolean(value), "{value}");
        }
    }

    #[test]
    fn a_number_is_decimal_or_hexadecimal_and_has_32_bits() {
        for value in ["1", "-1", "0x10002", "0XFF", "2147483647"] {
            assert!(is_integer(value), "{value}");
        }
        for value in ["", "x", "1.5", "0x", "0x-1", "+1", "2147483648", "-"] {
            assert!(!is_integer(value), "{value}");
        }
    }
}
