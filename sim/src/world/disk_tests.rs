//! Each fault of the disk bites, and what is promised holds all the same: shown over many draws, on the image itself.

use std::collections::BTreeSet;

use super::{DiskImage, File, SECTOR, What};
use crate::Seed;

const FILE: u64 = 1;

fn image_with(synced: &[u8]) -> DiskImage {
    let mut image = DiskImage::default();
    image.files.insert("file-wal".to_owned(), FILE);
    image.inodes.insert(FILE, File::default());
    image.made = FILE;
    write(&mut image, 0, synced);
    let all = image.changes();
    image.sync_until(FILE, all);
    image
}

fn write(image: &mut DiskImage, offset: usize, data: &[u8]) {
    image.change(
        FILE,
        What::Write {
            offset,
            data: data.to_vec(),
        },
    );
}

/// What the file may hold after a loss of power, over many draws; `None` if it may be gone.
fn after_power_loss(prepare: impl Fn() -> DiskImage) -> BTreeSet<Option<Vec<u8>>> {
    let outcomes = (0..400).map(|seed| {
        let mut image = prepare();
        image.lose_power(&mut Seed(seed).draw("power", "test", 0));
        let inode = image.files.get("file-wal").copied();
        inode.map(|inode| image.inodes[&inode].cache.clone())
    });
    outcomes.collect()
}

#[test]
fn an_unsynced_write_survives_a_process_crash_and_may_be_lost_or_kept_at_a_loss_of_power() {
    let prepare = || {
        let mut image = image_with(b"old");
        write(&mut image, 0, b"new");
        image
    };
    assert_eq!(
        prepare().inodes[&FILE].cache,
        b"new",
        "the page cache shows it to the next process"
    );
    assert_eq!(
        after_power_loss(prepare),
        BTreeSet::from([Some(b"old".to_vec()), Some(b"new".to_vec())])
    );
}

#[test]
fn a_synced_write_survives_every_loss_of_power() {
    assert_eq!(
        after_power_loss(|| image_with(b"synced")),
        BTreeSet::from([Some(b"synced".to_vec())])
    );
}

#[test]
fn a_sync_covers_what_was_written_before_it_began_and_nothing_later() {
    let outcomes = after_power_loss(|| {
        let mut image = image_with(b"....");
        write(&mut image, 0, b"A");
        let begun = image.changes();
        write(&mut image, 1, b"B");
        image.sync_until(FILE, begun);
        image
    });
    assert_eq!(
        outcomes,
        BTreeSet::from([Some(b"A...".to_vec()), Some(b"AB..".to_vec())])
    );
}

#[test]
fn a_write_is_torn_at_sectors_and_nowhere_else() {
    let outcomes = after_power_loss(|| {
        let mut image = image_with(&[0; 3 * SECTOR]);
        write(&mut image, 0, &[1; 3 * SECTOR]);
        image
    });
    let mut torn = 0;
    for content in outcomes.into_iter().flatten() {
        for sector in content.chunks(SECTOR) {
            assert!(
                sector.iter().all(|byte| *byte == sector[0]),
                "a sector is old or new, never both"
            );
        }
        torn += usize::from(content.iter().any(|&byte| byte != content[0]));
    }
    assert!(torn > 0, "no write was ever torn");
}

#[test]
fn a_later_write_may_survive_an_earlier_one_that_is_lost() {
    let outcomes = after_power_loss(|| {
        let mut image = image_with(b"..");
        write(&mut image, 0, b"A");
        write(&mut image, 1, b"B");
        image
    });
    assert!(
        outcomes.contains(&Some(b".B".to_vec())),
        "writes are never reordered: {outcomes:?}"
    );
    assert_eq!(outcomes.len(), 4);
}

#[test]
fn an_unsynced_truncation_may_be_undone() {
    let outcomes = after_power_loss(|| {
        let mut image = image_with(b"long");
        image.change(FILE, What::Truncate { len: 0 });
        image
    });
    assert_eq!(
        outcomes,
        BTreeSet::from([Some(b"long".to_vec()), Some(Vec::new())])
    );
}

#[test]
fn a_file_whose_name_was_never_synced_may_be_gone() {
    let outcomes = after_power_loss(|| {
        let mut image = DiskImage::default();
        image.files.insert("file-wal".to_owned(), FILE);
        image.inodes.insert(FILE, File::default());
        write(&mut image, 0, b"new");
        image
    });
    assert!(outcomes.contains(&None));
    assert!(outcomes.contains(&Some(b"new".to_vec())));
}

#[test]
fn what_a_failed_sync_covered_is_not_made_durable_by_a_later_one_unless_it_is_written_again() {
    let failed = || {
        let mut image = image_with(b"old");
        write(&mut image, 0, b"new");
        let all = image.changes();
        image.forget_until(FILE, all);
        image
    };
    let synced_again = || {
        let mut image = failed();
        let all = image.changes();
        image.sync_until(FILE, all);
        assert!(!image.durable_through("file-wal", all));
        image
    };
    assert!(
        after_power_loss(synced_again).contains(&Some(b"old".to_vec())),
        "the second sync proved nothing"
    );
    let written_again = || {
        let mut image = failed();
        write(&mut image, 0, b"new");
        let all = image.changes();
        image.sync_until(FILE, all);
        assert!(image.durable_through("file-wal", all));
        image
    };
    assert_eq!(
        after_power_loss(written_again),
        BTreeSet::from([Some(b"new".to_vec())])
    );
    let written_again_and_over = || {
        let mut image = failed();
        write(&mut image, 0, b"new");
        let all = image.changes();
        write(&mut image, 0, b"N");
        image.sync_until(FILE, all);
        assert!(
            image.durable_through("file-wal", all),
            "what was written over later does not matter"
        );
        image
    };
    assert_eq!(
        after_power_loss(written_again_and_over),
        BTreeSet::from([Some(b"new".to_vec()), Some(b"New".to_vec())])
    );
}

#[test]
fn a_deleted_file_stays_as_long_as_it_is_open_and_no_longer() {
    let mut image = image_with(b"kept");
    image.open(FILE);
    image.take_name("file-wal");
    assert_eq!(image.inodes[&FILE].cache, b"kept", "it is still open");
    image.close(FILE);
    assert!(image.inodes.is_empty());
}

#[test]
fn a_file_whose_name_another_takes_goes_with_its_handles_also_when_a_crash_ends_them() {
    let other = FILE + 1;
    let mut image = image_with(b"old");
    image.open(FILE);
    image.inodes.insert(other, File::default());
    image.give_name("file-wal", other);
    assert_eq!(image.inodes.len(), 2, "the old one is still open");
    image.close_all();
    assert_eq!(image.inodes.keys().collect::<Vec<_>>(), [&other]);
}
