//! The code in README and book is real: every page is compiled by the documentation tests of this crate, and no page is forgotten.
//!
//! The compiling itself is done by `cargo test --doc`, for the pages that `src/lib.rs` includes. What this file holds is that a chapter cannot
//! stand in the book's folder without being in its table of contents and in that list.

use std::{fs, path::Path};

const CONTENTS: &str = "SUMMARY.md";

/// What is wrong with the pages `chapters`, given the book's table of contents and the file that includes pages for compiling.
fn forgotten(chapters: &[String], contents: &str, includes: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for chapter in chapters.iter().filter(|chapter| *chapter != CONTENTS) {
        if !links(contents).any(|link| link == chapter) {
            complaints.push(format!("book/src/{chapter} is not in {CONTENTS}"));
        }
        if !includes.contains(&format!("include_str!(\"../../book/src/{chapter}\")")) {
            complaints.push(format!(
                "book/src/{chapter} is not compiled: include it in tests/src/lib.rs"
            ));
        }
    }
    for link in links(contents) {
        if !chapters.iter().any(|chapter| chapter == link) {
            complaints.push(format!("{CONTENTS} names {link}, which is not there"));
        }
    }
    complaints
}

/// The pages that a table of contents names.
fn links(contents: &str) -> impl Iterator<Item = &str> {
    let targets = contents.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split_once(')').map(|(link, _)| link));
    targets
        .map(|link| link.trim_start_matches("./"))
        .filter(|link| has_ending(link, "md"))
}

fn has_ending(path: &str, ending: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|found| found == ending)
}

/// The pages below `folder`, by their path in it, in order.
fn pages(folder: &Path) -> Vec<String> {
    let mut pages = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else {
            continue; // there is no book yet
        };
        for entry in entries {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let page = path.strip_prefix(folder).expect("it was found there");
            let page = page.to_str().expect("a name in UTF-8").replace('\\', "/");
            if has_ending(&page, "md") {
                pages.push(page);
            }
        }
    }
    pages.sort();
    pages
}

fn repository() -> &'static Path {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder
        .parent()
        .expect("the crate lies in the repository")
}

#[test]
fn every_chapter_is_in_the_table_of_contents_and_is_compiled() {
    let folder = repository().join("book/src");
    let contents = fs::read_to_string(folder.join(CONTENTS)).unwrap_or_default();
    let complaints = forgotten(&pages(&folder), &contents, include_str!("../src/lib.rs"));
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_readme_is_compiled_and_has_something_to_compile() {
    let includes = include_str!("../src/lib.rs");
    assert!(includes.contains("include_str!(\"../../README.md\")"));
    let readme = fs::read_to_string(repository().join("README.md")).expect("there is one");
    assert!(readme.contains("```rust"), "the README lost its example");
}

#[test]
fn a_forgotten_chapter_is_found() {
    let pages = |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.into()).collect() };
    let chapters = pages(&["SUMMARY.md", "gates.md", "world/disk.md"]);
    let contents = "# Contents\n- [Gates](gates.md)\n  - [Disk](./world/disk.md)\n- [Site](https://example.org/)\n";
    let includes =
        "include_str!(\"../../book/src/gates.md\") include_str!(\"../../book/src/world/disk.md\")";
    assert_eq!(forgotten(&chapters, contents, includes), [""; 0]);
    assert_eq!(
        forgotten(&chapters, "- [Gates](gates.md)", includes),
        ["book/src/world/disk.md is not in SUMMARY.md"]
    );
    assert_eq!(
        forgotten(
            &chapters,
            contents,
            "include_str!(\"../../book/src/gates.md\")"
        ),
        ["book/src/world/disk.md is not compiled: include it in tests/src/lib.rs"]
    );
    assert_eq!(
        forgotten(&pages(&["SUMMARY.md", "gates.md"]), contents, includes),
        ["SUMMARY.md names world/disk.md, which is not there"]
    );
}
