//! What the SQL of an object's code may not touch.
//!
//! The runtime keeps its own tables in the same database, under names that begin with `_cf_` (AU-1), and it alone begins and ends
//! transactions (AU-4). SQLite asks about every table, function and pragma while it compiles a statement; the runtime's own
//! statements pass unasked. What is denied gives SQLite's own texts, except for transactions, where the original explains itself.

use std::cell::Cell;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// The original's text for BEGIN, COMMIT, ROLLBACK, SAVEPOINT and RELEASE (AU-4).
pub(super) const USE_TRANSACTION: &str = "To execute a transaction, please use the state.storage.transaction() or \
    state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements. The JavaScript API is safer \
    because it will automatically roll back on exceptions, and because it interacts correctly with Durable Objects' automatic atomic \
    write coalescing.";

/// Names that belong to the runtime begin so, in any case of letters.
const RESERVED_PREFIX: &str = "_cf_";

/// The pragmas of AU-6. Everything else could turn off what durability rests on.
const PRAGMAS: [&str; 19] = [
    "data_version",
    "page_size",
    "table_list",
    "table_info",
    "table_xinfo",
    "index_info",
    "index_list",
    "index_xinfo",
    "foreign_key_list",
    "foreign_key_check",
    "quick_check",
    "optimize",
    "case_sensitive_like",
    "foreign_keys",
    "defer_foreign_keys",
    "ignore_check_constraints",
    "legacy_alter_table",
    "recursive_triggers",
    "reverse_unordered_selects",
];

/// Functions that reach outside the database, should they ever be compiled in.
const FUNCTIONS_DENIED: [&str; 6] = [
    "load_extension",
    "readfile",
    "writefile",
    "edit",
    "fts3_tokenizer",
    "zipfile",
];

/// Virtual tables that may be created (AU-3).
const MODULES: [&str; 4] = ["fts5", "fts5vocab", "rtree", "rtree_i32"];

/// Judges the statements of one connection.
#[derive(Default)]
pub(super) struct Authorizer {
    /// The statement in hand is the runtime's own.
    pub(super) trusted: Cell<bool>,
    /// The statement in hand was refused because it is about transactions.
    pub(super) refused_transaction: Cell<bool>,
}

impl Authorizer {
    pub(super) fn judge(&self, context: AuthContext<'_>) -> Authorization {
        if self.trusted.get() {
            return Authorization::Allow;
        }
        if let AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } = context.action {
            self.refused_transaction.set(true);
        }
        let database_allowed = match context.database_name {
            None | Some("main") => true,
            // Renaming a table also looks for its name among the temporary ones, of which there are none.
            Some("temp") => names(&context.action)
                .iter()
                .flatten()
                .any(|name| name.starts_with("sqlite_temp_")),
            Some(_) => false,
        };
        if database_allowed && allows(&context.action) {
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
        AuthAction::Select | AuthAction::Recursive => true,
        AuthAction::Function { function_name } => !FUNCTIONS_DENIED
            .iter()
            .any(|denied| denied.eq_ignore_ascii_case(function_name)),
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => PRAGMAS.contains(&pragma_name) && !pragma_value.is_some_and(is_reserved),
        AuthAction::CreateVtable {
            table_name,
            module_name,
        } => {
            !is_reserved(table_name)
                && MODULES
                    .iter()
                    .any(|module| module.eq_ignore_ascii_case(module_name))
        }
        AuthAction::CreateIndex { .. }
        | AuthAction::CreateTable { .. }
        | AuthAction::CreateTrigger { .. }
        | AuthAction::CreateView { .. }
        | AuthAction::Delete { .. }
        | AuthAction::DropIndex { .. }
        | AuthAction::DropTable { .. }
        | AuthAction::DropTrigger { .. }
        | AuthAction::DropView { .. }
        | AuthAction::DropVtable { .. }
        | AuthAction::Insert { .. }
        | AuthAction::Read { .. }
        | AuthAction::Update { .. }
        | AuthAction::AlterTable { .. }
        | AuthAction::Reindex { .. }
        | AuthAction::Analyze { .. } => !names(action).into_iter().flatten().any(is_reserved),
        // Transactions, ATTACH and DETACH, everything temporary (AU-5), and what a later SQLite may add.
        _ => false,
    }
}

/// The tables, indexes, triggers and views that an action names. Column names are free.
fn names<'a>(action: &AuthAction<'a>) -> [Option<&'a str>; 2] {
    match *action {
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
        } => [Some(name), Some(table_name)],
        AuthAction::CreateTable { table_name: name }
        | AuthAction::CreateView { view_name: name }
        | AuthAction::Delete { table_name: name }
        | AuthAction::DropTable { table_name: name }
        | AuthAction::DropView { view_name: name }
        | AuthAction::DropVtable {
            table_name: name, ..
        }
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
        | AuthAction::Reindex { index_name: name }
        | AuthAction::Analyze { table_name: name } => [Some(name), None],
        _ => [None, None],
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
}
