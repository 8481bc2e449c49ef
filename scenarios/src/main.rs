//! The `dormouse` command: explores the suites of this crate.

fn main() -> std::process::ExitCode {
    dormouse_sim::explore::command::main(&dormouse_scenarios::suites())
}
