//! What the object's code may do (AU-1 to AU-8). The texts and the lists are the recorded ones.

use super::{object_with_numbers, rows, text};
use crate::storage::tests::Node;

const DENIED: &str = "not authorized: SQLITE_AUTH";

#[track_caller]
fn refused(object: &super::Activation, statements: &[&str], expected: &str) {
    for statement in statements {
        assert_eq!(text(object.sql(statement)), expected, "{statement}");
    }
}

#[test]
fn pragmas_are_allowed_by_their_name_in_lower_case_and_their_argument() {
    let object = object_with_numbers();
    for statement in [
        "PRAGMA data_version",
        "PRAGMA table_list",
        "PRAGMA table_list(_cf_KV)",
        "PRAGMA table_info('t')",
        "PRAGMA main.table_info = t",
        "PRAGMA index_list(t)",
        "PRAGMA foreign_key_check",
        "PRAGMA quick_check(10)",
        "PRAGMA optimize(0x10002)",
        "PRAGMA optimize(-1)",
        "PRAGMA foreign_keys = 'YES'",
        "PRAGMA defer_foreign_keys(true)",
        "PRAGMA recursive_triggers",
        "SELECT * FROM pragma_table_info('t')",
        "SELECT * FROM pragma_foreign_keys",
    ] {
        rows(&object, statement);
    }
    let statements = [
        "PRAGMA page_size",
        "PRAGMA TABLE_INFO(t)",
        "PRAGMA temp.table_info(t)",
        "PRAGMA table_info",
        "PRAGMA table_info(_cf_KV)",
        "PRAGMA quick_check(_CF_kv)",
        "PRAGMA data_version(1)",
        "PRAGMA optimize('x')",
        "PRAGMA foreign_keys = 2",
        "PRAGMA foreign_keys = maybe",
        "PRAGMA user_version",
        "PRAGMA integrity_check",
        "SELECT * FROM pragma_page_count",
        "SELECT * FROM pragma_function_list",
        "SELECT * FROM pragma_table_info('_cf_KV')",
    ];
    refused(&object, &statements, DENIED);
}

#[test]
fn functions_beyond_the_list_are_refused_and_those_that_the_original_lacks_are_unknown() {
    let object = Node::new().open();
    for (name, arguments) in [
        ("sqlite_version", ""),
        ("ceiling", "1.5"),
        ("log10", "1"),
        ("json_pretty", "'[]'"),
        ("fts5", "1"),
    ] {
        assert_eq!(
            text(object.sql(&format!("SELECT {name}({arguments})"))),
            format!("not authorized to use function: {name} at offset 7: SQLITE_ERROR")
        );
    }
    for name in [
        "if",
        "unistr",
        "rtreecheck",
        "fts3_tokenizer",
        "matchinfo",
        "nope",
    ] {
        assert_eq!(
            text(object.sql(&format!("SELECT {name}('x')"))),
            format!("no such function: {name} at offset 7: SQLITE_ERROR")
        );
    }
    assert_eq!(
        text(object.sql("SELECT load_extension('x')")),
        "not authorized: SQLITE_ERROR"
    );
    rows(&object, "SELECT ABS(-1), '{}' ->> 'a', changes()");
}

#[test]
fn virtual_tables_are_those_of_full_text_search_only() {
    let object = Node::new().open();
    rows(
        &object,
        "CREATE VIRTUAL TABLE f USING FTS5(x); CREATE VIRTUAL TABLE v USING fts5vocab(f, row); DROP TABLE v",
    );
    rows(&object, "INSERT INTO f VALUES ('one two')");
    assert_eq!(
        rows(
            &object,
            "SELECT highlight(f, 0, '<', '>') FROM f WHERE f MATCH 'two'"
        ),
        [["one <two>".into()]]
    );
    let statements = [
        "CREATE VIRTUAL TABLE b USING fts4(x)",
        "CREATE VIRTUAL TABLE d USING rtree(id, x0, x1)",
        "CREATE VIRTUAL TABLE e USING dbstat",
        "CREATE VIRTUAL TABLE _cf_h USING fts5(x)",
    ];
    refused(&object, &statements, DENIED);
    for table in [
        "dbstat",
        "sqlite_dbpage",
        "bytecode",
        "tables_used",
        "generate_series",
    ] {
        assert_eq!(
            text(object.sql(&format!("SELECT * FROM {table}"))),
            format!("no such table: {table}: SQLITE_ERROR")
        );
    }
    assert_eq!(
        rows(&object, "SELECT count(*) FROM json_tree('[1, [2]]')"),
        [[4.into()]]
    );
}

#[test]
fn nothing_temporary_may_be_made_and_its_empty_list_may_be_read() {
    let object = object_with_numbers();
    let statements = [
        "CREATE TEMP TABLE x (a)",
        "CREATE TABLE temp.x (a)",
        "CREATE TEMP VIEW v AS SELECT 1",
        "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END",
        "ATTACH ':memory:' AS m",
        "DETACH main",
    ];
    refused(&object, &statements, DENIED);
    assert!(rows(&object, "SELECT * FROM temp.sqlite_master").is_empty());
}

#[test]
fn a_table_cannot_take_a_reserved_name_by_being_renamed() {
    let object = object_with_numbers();
    let statements = [
        "ALTER TABLE t RENAME TO _cf_x",
        "; ;ALTER TABLE t RENAME TO [_CF_x]",
        "SELECT 1; ALTER TABLE main.t RENAME /* to y */ TO '_cf_x'",
    ];
    refused(&object, &statements, DENIED);
    rows(
        &object,
        "ALTER TABLE t RENAME COLUMN name TO _cf_name; ALTER TABLE t ADD COLUMN _cf_more; ALTER TABLE t DROP COLUMN _cf_more; \
         ALTER TABLE t RENAME TO u",
    );
    assert_eq!(
        rows(&object, "SELECT _cf_name FROM u WHERE id = 1"),
        [["a".into()]]
    );
}

#[test]
fn the_runtimes_table_is_closed_to_views_triggers_and_foreign_keys() {
    let object = object_with_numbers();
    object.put("k", 1);
    rows(
        &object,
        "CREATE VIEW v AS SELECT * FROM _cf_KV; \
         CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM _cf_KV; END; \
         CREATE TABLE r (k REFERENCES _cf_KV (key))",
    );
    let denied = "access to _cf_KV.key is prohibited: SQLITE_AUTH";
    refused(
        &object,
        &["SELECT * FROM v", "INSERT INTO r VALUES ('k')"],
        denied,
    );
    refused(&object, &["INSERT INTO t VALUES (4, 'd')"], DENIED);
    rows(&object, "ANALYZE; PRAGMA optimize");
    assert_eq!(object.get("k"), Some(1));
}

#[test]
fn foreign_keys_are_on_and_go_off_before_a_write_only() {
    let object = object_with_numbers();
    rows(
        &object,
        "CREATE TABLE r (id REFERENCES t (id)); PRAGMA foreign_keys = off",
    );
    assert!(
        text(object.sql("INSERT INTO r VALUES (9)")).starts_with("FOREIGN KEY constraint failed")
    );
    object.storage.end_turn();
    rows(&object, "PRAGMA foreign_keys = off");
    rows(&object, "INSERT INTO r VALUES (9)");
}
