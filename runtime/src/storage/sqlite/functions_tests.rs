//! Our mathematical functions beside SQLite's own, which ours must not be told from.

use rusqlite::{Connection, types::Value};

use super::{add_mathematics, has_mathematics};

const OF_ONE: [&str; 24] = [
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "ceiling", "cos", "cosh", "degrees",
    "exp", "floor", "ln", "log", "log10", "log2", "radians", "sin", "sinh", "sqrt", "tan", "tanh",
    "trunc",
];
const OF_TWO: [&str; 5] = ["atan2", "log", "mod", "pow", "power"];

/// Numbers, texts that are some and that are none, and what is neither.
const ARGUMENTS: [&str; 27] = [
    "NULL",
    "0",
    "1",
    "-1",
    "2",
    "10",
    "-7",
    "9007199254740993",
    "9223372036854775807",
    "0.0",
    "0.5",
    "-0.5",
    "1.0",
    "-1.5",
    "3.7",
    "1e300",
    "9e999",
    "-9e999",
    "''",
    "'7'",
    "' 2.5 '",
    "'-3'",
    "'1e2'",
    "'2.'",
    "'4x'",
    "'inf'",
    "x'31'",
];

fn with_ours() -> Connection {
    let connection = Connection::open_in_memory().expect("it opens");
    add_mathematics(&connection).expect("they can be replaced");
    connection
}

fn value_of(connection: &Connection, call: &str) -> Value {
    let value = connection.query_row(&format!("SELECT {call}"), [], |row| row.get(0));
    value.unwrap_or_else(|error| panic!("{call}: {error}"))
}

/// Of a logarithm to a base SQLite looks at the base alone before it calculates, and reads the other argument as `CAST` would; ours wants two numbers.
fn is_known_to_differ(name: &str, second: &str) -> bool {
    name == "log" && ["'4x'", "x'31'"].contains(&second)
}

/// Two libraries of mathematics differ in the last digits.
fn agree(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Real(ours), Value::Real(theirs)) => {
            ours.to_bits() == theirs.to_bits() || (ours - theirs).abs() <= 1e-12 * theirs.abs()
        }
        _ => ours == theirs,
    }
}

#[test]
fn mathematical_functions_answer_as_sqlite_would() {
    assert!(
        has_mathematics().expect("it is asked"),
        "SQLite was compiled without them: LIBSQLITE3_FLAGS in .cargo/config.toml asks for them"
    );
    let (ours, theirs) = (with_ours(), Connection::open_in_memory().expect("it opens"));
    let of_one = OF_ONE
        .iter()
        .flat_map(|name| ARGUMENTS.map(|argument| format!("{name}({argument})")));
    let of_two = OF_TWO.iter().flat_map(|name| {
        ARGUMENTS.iter().flat_map(move |first| {
            let seconds = ARGUMENTS.into_iter();
            let seconds = seconds.filter(|second| !is_known_to_differ(name, second));
            seconds.map(move |second| format!("{name}({first}, {second})"))
        })
    });
    for call in of_one.chain(of_two).chain(["pi()".to_owned()]) {
        let (ours, theirs) = (value_of(&ours, &call), value_of(&theirs, &call));
        assert!(agree(&ours, &theirs), "{call}: {ours:?}, SQLite {theirs:?}");
    }
}
