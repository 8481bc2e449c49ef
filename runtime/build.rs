//! Finds out whether SQLite counts what its statements execute.
//!
//! The exact figures of `rows_read` and `rows_written` come from counters that SQLite has only when it is compiled with two options, which
//! its build reads from this environment variable. The functions that go with them may be called only then.
#![expect(
    clippy::disallowed_methods,
    reason = "a build script has its options from the environment"
)]

fn main() {
    let variable = "LIBSQLITE3_FLAGS";
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={variable}");
    println!("cargo::rustc-check-cfg=cfg(sqlite_counts)");
    let flags = std::env::var(variable).unwrap_or_default();
    let has = |option: &str| {
        flags
            .split_whitespace()
            .any(|flag| flag.trim_start_matches("-D") == option)
    };
    if has("SQLITE_ENABLE_STMT_SCANSTATUS") && has("SQLITE_ENABLE_BYTECODE_VTAB") {
        println!("cargo::rustc-cfg=sqlite_counts");
    }
}
