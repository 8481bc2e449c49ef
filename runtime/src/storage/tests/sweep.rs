//! The crash-point sweep: every write call, cut off at every disk operation that it causes.
//!
//! A workload is run once without a fault, and what the object holds after each of its steps is written down. Then it is run again for
//! each disk operation and for each of several ways in which unsynced writes may survive: all of them is the death of the process,
//! none or some are losses of power. What is found afterwards must be exactly what the object held after one of its steps: not before
//! the last one that was acknowledged, and not after the one that was under way (CR-1, CR-2, CR-3).

use std::fmt::Write as _;

use super::{
    Activation, Node,
    disk::{Fault, Loss},
    next_turn,
};
use crate::{Result, ScheduledTime, Storage, platform::LocalBoxFuture, storage::PutOptions};

type Step = fn(Storage) -> LocalBoxFuture<'static, Result<()>>;

/// From how many bytes on the log is moved into the database here: every few turns.
const WAL_BYTES_MAX: u64 = 24 << 10;

/// Ways in which unsynced writes survive: all, none, and so many tosses of a coin.
const TEARS: u64 = 60;

fn losses() -> impl Iterator<Item = Loss> {
    [Loss::Nothing, Loss::Everything]
        .into_iter()
        .chain((1..=TEARS).map(Loss::Some))
}

macro_rules! step {
    (|$storage:ident| $body:expr) => {
        |$storage: Storage| -> LocalBoxFuture<'static, Result<()>> {
            Box::pin(async move { $body })
        }
    };
}

/// Keys, rows and an alarm to start from.
const FILL: Step = step!(|storage| {
    let sql = storage.sql();
    sql.exec(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); CREATE INDEX by_name ON t (name)",
        None,
    )?;
    for id in 0..40 {
        let row = vec![id.into(), format!("name {}", id * 7 % 40).into()];
        sql.exec("INSERT INTO t VALUES (?, ?)", row)?;
        storage.put(&format!("key {id:02}"), id).await?;
    }
    storage.set_alarm(ScheduledTime::from(1000)).await
});

const PUT: Step = step!(|storage| storage.put("key 03", "changed").await);

const PUT_LARGE: Step = step!(|storage| storage.put("large", vec![7_u32; 9000]).await);

const PUT_UNCONFIRMED: Step = step!(|storage| {
    let options = PutOptions {
        allow_unconfirmed: true,
        ..PutOptions::default()
    };
    storage.put_with_options("unconfirmed", 1, options).await?;
    storage.sync().await
});

const PUT_MULTIPLE: Step = step!(|storage| {
    let entries = (0..300).map(|key| (format!("many {key:03}"), key));
    storage
        .put_multiple(entries.collect::<std::collections::BTreeMap<_, _>>())
        .await
});

const DELETE_MULTIPLE: Step = step!(|storage| {
    let keys = (0..30).map(|key| format!("key {key:02}")).collect();
    storage.delete_multiple(keys).await.map(drop)
});

const DELETE_ALL: Step = step!(|storage| {
    storage.put("never made", 1).await?;
    storage.delete_all().await?;
    storage.put("generation", 2).await?;
    storage.set_alarm(ScheduledTime::from(2000)).await
});

const SCRIPT: Step = step!(|storage| {
    storage
        .sql()
        .exec(
            "UPDATE t SET name = name || '!'; DELETE FROM t WHERE id % 3 = 0; CREATE TABLE u (a UNIQUE, b); \
             INSERT INTO u SELECT id, name FROM t; DROP INDEX by_name; ALTER TABLE t ADD COLUMN note TEXT DEFAULT 'new'",
            None,
        )
        .map(drop)
});

const TRANSACTION_SYNC: Step = step!(|storage| storage.transaction_sync(|| {
    let sql = storage.sql();
    storage.kv().put("in sync", 1)?;
    sql.exec("UPDATE t SET name = 'a'", None)?;
    let undone: Result<()> = storage.transaction_sync(|| {
        sql.exec("DELETE FROM t", None)?;
        Err("undo".into())
    });
    assert!(undone.is_err());
    storage.kv().put("in sync", 2)
}));

/// Three turns that must stay together.
const TRANSACTION: Step = step!(|storage| {
    let nested = storage.clone();
    storage
        .transaction(|txn| async move {
            txn.put("in transaction", 1).await?;
            next_turn().await;
            nested.sql().exec(
                "INSERT INTO t (id, name) VALUES (1000, 'in transaction')",
                None,
            )?;
            nested
                .transaction(|inner| async move {
                    inner.put("inner", 1).await?;
                    next_turn().await;
                    inner.delete("key 05").await.map(drop)
                })
                .await?;
            next_turn().await;
            txn.delete_alarm().await
        })
        .await
});

const TRANSACTION_UNDONE: Step = step!(|storage| {
    let undone: Result<()> = storage
        .transaction(|txn| async move {
            txn.put("undone", 1).await?;
            next_turn().await;
            txn.delete_multiple(
                (0..9)
                    .map(|key| format!("key {key:02}"))
                    .collect::<Vec<_>>(),
            )
            .await?;
            Err("undo".into())
        })
        .await;
    assert!(undone.is_err());
    storage.put("after it", 1).await
});

const ALARM: Step = step!(|storage| storage.set_alarm(ScheduledTime::from(5000)).await);

/// Everything that an object holds, as text.
fn contents(object: &Activation) -> String {
    let mut text = String::new();
    let database = object.storage.database().expect("open");
    database.as_runtime(|connection| {
        let rows = |sql: &str| -> rusqlite::Result<Vec<Vec<rusqlite::types::Value>>> {
            let mut statement = connection.prepare(sql)?;
            let columns = statement.column_count();
            statement
                .query_map([], |row| (0..columns).map(|at| row.get(at)).collect())?
                .collect()
        };
        let verdict = rows("PRAGMA integrity_check").expect("it runs");
        assert_eq!(
            verdict,
            [["ok".to_owned().into()]],
            "the database is damaged"
        );
        let schema = rows("SELECT name, sql FROM sqlite_schema ORDER BY name").expect("a schema");
        let _ = writeln!(text, "{schema:?}"); // writing to a string cannot fail
        let tables = rows("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
        for table in tables.expect("tables") {
            let [rusqlite::types::Value::Text(name)] = table.as_slice() else {
                panic!("a table without a name");
            };
            let rows = rows(&format!("SELECT * FROM \"{name}\" ORDER BY 1")).expect("rows");
            let _ = writeln!(text, "{name}: {rows:?}");
        }
    });
    text
}

/// The same of what is left of an object.
fn contents_left(node: &Node) -> String {
    let object = node.open();
    let found = contents(&object);
    object.crash(); // what still waits would keep the disk in memory
    found
}

/// Runs the steps until one fails; returns how many began and how many were acknowledged. `after_each` sees each of them.
fn run(node: &Node, steps: &[Step], mut after_each: impl FnMut(&Activation)) -> (usize, usize) {
    let Ok(object) = node.try_open() else {
        return (0, 0);
    };
    for (number, &step) in steps.iter().enumerate() {
        if object.try_turns(step) != Some(Ok(())) {
            return (number + 1, number);
        }
        if object.reply() != Some(Ok(())) {
            return (number + 1, number);
        }
        after_each(&object);
    }
    (steps.len(), steps.len())
}

/// Returns how many runs there were.
fn sweep(name: &str, steps: &[Step]) -> usize {
    let steps = [&[FILL][..], steps].concat();
    let new_node = || Node {
        wal_bytes_max: WAL_BYTES_MAX,
        ..Node::new()
    };
    let node = new_node();
    let mut states = vec![contents(&node.open())];
    let before = node.disk.passages();
    let (_, acknowledged) = run(&node, &steps, |object| states.push(contents(object)));
    assert_eq!(
        acknowledged,
        steps.len(),
        "{name} does not run without a fault"
    );
    let points = node.disk.passages() - before;
    assert!(points > 5, "{name} caused no disk operations to crash at");
    let mut runs = 0;
    for point in 1..=points {
        let node = new_node();
        node.disk.cut_power_at(before + point);
        let (begun, acknowledged) = run(&node, &steps, |_| {});
        for loss in losses() {
            let found = contents_left(&node.lose_power(loss));
            let legal = &states[acknowledged..=begun];
            assert!(
                legal.contains(&found),
                "{name}, cut off at disk operation {point} of {points}, surviving: {loss:?}: {acknowledged} steps were acknowledged, \
                 {begun} begun, and the object holds the state after step {:?}:\n{found}",
                states.iter().position(|state| *state == found)
            );
            runs += 1;
        }
        node.tasks.clear();
    }
    runs
}

#[test]
fn single_calls_are_there_whole_or_not_at_all_wherever_they_are_cut_off() {
    let workloads: [(&str, &[Step]); 6] = [
        ("put", &[PUT, PUT_UNCONFIRMED, ALARM]),
        ("large put", &[PUT_LARGE, PUT]),
        ("multi-put", &[PUT_MULTIPLE]),
        ("multi-delete", &[DELETE_MULTIPLE, PUT]),
        ("delete_all", &[DELETE_ALL, PUT]),
        ("script", &[SCRIPT]),
    ];
    let runs: usize = workloads
        .iter()
        .map(|(name, steps)| sweep(name, steps))
        .sum();
    println!("{runs} runs");
    assert!(runs > 1000, "a sweep over {runs} runs proves little");
}

#[test]
fn transactions_are_there_whole_or_not_at_all_wherever_they_are_cut_off() {
    let workloads: [(&str, &[Step]); 3] = [
        ("transaction_sync", &[TRANSACTION_SYNC, PUT]),
        ("transaction", &[TRANSACTION, PUT]),
        ("transaction that is undone", &[TRANSACTION_UNDONE, PUT]),
    ];
    let runs: usize = workloads
        .iter()
        .map(|(name, steps)| sweep(name, steps))
        .sum();
    assert!(runs > 500, "a sweep over {runs} runs proves little");
}

#[test]
fn a_long_mixture_with_checkpoints_survives_being_cut_off_anywhere() {
    let runs = sweep(
        "mixture",
        &[
            PUT_MULTIPLE,
            SCRIPT,
            TRANSACTION,
            PUT_LARGE,
            DELETE_MULTIPLE,
            TRANSACTION_UNDONE,
            DELETE_ALL,
            FILL,
            TRANSACTION_SYNC,
            PUT_LARGE,
            PUT,
        ],
    );
    println!("{runs} runs");
    assert!(runs > 1000, "a sweep over {runs} runs proves little");
}

/// Runs the steps with one faulty operation at each point, and looks at what is left: in the page cache, and after a loss of power.
/// Returns how often the fault took effect, and how often a call failed for it.
fn sweep_faults(name: &str, steps: &[Step], fault: Fault) -> (usize, usize) {
    let steps = [&[FILL][..], steps].concat();
    let new_node = || Node {
        wal_bytes_max: WAL_BYTES_MAX,
        ..Node::new()
    };
    let count = |node: &Node| match fault {
        Fault::Read => node.disk.reads(),
        Fault::Io | Fault::Full => node.disk.passages(),
    };
    let node = new_node();
    let mut states = vec![contents(&node.open())];
    run(&node, &steps, |object| states.push(contents(object)));
    let points = count(&node);
    let (mut effects, mut failures) = (0, 0);
    for point in 1..=points {
        let node = new_node();
        node.disk.fail_at(point, fault);
        let Ok(object) = node.try_open() else {
            failures += 1;
            continue;
        };
        let (mut acknowledged, mut begun) = (0, 0);
        let mut partly = None;
        for &step in &steps {
            begun += 1;
            let outcome = object.try_turns(step);
            if outcome == Some(Ok(())) && object.reply() == Some(Ok(())) {
                acknowledged += 1;
                continue;
            }
            failures += 1;
            if object.storage.database().is_ok() {
                // Only a statement failed. The rest of the step is committed with the turn (SQLTX-13, GEN-4).
                partly = Some(contents(&object));
            }
            break;
        }
        let legal = match partly {
            Some(partly) if object.reply() == Some(Ok(())) => vec![partly],
            partly => states[acknowledged..(begun + 1).min(states.len())]
                .iter()
                .cloned()
                .chain(partly)
                .collect(),
        };
        effects += usize::from(node.disk.fault_happened());
        object.crash();
        node.disk.mend();
        let mut found = vec![contents(&node.open())];
        // What the next activation shows stays, whatever a failed sync left behind, as soon as it answers.
        let next = node.open();
        assert_eq!(next.reply(), Some(Ok(())));
        found.push(contents_left(&node.lose_power(Loss::Everything)));
        for found in &found {
            assert!(
                legal.contains(found),
                "{name}, {fault:?} at {point} of {points}: {acknowledged} steps were acknowledged, {begun} begun, and the object holds \
                 the state after step {:?}:\n{found}",
                states.iter().position(|state| state == found)
            );
        }
        assert_eq!(
            found[0], found[1],
            "{name}, {fault:?} at {point}: shown, and lost with the power"
        );
    }
    (effects, failures)
}

#[test]
fn no_acknowledged_step_is_lost_to_a_disk_that_refuses_or_is_full() {
    let steps = [
        PUT_MULTIPLE,
        SCRIPT,
        TRANSACTION,
        PUT_LARGE,
        DELETE_ALL,
        FILL,
        TRANSACTION_SYNC,
    ];
    for fault in [Fault::Io, Fault::Full, Fault::Read] {
        let (effects, failures) = sweep_faults("mixture", &steps, fault);
        assert!(effects > 3, "{fault:?} took effect {effects} times");
        assert!(failures > 3, "{fault:?} made {failures} calls fail");
    }
}

/// The sweep itself must be able to fail: a batch that is split in two is found.
#[test]
fn the_sweep_finds_a_step_that_is_two_batches() {
    let two_batches: Step = step!(|storage| {
        storage.put("key 00", "first half").await?;
        next_turn().await;
        storage.put("key 01", "second half").await
    });
    let found = std::panic::catch_unwind(|| sweep("two batches", &[two_batches]));
    let panic = found.expect_err("half of the step must be found");
    let text = panic.downcast_ref::<String>().expect("a message");
    assert!(text.starts_with("two batches, cut off at"), "{text}");
}
