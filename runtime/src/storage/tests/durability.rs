//! When writes are durable, what a crash leaves, and what breaks the storage.

use std::{rc::Rc, time::Duration};

use super::{
    Activation, Node, PATH, TestDisk,
    disk::{Fault, Loss},
    poll_once,
};
use crate::{Error, PutOptions, Result, storage::Left};

#[test]
fn a_reply_is_held_until_the_writes_before_it_are_synced() {
    let node = Node::new();
    let object = node.open();
    assert_eq!(object.reply(), Some(Ok(())), "nothing was written");
    node.disk.hold_syncs(true);
    object.put("k", 1);
    assert_eq!(object.reply(), None);
    node.disk.hold_syncs(false);
    assert_eq!(object.reply(), Some(Ok(())));
}

#[test]
fn one_sync_serves_all_commits_before_it_and_the_next_one_the_rest() {
    let node = Node::new();
    let object = node.open();
    node.disk.hold_syncs(true);
    object.put("k", 1);
    object.put("k", 2);
    node.run_tasks();
    assert_eq!(
        node.disk.syncs(),
        2,
        "the database, and the log for both commits"
    );
    object.put("k", 3);
    object.put("k", 4);
    node.run_tasks();
    assert_eq!(node.disk.syncs(), 2, "one at a time");
    node.disk.hold_syncs(false);
    assert_eq!(object.reply(), Some(Ok(())));
    assert_eq!(node.disk.syncs(), 3, "the log, for both later commits");
    assert_eq!(node.disk.barriers(), 0);
}

#[test]
fn an_unsynced_write_is_lost_at_power_loss_as_a_whole_batch() {
    let node = Node::new();
    let object = node.open();
    object.put("before", 1);
    assert_eq!(object.reply(), Some(Ok(())));
    node.disk.hold_syncs(true);
    object.turn(async |storage| {
        for key in 0..200 {
            storage
                .put(&format!("key {key}"), "x".repeat(100))
                .await
                .expect("put");
        }
    });
    for loss in [
        Loss::Everything,
        Loss::Some(1),
        Loss::Some(2),
        Loss::Some(3),
    ] {
        let object = node.lose_power(loss).open();
        assert_eq!(object.get("before"), Some(1));
        assert_eq!(count(&object), 1, "a part of the batch survived {loss:?}");
    }
    assert_eq!(count(&node.lose_power(Loss::Nothing).open()), 201);
}

fn count(object: &Activation) -> usize {
    object
        .turn(async |storage| {
            storage
                .list_as::<serde::de::IgnoredAny>(crate::ListOptions::new())
                .await
        })
        .expect("list")
        .len()
}

#[test]
fn a_process_crash_keeps_what_was_committed_and_drops_the_open_batch() {
    let node = Node::new();
    let object = node.open();
    node.disk.hold_syncs(true);
    object.put("committed", 1);
    poll_once(object.handle.put("open", 2))
        .expect("does not suspend")
        .expect("put");
    assert_eq!(
        poll_once(object.handle.get::<i32>("open")),
        Some(Ok(Some(2)))
    );
    object.crash();
    let object = node.open();
    assert_eq!(
        (object.get("committed"), object.get("open")),
        (Some(1), None)
    );
}

#[test]
fn replies_after_a_process_crash_wait_until_the_former_life_is_durable() {
    let node = Node::new();
    let object = node.open();
    node.disk.hold_syncs(true);
    object.put("k", 1);
    object.crash();
    let object = node.open();
    assert_eq!(object.get("k"), Some(1));
    assert_eq!(
        object.reply(),
        None,
        "a loss of power could still take it back"
    );
    assert_eq!(node.lose_power(Loss::Everything).open().get("k"), None);
    node.disk.hold_syncs(false);
    assert_eq!(object.reply(), Some(Ok(())));
    assert_eq!(node.lose_power(Loss::Everything).open().get("k"), Some(1));
}

#[test]
fn an_object_that_never_wrote_holds_nothing_when_it_is_opened_again() {
    let node = Node::new();
    let object = node.open();
    assert_eq!(object.get("k"), None);
    object.crash();
    node.disk.hold_syncs(true);
    assert_eq!(node.open().reply(), Some(Ok(())));
    assert_eq!(node.disk.syncs(), 0);
}

#[test]
fn an_unconfirmed_batch_holds_nothing_and_a_confirmed_write_upgrades_it() {
    let unconfirmed = PutOptions {
        allow_unconfirmed: true,
        ..PutOptions::default()
    };
    let node = Node::new();
    let object = node.open();
    node.disk.hold_syncs(true);
    object
        .turn(async |storage| storage.put_with_options("k", 1, unconfirmed).await)
        .expect("put");
    assert_eq!(
        (object.reply(), object.storage.confirmed_batch()),
        (Some(Ok(())), 0)
    );
    object
        .turn(async |storage| {
            storage.put_with_options("k", 2, unconfirmed).await?;
            storage.put("l", 2).await
        })
        .expect("put");
    assert_eq!(
        (object.reply(), object.storage.confirmed_batch()),
        (None, 2)
    );
}

#[test]
fn an_unconfirmed_write_that_fails_breaks_the_gate_all_the_same() {
    let node = Node::new();
    let object = node.open();
    let options = PutOptions {
        allow_unconfirmed: true,
        ..PutOptions::default()
    };
    object
        .turn(async |storage| storage.put_with_options("k", 1, options).await)
        .expect("put");
    node.disk.fail_syncs();
    let error = object.reply().expect("decided").expect_err("broken");
    assert!(error.durable_object_reset());
}

#[test]
fn after_a_failed_sync_every_call_fails_and_nothing_is_synced_again() {
    let node = Node::new();
    let object = node.open();
    node.disk.fail_syncs();
    object.put("k", 1);
    let error = object.reply().expect("decided").expect_err("broken");
    assert!(
        error
            .to_string()
            .starts_with("Internal error in Durable Object storage write"),
        "{error}"
    );
    let syncs = node.disk.syncs();
    let later: [Result<()>; 4] = [
        object.turn(async |storage| storage.put("k", 2).await),
        object.turn(async |storage| storage.get::<i32>("k").await.map(drop)),
        object.sql("SELECT 1").map(drop),
        object.handle.transaction_sync(|| Ok(())),
    ];
    assert_eq!(
        later,
        [
            Err(error.clone()),
            Err(error.clone()),
            Err(error.clone()),
            Err(error)
        ]
    );
    assert_eq!(node.disk.syncs(), syncs);
}

#[test]
fn a_sync_that_a_former_activation_left_behind_takes_its_successors_writes_along_when_it_fails() {
    let node = Node::new();
    let former = node.open();
    former.put("k", 1);
    former.run_to_durable();
    former.put("k", 2);
    former.storage.shut_down(Error::from("reset"));
    let object = node.open();
    object.put("k", 3);
    node.disk.fail_at(node.disk.passages() + 1, Fault::Io); // the former one's, since its task is the first
    let reply = object.reply().expect("the syncs end");
    assert!(node.disk.fault_happened());
    let error = reply.expect_err("what the sync of its own says proves nothing");
    assert!(
        error
            .message()
            .ends_with("another sync of the same file failed meanwhile"),
        "{error}"
    );
    let object = node.open();
    object.put("k", 4);
    assert_eq!(object.reply(), Some(Ok(())));
    let after = node.lose_power(Loss::Everything).open();
    assert_eq!(after.get("k"), Some(4));
}

#[test]
fn an_activation_leaves_its_files_in_doubt_until_everything_it_wrote_is_durable() {
    let object = Node::new().open();
    assert_eq!(object.storage.left(), Left::InDoubt, "its files are new");
    object.disk.hold_syncs(true);
    object.put("k", 1);
    object.tasks.run();
    assert_eq!(object.storage.left(), Left::InDoubt);
    object.run_to_durable();
    assert_eq!(object.storage.left(), Left::Durable);
    object.put("k", 2);
    assert_eq!(object.storage.left(), Left::InDoubt);
}

#[test]
fn a_write_that_takes_too_long_to_become_durable_resets_the_object() {
    let node = Node::new();
    let object = node.open();
    node.disk.hold_syncs(true);
    object.put("k", 1);
    node.clock.advance(Duration::from_millis(29_999));
    assert_eq!(object.reply(), None);
    node.clock.advance(Duration::from_millis(1));
    let error = object.reply().expect("decided").expect_err("broken");
    assert_eq!(
        error.to_string(),
        "Durable Object storage operation exceeded timeout which caused object to be reset."
    );
    assert!(error.overloaded());
    assert!(error.durable_object_reset());
}

#[test]
fn a_full_disk_breaks_the_storage_and_loses_only_the_open_batch() {
    let node = Node::new();
    let object = node.open();
    object.put("k", 1);
    assert_eq!(object.reply(), Some(Ok(())));
    node.disk.fill_up(true);
    object.put("k", 2);
    let error = object.reply().expect("decided").expect_err("broken");
    assert!(error.to_string().ends_with("SQLITE_FULL"), "{error}");
    object.crash();
    node.disk.fill_up(false);
    assert_eq!(node.open().get("k"), Some(1));
}

#[test]
fn sync_waits_for_the_writes_before_it_and_always_suspends() {
    let node = Node::new();
    let object = node.open();
    let mut nothing = Box::pin(object.handle.sync());
    assert_eq!(poll_once(&mut nothing), None);
    assert_eq!(poll_once(&mut nothing), Some(Ok(())));

    node.disk.hold_syncs(true);
    let options = PutOptions {
        allow_unconfirmed: true,
        ..PutOptions::default()
    };
    poll_once(object.handle.put_with_options("k", 1, options))
        .expect("does not suspend")
        .expect("put");
    let mut sync = Box::pin(object.handle.sync());
    assert_eq!(poll_once(&mut sync), None);
    object.storage.end_turn();
    node.run_tasks();
    assert_eq!(poll_once(&mut sync), None);
    node.disk.hold_syncs(false);
    node.run_tasks();
    assert_eq!(poll_once(&mut sync), Some(Ok(())));
}

#[test]
fn after_shutting_down_every_handle_and_cursor_fails_and_the_files_are_closed() {
    let node = Node::new();
    let object = node.open();
    object
        .sql("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3)")
        .expect("table");
    object.storage.end_turn();
    node.run_tasks();
    let cursor = object
        .handle
        .sql()
        .exec("SELECT x FROM t", None)
        .expect("query");
    let (handle, reason) = (object.handle.clone(), Error::from("evicted"));
    object.storage.shut_down(reason.clone());
    assert_eq!(cursor.raw().next(), Some(Err(reason.clone())));
    assert_eq!(poll_once(handle.get::<i32>("k")), Some(Err(reason)));
    drop((object, handle, cursor));
    assert_eq!(node.disk.files_open(), 0);
}

#[test]
fn a_file_that_is_no_database_is_refused_by_name_and_left_alone() {
    let mut damaged = vec![7; 10_000];
    damaged[..16].copy_from_slice(b"SQLite format 3\0");
    for contents in [b"my holiday photographs".to_vec(), vec![7; 8192], damaged] {
        let node = Node::new();
        node.disk.plant(PATH, &contents);
        let error = node.try_open().map(|_| ()).expect_err("refused");
        assert!(
            error
                .to_string()
                .starts_with("cannot open the storage of Counter/a"),
            "{error}"
        );
        assert_eq!(node.disk.contents(PATH), Some(contents));
        assert_eq!(node.disk.files_open(), 0);
    }
}

#[test]
fn a_disk_that_fails_at_opening_gives_an_error() {
    let node = Node::new();
    node.disk.cut_power_at(1);
    assert!(node.try_open().is_err());
    assert!(node.try_open().is_err(), "and again");
}

/// Some turns on an object with a short log, each of them acknowledged or not. Returns the number of acknowledged turns.
fn run_with_checkpoints(node: &Node, turns: i32) -> i32 {
    let Ok(object) = node.try_open() else {
        return 0;
    };
    object.storage.wal_bytes_max.set(40_000);
    let mut acknowledged = 0;
    for turn in 1..=turns {
        let written: Result<()> = object.turn(async |storage| {
            storage.put("first", turn).await?;
            storage
                .put(
                    &format!("padding {}", turn % 7),
                    turn.to_string().repeat(2000),
                )
                .await?;
            storage.put("last", turn).await
        });
        if written.is_err() || object.reply() != Some(Ok(())) {
            break;
        }
        acknowledged = turn;
    }
    acknowledged
}

#[test]
fn an_acknowledged_turn_survives_power_loss_at_every_write_of_commits_and_checkpoints() {
    const TURNS: i32 = 30;
    let node = Node::new();
    assert_eq!(run_with_checkpoints(&node, TURNS), TURNS);
    assert!(node.disk.barriers() > 6, "the log was never restarted");
    let passages = node.disk.passages();
    assert!(
        passages > 200,
        "the commits lost their injection points: {passages}"
    ); // a sweep over nothing proves nothing
    for passage in 1..=passages {
        let node = Node::new();
        node.disk.cut_power_at(passage);
        let acknowledged = run_with_checkpoints(&node, TURNS);
        for loss in [
            Loss::Everything,
            Loss::Nothing,
            Loss::Some(passage),
            Loss::Some(passage + 1_000_000),
        ] {
            let node = node.lose_power(loss);
            let object = node.open();
            let (first, last) = (
                object.get("first").unwrap_or(0),
                object.get("last").unwrap_or(0),
            );
            assert_eq!(first, last, "a torn turn, at {passage}, {loss:?}");
            assert!(
                (acknowledged..=acknowledged + 1).contains(&first),
                "{first} after {acknowledged}, at {passage}, {loss:?}"
            );
            let check = object.sql("PRAGMA quick_check").expect("check");
            assert_eq!(check, [["ok".into()]], "at {passage}, {loss:?}");
            object.put("first", -1);
            assert_eq!(
                object.reply(),
                Some(Ok(())),
                "the recovered object does not work, at {passage}, {loss:?}"
            );
        }
    }
}

#[test]
fn a_long_log_is_moved_into_the_database_when_no_cursor_reads_from_it() {
    let node = Node::new();
    let object = node.open();
    object.storage.wal_bytes_max.set(10_000);
    object
        .sql("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3)")
        .expect("table");
    let cursor = object
        .handle
        .sql()
        .exec("SELECT x FROM t", None)
        .expect("query");
    object.storage.end_turn();
    assert_eq!(
        node.disk.contents(PATH).map(|contents| contents.len()),
        Some(4096)
    );
    assert_eq!(
        cursor
            .to_array::<serde::de::IgnoredAny>()
            .expect("rows")
            .len(),
        3
    );
    object.put("k", 1);
    assert!(
        node.disk
            .contents(PATH)
            .is_some_and(|contents| contents.len() > 4096)
    );
    assert_eq!(object.reply(), Some(Ok(())));
}

#[test]
fn the_log_of_an_object_that_commits_once_and_sleeps_begins_anew_all_the_same() {
    let node = Node {
        wal_bytes_max: 40_000,
        ..Node::new()
    };
    for day in 0..100 {
        let object = node.open();
        assert_eq!(object.get("k"), (day > 0).then_some(day - 1));
        object.put("k", day);
        object.run_to_durable();
        object.crash();
    }
    let log = node.disk.contents(&format!("{PATH}-wal")).expect("there");
    assert!(log.len() < 60_000, "it is {} bytes long", log.len());
    // Each commit is one or two pages, and ten pages fit: a log that has begun anew is not taken for long because its file is.
    let waited = node.disk.barriers();
    assert!(
        (1..=100).contains(&waited),
        "the disk was waited for {waited} times in 100 activations"
    );
}

#[test]
fn a_torn_creation_is_completed_and_not_taken_for_damage() {
    let node = Node::new();
    let object = node.open();
    object.put("k", 1);
    object.crash();
    for seed in 0..64 {
        let object = node.lose_power(Loss::Some(seed)).open();
        assert!([None, Some(1)].contains(&object.get("k")));
        object.put("k", 2);
        assert_eq!(object.reply(), Some(Ok(())));
    }
}

#[test]
fn sqlite_finds_the_handmade_first_page_sound_and_in_write_ahead_mode() {
    let object = Node::new().open();
    let database = object.storage.database().expect("open");
    let ask = |sql| {
        database
            .as_runtime(|connection| connection.query_row(sql, [], |row| row.get::<_, String>(0)))
            .expect("answers")
    };
    assert_eq!(ask("PRAGMA integrity_check"), "ok");
    assert_eq!(ask("PRAGMA journal_mode"), "wal");
    assert_eq!(ask("PRAGMA encoding"), "UTF-8");
    object.put("k", 1);
    assert_eq!(ask("PRAGMA integrity_check"), "ok");
}

#[test]
fn two_objects_of_one_thread_do_not_meet() {
    let (one, other) = (Node::new(), Node::with_disk(Rc::<TestDisk>::default()));
    let (one, other) = (one.open(), other.open());
    one.put("k", 1);
    other.put("k", 2);
    assert_eq!((one.get("k"), other.get("k")), (Some(1), Some(2)));
}

#[cfg(feature = "mutations")]
mod mutated {
    use super::*;
    use crate::Mutation;

    #[derive(serde::Serialize)]
    struct Pair {
        a: i32,
        b: i32,
    }

    #[test]
    fn a_commit_split_loses_a_part_of_a_turn() {
        Mutation::CommitSplit.during(|| {
            let node = Node::new();
            let object = node.open();
            poll_once(object.handle.put_multiple(Pair { a: 1, b: 2 }))
                .expect("does not suspend")
                .expect("put");
            assert_eq!(object.storage.confirmed_batch(), 2);
            object.crash();
            assert_eq!(
                node.open().get("a"),
                Some(1),
                "committed before the end of the turn"
            );
        });
    }

    #[test]
    fn an_ignored_sync_lets_an_acknowledged_write_be_lost() {
        let node = Node::new();
        Mutation::WalSyncIgnored.during(|| {
            let object = node.open();
            object.put("k", 1);
            assert_eq!(object.reply(), Some(Ok(())));
        });
        assert_eq!(node.lose_power(Loss::Everything).open().get("k"), None);
    }

    #[test]
    fn an_open_input_gate_makes_storage_calls_suspend() {
        Mutation::InputGateOpen.during(|| {
            let node = Node::new();
            let object = node.open();
            let mut get = Box::pin(object.handle.get::<i32>("k"));
            assert_eq!(poll_once(&mut get), None);
            node.clock.advance(Duration::from_millis(1));
            assert_eq!(poll_once(&mut get), Some(Ok(None)));
        });
    }
}
