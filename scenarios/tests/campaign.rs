//! Campaigns that are cut in shards, killed and taken up again: what they find is what one process finds that runs every seed.
//!
//! A seed that is missed is a bug that is not found, and one that counts twice makes every figure wrong; neither shows in a table.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// A suite that fails often, counted like any other.
const COUNT: [&str; 6] = [
    "explore",
    "forgetful_counter",
    "--count",
    "--keep-going",
    "--format",
    "json",
];

fn dormouse(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dormouse"));
    command.args(arguments);
    command
}

fn document(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr))
    })
}

fn explore(seeds: &str, more: &[&str]) -> Value {
    document(
        &dormouse(&COUNT)
            .args(["--seeds", seeds])
            .args(more)
            .output()
            .expect("the command runs"),
    )
}

/// Seeds that were run, as ranges; failures with their hashes; and the sums that would be wrong if a seed counted twice.
fn outcome(document: &Value) -> (Value, BTreeMap<u64, u64>, [u64; 2]) {
    let suite = &document["suites"][0];
    let failures = suite["summary"]["failures"]
        .as_array()
        .expect("a list")
        .iter();
    let number = |value: &Value| value.as_u64().expect("a number");
    let failures = failures.map(|failure| (number(&failure["seed"]), number(&failure["hash"])));
    let sums = ["seeds", "calls"].map(|sum| number(&suite["summary"][sum]));
    (suite["done"].clone(), failures.collect(), sums)
}

#[test]
fn the_shards_of_a_campaign_find_together_what_one_process_finds_alone() {
    let whole = explore("100..400", &["--jobs", "1"]);
    let (_, failures, sums) = outcome(&whole);
    assert_eq!(sums[0], 300);
    assert!(
        failures.len() > 100,
        "a comparison of nothing proves nothing: {}",
        failures.len()
    );

    let folder = tempfile::tempdir().expect("a temporary folder");
    let files: Vec<_> = (1..=3)
        .map(|number| {
            let path = folder.path().join(format!("{number}.json"));
            let part = explore(
                "100..400",
                &["--shard", &format!("{number}/3"), "--jobs", "2"],
            );
            fs::write(&path, part.to_string()).expect("it is written");
            path.to_str().expect("a text path").to_owned()
        })
        .collect();
    let merge = |files: &[String]| {
        let files: Vec<_> = files.iter().map(String::as_str).collect();
        dormouse(&["merge", "--format", "json"])
            .args(files)
            .output()
            .expect("the command runs")
    };
    assert_eq!(outcome(&document(&merge(&files))), outcome(&whole));

    let two_of_three = merge(&files[1..]);
    assert_eq!(
        document(&two_of_three)["missing"][0],
        "shard 1/3 is missing"
    );
    let doubled = merge(&[&files[..], &files[..1]].concat());
    assert_eq!(doubled.status.code(), Some(2));
    let why = String::from_utf8_lossy(&doubled.stderr);
    assert!(
        why.contains("some of the seeds 100 to 199 of forgetful_counter are in more than one"),
        "{why}"
    );
}

/// Starts the campaign, waits until its checkpoint has more seeds than `before`, and kills it at that moment.
fn run_and_kill(checkpoint: &Path, before: u64) -> u64 {
    let path = checkpoint.to_str().expect("a text path");
    let mut campaign = dormouse(&COUNT);
    campaign.args([
        "--seeds",
        "2000",
        "--jobs",
        "2",
        "--checkpoint",
        path,
        "--resume",
    ]);
    let mut campaign = campaign
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let started = Instant::now();
    let seeds = loop {
        let ended = campaign.try_wait().expect("it is our child");
        assert!(ended.is_none(), "it ended before it could be killed");
        assert!(
            started.elapsed() < Duration::from_mins(2),
            "no checkpoint is written"
        );
        let text = fs::read_to_string(checkpoint).unwrap_or_default();
        if !text.is_empty() {
            let document: Value =
                serde_json::from_str(&text).expect("a checkpoint is whole at any time");
            let seeds = outcome(&document).2[0];
            if seeds > before {
                break seeds;
            }
        }
        std::thread::sleep(Duration::from_millis(3));
    };
    campaign.kill().expect("SIGKILL");
    campaign.wait().expect("it is over");
    seeds
}

#[test]
fn a_campaign_that_is_killed_three_times_misses_no_seed_and_counts_none_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let checkpoint = folder.path().join("checkpoint.json");
    let mut seeds = 0;
    for _ in 0..3 {
        seeds = run_and_kill(&checkpoint, seeds);
        assert!(seeds < 2000, "there is something left to do");
    }
    let path = checkpoint.to_str().expect("a text path");
    let resumed = explore("2000", &["--checkpoint", path, "--resume"]);
    assert_eq!(
        outcome(&resumed),
        outcome(&explore("2000", &[])),
        "as if nothing had happened"
    );
    assert_eq!(outcome(&resumed).0, serde_json::json!([[0, 2000]]));

    let again = explore("2000", &["--checkpoint", path, "--resume"]);
    assert_eq!(
        outcome(&again),
        outcome(&resumed),
        "when it is done, nothing is left to do"
    );
}

#[test]
fn a_checkpoint_of_something_else_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let checkpoint = folder.path().join("checkpoint.json");
    let path = checkpoint.to_str().expect("a text path");
    explore("10", &["--checkpoint", path]);
    let refused = |arguments: &[&str]| {
        let output = dormouse(arguments)
            .args(["--checkpoint", path])
            .output()
            .expect("the command runs");
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let of_ten = [&COUNT[..], &["--seeds", "10"]].concat();
    let why = refused(&of_ten);
    assert!(
        why.contains("is there already: go on with it by --resume, or remove it"),
        "{why}"
    );
    let why = refused(&[&COUNT[..], &["--seeds", "20", "--resume"]].concat());
    assert!(
        why.contains("it is seeds 0 to 10, going on after failures, asked for is seeds 0 to 20"),
        "{why}"
    );
    let why = refused(&["explore", "counter", "--resume"]);
    assert!(
        why.contains("is of the suites forgetful_counter, asked for are counter"),
        "{why}"
    );

    let text = fs::read_to_string(&checkpoint).expect("it is there");
    let mut document: Value = serde_json::from_str(&text).expect("it is JSON");
    document["program"] = "another".into();
    fs::write(&checkpoint, document.to_string()).expect("it is written");
    let why = refused(&[&of_ten[..], &["--resume"]].concat());
    assert!(
        why.contains("was written by another build of this program"),
        "{why}"
    );
}
