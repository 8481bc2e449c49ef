//! The recorded histories of others are judged as they are known to be, and the command says so.

use std::{fs, path::Path, process::Command};

use dormouse_tests::judge::{judge, read};

fn recorded() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/histories/porcupine"))
}

#[test]
fn every_recorded_history_is_judged_as_it_is_known_to_be() {
    let (cases, errors) = read(recorded()).expect("the list is there");
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(cases.len(), 81);
    for case in &cases {
        let judged = judge(case).expect("a history");
        assert!(judged.agrees, "{}: {judged:?}", case.file);
    }
}

/// What the command prints for a folder with these files, and its exit code.
fn command(files: &[(&str, &str)], arguments: &[&str]) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("it is written");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_judge"));
    let output = command
        .arg(folder.path())
        .args(arguments)
        .output()
        .expect("it runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let printed = printed.replace(&*folder.path().to_string_lossy(), "DIR");
    (printed, output.status.code())
}

const SKEW: &str = r"{:type :ok, :process 0, :value [[:r x nil] [:append y 1]]}
{:type :ok, :process 1, :value [[:r y nil] [:append x 1]]}
";
const STALE: &str = "INFO  jepsen.util - 0 :invoke :write 1
INFO  jepsen.util - 0 :ok :write 1
INFO  jepsen.util - 1 :invoke :read nil
INFO  jepsen.util - 1 :ok :read nil
";

#[test]
fn the_command_counts_what_agrees() {
    let list = "file\tmodel\tverdict
skew.edn\tlist-append\tnot-serializable
skew.edn\tlist-append\tsnapshot-isolation
stale.log\tetcd\tnot-linearizable
";
    let files = [
        ("verdicts.tsv", list),
        ("skew.edn", SKEW),
        ("stale.log", STALE),
    ];
    let (printed, code) = command(&files, &[]);
    assert!(printed.starts_with("3/3 agreed, in 0."), "{printed}");
    assert_eq!(code, Some(0));
    let (printed, _) = command(&files, &["--explain", "--filter", "skew"]);
    assert!(
        printed.contains("G2-item: T0 -rw-> T1 -rw-> T0"),
        "{printed}"
    );
    assert!(printed.contains("2/2 agreed"), "{printed}");
}

#[test]
fn the_command_shows_what_does_not_agree_and_why() {
    let list = "file\tmodel\tverdict\nstale.log\tetcd\tlinearizable\n";
    let (printed, code) = command(&[("verdicts.tsv", list), ("stale.log", STALE)], &[]);
    assert!(
        printed.contains("stale.log: known as linearizable, we say: it is not"),
        "{printed}"
    );
    assert!(
        printed.contains("client-1's Read -> Value(None)"),
        "{printed}"
    );
    assert!(printed.contains("0/1 agreed"), "{printed}");
    assert_eq!(code, Some(1));
}

#[test]
fn what_cannot_be_judged_is_told_and_the_rest_is_judged() {
    let list = "file\tmodel\tverdict
stale.log\tqueue\tlinearizable
stale.log\tetcd\tperfect
stale.log\tetcd
stale.log\tetcd\tserializable
gone.log\tetcd\tlinearizable
stale.log\tkv\tlinearizable
stale.log\tetcd\tnot-linearizable
";
    let (printed, code) = command(&[("verdicts.tsv", list), ("stale.log", STALE)], &[]);
    for line in [
        "error: DIR/verdicts.tsv: line 2: there is no model `queue`; there are: etcd, kv, list-append, rw-register",
        "error: DIR/verdicts.tsv: line 3: `perfect` is no verdict; `linearizable`, `not-linearizable`, `serializable` and the like are",
        "error: DIR/verdicts.tsv: line 4: it has 2 columns; a file, a model and a verdict are expected, with tabs between them",
        "error: DIR/stale.log: of this kind of history it can be said whether it is linearizable, not whether it is serializable",
        "error: DIR/gone.log: ",
        "error: DIR/stale.log: line 1: there is no :process",
        "1/7 agreed",
    ] {
        assert!(printed.contains(line), "{line:?} is not in\n{printed}");
    }
    assert_eq!(code, Some(2));
}

#[test]
fn a_folder_without_a_list_is_told() {
    let (printed, code) = command(&[], &[]);
    assert!(
        printed.starts_with("error: DIR/verdicts.tsv: "),
        "{printed}"
    );
    assert_eq!(code, Some(2));
}
