//! A new database, as SQLite judges it.

use std::rc::Rc;

use rusqlite::Connection;

use super::super::image::empty_database;

#[test]
fn sqlite_finds_the_handmade_page_sound_and_in_write_ahead_mode() {
    let folder = std::env::temp_dir().join(format!("dormouse-image-{}", std::process::id()));
    let path = folder.join("new.sqlite");
    #[expect(clippy::disallowed_methods, reason = "SQLite's own file system is asked for its opinion")]
    {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(&path, empty_database()).expect("a file");
    }
    let _ = Rc::new(());
    let connection = Connection::open(&path).expect("opens");
    let ask = |sql| connection.query_row(sql, [], |row| row.get::<_, String>(0)).expect("answers");
    assert_eq!(ask("PRAGMA integrity_check"), "ok");
    assert_eq!(ask("PRAGMA journal_mode"), "wal");
    assert_eq!(ask("PRAGMA encoding"), "UTF-8");
    connection.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").expect("takes tables");
    assert_eq!(ask("PRAGMA integrity_check"), "ok");
}
