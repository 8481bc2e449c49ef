//! Bookmarks: what they name, how long, and the way back.

use std::time::Duration;

use super::{
    Activation, NOW, Node, PATH,
    disk::{Loss, TestDisk},
    next_turn,
};
use crate::{ListOptions, Result, ScheduledTime, Storage, platform::Disk, storage::History};

/// From how many bytes on the log is moved into the database here: every few turns.
pub(super) const WAL_BYTES_MAX: u64 = 24 << 10;

fn node() -> Node {
    Node {
        wal_bytes_max: WAL_BYTES_MAX,
        ..Node::new()
    }
}

impl Activation {
    pub(super) fn bookmark(&self) -> String {
        self.turn(async |storage| storage.get_current_bookmark().await)
            .expect("a bookmark")
    }

    pub(super) fn try_restore(&self, bookmark: &str) -> Result<String> {
        let bookmark = bookmark.to_owned();
        self.turns(async move |storage| storage.on_next_session_restore_bookmark(&bookmark).await)
    }

    /// Has the next session begin with a bookmark; returns the one to undo it.
    pub(super) fn restore(&self, bookmark: &str) -> String {
        self.try_restore(bookmark).expect("it can be restored")
    }

    fn bookmark_for(&self, millis: f64) -> Result<String> {
        self.turn(async |storage| storage.get_bookmark_for_time(millis).await)
    }

    pub(super) fn count(&self) -> i64 {
        i64::from(self.get("count").unwrap_or(0))
    }
}

/// What somebody can see of the object.
pub(super) fn seen(object: &Activation) -> String {
    let keys = object.turn(async |storage: Storage| {
        storage
            .list_as::<serde_json::Value>(ListOptions::default())
            .await
    });
    let alarm = object.turn(async |storage: Storage| storage.get_alarm().await);
    let rows = if object.sql("SELECT 1 FROM sqlite_schema WHERE name = 't'") == Ok(Vec::new()) {
        Vec::new()
    } else {
        object.sql("SELECT * FROM t ORDER BY id").expect("rows")
    };
    let verdict = object
        .storage
        .database()
        .expect("open")
        .as_runtime(|connection| {
            connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0))
        });
    assert_eq!(verdict.as_deref(), Ok("ok"), "the database is damaged");
    format!("{keys:?} {alarm:?} {rows:?}")
}

/// Something of everything, and now and then something large or a deletion.
///
/// # Errors
/// Of the first call that fails. What came before it is kept.
pub(super) fn change(object: &Activation, number: i32) -> Result<()> {
    object.turn(async |storage: Storage| {
        let sql = storage.sql();
        sql.exec(
            "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a)",
            None,
        )?;
        sql.exec(
            "INSERT INTO t (a) VALUES (?)",
            vec![format!("row {number}").into()],
        )?;
        storage.put("count", number).await?;
        match number % 7 {
            2 => storage.put("large", vec![number; 5000]).await,
            4 => {
                let at = f64::from(number) + 1_800_000_000_000.0;
                storage.set_alarm(ScheduledTime::at_millis(at)).await
            }
            5 => storage.delete("large").await.map(drop),
            6 => storage.delete_all().await,
            _ => Ok(()),
        }
    })
}

/// A restored object, opened again.
pub(super) fn reopen(node: &Node, object: Activation) -> Activation {
    object.crash();
    node.open()
}

pub(super) fn segments(disk: &TestDisk) -> Vec<String> {
    let prefix = format!("{PATH}-history-");
    Disk::list(disk, &prefix).expect("a list")
}

#[test]
fn each_bookmark_brings_back_what_was_seen_when_it_was_taken() {
    let node = node();
    let mut object = node.open();
    let mut taken = vec![(object.bookmark(), seen(&object))];
    for number in 1..=40 {
        change(&object, number).expect("a change");
        taken.push((object.bookmark(), seen(&object)));
        if number % 9 == 0 {
            object = reopen(&node, object);
            assert_eq!(object.bookmark(), taken.last().expect("some").0);
        }
    }
    assert!(segments(&node.disk).len() > 5, "{:?}", segments(&node.disk));
    assert!(taken.is_sorted_by(|(a, _), (b, _)| a < b), "{taken:?}");
    for (bookmark, state) in taken.iter().chain(taken.iter().rev()) {
        let before = seen(&object);
        object.restore(bookmark);
        assert_eq!(seen(&object), before, "until the restart nothing happens");
        object = reopen(&node, object);
        assert_eq!(seen(&object), *state, "{bookmark}");
        assert_eq!(object.reply(), Some(Ok(())));
    }
}

#[test]
fn a_restore_can_be_undone_and_happens_once() {
    let node = node();
    let object = node.open();
    object.put("count", 1);
    let first = object.bookmark();
    object.put("count", 2);
    let undo = object.restore(&first);
    let object = reopen(&node, object);
    assert_eq!(object.count(), 1);
    object.put("count", 3);
    let object = reopen(&node, object);
    assert_eq!(object.count(), 3, "it was restored again");
    object.restore(&undo);
    let object = reopen(&node, object);
    assert_eq!(object.count(), 2);
}

#[test]
fn a_state_with_an_armed_restore_comes_back_disarmed() {
    let node = node();
    let object = node.open();
    object.put("count", 1);
    let first = object.bookmark();
    object.put("count", 2);
    object.restore(&first);
    let armed = object.bookmark();
    object.restore(&armed);
    let object = reopen(&node, object);
    assert_eq!(object.count(), 2);
    let object = reopen(&node, object);
    assert_eq!(object.count(), 2);
}

#[test]
fn a_bookmark_taken_in_a_batch_includes_all_of_it() {
    let node = node();
    let object = node.open();
    let bookmark = object.turn(async |storage: Storage| {
        storage.put("count", 1).await.expect("put");
        let bookmark = storage.get_current_bookmark().await.expect("a bookmark");
        storage.put("count", 2).await.expect("put");
        bookmark
    });
    assert!(bookmark <= object.bookmark());
    object.put("count", 3);
    object.restore(&bookmark);
    assert_eq!(reopen(&node, object).count(), 2);
}

#[test]
fn a_bookmark_taken_in_a_batch_that_changes_nothing_excludes_the_next() {
    let node = node();
    let object = node.open();
    object.put("count", 1);
    let bookmark = object.turn(async |storage: Storage| {
        storage.delete("nothing").await.expect("delete");
        storage.get_current_bookmark().await.expect("a bookmark")
    });
    object.put("count", 2);
    object.restore(&bookmark);
    assert_eq!(reopen(&node, object).count(), 1);
}

#[test]
fn a_bookmark_taken_in_a_batch_after_a_checkpoint_names_that_batch() {
    let node = node();
    let object = node.open();
    let mut number = 0;
    while segments(&node.disk).is_empty() {
        number += 1;
        object.put("count", number);
    }
    let at_rest = object.bookmark();
    let bookmark = object.turn(async |storage: Storage| {
        storage.put("count", -1).await.expect("put");
        storage.get_current_bookmark().await.expect("a bookmark")
    });
    assert!(at_rest < bookmark);
    object.put("count", -2);
    object.restore(&bookmark);
    let object = reopen(&node, object);
    assert_eq!(object.count(), -1);
    object.restore(&at_rest);
    assert_eq!(reopen(&node, object).count(), i64::from(number));
}

#[test]
fn a_bookmark_of_a_transaction_that_rolls_back_restores_a_state_without_it() {
    let node = node();
    let object = node.open();
    object.put("count", 1);
    let bookmark = object.turns(async |storage: Storage| {
        let handle = storage.clone();
        let cell = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
        let taken = std::rc::Rc::clone(&cell);
        let outcome: Result<()> = storage
            .transaction(|txn| async move {
                txn.put("undone", 1).await?;
                *taken.borrow_mut() = handle.get_current_bookmark().await?;
                next_turn().await;
                Err("undo".into())
            })
            .await;
        assert!(outcome.is_err());
        cell.take()
    });
    object.restore(&bookmark);
    let object = reopen(&node, object);
    assert_eq!((object.count(), object.get("undone")), (1, None));
}

#[test]
fn foreign_malformed_and_future_bookmarks_are_refused() {
    let node = node();
    let object = node.open();
    object.put("count", 1);
    let good = object.bookmark();
    let refused = |bookmark: &str| {
        let error = object.try_restore(bookmark).expect_err("it is refused");
        error.message().to_owned()
    };
    assert_eq!(refused("now"), "The bookmark is not valid.");
    let foreign = format!("{}{}", &good[..27], "0".repeat(32));
    assert_eq!(
        refused(&foreign),
        "The bookmark belongs to another Durable Object."
    );
    let future = format!("00000009{}", &good[8..]);
    assert_eq!(
        refused(&future),
        "The bookmark names a point in the future."
    );
    assert_eq!(reopen(&node, object).count(), 1);
}

#[test]
fn history_is_bounded_by_size_and_what_is_gone_is_refused() {
    let bytes_max = 256 << 10;
    let node = Node {
        history: History::keep(Duration::from_secs(1 << 40), bytes_max),
        ..node()
    };
    let object = node.open();
    object.put("count", 1);
    let first = object.bookmark();
    let mut recent = String::new();
    for number in 2..=100 {
        object.put("count", number);
        if number == 95 {
            recent = object.bookmark();
        }
        let bytes: usize = (segments(&node.disk).iter())
            .map(|path| node.disk.contents(path).expect("there").len())
            .sum();
        assert!(bytes as u64 <= bytes_max);
    }
    let error = object.try_restore(&first).expect_err("it is gone");
    assert_eq!(
        error.message(),
        "The bookmark names a point that is not kept any more."
    );
    object.restore(&recent);
    assert_eq!(reopen(&node, object).count(), 95);
}

#[test]
fn even_without_room_for_one_segment_the_current_state_has_a_bookmark() {
    let node = Node {
        history: History::keep(Duration::from_secs(1 << 40), 1),
        ..node()
    };
    let mut object = node.open();
    for number in 1..=20 {
        object.put("count", number);
        let bookmark = object.bookmark();
        object.restore(&bookmark);
        object = reopen(&node, object);
        assert_eq!(object.count(), i64::from(number));
    }
    // All that is left says from where on nothing is kept, and holds no page.
    let left = segments(&node.disk).into_iter();
    let bytes: usize = left
        .map(|path| node.disk.contents(&path).expect("there").len())
        .sum();
    assert!(bytes < 4096, "{bytes}");
}

#[test]
fn history_older_than_its_window_goes() {
    let node = Node {
        history: History::keep(Duration::from_mins(1), u64::MAX),
        ..node()
    };
    let object = node.open();
    object.put("count", 1);
    let first = object.bookmark();
    for number in 2..=20 {
        object.put("count", number);
    }
    assert!(segments(&node.disk).len() > 2);
    node.clock.advance(Duration::from_secs(61));
    for number in 20..=40 {
        object.put("count", number);
    }
    let error = object.try_restore(&first).expect_err("it is gone");
    assert_eq!(
        error.message(),
        "The bookmark names a point that is not kept any more."
    );
}

#[test]
fn what_an_armed_restore_needs_is_kept_until_it_is_done() {
    let node = Node {
        history: History::keep(Duration::from_mins(1), 1 << 20),
        ..node()
    };
    let object = node.open();
    object.put("count", 1);
    let first = object.bookmark();
    object.restore(&first);
    node.clock.advance(Duration::from_hours(1));
    for number in 2..=60 {
        object.put("count", number);
    }
    node.clock.advance(Duration::from_hours(1));
    let object = reopen(&node, object);
    assert_eq!(object.count(), 1);
}

#[test]
fn a_damaged_segment_is_refused_and_harms_nothing_else() {
    let node = node();
    let object = node.open();
    object.put("count", 1);
    let first = object.bookmark();
    for number in 2..=30 {
        object.put("count", number);
    }
    let path = segments(&node.disk)[1].clone();
    let whole = node.disk.contents(&path).expect("there");
    for at in [0, 9, 40, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        node.disk.plant(&path, &damaged);
        let error = object.try_restore(&first).expect_err("it is refused");
        assert_eq!(error.message(), "a part of the history is damaged", "{at}");
    }
    node.disk.plant(&path, &whole);
    object.restore(&first);
    object.crash();
    // Damaged between the call and the restart: the object does not open, and says why.
    node.disk.plant(&path, &whole[..whole.len() - 1]);
    let error = node.try_open().err().expect("it cannot be restored");
    let text = "cannot open the storage of Counter/a (objects/Counter/a.sqlite): \
        cannot restore the bookmark: a part of the history is damaged; a node with `History::off()` gives the restore up";
    assert_eq!(error.message(), text);
    node.disk.plant(&path, &whole);
    assert_eq!(node.open().count(), 1);
}

#[test]
fn a_restore_that_has_become_impossible_is_given_up_on_a_node_without_history() {
    let mut node = node();
    let object = node.open();
    object.put("count", 1);
    let first = object.bookmark();
    for number in 2..=30 {
        object.put("count", number);
    }
    object.restore(&first);
    object.crash();
    let path = segments(&node.disk)[1].clone();
    node.disk.plant(&path, b"not what it was");
    assert!(node.try_open().is_err());
    node.history = History::off();
    let object = node.open();
    assert_eq!(object.count(), 30);
    assert_eq!(object.reply(), Some(Ok(())));
    node.history = History::default();
    assert_eq!(reopen(&node, object).count(), 30, "it is armed no more");
}

#[test]
fn an_armed_restore_is_durable_when_the_call_completes() {
    let node = node();
    let object = node.open();
    object.put("count", 1);
    let first = object.bookmark();
    object.put("count", 2);
    object.run_to_durable();
    object.disk.hold_syncs(true);
    let (handle, bookmark) = (object.handle.clone(), first.clone());
    let mut arming =
        Box::pin(async move { handle.on_next_session_restore_bookmark(&bookmark).await });
    assert_eq!(super::poll_once(arming.as_mut()), None);
    object.storage.end_turn();
    object.tasks.run();
    assert_eq!(
        super::poll_once(arming.as_mut()),
        None,
        "the power could take it"
    );
    object.disk.hold_syncs(false);
    object.tasks.run();
    assert!(matches!(super::poll_once(arming.as_mut()), Some(Ok(_))));
    // The abort that follows comes in the same turn, and throws away what the turn wrote.
    let node = node.lose_power(Loss::Everything);
    assert_eq!(node.open().count(), 1);
}

#[test]
fn an_armed_restore_survives_a_delete_all() {
    let node = node();
    let object = node.open();
    object.put("count", 1);
    let first = object.bookmark();
    object.restore(&first);
    object
        .turn(async |storage: Storage| storage.delete_all().await)
        .expect("delete");
    assert_eq!(object.get("count"), None);
    assert_eq!(reopen(&node, object).count(), 1);
}

#[test]
fn a_time_gives_the_last_state_not_later_than_it_to_a_second() {
    let node = node();
    let mut object = node.open();
    node.clock.advance(Duration::from_secs(1000));
    // One commit every 1.5 seconds: each has a mark of its own.
    for number in 0..30 {
        object.put("count", number);
        node.clock.advance(Duration::from_millis(1500));
        if number % 8 == 0 {
            object = reopen(&node, object);
        }
    }
    assert!(segments(&node.disk).len() > 2);
    let bookmarks: Vec<String> = (0..30)
        .map(|number| {
            let at = 1_000_000 + 1500 * number;
            let exactly = object.bookmark_for(f64::from(at)).expect("a bookmark");
            let later = object
                .bookmark_for(f64::from(at + 1499))
                .expect("a bookmark");
            assert_eq!(exactly, later);
            exactly
        })
        .collect();
    for (number, bookmark) in bookmarks.iter().enumerate() {
        object.restore(bookmark);
        object = reopen(&node, object);
        assert_eq!(object.count(), i64::try_from(number).expect("small"));
    }
    for (time, window) in [
        (999_999.0, "1000000 to 1045000"),
        (1_045_001.0, "1000000 to 1045000"),
    ] {
        let error = object.bookmark_for(time).expect_err("out of the window");
        let text = format!(
            "There is no bookmark for the time {time}: the history of this Durable Object goes from {window}."
        );
        assert_eq!(error.message(), text);
    }
    let error = object.bookmark_for(f64::NAN).expect_err("no time");
    assert_eq!(
        error.message(),
        "The value cannot be converted because it is not a valid Date."
    );
}

#[test]
fn a_second_after_them_many_commits_within_one_second_are_all_there() {
    let node = node();
    let object = node.open();
    node.clock.advance(Duration::from_secs(1000));
    for number in 1..=3 {
        object.put("count", number);
        node.clock.advance(Duration::from_millis(100));
    }
    node.clock.advance(Duration::from_hours(1));
    object.put("count", 4);
    let bookmark = object.bookmark_for(1_001_000.0).expect("a bookmark");
    object.restore(&bookmark);
    assert_eq!(reopen(&node, object).count(), 3);
}

#[test]
fn a_time_before_anything_was_written_gives_the_empty_object() {
    let node = node();
    node.clock.advance(Duration::from_secs(10));
    let object = node.open();
    let bookmark = object.bookmark_for(5000.0).expect("a bookmark");
    assert_eq!(bookmark, object.bookmark());
    object.put("count", 1);
    object.restore(&bookmark);
    assert_eq!(reopen(&node, object).get("count"), None);
}

#[test]
fn switched_off_the_calls_are_those_of_the_original_s_local_runtime() {
    let node = Node {
        history: History::off(),
        ..node()
    };
    let zeros = "00000000-00000000-00000000-00000000000000000000000000000000";
    let object = node.open();
    assert_eq!(object.bookmark(), zeros);
    let object = reopen(&node, object);
    let one = "00000000-00000001-00000000-00000000000000000000000000000000";
    assert_eq!(object.bookmark(), one);
    let text = "This Durable Object's storage back-end does not implement point-in-time recovery.";
    #[expect(clippy::cast_precision_loss, reason = "a date is far below 2^53")]
    let error = object.bookmark_for(NOW as f64).expect_err("not kept");
    assert_eq!(error.message(), text);
    let error = object.try_restore(zeros).expect_err("not kept");
    assert_eq!(error.message(), text);
}

#[test]
fn switched_off_the_first_checkpoint_removes_what_was_kept() {
    let kept = node();
    let object = kept.open();
    for number in 0..30 {
        object.put("count", number);
    }
    assert!(!segments(&kept.disk).is_empty());
    object.crash();
    let node = Node {
        history: History::off(),
        ..kept
    };
    let object = node.open();
    for number in 0..30 {
        object.put("count", number);
    }
    let files = Disk::list(&*node.disk, PATH).expect("a list");
    assert_eq!(
        files,
        [
            PATH.to_owned(),
            format!("{PATH}-history-off"), // empty: the log may be in the database, and nothing tells what was there before
            format!("{PATH}-wal")
        ]
    );
    assert_eq!(object.count(), 29);
}

#[test]
fn a_bookmark_is_told_only_when_its_state_is_durable() {
    let node = node();
    let object = node.open();
    object.run_to_durable();
    object.disk.hold_syncs(true);
    object.put("count", 1);
    let bookmark = object.bookmark();
    assert_eq!(object.reply(), None);
    object.run_to_durable();
    let node = node.lose_power(Loss::Everything);
    let object = node.open();
    object.put("count", 2);
    object.restore(&bookmark);
    assert_eq!(reopen(&node, object).count(), 1);
}
