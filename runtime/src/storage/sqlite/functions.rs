//! The functions of SQL: which of them the object's code may use, and those that SQLite would have to take from elsewhere.
//!
//! `random()` and `randomblob()` draw from the node's [`Entropy`], or a simulation could not be repeated. The mathematical functions are
//! missing in a SQLite that was not compiled for them; then ours take their place, by SQLite's rules: no number in, NULL out, and no
//! answer is NULL, too.

use std::{ffi::CStr, panic::UnwindSafe, rc::Rc, sync::OnceLock};

use rusqlite::{
    Connection,
    functions::{Context, FunctionFlags},
    limits::Limit,
    types::{Value, ValueRef},
};
use send_wrapper::SendWrapper;

use crate::platform::Entropy;

/// The complete allow-list (AU-8) without `rtreecheck`: the original as recorded has no rtree.
#[rustfmt::skip]
const ALLOWED: [&str; 137] = [
    // core
    "abs", "changes", "char", "coalesce", "concat", "concat_ws", "format", "glob", "hex", "ifnull", "iif", "instr",
    "last_insert_rowid", "length", "like", "likelihood", "likely", "load_extension", "lower", "ltrim", "max_scalar", "min_scalar",
    "nullif", "octet_length", "printf", "quote", "random", "randomblob", "replace", "round", "rtrim", "sign", "soundex", "substr",
    "substring", "total_changes", "trim", "typeof", "unhex", "unicode", "unlikely", "upper", "zeroblob",
    // dates
    "date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff", "current_date", "current_time",
    "current_timestamp",
    // aggregates
    "avg", "count", "group_concat", "max", "min", "string_agg", "sum", "total",
    // windows
    "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "first_value", "last_value",
    "nth_value",
    // mathematics
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "cos", "cosh", "degrees", "exp", "floor", "ln", "log",
    "log2", "mod", "pi", "pow", "radians", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
    // JSON
    "json", "jsonb", "json_array", "jsonb_array", "json_array_length", "json_extract", "jsonb_extract", "->", "->>",
    "json_insert", "jsonb_insert", "json_object", "jsonb_object", "json_patch", "jsonb_patch", "json_remove", "jsonb_remove",
    "json_replace", "jsonb_replace", "json_set", "jsonb_set", "json_type", "json_valid", "json_quote", "json_group_array",
    "jsonb_group_array", "json_group_object", "jsonb_group_object", "json_each", "json_tree",
    // full-text search
    "match", "highlight", "bm25", "snippet",
    // what ALTER TABLE calls
    "sqlite_rename_column", "sqlite_rename_table", "sqlite_rename_test", "sqlite_drop_column", "sqlite_rename_quotefix",
];

/// Functions that the original's SQLite has and refuses; of others that ours may have it has never heard.
const REFUSED: [&str; 15] = [
    "ceiling",
    "fts5",
    "fts5_get_locale",
    "fts5_locale",
    "fts5_source_id",
    "json_error_position",
    "json_pretty",
    "log10",
    "power",
    "sqlite_compileoption_get",
    "sqlite_compileoption_used",
    "sqlite_log",
    "sqlite_source_id",
    "sqlite_version",
    "subtype",
];

/// Whether the object's code may use a function.
pub(super) fn is_allowed(name: &str) -> bool {
    ALLOWED
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(name))
}

/// Whether the original says that it refuses a function, rather than that there is none.
pub(crate) fn is_known(name: &str) -> bool {
    is_allowed(name)
        || REFUSED
            .iter()
            .any(|refused| refused.eq_ignore_ascii_case(name))
}

/// Puts our functions in place.
pub(super) fn register(connection: &Connection, entropy: &Rc<dyn Entropy>) -> rusqlite::Result<()> {
    replace_random_functions(connection, entropy)?;
    if has_mathematics()? {
        Ok(())
    } else {
        add_mathematics(connection)
    }
}

/// Whether SQLite was compiled with mathematical functions: asked once, it stays so. A connection of its own is asked: on an object's, the first one of a
/// process would read more of its file than all others do, and a seed would run differently after another one.
fn has_mathematics() -> rusqlite::Result<bool> {
    static HAS: OnceLock<bool> = OnceLock::new();
    if let Some(has) = HAS.get() {
        return Ok(*has);
    }
    let used = "SELECT sqlite_compileoption_used('ENABLE_MATH_FUNCTIONS')";
    let has = Connection::open_in_memory()?.query_row(used, [], |row| row.get(0))?;
    Ok(*HAS.get_or_init(|| has))
}

fn replace_random_functions(
    connection: &Connection,
    entropy: &Rc<dyn Entropy>,
) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    let source = SendWrapper::new(Rc::clone(entropy));
    connection.create_scalar_function(c"random", 0, flags, move |_| {
        let mut bytes = [0; 8];
        source.fill(&mut bytes);
        Ok(i64::from_le_bytes(bytes))
    })?;
    let len_max = connection.limit(Limit::SQLITE_LIMIT_LENGTH)?;
    let source = SendWrapper::new(Rc::clone(entropy));
    connection.create_scalar_function(c"randomblob", 1, flags, move |context| {
        // As in SQLite: anything below one, or that is no number, gives one byte.
        let len = match context.get_raw(0) {
            ValueRef::Integer(len) => len,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "SQLite converts a real to an integer in the same way"
            )]
            ValueRef::Real(len) => len as i64,
            ValueRef::Text(text) => std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(1),
            _ => 1,
        };
        let too_big = || {
            rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_TOOBIG),
                None,
            )
        };
        if len > i64::from(len_max) {
            return Err(too_big());
        }
        let mut bytes = vec![0; usize::try_from(len.max(1)).map_err(|_| too_big())?];
        source.fill(&mut bytes);
        Ok(bytes)
    })
}

/// What a mathematical function gives.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Integer(i64),
    Real(f64),
}

/// An argument as a number: a text that looks like one is one, everything else is none.
fn number(value: ValueRef<'_>) -> Option<Number> {
    match value {
        ValueRef::Integer(value) => Some(Number::Integer(value)),
        ValueRef::Real(value) => Some(Number::Real(value)),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).ok()?;
            let text = text.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
            // Rust also reads words, as "inf", which SQL does not.
            if !text.ends_with(|last: char| last.is_ascii_digit() || last == '.') {
                return None;
            }
            let integer = text.parse().ok().map(Number::Integer);
            integer.or_else(|| text.parse().ok().map(Number::Real))
        }
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "SQLite converts an integer to a real in the same way"
)]
fn real(value: ValueRef<'_>) -> Option<f64> {
    number(value).map(|number| match number {
        Number::Integer(value) => value as f64,
        Number::Real(value) => value,
    })
}

/// Functions by their names.
type Table<F, const N: usize> = [(&'static CStr, F); N];

fn add_mathematics(connection: &Connection) -> rusqlite::Result<()> {
    let rounding: Table<fn(f64) -> f64, 4> = [
        (c"ceil", f64::ceil),
        (c"ceiling", f64::ceil),
        (c"floor", f64::floor),
        (c"trunc", f64::trunc),
    ];
    for (name, round) in rounding {
        // An integer stays one.
        add(connection, name, 1, move |context| {
            Some(match number(context.get_raw(0))? {
                Number::Integer(value) => Value::Integer(value),
                Number::Real(value) => Value::Real(round(value)),
            })
        })?;
    }
    let of_one: Table<fn(f64) -> f64, 17> = [
        (c"acos", f64::acos),
        (c"acosh", f64::acosh),
        (c"asin", f64::asin),
        (c"asinh", f64::asinh),
        (c"atan", f64::atan),
        (c"atanh", f64::atanh),
        (c"cos", f64::cos),
        (c"cosh", f64::cosh),
        (c"degrees", |value| value * (180.0 / std::f64::consts::PI)),
        (c"exp", f64::exp),
        (c"radians", |value| value * (std::f64::consts::PI / 180.0)),
        (c"sin", f64::sin),
        (c"sinh", f64::sinh),
        (c"sqrt", f64::sqrt),
        (c"tan", f64::tan),
        (c"tanh", f64::tanh),
        (c"pi", |_| std::f64::consts::PI),
    ];
    for (name, f) in of_one {
        let arguments = i32::from(name != c"pi");
        add(connection, name, arguments, move |context| {
            let argument = if arguments == 0 {
                0.0
            } else {
                real(context.get_raw(0))?
            };
            Some(Value::Real(f(argument)))
        })?;
    }
    let of_two: Table<fn(f64, f64) -> f64, 4> = [
        (c"atan2", f64::atan2),
        (c"mod", |value, by| value % by),
        (c"pow", f64::powf),
        (c"power", f64::powf),
    ];
    for (name, f) in of_two {
        add(connection, name, 2, move |context| {
            let (first, second) = (real(context.get_raw(0))?, real(context.get_raw(1))?);
            Some(Value::Real(f(first, second)))
        })?;
    }
    // Logarithms: of nothing and of less there is none, and to a base it is a quotient.
    let logarithms: Table<fn(f64) -> f64, 4> = [
        (c"ln", f64::ln),
        (c"log", f64::log10),
        (c"log10", f64::log10),
        (c"log2", f64::log2),
    ];
    for (name, f) in logarithms {
        add(connection, name, 1, move |context| {
            let argument = real(context.get_raw(0)).filter(|argument| *argument > 0.0)?;
            Some(Value::Real(f(argument)))
        })?;
    }
    add(connection, c"log", 2, |context| {
        let base = real(context.get_raw(0)).filter(|base| *base > 0.0)?;
        let base = Some(base.ln()).filter(|base| *base > 0.0)?;
        let argument = real(context.get_raw(1)).filter(|argument| *argument > 0.0)?;
        Some(Value::Real(argument.ln() / base))
    })
}

fn add(
    connection: &Connection,
    name: &'static CStr,
    arguments: i32,
    f: impl Fn(&Context<'_>) -> Option<Value> + Send + UnwindSafe + 'static,
) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_INNOCUOUS
        | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(name, arguments, flags, move |context| Ok(f(context)))
}

#[cfg(test)]
#[path = "functions_tests.rs"]
mod tests;
