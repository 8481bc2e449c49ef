//! What a `#[test]` of a scenario runs: its seeds, one after another, in the test's own process.
//!
//! The seeds are fixed, so that no pull request turns red by luck. `DORMOUSE_SEED` runs one of them, `DORMOUSE_SEEDS` says how many.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    report::{Confirmation, Report},
    run_seed,
    watchdog::Watchdog,
};
use crate::{Detail, Seed, Suite};

/// Says that this process only confirms: it prints the hash and reports nothing.
const CONFIRM: &str = "DORMOUSE_CONFIRM";
const SEED: &str = "DORMOUSE_SEED";
const SEEDS: &str = "DORMOUSE_SEEDS";
const HASH_LINE: &str = "dormouse-hash ";

/// Runs `suite`'s seeds from 0 on, as the test `test_path` (as `cargo test` names it) of `package`. Called by
/// `#[dormouse_sim::test]`.
///
/// # Panics
/// If a seed breaks a promise, with the report; or if the environment asks for what is no seed.
pub fn test(suite: &Suite, package: &str, test_path: &str, seeds: u64) {
    // The harness names a test without its crate.
    let test_name = test_path
        .split_once("::")
        .map_or(test_path, |(_, name)| name);
    let watchdog = Watchdog::start(|seed| {
        eprintln!("seed {seed} hangs in real time: run it alone with {SEED}={seed}");
        std::process::abort();
    });
    let confirming = env::var_os(CONFIRM).is_some();
    let (one, count) = (number(SEED), number(SEEDS).unwrap_or(seeds));
    let range = one.map_or(0..count, |seed| seed..seed + 1);
    for seed in range.map(Seed) {
        let run = watchdog.during(seed, || run_seed(suite, seed, Detail::Brief));
        if confirming {
            println!("{HASH_LINE}{:016x}", run.hash);
        }
        if run.violation.is_none() || confirming {
            continue;
        }
        let again = format!("{SEED}={seed} cargo test -p {package} {test_name}");
        let position = if one.is_some() {
            "asked for".to_owned()
        } else {
            format!("seed {seed} of {count}")
        };
        let report = Report::of(
            suite,
            seed,
            position,
            again,
            confirm(test_name, seed, run.hash),
        );
        let report = report.unwrap_or_else(|why| panic!("{why}"));
        let files = report.write_files(&target_folder()).ok();
        panic!("{}", report.text(files.as_deref()));
    }
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(
        value
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is `{value}`, which is no number")),
    )
}

/// Runs the same test for the same seed in a fresh process.
fn confirm(test_name: &str, seed: Seed, hash: u64) -> Confirmation {
    let asked = env::current_exe().and_then(|exe| {
        Command::new(exe)
            .args([test_name, "--exact", "--nocapture", "--include-ignored"])
            .env(SEED, seed.to_string())
            .env(CONFIRM, "1")
            .stderr(Stdio::null())
            .output()
    });
    let output = match asked {
        Ok(output) => output,
        Err(error) => return Confirmation::NotAsked(error.to_string()),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let other = text
        .lines()
        .find_map(|line| line.split_once(HASH_LINE))
        .and_then(|(_, hash)| u64::from_str_radix(hash.trim(), 16).ok());
    match other {
        Some(other) if other == hash => Confirmation::Confirmed,
        Some(other) => Confirmation::Differs { other },
        None => Confirmation::NotAsked("another process did not run the test".to_owned()),
    }
}

/// The build's target folder, which holds the test's own program.
fn target_folder() -> PathBuf {
    let exe = env::current_exe().unwrap_or_default();
    let target = exe
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists());
    target.unwrap_or(Path::new("target")).to_owned()
}
