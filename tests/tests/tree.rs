//! The repository looks after itself: this walks its tree and names, with file and line, what does not belong there.
//!
//! Each rule is a function from a file's path and text to complaints, and has a test in which it bites. Rules about code do not look into
//! comments and literals: [`code_of`] blanks those first. What a rule looks for is written in two halves here, or this file would be its own first find.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The most lines of code that a file may have; documentation and blank lines do not count.
const CODE_LINES_MAX: usize = 600;

/// A line, counted from one, and what is wrong with it.
type Complaint = (usize, String);

/// What holds for every source file.
const RULES: [fn(&str, &str) -> Vec<Complaint>; 7] = [
    begins_with_its_story,
    is_called_for_what_it_holds,
    is_not_too_long,
    leaves_nothing_undone,
    says_why_a_test_is_ignored,
    is_safe,
    has_no_order_by_chance,
];

// The rules.

fn begins_with_its_story(_: &str, text: &str) -> Vec<Complaint> {
    let story = text.lines().find(|line| !line.trim().is_empty());
    complain_if(
        !story.is_some_and(|line| line.starts_with("//!")),
        1,
        "a file begins with its story: `//!`, what it is for and what goes wrong without it",
    )
}

fn is_called_for_what_it_holds(path: &str, _: &str) -> Vec<Complaint> {
    let nameless = ["utils", "util", "common", "misc", "helpers", "helper"];
    let found = Path::new(path)
        .components()
        .filter_map(|part| Path::new(&part).file_stem()?.to_str().map(str::to_owned))
        .find(|part| nameless.contains(&&**part));
    found.map_or_else(Vec::new, |part| {
        vec![(
            1,
            format!("`{part}` says nothing: name the file after its idea, or move each function to its owner"),
        )]
    })
}

fn is_not_too_long(_: &str, text: &str) -> Vec<Complaint> {
    let code = code_of(text);
    let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
    complain_if(
        lines > CODE_LINES_MAX,
        1,
        &format!("{lines} lines of code, the most is {CODE_LINES_MAX}: there is a seam"),
    )
}

fn leaves_nothing_undone(_: &str, text: &str) -> Vec<Complaint> {
    let in_code = [concat!("to", "do!"), concat!("unimpl", "emented!")];
    let anywhere = [
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("TO", "DO"),
    ];
    let code = code_of(text);
    let mut complaints = Vec::new();
    for (number, (line, code)) in numbered(text)
        .zip(code.lines())
        .map(|((n, l), c)| (n, (l, c)))
    {
        let undone = in_code.iter().filter(|word| has_word(code, word));
        let promised = anywhere.iter().filter(|word| has_word(line, word));
        for word in undone.chain(promised) {
            complaints.push((
                number,
                format!("`{word}`: finish it, or return an error that says so"),
            ));
        }
    }
    complaints
}

fn says_why_a_test_is_ignored(_: &str, text: &str) -> Vec<Complaint> {
    let bare = concat!("#[ign", "ore]");
    lines_of_code_with(
        text,
        |code| code.contains(bare),
        "an ignored test says why: `= \"reason\"`",
    )
}

fn is_safe(path: &str, text: &str) -> Vec<Complaint> {
    let allowed = [
        "runtime/src/storage/sqlite/vfs.rs",
        "runtime/src/storage/sqlite/handle.rs",
        "runtime/src/storage/sqlite/vfs_tests.rs",
    ];
    if allowed.contains(&path) {
        return Vec::new();
    }
    let word = concat!("uns", "afe");
    let why = format!("`{word}` has two homes: {} and {}", allowed[0], allowed[1]);
    lines_of_code_with(text, |code| has_word(code, word), &why)
}

fn has_no_order_by_chance(path: &str, text: &str) -> Vec<Complaint> {
    if !path.starts_with("runtime/src/") && !path.starts_with("sim/src/") {
        return Vec::new();
    }
    let chance = [concat!("Hash", "Map"), concat!("Hash", "Set")];
    lines_of_code_with(
        text,
        |code| chance.iter().any(|word| has_word(code, word)),
        "its order differs between runs: use a BTreeMap, a BTreeSet or an IndexMap",
    )
}

/// Holds for every text, not for sources alone.
fn names_no_developers_machine(_: &str, text: &str) -> Vec<Complaint> {
    let homes = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Use", "rs/"),
        concat!("/wo", "rk/"),
    ];
    let names_one = |line: &str| {
        homes.iter().any(|home| {
            line.match_indices(home).any(|(at, _)| {
                // `target/work/` and `https://example.org/home/` are no absolute paths.
                let before = line[..at].chars().next_back();
                before.is_none_or(|before| !before.is_alphanumeric() && !"._-~}*".contains(before))
            })
        })
    };
    numbered(text)
        .filter(|(_, line)| names_one(line))
        .map(|(number, _)| (number, "a path of somebody's machine".to_owned()))
        .collect()
}

/// Holds for the manifests of the crates below `runtime` and `sim`.
fn depends_on_nothing_foreign(path: &str, text: &str) -> Vec<Complaint> {
    let banned: &[&str] = match path.split('/').next() {
        Some("runtime") => &["madsim", "dormouse-sim"],
        Some("sim") => &["hyper", "hyper-util"],
        _ => &[],
    };
    let mut complaints = Vec::new();
    let mut in_dependencies = false;
    for (number, line) in numbered(text) {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            in_dependencies = section.contains("dependencies");
            let named = section.rsplit_once("dependencies.").map(|(_, name)| name);
            if let Some(name) = named.filter(|name| banned.contains(name)) {
                complaints.push((number, format!("this crate must not depend on {name}")));
            }
            continue;
        }
        let end = line.find(['.', '=', ' ']).unwrap_or(line.len());
        let name = line[..end].trim_matches('"');
        let renamed = banned
            .iter()
            .find(|name| line.contains(&format!("package = \"{name}\"")));
        let found = banned.iter().find(|&&banned| banned == name).or(renamed);
        if let Some(name) = found.filter(|_| in_dependencies) {
            complaints.push((number, format!("this crate must not depend on {name}")));
        }
    }
    complaints
}

// Reading code.

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines())
}

fn complain_if(wrong: bool, line: usize, why: &str) -> Vec<Complaint> {
    wrong.then(|| (line, why.to_owned())).into_iter().collect()
}

fn lines_of_code_with(text: &str, wrong: impl Fn(&str) -> bool, why: &str) -> Vec<Complaint> {
    let code = code_of(text);
    numbered(&code)
        .filter(|(_, line)| wrong(line))
        .map(|(number, _)| (number, why.to_owned()))
        .collect()
}

/// Whether `word` stands in `line` as a word of its own.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |neighbour: Option<char>| {
        neighbour.is_some_and(|neighbour| neighbour.is_alphanumeric() || neighbour == '_')
    };
    line.match_indices(word).any(|(at, _)| {
        let after = line[at + word.len()..].chars().next();
        !is_part(line[..at].chars().next_back()) && !is_part(after)
    })
}

/// The text with comments and the contents of literals blanked, line by line where it was.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let length = comment_or_literal(rest, code.chars().next_back());
        let (piece, blanked) = if length == 0 {
            (rest.chars().next().map_or(0, char::len_utf8), false)
        } else {
            (length, true)
        };
        let (piece, after) = rest.split_at(piece);
        if blanked {
            code.extend(
                piece
                    .chars()
                    .map(|character| if character == '\n' { '\n' } else { ' ' }),
            );
        } else {
            code.push_str(piece);
        }
        rest = after;
    }
    code
}

/// How many bytes the comment or literal at the beginning of `text` has; zero if there is none.
fn comment_or_literal(text: &str, before: Option<char>) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    if text.starts_with('"') {
        return quoted(text);
    }
    let in_a_word = before.is_some_and(|before| before.is_alphanumeric() || before == '_');
    if text.starts_with('r') && !in_a_word || text.starts_with('r') && before == Some('b') {
        return raw(text);
    }
    if text.starts_with('\'') {
        return character(text);
    }
    0
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw(text: &str) -> usize {
    let hashes = text[1..].bytes().take_while(|&byte| byte == b'#').count();
    let opened = 1 + hashes;
    if !text[opened..].starts_with('"') {
        return 0; // a name that begins with r, or a raw one
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let inside = &text[opened + 1..];
    inside
        .find(&end)
        .map_or(text.len(), |at| opened + 1 + at + end.len())
}

/// A character literal; a lifetime is none.
fn character(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => {
            let closed = characters.skip(1).find(|&(_, character)| character == '\'');
            closed.map_or(text.len(), |(at, _)| at + 1)
        }
        Some(_) => match characters.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

// The tree.

fn repository() -> &'static Path {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder
        .parent()
        .expect("the crate lies in the repository")
}

/// Every file of the repository that holds text, by its path in it, in order.
fn texts() -> Vec<(String, String)> {
    let left_out = ["target", ".git", "book/book", "Cargo.lock"];
    let mut folders: Vec<PathBuf> = vec![repository().to_owned()];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            let inside = path.strip_prefix(repository()).expect("it was found there");
            let inside = inside.to_str().expect("a name in UTF-8").replace('\\', "/");
            if left_out.contains(&&*inside) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                texts.push((inside, text));
            }
        }
    }
    texts.sort();
    texts
}

fn hold(belongs: impl Fn(&str) -> bool, rules: &[fn(&str, &str) -> Vec<Complaint>]) {
    let files: Vec<_> = texts()
        .into_iter()
        .filter(|(path, _)| belongs(path))
        .collect();
    assert!(
        files.len() >= 4,
        "a walk over nothing proves nothing: {files:?}"
    );
    let mut complaints = Vec::new();
    for (path, text) in &files {
        for rule in rules {
            let found = rule(path, text).into_iter();
            complaints.extend(found.map(|(line, why)| format!("{path}:{line}: {why}")));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn is_source(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|ending| ending == "rs")
}

#[test]
fn every_source_file_keeps_the_rules() {
    hold(is_source, &RULES);
}

#[test]
fn no_file_names_a_developers_machine() {
    hold(|_| true, &[names_no_developers_machine]);
}

#[test]
fn the_crates_depend_on_each_other_one_way_only() {
    hold(
        |path| path.ends_with("Cargo.toml"),
        &[depends_on_nothing_foreign],
    );
}

// Each rule bites.

/// The lines about which `rule` complains.
fn bites(rule: fn(&str, &str) -> Vec<Complaint>, path: &str, text: &str) -> Vec<usize> {
    rule(path, text).into_iter().map(|(line, _)| line).collect()
}

#[test]
fn a_file_without_a_story_is_found() {
    let rule = begins_with_its_story;
    assert_eq!(bites(rule, "a.rs", "use std::rc::Rc;\n//! late"), [1]);
    assert_eq!(bites(rule, "a.rs", "// no story\n"), [1]);
    assert_eq!(bites(rule, "a.rs", ""), [1]);
    assert_eq!(
        bites(rule, "a.rs", "\n//! A story.\nuse std::rc::Rc;\n"),
        [0; 0]
    );
}

#[test]
fn a_name_that_says_nothing_is_found() {
    let rule = is_called_for_what_it_holds;
    for path in [
        "sim/src/utils.rs",
        "runtime/src/common/mod.rs",
        "tests/tests/helpers.rs",
        "misc.rs",
    ] {
        assert_eq!(bites(rule, path, ""), [1], "{path}");
    }
    assert_eq!(bites(rule, "runtime/src/uncommon.rs", ""), [0; 0]);
}

#[test]
fn a_file_that_is_too_long_is_found() {
    let rule = is_not_too_long;
    let comments = "// a comment\n\n/* another\none */\n".repeat(CODE_LINES_MAX);
    assert_eq!(
        bites(rule, "a.rs", &(comments.clone() + &"f();\n".repeat(601))),
        [1]
    );
    assert_eq!(
        bites(rule, "a.rs", &(comments + &"f();\n".repeat(600))),
        [0; 0]
    );
}

#[test]
fn unfinished_work_is_found() {
    let rule = leaves_nothing_undone;
    let planted = concat!(
        "fn f() {\n    to",
        "do!()\n}\nfn g() { unimpl",
        "emented!(\"later\") }\n",
        "// FIX",
        "ME: wrong\n// XX",
        "X\nlet a = 1; // TO",
        "DO\n"
    );
    assert_eq!(bites(rule, "a.rs", planted), [2, 4, 5, 6, 7]);
    let fine = concat!(
        "// mktemp file.XX",
        "XXXX\nlet text = \"to",
        "do!\";\nlet to",
        "do = 1;\n"
    );
    assert_eq!(bites(rule, "a.rs", fine), [0; 0]);
}

#[test]
fn a_test_that_is_ignored_without_a_reason_is_found() {
    let rule = says_why_a_test_is_ignored;
    assert_eq!(
        bites(rule, "a.rs", concat!("#[test]\n#[ign", "ore]\nfn f() {}\n")),
        [2]
    );
    let with_reason = concat!("#[test]\n#[ign", "ore = \"takes an hour\"]\nfn f() {}\n");
    assert_eq!(bites(rule, "a.rs", with_reason), [0; 0]);
}

#[test]
fn code_that_is_not_checked_is_found() {
    let rule = is_safe;
    let planted = concat!(
        "// uns",
        "afe\nlet a = uns",
        "afe { *p };\n#![deny(uns",
        "afe_code)]\n"
    );
    assert_eq!(bites(rule, "runtime/src/lib.rs", planted), [2]);
    assert_eq!(
        bites(rule, "runtime/src/storage/sqlite/file.rs", planted),
        [2]
    );
    assert_eq!(
        bites(rule, "runtime/src/storage/sqlite/vfs.rs", planted),
        [0; 0]
    );
}

#[test]
fn a_map_whose_order_is_chance_is_found() {
    let rule = has_no_order_by_chance;
    let planted = concat!(
        "let a = \"Hash",
        "Map\"; // Hash",
        "Map\nuse std::collections::Hash",
        "Map;\nHash",
        "Set::new();\n"
    );
    assert_eq!(bites(rule, "runtime/src/lib.rs", planted), [2, 3]);
    assert_eq!(bites(rule, "sim/src/world/mod.rs", planted), [2, 3]);
    assert_eq!(bites(rule, "scenarios/src/lib.rs", planted), [0; 0]);
}

#[test]
fn a_path_of_a_developers_machine_is_found() {
    let rule = names_no_developers_machine;
    let planted = concat!(
        "see /ho",
        "me/ada/notes\n\"/ro",
        "ot/x\"\n(/Use",
        "rs/ada)\n/wo",
        "rk/main\n",
        "https://example.org/ho",
        "me/\ntarget/wo",
        "rk/out\n"
    );
    assert_eq!(bites(rule, "README.md", planted), [1, 2, 3, 4]);
}

#[test]
fn a_dependency_against_the_current_is_found() {
    let rule = depends_on_nothing_foreign;
    let planted = "[package]\nname = \"madsim\"\n[features]\nreal = [\"madsim\"]\n[dependencies]\nbytes.workspace = true\n\
                   madsim.workspace = true\nhyper = \"1\"\nmadsim-like = \"1\"\n[dev-dependencies]\nm = { package = \"madsim\" }\n\
                   [target.'cfg(unix)'.dependencies.madsim]\n";
    assert_eq!(bites(rule, "runtime/Cargo.toml", planted), [7, 11, 12]);
    assert_eq!(bites(rule, "sim/macros/Cargo.toml", planted), [8]);
    assert_eq!(bites(rule, "tests/Cargo.toml", planted), [0; 0]);
}

#[test]
fn comments_and_literals_are_no_code() {
    for (text, code) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d\n*/ e", "a               \n   e"),
        (r#"f("a\"b", 'c')"#, "f(      ,    )"),
        (r##"r#"a"b"# + br"c" + r#fn"##, "         + b     + r#fn"),
        (r"'\'' + '\u{e9}' + 'é'", "     +          +    "),
        (
            "fn f<'a>(a: &'a str, b: &'static str)",
            "fn f<'a>(a: &'a str, b: &'static str)",
        ),
        ("for r in rows {}", "for r in rows {}"),
        ("\"a\n// b\" c", "  \n      c"),
    ] {
        let blanked = code_of(text);
        assert_eq!(blanked.trim_end(), code.trim_end(), "{text:?}");
    }
}
