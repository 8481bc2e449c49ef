//! The index on a disk that forgets, tears and is damaged.

use std::rc::Rc;

use super::{
    AlarmIndexError, Key,
    index::{Index, Stored},
};
use crate::{
    platform::{Disk, Entropy, LocalBoxFuture, Spawn, WallTime},
    storage::tests::{
        Ones, Tasks,
        disk::{Loss, TestDisk},
        poll_once,
    },
};

const FILE: &str = "alarms.log";

struct Node {
    disk: Rc<TestDisk>,
    tasks: Rc<Tasks>,
    tail_bytes_max: usize,
}

impl Node {
    fn new() -> Self {
        Self::on(Rc::default())
    }

    fn on(disk: Rc<TestDisk>) -> Self {
        Self {
            disk,
            tasks: Rc::default(),
            tail_bytes_max: 1 << 20,
        }
    }

    fn try_open(&self) -> Result<Rc<Index>, AlarmIndexError> {
        let disk: Rc<dyn Disk> = self.disk.clone();
        let entropy: Rc<dyn Entropy> = Rc::new(Ones);
        let spawn: Rc<dyn Spawn> = self.tasks.clone();
        Index::open(&disk, &entropy, &spawn, self.tail_bytes_max)
    }

    fn open(&self) -> Rc<Index> {
        self.try_open().expect("the index opens")
    }

    fn lose_power(&self, loss: Loss) -> Self {
        Self::on(self.disk.after_power_loss(loss))
    }
}

fn key(number: u8) -> Key {
    Key {
        class: "Batcher".into(),
        id: [number; 32],
    }
}

fn put(index: &Index, number: u8, at: Option<i64>) {
    let name = Some(format!("object {number}").into());
    index
        .put(&key(number), at.map(WallTime::from_millis), name)
        .expect("written");
}

/// The rows, as numbers and times.
fn rows(index: &Index) -> Vec<(u8, i64)> {
    let rows = index.rows().into_iter();
    rows.map(|(key, row)| (key.id[0], row.at.as_millis()))
        .collect()
}

fn wait(
    node: &Node,
    mut durable: LocalBoxFuture<'static, Result<(), crate::platform::DiskError>>,
) -> Result<(), String> {
    node.tasks.run();
    poll_once(durable.as_mut())
        .expect("the disk answers")
        .map_err(|error| error.to_string())
}

#[test]
fn rows_are_set_replaced_and_removed_and_keep_their_names() {
    let node = Node::new();
    let index = node.open();
    put(&index, 1, Some(10));
    put(&index, 2, Some(20));
    put(&index, 1, Some(30));
    index
        .put(&key(1), Some(WallTime::from_millis(40)), None)
        .expect("written");
    put(&index, 2, None);
    drop(index);
    let index = node.open();
    let stored = Stored {
        at: WallTime::from_millis(40),
        name: Some("object 1".into()),
    };
    assert_eq!(index.rows(), [(key(1), stored)]);
}

#[test]
fn what_was_durable_survives_and_what_was_not_is_a_prefix() {
    for coins in 0..40 {
        let node = Node::new();
        let index = node.open();
        put(&index, 1, Some(10));
        put(&index, 2, Some(20));
        assert_eq!(wait(&node, index.durable()), Ok(()));
        for number in 3..20 {
            put(&index, number, Some(i64::from(number) * 10));
        }
        let after = node.lose_power(Loss::Some(coins));
        let found = rows(&after.open());
        let all: Vec<_> = (1..20)
            .map(|number| (number, i64::from(number) * 10))
            .collect();
        assert!(found.len() >= 2, "{found:?}");
        assert_eq!(found, all[..found.len()]);
        // What was cut off never comes back.
        let again = after.open();
        put(&again, 1, Some(11));
        assert_eq!(rows(&again).len(), found.len());
        let again = after.lose_power(Loss::Some(coins + 1)).open();
        assert_eq!(rows(&again).len(), found.len());
    }
}

#[test]
fn one_sync_serves_all_changes_before_it() {
    let node = Node::new();
    let index = node.open();
    put(&index, 1, Some(10)); // makes the file, which waits on the spot
    let syncs = node.disk.syncs();
    node.disk.hold_syncs(true);
    let durable: Vec<_> = (2..10)
        .map(|number| {
            put(&index, number, Some(10));
            index.durable()
        })
        .collect();
    node.tasks.run();
    node.disk.hold_syncs(false);
    for durable in durable {
        assert_eq!(wait(&node, durable), Ok(()));
    }
    assert!(
        node.disk.syncs() - syncs <= 2,
        "{}",
        node.disk.syncs() - syncs
    );
}

#[test]
fn after_a_failed_sync_everything_is_written_anew() {
    let node = Node::new();
    let index = node.open();
    put(&index, 1, Some(10));
    put(&index, 2, Some(20));
    node.disk.fail_syncs();
    let outcome = wait(&node, index.durable());
    // Whatever it said, it must be true.
    let found = rows(&node.lose_power(Loss::Everything).open());
    assert!(
        outcome.is_err() || found.len() == 2,
        "{outcome:?} {found:?}"
    );
}

#[test]
fn a_full_disk_refuses_and_changes_nothing() {
    let node = Node::new();
    let index = node.open();
    put(&index, 1, Some(10));
    node.disk.fill_up(true);
    let refused = index.put(&key(2), Some(WallTime::from_millis(20)), None);
    assert!(refused.is_err());
    assert_eq!(rows(&index), [(1, 10)]);
    node.disk.fill_up(false);
    put(&index, 2, Some(20));
    drop(index);
    assert_eq!(rows(&node.open()), [(1, 10), (2, 20)]);
}

#[test]
fn a_long_log_is_written_anew_and_says_the_same() {
    let node = Node {
        tail_bytes_max: 256,
        ..Node::new()
    };
    let index = node.open();
    for round in 0..50 {
        put(&index, round % 5, Some(i64::from(round)));
    }
    let len = node.disk.contents(FILE).expect("it is there").len();
    assert!(len < 2_000, "{len} bytes for five rows");
    let before = rows(&index);
    drop(index);
    assert_eq!(rows(&node.lose_power(Loss::Nothing).open()), before);
}

#[test]
fn damage_to_what_was_durable_is_reported_with_its_place() {
    let node = Node::new();
    let index = node.open();
    for number in 1..6 {
        put(&index, number, Some(10));
        assert_eq!(wait(&node, index.durable()), Ok(()));
    }
    drop(index);
    let whole = node.disk.contents(FILE).expect("it is there");
    let (mut refused, mut cut) = (0, 0);
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        let disk = Rc::<TestDisk>::default();
        disk.plant(FILE, &damaged);
        match Node::on(disk).try_open() {
            Err(AlarmIndexError::Damaged { offset }) => {
                assert!(offset <= place, "found at {offset}, damaged at {place}");
                refused += 1;
            }
            Err(AlarmIndexError::OtherFormat { .. }) => refused += 1,
            Err(error) => panic!("damaged at {place}: {error}"),
            // Nothing stands behind the last record, so it may as well have been torn.
            Ok(index) => {
                assert_eq!(rows(&index).len(), 4, "damaged at {place}");
                cut += 1;
            }
        }
    }
    assert!(refused > 4 * cut, "{refused} refused, {cut} taken for torn");
}

#[test]
fn an_index_of_another_version_is_refused_by_its_number() {
    let node = Node::new();
    put(&node.open(), 1, Some(10));
    let mut contents = node.disk.contents(FILE).expect("it is there");
    contents[8] = 9;
    let disk = Rc::<TestDisk>::default();
    disk.plant(FILE, &contents);
    let refused = Node::on(disk)
        .try_open()
        .err()
        .map(|error| error.to_string());
    assert!(refused.is_some_and(|text| text.contains("format 9")));
}
