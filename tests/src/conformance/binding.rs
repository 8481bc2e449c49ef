//! Storage as JavaScript sees it: which objects have which members, and what becomes of the arguments on their way in.
//!
//! The original generates this layer from the signatures of its methods, and so do its texts: `parameter 2 is not of type 'GetOptions'`.
//! Arguments are looked at in their order, before anything is done; objects read as options may have any further properties.
//! In an asynchronous method even a wrong argument rejects the promise and throws nothing.

use std::{cell::RefCell, rc::Rc};

use dormouse::{
    SqlCursor, SqlStorageValue, State, Storage, Transaction, Value, storage::SqlCursorRawIterator,
};
use futures_util::future::LocalBoxFuture;

use super::{
    convert::{Thrown, from_value, to_bool, to_int32, to_number, to_text, to_value},
    host::{self, CallOptions, KvList, Range, Target},
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
            (Self::Value(value), _) => Self::Value(property_of_value(value, name)?),
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
                    return arguments("DurableObjectStorage").function(0).map(returned);
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
                    return Ok(returned(Js::Undefined));
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
                "next" => Ok(returned(iterator_result(self.next()?))),
                "toArray" => Ok(returned(Js::Array(self.spread()?))),
                _ => Err(Thrown::NotInRust("a function of JavaScript to call")),
            },
            Self::Value(value) => method_of_value(value, name, &arguments("Object")),
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
            Self::Value(value) => {
                values_of(value).ok_or_else(|| Thrown::type_error("v is not iterable"))
            }
            _ => Err(Thrown::type_error("v is not iterable")),
        }
    }
}

fn returned(value: Js) -> Called {
    Called::Returned(Held::Value(value))
}

/// `{done, value}`.
fn iterator_result(next: Option<Js>) -> Js {
    let done = next.is_none();
    Js::Object(vec![
        ("done".to_owned(), Js::Bool(done)),
        ("value".to_owned(), next.unwrap_or(Js::Undefined)),
    ])
}

// Arguments.

/// The arguments of one call.
#[derive(Clone, Copy)]
struct Arguments<'a> {
    class: &'static str,
    method: &'a str,
    given: &'a [Js],
}

/// Arguments that a promise takes along.
struct Owned {
    class: &'static str,
    method: String,
    given: Vec<Js>,
}

impl From<Arguments<'_>> for Owned {
    fn from(arguments: Arguments<'_>) -> Self {
        Self {
            class: arguments.class,
            method: arguments.method.to_owned(),
            given: arguments.given.to_vec(),
        }
    }
}

impl Owned {
    fn arguments(&self) -> Arguments<'_> {
        Arguments {
            class: self.class,
            method: &self.method,
            given: &self.given,
        }
    }
}

impl<'a> Arguments<'a> {
    /// The argument, if it was given, be it `undefined`.
    fn given(&self, at: usize) -> Option<&'a Js> {
        self.given.get(at)
    }

    /// The argument, if it is not `undefined`.
    fn defined(&self, at: usize) -> Option<&'a Js> {
        self.given(at).filter(|it| !matches!(it, Js::Undefined))
    }

    fn is_not(&self, at: usize, kind: &str) -> Thrown {
        let (method, class, number) = (self.method, self.class, at + 1);
        Thrown::type_error(format!(
            "Failed to execute '{method}' on '{class}': parameter {number} is not of type '{kind}'."
        ))
    }

    /// A string, whatever the argument is.
    fn text(&self, at: usize, kind: &str) -> Result<String, Thrown> {
        to_text(self.given(at).ok_or_else(|| self.is_not(at, kind))?)
    }

    /// A function, and what comes of it: all that scripts have return `undefined`.
    fn function(&self, at: usize) -> Result<Js, Thrown> {
        match self.given(at) {
            Some(Js::Function) => Ok(Js::Undefined),
            _ => Err(self.is_not(at, "function")),
        }
    }

    /// Milliseconds since 1970, of a number or a `Date`.
    fn date(&self, at: usize) -> Result<f64, Thrown> {
        match self.given(at) {
            Some(Js::Number(millis) | Js::Date(millis)) => Ok(*millis),
            _ => Err(self.is_not(at, "date")),
        }
    }

    /// An object with options; without it, one without any.
    fn options(&self, at: usize, kind: &str) -> Result<Options<'a>, Thrown> {
        match self.defined(at) {
            None | Some(Js::Null) => Ok(Options(&[])),
            Some(value) => Options::of(value).ok_or_else(|| self.is_not(at, kind)),
        }
    }

    fn call_options(&self, at: usize, kind: &str) -> Result<CallOptions, Thrown> {
        self.options(at, kind).map(|options| options.of_call())
    }

    fn range(&self, at: usize) -> Result<Range, Thrown> {
        self.options(at, "ListOptions")?.range()
    }

    /// One key, or several.
    fn keys(&self, at: usize) -> Result<Keys, Thrown> {
        match self.given(at) {
            None => Err(self.is_not(at, "string or Array")),
            Some(Js::Array(keys)) => {
                let keys = keys.iter().map(to_text);
                Ok(Keys::Several(keys.collect::<Result<_, _>>()?))
            }
            Some(key) => Ok(Keys::One(to_text(key)?)),
        }
    }
}

enum Keys {
    One(String),
    Several(Vec<String>),
}

/// The properties of an object that is read as options.
struct Options<'a>(&'a [(String, Js)]);

impl<'a> Options<'a> {
    fn of(value: &'a Js) -> Option<Self> {
        match value {
            Js::Object(members) => Some(Self(members)),
            value => value.is_object().then_some(Self(&[])),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Js> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value)
            .filter(|it| !matches!(it, Js::Undefined))
    }

    fn text(&self, name: &str) -> Result<Option<String>, Thrown> {
        self.get(name).map(to_text).transpose()
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(to_bool)
    }

    fn of_call(&self) -> CallOptions {
        CallOptions {
            allow_concurrency: self.flag("allowConcurrency"),
            allow_unconfirmed: self.flag("allowUnconfirmed"),
            no_cache: self.flag("noCache"),
        }
    }

    fn range(&self) -> Result<Range, Thrown> {
        let limit = self.get("limit").map(to_int32).transpose()?;
        Ok(Range {
            start: self.text("start")?,
            start_after: self.text("startAfter")?,
            end: self.text("end")?,
            prefix: self.text("prefix")?,
            reverse: self.flag("reverse").unwrap_or_default(),
            // A negative limit is refused as zero is, and Rust's count has no sign.
            limit: limit.map(|limit| usize::try_from(limit).unwrap_or(0)),
            options: self.of_call(),
        })
    }
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
            returned(value_or_undefined(host::kv_get(storage, &key)?))
        }
        "put" => {
            let key = arguments.text(0, "string")?;
            let value = arguments.given(1);
            let value = value.ok_or_else(|| arguments.is_not(1, "JsValue"))?;
            host::kv_put(storage, &key, to_value(value)?)?;
            returned(Js::Undefined)
        }
        "delete" => {
            let key = arguments.text(0, "string")?;
            returned(Js::Bool(host::kv_delete(storage, &key)?))
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
            returned(iterator_result(next.map(row)))
        }
        "toArray" => {
            let rows = cursor.to_array::<Value>()?;
            returned(Js::Array(rows.into_iter().map(row).collect()))
        }
        "one" => returned(row(cursor.one::<Value>()?)),
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

// Plain values.

fn property_of_value(value: &Js, name: &str) -> Result<Js, Thrown> {
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let number = |count: usize| Js::Number(count as f64);
    Ok(match (value, name) {
        (Js::Undefined | Js::Null, _) => {
            let what = to_text(value)?;
            return Err(Thrown::type_error(format!(
                "Cannot read properties of {what} (reading '{name}')"
            )));
        }
        (Js::Object(members), _) => {
            let found = members.iter().find(|(key, _)| key == name);
            found.map_or(Js::Undefined, |(_, value)| value.clone())
        }
        (Js::Map(entries), "size") => number(entries.len()),
        (Js::Set(members), "size") => number(members.len()),
        (Js::Array(elements), "length") => number(elements.len()),
        (Js::Array(elements), index) => {
            let element = index.parse().ok().and_then(|at: usize| elements.get(at));
            element.cloned().unwrap_or(Js::Undefined)
        }
        (Js::String(text), "length") => number(text.encode_utf16().count()),
        (Js::Bytes(bytes, _), "byteLength") => number(bytes.len()),
        (Js::Error { name, .. }, "name") => Js::String(name.clone()),
        (Js::Error { message, .. }, "message") => Js::String(message.clone()),
        _ => Js::Undefined,
    })
}

fn method_of_value(value: &Js, name: &str, arguments: &Arguments<'_>) -> Result<Called, Thrown> {
    let iterator = |values: Vec<Js>| {
        let values = Rc::new(RefCell::new(values.into_iter()));
        Ok(Called::Returned(Held::Iterator(values)))
    };
    let key = arguments.given(0).unwrap_or(&Js::Undefined);
    match (value, name) {
        (Js::Map(entries), "get") => {
            let found = entries.iter().find(|(name, _)| name == key);
            Ok(returned(
                found.map_or(Js::Undefined, |(_, value)| value.clone()),
            ))
        }
        (Js::Map(entries), "has") => Ok(returned(Js::Bool(
            entries.iter().any(|(name, _)| name == key),
        ))),
        (Js::Map(entries), "keys") => iterator(entries.iter().map(|it| it.0.clone()).collect()),
        (Js::Map(entries), "values") => iterator(entries.iter().map(|it| it.1.clone()).collect()),
        (Js::Map(_), "entries") => iterator(values_of(value).unwrap_or_default()),
        (Js::Set(members), "has") => Ok(returned(Js::Bool(members.contains(key)))),
        (Js::Set(members), "keys" | "values") => iterator(members.clone()),
        (value, "toString") => Ok(returned(Js::String(to_text(value)?))),
        _ => Err(Thrown::NotInRust("a method of a JavaScript value")),
    }
}

/// What iterating over the value gives.
fn values_of(value: &Js) -> Option<Vec<Js>> {
    Some(match value {
        Js::Array(elements) => {
            let element = |it: &Js| match it {
                Js::Hole => Js::Undefined,
                it => it.clone(),
            };
            elements.iter().map(element).collect()
        }
        Js::Set(members) => members.clone(),
        Js::Map(entries) => entries
            .iter()
            .map(|(key, value)| Js::Array(vec![key.clone(), value.clone()]))
            .collect(),
        Js::String(text) => text.chars().map(|c| Js::String(c.to_string())).collect(),
        _ => return None,
    })
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

    fn arguments<'a>(method: &'a str, given: &'a [Js]) -> Arguments<'a> {
        Arguments {
            class: "DurableObjectStorage",
            method,
            given,
        }
    }

    fn string(text: &str) -> Js {
        Js::String(text.to_owned())
    }

    fn object(members: &[(&str, Js)]) -> Js {
        let members = members
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()));
        Js::Object(members.collect())
    }

    fn refused<T>(result: Result<T, Thrown>) -> String {
        match result.map(drop).expect_err("it is of another type") {
            Thrown::Error(error) => format!("{error:?}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_missing_argument_is_named_and_undefined_is_none_that_is_missing() {
        let text = "TypeError: Failed to execute 'get' on 'DurableObjectStorage': parameter 1 is not of type 'string or Array'.";
        assert_eq!(refused(arguments("get", &[]).keys(0)), text);
        let keys = arguments("get", &[Js::Undefined]).keys(0);
        assert!(matches!(keys, Ok(Keys::One(key)) if key == "undefined"));
    }

    #[test]
    fn several_keys_are_strings_one_by_one() {
        let given = [Js::Array(vec![Js::Number(1.0), Js::Array(vec![Js::Null])])];
        let keys = arguments("get", &given).keys(0);
        assert!(matches!(keys, Ok(Keys::Several(keys)) if keys == ["1", ""]));
    }

    #[test]
    fn options_are_any_object_or_nothing() {
        for given in [
            vec![],
            vec![Js::Undefined],
            vec![Js::Null],
            vec![Js::Array(vec![])],
            vec![Js::Function],
            vec![object(&[("unknown", Js::Number(1.0))])],
        ] {
            let options = arguments("list", &given).range(0);
            assert!(options.is_ok(), "{given:?}");
        }
        let text = "TypeError: Failed to execute 'list' on 'DurableObjectStorage': parameter 1 is not of type 'ListOptions'.";
        for given in [string("a"), Js::Number(1.0), Js::Bool(true)] {
            assert_eq!(refused(arguments("list", &[given]).range(0)), text);
        }
    }

    #[test]
    fn each_option_is_converted_to_its_own_type() {
        let given = [object(&[
            ("start", Js::Null),
            ("end", Js::Undefined),
            ("prefix", Js::Number(1.0)),
            ("limit", string("2.9")),
            ("reverse", string("")),
        ])];
        let range = arguments("list", &given).range(0).expect("options");
        assert_eq!(range.start.as_deref(), Some("null"));
        assert_eq!(range.end, None);
        assert_eq!(range.prefix.as_deref(), Some("1"));
        assert_eq!(range.limit, Some(2));
        assert!(!range.reverse);
        let negative = [object(&[("limit", Js::Number(-3.0))])];
        let range = arguments("list", &negative).range(0).expect("options");
        assert_eq!(range.limit, Some(0), "storage refuses it, not this");
    }

    #[test]
    fn a_date_is_a_number_or_a_date_and_nothing_that_looks_like_one() {
        for given in [Js::Number(5.0), Js::Date(5.0)] {
            assert_eq!(arguments("setAlarm", &[given]).date(0), Ok(5.0));
        }
        let text = "TypeError: Failed to execute 'setAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'date'.";
        for given in [
            string("5"),
            Js::Null,
            Js::Bool(true),
            Js::BigInt(5.into()),
            Js::Boxed(Box::new(Js::Number(5.0))),
        ] {
            assert_eq!(refused(arguments("setAlarm", &[given]).date(0)), text);
        }
    }

    #[test]
    fn bindings_of_sql_are_bytes_numbers_nothing_or_strings() {
        for (given, bound) in [
            (Js::Undefined, SqlStorageValue::Null),
            (Js::Bool(true), SqlStorageValue::String("true".to_owned())),
            (Js::Number(1.0), SqlStorageValue::Float(1.0)),
            (Js::Bytes(vec![1], None), SqlStorageValue::Blob(vec![1])),
            (
                object(&[]),
                SqlStorageValue::String("[object Object]".to_owned()),
            ),
        ] {
            assert_eq!(to_sql(&given), Ok(bound));
        }
        assert_eq!(
            refused(to_sql(&Js::BigInt(1.into()))),
            "TypeError: Cannot convert a BigInt value to a number"
        );
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
