//! Summaries are joined without losing or doubling a seed.

use super::*;
use crate::{Seed, Violation};

/// What the shard of `counter` did that ran `seeds`, of which `failed` failed.
fn part(seeds: Range<u64>, shard: Option<&str>, failed: &[u64]) -> Tally {
    let asked = Asked {
        seeds: 0..100,
        shard: shard.map(|shard| shard.parse().expect("a shard")),
        by_time: false,
        after_failure: AfterFailure::GoOn,
        repeat: Repeat::Once,
        strategy: crate::explore::strategy::Strategy::Random,
    };
    let mut tally = Tally::new(
        "test".to_owned(),
        asked,
        [("counter".to_owned(), Expectation::Passes)],
    );
    let row = &mut tally.suites[0];
    row.summary.seeds = seeds.end - seeds.start;
    row.summary.failures = failed
        .iter()
        .map(|&seed| Failure {
            seed: Seed(seed),
            violation: Violation::new("a promise", "why"),
            hash: seed,
        })
        .collect();
    assert!(row.done.add(&seeds));
    tally
}

/// Joins the parts by way of files.
fn merged(parts: &[Tally]) -> anyhow::Result<(Tally, Vec<String>)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = parts.iter().zip(0..).map(|(part, number)| {
        let path = folder.path().join(format!("{number}.json"));
        part.save(&path).expect("it is written");
        path
    });
    merge(&files.collect::<Vec<_>>())
}

#[test]
fn shards_become_the_whole_with_every_failure_in_order() {
    let parts = [
        part(50..100, Some("2/2"), &[61, 70]),
        part(0..50, Some("1/2"), &[7]),
    ];
    let (whole, missing) = merged(&parts).expect("they fit");
    assert_eq!(missing, [""; 0]);
    let row = &whole.suites[0];
    assert_eq!(row.summary.seeds, 100);
    let failed: Vec<_> = row
        .summary
        .failures
        .iter()
        .map(|failure| failure.seed.0)
        .collect();
    assert_eq!(failed, [7, 61, 70]);
    assert!(!whole.is_as_expected());
}

#[test]
fn a_shard_that_is_not_there_is_missed_and_so_are_its_seeds() {
    let (_, missing) = merged(&[part(0..50, Some("1/2"), &[])]).expect("it can be read");
    assert_eq!(
        missing,
        [
            "shard 2/2 is missing",
            "seeds 50 to 99 of counter are in none of the files"
        ]
    );
}

#[test]
fn seeds_never_count_twice() {
    let twice = merged(&[part(0..50, None, &[]), part(49..100, None, &[])])
        .expect_err("seed 49 is in both");
    assert!(
        format!("{twice:#}").contains("some of the seeds 49 to 99 of counter are in more than one"),
        "{twice:#}"
    );
}

#[test]
fn what_is_no_summary_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.json");
    for (content, message) in [
        ("{", "is no summary of an exploration"),
        ("{}", "has no format, this version reads format 1"),
        (
            "{\"format\": 9}",
            "has format 9, this version reads format 1",
        ),
        ("{\"format\": 1}", "is no summary of an exploration"),
    ] {
        fs::write(&path, content).expect("it is written");
        let why = format!("{:#}", Tally::load(&path).expect_err("it is none"));
        assert!(why.contains(message), "{content}: {why}");
    }
    let missing = format!(
        "{:#}",
        Tally::load(&folder.path().join("y.json")).expect_err("it is not there")
    );
    assert!(missing.contains("cannot read"), "{missing}");
}

#[test]
fn memory_is_sampled_evenly_however_long_it_takes() {
    let mut memory = Memory::default();
    for task in 1..=10_000 {
        memory.add(task * 50, (30 << 20) + task);
    }
    let seeds: Vec<_> = memory.samples.iter().map(|(seeds, _)| *seeds).collect();
    assert!(
        (MEMORY_SAMPLES..2 * MEMORY_SAMPLES).contains(&seeds.len()),
        "{}",
        seeds.len()
    );
    let steps: Vec<_> = seeds.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps.iter().all(|step| *step == steps[0]), "{steps:?}");
    assert!(seeds.last().expect("some") > &450_000, "to the end");
    assert_eq!(memory.bytes_max, (30 << 20) + 10_000);
    let words = memory.in_words().expect("some");
    assert!(
        words.starts_with("memory of a worker: 30 MiB after 50 seeds, 30 MiB after 2"),
        "{words}"
    );
}
