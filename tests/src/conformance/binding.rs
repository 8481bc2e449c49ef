//! Storage as JavaScript sees it: which objects have which members, and what their methods do with their arguments.
//!
//! In an asynchronous method even a wrong argument rejects the promise and throws nothing.

use std::{cell::RefCell, rc::Rc};

use dormouse::{
    SqlCursor, SqlStorageValue, State, Storage, Transaction, Value, storage::SqlCursorRawIterator,
};
use futures_util::future::LocalBoxFuture;

use super::{
    arguments::{Arguments, Keys, Options, Owned},
    builtin,
    convert::{Thrown, from_value, to_number, to_text, to_value},
    host::{self, CallOptions, KvList, Target},
    js::Js,
};

/// What an expression of a script means: a value, or one of the runtime's objects.
#[derive(Clone)]
pub(super) enum Held {
    Value(Js),
    Storage(Rc<State>),
    Sql(Rc<State>),
    Kv(Rc<State>),
    Transaction(Transaction),
    Cursor(SqlCursor),
    Rows(SqlCursorRawIterator),
    KvList(Rc<RefCell<KvList>>),
    /// A built-in iterator over values that are there.
    Iterator(Rc<RefCell<std::vec::IntoIter<Js>>>),
    /// A method or a constructor, not called.
    Function,
}

/// What a call gives at once: its result, or a promise of it.
pub(super) enum Called {
    Returned(Held),
    Promised(LocalBoxFuture<'static, Result<Js, Thrown>>),
}

const STORAGE_METHODS: [&str; 13] = [
    "get",
    "put",
    "delete",
    "list",
    "deleteAll",
    "transaction",
    "transactionSync",
    "getAlarm",
    "setAlarm",
    "deleteAlarm",
    "sync",
    "getCurrentBookmark",
    "getBookmarkForTime",
];
const RESTORE: &str = "onNextSessionRestoreBookmark";
const TRANSACTION_METHODS: [&str; 9] = [
    "get",
    "put",
    "delete",
    "list",
    "deleteAll",
    "rollback",
    "getAlarm",
    "setAlarm",
    "deleteAlarm",
];
const ITERATOR_METHODS: [&str; 12] = [
    "next", "toArray", "map", "filter", "take", "drop", "flatMap", "reduce", "forEach", "some",
    "every", "find",
];
/// What every object inherits.
const OBJECT_METHODS: [&str; 7] = [
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

impl Held {
    /// What `typeof` says.
    pub(super) fn type_of(&self) -> &'static str {
        match self {
            Self::Value(value) => value.type_of(),
            Self::Function => "function",
            _ => "object",
        }
    }

    /// The value as a result shows it.
    pub(super) fn into_value(self) -> Js {
        match self {
            Self::Value(value) => value,
            Self::Function => Js::Function,
            _ => Js::Instance,
        }
    }

    /// The property `name`; a method is one, too.
    pub(super) fn property(&self, name: &str) -> Result<Self, Thrown> {
        if self.has_method(name) {
            return Ok(Self::Function);
        }
        let number = |count: usize| {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let number = count as f64;
            Self::Value(Js::Number(number))
        };
        Ok(match (self, name) {
            (Self::Storage(state), "sql") => Self::Sql(Rc::clone(state)),
            (Self::Storage(state), "kv") => Self::Kv(Rc::clone(state)),
            (Self::Sql(state), "databaseSize") => {
                Self::Value(Js::Number(host::database_size(&state.storage())?))
            }
            (Self::Sql(_), "Cursor" | "Statement") => Self::Function,
            (Self::Cursor(cursor), "columnNames") => {
                let names = cursor.column_names().into_iter().map(Js::String);
                Self::Value(Js::Array(names.collect()))
            }
            (Self::Cursor(cursor), "rowsRead") => number(cursor.rows_read()),
            (Self::Cursor(cursor), "rowsWritten") => number(cursor.rows_written()),
            (Self::Value(value), _) => Self::Value(builtin::property(value, name)?),
            _ => Self::Value(Js::Undefined),
        })
    }

    pub(super) fn has_method(&self, name: &str) -> bool {
        let own = match self {
            Self::Storage(_) => STORAGE_METHODS.contains(&name) || name == RESTORE,
            Self::Transaction(_) => TRANSACTION_METHODS.contains(&name),
            Self::Sql(_) => name == "exec",
            Self::Kv(_) => ["get", "put", "delete", "list"].contains(&name),
            Self::Cursor(_) => ["next", "toArray", "one", "raw"].contains(&name),
            Self::Rows(_) | Self::KvList(_) | Self::Iterator(_) => ITERATOR_METHODS.contains(&name),
            Self::Value(Js::Map(_)) => {
                ["get", "has", "keys", "values", "entries", "forEach"].contains(&name)
            }
            Self::Value(Js::Set(_)) => {
                ["has", "keys", "values", "entries", "forEach"].contains(&name)
            }
            Self::Value(Js::Object(members)) if members.iter().any(|(key, _)| key == name) => {
                return false;
            }
            Self::Value(value) if !value.is_object() => return false,
            Self::Value(_) | Self::Function => false,
        };
        own || OBJECT_METHODS.contains(&name)
    }

    /// Calls the method `name`, which there is.
    pub(super) fn call(&self, name: &str, arguments: &[Js]) -> Result<Called, Thrown> {
        let arguments = |class| Arguments {
            class,
            method: name,
            given: arguments,
        };
        match self {
            Self::Storage(state) => {
                let storage = state.storage();
                if name == "transactionSync" {
                    return arguments("DurableObjectStorage")
                        .function(0)
                        .map(Called::returned);
                }
                let owned = Owned::from(arguments("DurableObjectStorage"));
                Ok(Called::Promised(Box::pin(async move {
                    storage_method(&storage, &owned.arguments()).await
                })))
            }
            Self::Transaction(transaction) => {
                let arguments = arguments("DurableObjectTransaction");
                if name == "rollback" {
                    host::roll_back(transaction)?;
                    return Ok(Called::returned(Js::Undefined));
                }
                let target = Target::Transaction(transaction.clone());
                let owned = Owned::from(arguments);
                Ok(Called::Promised(Box::pin(async move {
                    key_value_method(&target, &owned.arguments()).await
                })))
            }
            Self::Sql(state) => {
                let cursor = exec(&state.storage(), &arguments("SqlStorage"))?;
                Ok(Called::Returned(Self::Cursor(cursor)))
            }
            Self::Kv(state) => sync_kv_method(&state.storage(), &arguments("SyncKvStorage")),
            Self::Cursor(cursor) => cursor_method(cursor, name),
            Self::Rows(_) | Self::KvList(_) | Self::Iterator(_) => match name {
                "next" => Ok(Called::returned(iterator_result(self.next()?))),
                "toArray" => Ok(Called::returned(Js::Array(self.spread()?))),
                _ => Err(Thrown::NotInRust("a function of JavaScript to call")),
            },
            Self::Value(value) => builtin::call_method(value, name, &arguments("Object")),
            Self::Function => Err(Thrown::NotInRust("a function of JavaScript to call")),
        }
    }

    /// The next value of an iterator.
    fn next(&self) -> Result<Option<Js>, Thrown> {
        Ok(match self {
            Self::Cursor(cursor) => {
                let row = cursor.next::<Value>().next().transpose()?;
                row.map(|row| from_value(without_prototype(row)))
            }
            Self::Rows(rows) => rows.clone().next().transpose()?.map(row_to_js),
            Self::KvList(list) => {
                let entry = list.borrow_mut().next().transpose()?;
                entry.map(|(key, value)| Js::Array(vec![Js::String(key), from_value(value)]))
            }
            Self::Iterator(values) => values.borrow_mut().next(),
            _ => None,
        })
    }

    /// `[...value]`.
    pub(super) fn spread(&self) -> Result<Vec<Js>, Thrown> {
        match self {
            Self::Cursor(_) | Self::Rows(_) | Self::KvList(_) | Self::Iterator(_) => {
                let mut values = Vec::new();
                while let Some(value) = self.next()? {
                    values.push(value);
                }
                Ok(values)
            }
            Self::Value(value) => builtin::iterated(value).ok_or_else(not_iterable),
            _ => Err(not_iterable()),
        }
    }
}

/// In the words of the engine, which names the recorder's own variable.
fn not_iterable() -> Thrown {
    Thrown::type_error("v is not iterable")
}

impl Called {
    pub(super) fn returned(value: Js) -> Self {
        Self::Returned(Held::Value(value))
    }
}

/// `{done, value}`.
fn iterator_result(next: Option<Js>) -> Js {
    let done = next.is_none();
    Js::Object(vec![
        ("done".to_owned(), Js::Bool(done)),
        ("value".to_owned(), next.unwrap_or(Js::Undefined)),
    ])
}

// The storage and its transactions.

async fn storage_method(storage: &Storage, arguments: &Arguments<'_>) -> Result<Js, Thrown> {
    match arguments.method {
        "sync" => storage.sync().await?,
        "transaction" => {
            let result = arguments.function(0)?;
            arguments.options(1, "TransactionOptions")?;
            return Ok(host::transaction(storage, |_| async { Ok(result) }).await?);
        }
        "getCurrentBookmark" => return Ok(Js::String(host::current_bookmark(storage).await?)),
        "getBookmarkForTime" => {
            let millis = arguments.date(0)?;
            return Ok(Js::String(host::bookmark_for_time(storage, millis).await?));
        }
        RESTORE => {
            let bookmark = arguments.text(0, "string")?;
            return Ok(Js::String(
                host::restore_bookmark(storage, &bookmark).await?,
            ));
        }
        _ => {
            let target = Target::Storage(storage.clone());
            return key_value_method(&target, arguments).await;
        }
    }
    Ok(Js::Undefined)
}

async fn key_value_method(target: &Target, arguments: &Arguments<'_>) -> Result<Js, Thrown> {
    match arguments.method {
        "get" => {
            let keys = arguments.keys(0)?;
            let options = arguments.call_options(1, "GetOptions")?;
            return Ok(match keys {
                Keys::One(key) => value_or_undefined(target.get(&key, options).await?),
                Keys::Several(keys) => entries(target.get_multiple(keys, options).await?),
            });
        }
        "put" => put(target, arguments).await?,
        "delete" => {
            let keys = arguments.keys(0)?;
            let options = arguments.call_options(1, "PutOptions")?;
            return Ok(match keys {
                Keys::One(key) => Js::Bool(target.delete(&key, options).await?),
                Keys::Several(keys) => {
                    #[expect(clippy::cast_precision_loss, reason = "a count of keys is small")]
                    let count = target.delete_multiple(keys, options).await? as f64;
                    Js::Number(count)
                }
            });
        }
        "list" => return Ok(entries(target.list(&arguments.range(0)?).await?)),
        "deleteAll" => {
            let options = arguments.call_options(0, "PutOptions")?;
            target.delete_all(options).await?;
        }
        "getAlarm" => {
            let options = arguments.call_options(0, "GetAlarmOptions")?;
            #[expect(clippy::cast_precision_loss, reason = "dates are exact as numbers")]
            let alarm = target.get_alarm(options).await?.map(|at| at as f64);
            return Ok(alarm.map_or(Js::Null, Js::Number));
        }
        "setAlarm" => {
            let millis = arguments.date(0)?;
            let options = arguments.call_options(1, "SetAlarmOptions")?;
            target.set_alarm(millis, options).await?;
        }
        "deleteAlarm" => {
            let options = arguments.call_options(0, "SetAlarmOptions")?;
            target.delete_alarm(options).await?;
        }
        _ => return Err(Thrown::NoSuchMethod(arguments.method.to_owned())),
    }
    Ok(Js::Undefined)
}

/// `put(key, value, options?)` or `put(entries, options?)`: the first argument's type says which.
async fn put(target: &Target, arguments: &Arguments<'_>) -> Result<(), Thrown> {
    let first = arguments
        .given(0)
        .ok_or_else(|| arguments.is_not(0, "string or object"))?;
    let members = match first {
        Js::Array(_) => None,
        first => Options::of(first),
    };
    let Some(Options(members)) = members else {
        let key = to_text(first)?;
        let options = arguments.call_options(2, "PutOptions")?;
        let value = match arguments.defined(1) {
            // Storage has the same text for it, but only for keys that it takes.
            None => Value::Undefined,
            Some(value) => to_value(value)?,
        };
        return Ok(target.put(&key, value, options).await?);
    };
    let third = arguments.call_options(2, "PutOptions")?;
    let options = match arguments.defined(1) {
        None => third,
        Some(Js::Null) => CallOptions::default(),
        Some(options) => match Options::of(options) {
            Some(options) => options.of_call(),
            None => return Err(Thrown::type_error(NEITHER_PUT)),
        },
    };
    if let Js::ThrowingGetter(_) = first {
        to_value(first)?;
    }
    let defined = members
        .iter()
        .filter(|(_, value)| !matches!(value, Js::Undefined));
    let entries = defined.map(|(key, value)| Ok((key.clone(), to_value(value)?)));
    let entries = Value::Object(entries.collect::<Result<_, Thrown>>()?);
    Ok(target.put_multiple(entries, options).await?)
}

const NEITHER_PUT: &str = "put() may only be called with a single key-value pair and optional options as put(key, value, options) or with multiple key-value pairs and optional options as put(entries, options)";

fn value_or_undefined(value: Option<Value>) -> Js {
    value.map_or(Js::Undefined, from_value)
}

fn entries(entries: impl IntoIterator<Item = (String, Value)>) -> Js {
    Js::Map(
        entries
            .into_iter()
            .map(|(key, value)| (Js::String(key), from_value(value)))
            .collect(),
    )
}

fn sync_kv_method(storage: &Storage, arguments: &Arguments<'_>) -> Result<Called, Thrown> {
    Ok(match arguments.method {
        "get" => {
            let key = arguments.text(0, "string")?;
            Called::returned(value_or_undefined(host::kv_get(storage, &key)?))
        }
        "put" => {
            let key = arguments.text(0, "string")?;
            let value = arguments.given(1);
            let value = value.ok_or_else(|| arguments.is_not(1, "JsValue"))?;
            host::kv_put(storage, &key, to_value(value)?)?;
            Called::returned(Js::Undefined)
        }
        "delete" => {
            let key = arguments.text(0, "string")?;
            Called::returned(Js::Bool(host::kv_delete(storage, &key)?))
        }
        "list" => {
            let list = host::kv_list(storage, &arguments.range(0)?)?;
            Called::Returned(Held::KvList(Rc::new(RefCell::new(list))))
        }
        method => return Err(Thrown::NoSuchMethod(method.to_owned())),
    })
}

// SQL.

fn exec(storage: &Storage, arguments: &Arguments<'_>) -> Result<SqlCursor, Thrown> {
    let query = arguments.text(0, "JsString")?;
    let bindings = arguments.given.iter().skip(1).map(to_sql);
    let bindings = bindings.collect::<Result<Vec<_>, _>>()?;
    Ok(storage.sql().exec(&query, bindings)?)
}

/// A step of the kind `["sql", query, ...bindings]`.
pub(super) fn query(state: &State, arguments: &[Js]) -> Result<SqlCursor, Thrown> {
    let arguments = Arguments {
        class: "SqlStorage",
        method: "exec",
        given: arguments,
    };
    exec(&state.storage(), &arguments)
}

/// Bytes, a number, nothing; everything else is a string. So booleans are, but a bigint is tried as a number.
fn to_sql(value: &Js) -> Result<SqlStorageValue, Thrown> {
    Ok(match value {
        Js::Undefined | Js::Null => SqlStorageValue::Null,
        Js::Bytes(bytes, _) => SqlStorageValue::Blob(bytes.clone()),
        Js::Number(_) | Js::BigInt(_) => SqlStorageValue::Float(to_number(value)?),
        value => SqlStorageValue::String(to_text(value)?),
    })
}

fn from_sql(value: SqlStorageValue) -> Js {
    match value {
        SqlStorageValue::Null => Js::Null,
        SqlStorageValue::Boolean(value) => Js::Bool(value),
        #[expect(
            clippy::cast_precision_loss,
            reason = "a number is a JavaScript number"
        )]
        SqlStorageValue::Integer(value) => Js::Number(value as f64),
        SqlStorageValue::Float(value) => Js::Number(value),
        SqlStorageValue::String(text) => Js::String(text),
        SqlStorageValue::Blob(bytes) => Js::Bytes(bytes, None),
    }
}

fn row_to_js(row: Vec<SqlStorageValue>) -> Js {
    Js::Array(row.into_iter().map(from_sql).collect())
}

fn cursor_method(cursor: &SqlCursor, name: &str) -> Result<Called, Thrown> {
    let row = |row: Value| from_value(without_prototype(row));
    Ok(match name {
        "next" => {
            let next = cursor.next::<Value>().next().transpose()?;
            Called::returned(iterator_result(next.map(row)))
        }
        "toArray" => {
            let rows = cursor.to_array::<Value>()?;
            Called::returned(Js::Array(rows.into_iter().map(row).collect()))
        }
        "one" => Called::returned(row(cursor.one::<Value>()?)),
        "raw" => Called::Returned(Held::Rows(cursor.raw())),
        _ => return Err(Thrown::NoSuchMethod(name.to_owned())),
    })
}

/// A column of this name sets a row's prototype, which is no property and takes no value of SQL.
fn without_prototype(mut row: Value) -> Value {
    if let Value::Object(members) = &mut row {
        members.retain(|(name, _)| name != "__proto__");
    }
    row
}

/// The options of a transaction whose closure is a script's: they are looked at, and mean nothing.
pub(super) fn transaction_options(options: &Js) -> Result<(), Thrown> {
    let given = [Js::Function, options.clone()];
    let arguments = Arguments {
        class: "DurableObjectStorage",
        method: "transaction",
        given: &given,
    };
    arguments.options(1, "TransactionOptions").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_of_sql_are_bytes_numbers_nothing_or_strings() {
        for (given, bound) in [
            (Js::Undefined, SqlStorageValue::Null),
            (Js::Bool(true), SqlStorageValue::String("true".to_owned())),
            (Js::Number(1.0), SqlStorageValue::Float(1.0)),
            (Js::Bytes(vec![1], None), SqlStorageValue::Blob(vec![1])),
            (
                Js::Object(vec![]),
                SqlStorageValue::String("[object Object]".to_owned()),
            ),
        ] {
            assert_eq!(to_sql(&given), Ok(bound));
        }
        let error = Thrown::type_error("Cannot convert a BigInt value to a number");
        assert_eq!(to_sql(&Js::BigInt(1.into())), Err(error));
    }

    #[test]
    fn a_column_called_proto_sets_no_property() {
        let row = Value::object([("__proto__", Value::from(1)), ("a", Value::from(2))]);
        assert_eq!(
            without_prototype(row),
            Value::object([("a", Value::from(2))])
        );
    }
}
