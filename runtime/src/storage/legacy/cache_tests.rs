//! What counts how much, and what is forgotten when it is too much.

use std::time::Duration;

use futures_channel::oneshot;

use super::*;

const NOW: Instant = Instant::from_origin(Duration::ZERO);

fn zeros(len: usize) -> Stored {
    vec![0; len].into()
}

#[test]
fn an_entry_takes_its_key_its_value_and_what_the_map_needs() {
    let key = Key::from("four");
    assert_eq!(footprint(&key, None), ENTRY_BYTES + 4);
    assert_eq!(footprint(&key, Some(&zeros(10))), ENTRY_BYTES + 14);
}

#[test]
fn what_was_written_before_a_delete_all_counts_until_it_is_stored() {
    let mut cache = Cache::new(NOW);
    cache.write(&"k".into(), Some(zeros(1_000)), false, NOW);
    let written = cache.dirty_bytes();
    assert_eq!(written, ENTRY_BYTES + 1_001);
    cache.delete_all(true, oneshot::channel().0, NOW);
    assert_eq!(cache.dirty_bytes(), written);
    assert!(cache.bytes() >= written);
}

#[test]
fn known_stretches_are_forgotten_when_all_is_too_much_and_they_are_a_quarter_of_that() {
    let mut cache = Cache::new(NOW);
    let long = "x".repeat(2_000);
    for number in 0..1_200 {
        let start = format!("{number:04}{long}");
        let end = format!("{start}y").into_bytes();
        cache.known.insert(start.as_bytes(), Some(end), NOW);
    }
    let stretches = cache.known.bytes();
    assert!(stretches > CLEAN_ABOVE_BYTES / 4);
    cache.evict(NOW);
    assert_eq!(cache.known.bytes(), stretches, "there is room for them");
    cache.insert_clean("a".into(), Some(zeros(CLEAN_ABOVE_BYTES / 2)), NOW);
    cache.evict(NOW);
    assert_eq!(cache.known.bytes(), stretches, "there still is");
    cache.insert_clean("b".into(), Some(zeros(CLEAN_ABOVE_BYTES / 3)), NOW);
    cache.evict(NOW);
    assert_eq!((cache.known.bytes(), cache.entries.len()), (0, 2));
}

#[test]
fn a_list_is_known_if_stretches_and_single_entries_make_up_its_range() {
    let mut cache = Cache::new(NOW);
    cache.known.insert(b"a", Some(b"c".to_vec()), NOW);
    cache.insert_clean("c".into(), Some(zeros(1)), NOW);
    cache.known.insert(b"c\0", Some(b"e".to_vec()), NOW);
    for reverse in [false, true] {
        let mut known_up_to = |end: &str| {
            let bounds = Bounds {
                start: b"b".to_vec(),
                end: Some(end.into()),
                reverse,
                limit: None,
            };
            match cache.list(&bounds, NOW) {
                Listed::Known(entries) => Some(entries.len()),
                Listed::Partly(_) => None,
            }
        };
        assert_eq!(known_up_to("d"), Some(1));
        assert_eq!(known_up_to("f"), None);
    }
}
