//! Which names can be called, and what travels as argument and result.

/// Calling a method the class does not have; the object stays usable.
pub(crate) mod method_missing {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            O.ev("constructor", ());
            Self
        }
    }

    #[rpc]
    impl Obj {
        pub fn ok(&self) -> String {
            "ok".to_owned()
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.plain("OBJ", "a");
        W.attempt("nope()", stub.call_with("nope", Ok(vec![])))
            .await;
        W.attempt("ok()", stub.call_with("ok", Ok(vec![]))).await;
    }
}

/// Public methods are callable. Private ones, functions without a receiver and fields are not.
#[allow(non_snake_case, reason = "the recorded names")]
pub(crate) mod which_members_are_callable {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        plain: String,
        arrow: fn() -> String,
        assigned: fn() -> String,
    }

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self {
                plain: "instance value".to_owned(),
                arrow: || "instance arrow".to_owned(),
                assigned: || "assigned".to_owned(),
            }
        }
    }

    #[rpc]
    impl Obj {
        fn secret(&self) -> String {
            assert_eq!((self.arrow)(), "instance arrow");
            assert_eq!((self.assigned)(), "assigned");
            assert_eq!(self.plain, "instance value");
            assert_eq!(Self::stat(), "static");
            "secret".to_owned()
        }

        fn stat() -> String {
            "static".to_owned()
        }

        pub fn method(&self) -> String {
            "method".to_owned()
        }

        pub async fn asyncMethod(&self) -> String {
            "async".to_owned()
        }

        pub fn _underscore(&self) -> String {
            "underscore".to_owned()
        }

        pub fn callsPrivate(&self) -> String {
            self.secret()
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.plain("OBJ", "a");
        for m in [
            "method",
            "asyncMethod",
            "_underscore",
            "callsPrivate",
            "plain",
            "arrow",
            "assigned",
            "secret",
            "#secret",
            "stat",
            "ctx",
            "env",
            "",
        ] {
            W.attempt(&format!("{m}()"), stub.call_with(m, Ok(vec![])))
                .await;
        }
    }
}

/// Names with a special meaning, called on a class that defines all of them.
#[allow(non_snake_case, reason = "the recorded names")]
pub(crate) mod reserved_names {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self
        }

        async fn fetch(&self, _: Request) -> Result<Response> {
            Response::ok("fetched")
        }
    }

    /// Methods that say their names.
    macro_rules! methods {
        ($($name:ident)*) => {
            #[rpc]
            impl Obj {
                $(pub fn $name(&self) -> String {
                    stringify!($name).to_owned()
                })*
            }
        };
    }

    methods! { scheduled queue tail trace email toJSON }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.plain("OBJ", "a");
        for m in [
            "alarm",
            "webSocketMessage",
            "webSocketClose",
            "webSocketError",
            "scheduled",
            "queue",
            "tail",
            "trace",
            "email",
            "dup",
            "toJSON",
            "prototype",
        ] {
            W.attempt(&format!("{m}()"), stub.call_with(m, Ok(vec![])))
                .await;
        }
        let fetch = async { stub.fetch_with_str("http://x/").await?.text().await };
        W.attempt("fetch('http://x/')", fetch).await;
    }
}

/// Each value is sent to an echo method; the object reports what it received, the caller what came back.
pub(crate) mod argument_and_return_types {
    use dormouse::value::{BigInt, ErrorValue, Primitive, RegExpValue, View, ViewKind};

    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Echo;

    impl DurableObject for Echo {
        fn new(_: State, _: Env) -> Self {
            Self
        }
    }

    #[rpc]
    impl Echo {
        pub fn echo(&self, value: Value) -> Value {
            O.ev("echo", json!({"args": [describe(&value)]}));
            value
        }
    }

    fn view(kind: ViewKind, bytes: &[u8]) -> Value {
        View::new(kind, bytes).into()
    }

    fn cases() -> Vec<(&'static str, Value)> {
        let deep = Value::object([("deep", true.into())]);
        vec![
            ("undefined", Value::Undefined),
            ("null", Value::Null),
            ("true", true.into()),
            ("zero", 0.into()),
            ("minus zero", (-0.0).into()),
            ("integer", 9_007_199_254_740_991.0.into()),
            ("float", 0.1.into()),
            ("NaN", f64::NAN.into()),
            ("Infinity", f64::INFINITY.into()),
            (
                "bigint",
                BigInt::from(12_345_678_901_234_567_890_u64).into(),
            ),
            ("negative bigint", BigInt::from(-1).into()),
            ("empty string", "".into()),
            ("string", "h\u{e9}llo \u{1f600}".into()),
            ("lone surrogate is kept", 1.into()),
            ("Date", Value::Date(86_400_000.0)),
            ("invalid Date", Value::Date(f64::NAN)),
            (
                "RegExp",
                RegExpValue {
                    source: "a+b".into(),
                    flags: "gi".into(),
                }
                .into(),
            ),
            (
                "array",
                vec![1.into(), "two".into(), Value::Null, Value::Undefined].into(),
            ),
            ("sparse array", vec![1.into(), Value::Hole, 3.into()].into()),
            (
                "object",
                Value::object([
                    ("a", 1.into()),
                    ("b", Value::object([("c", Value::Array(vec![2.into()]))])),
                ]),
            ),
            (
                "Map",
                Value::Map(vec![
                    ("k".into(), 1.into()),
                    (2.into(), Value::Map(vec![(deep, "v".into())])),
                ]),
            ),
            ("Set", Value::Set(vec![1.into(), "x".into(), Value::Null])),
            ("ArrayBuffer", vec![1_u8, 2, 3].into()),
            ("Uint8Array", view(ViewKind::Uint8Array, &[4, 5, 6])),
            (
                "Uint8Array view",
                view(ViewKind::Uint8Array, &[0, 1, 2, 3, 4][1..3]),
            ),
            (
                "Float64Array",
                view(ViewKind::Float64Array, &1.5_f64.to_le_bytes()),
            ),
            ("DataView", view(ViewKind::DataView, &[9, 8])),
            (
                "BigInt64Array",
                view(ViewKind::BigInt64Array, &(-1_i64).to_le_bytes()),
            ),
            ("Error", ErrorValue::new("Error", "an error value").into()),
            (
                "TypeError",
                ErrorValue::new("TypeError", "a type error value").into(),
            ),
            ("Boolean object", Primitive::Bool(false).into()),
            ("String object", Primitive::String("s".into()).into()),
            (
                "object with undefined",
                Value::object([("a", Value::Undefined)]),
            ),
            ("nested Date", Value::object([("d", Value::Date(0.0))])),
            (
                "getter on object",
                Value::object([("x", "computed".into())]),
            ),
        ]
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Echo>("OBJ", "a");
        for (label, value) in cases() {
            W.attempt(label, stub.echo(value)).await;
        }
    }
}

/// No arguments, too many arguments, and an explicit `undefined` in last place: what an engine is given.
pub(crate) mod argument_count {
    use dormouse::{
        handler::{Class, Handler},
        platform::LocalBoxFuture,
    };

    use crate::conformance::lifecycle::prelude::*;

    pub(crate) struct Obj;

    struct Instance;

    impl Class for Obj {
        fn name(&self) -> &'static str {
            "Obj"
        }

        fn construct(&self, _: State, _: Env) -> Result<Rc<dyn Handler>> {
            Ok(Rc::new(Instance))
        }
    }

    impl Handler for Instance {
        fn fetch(self: Rc<Self>, _: Request) -> LocalBoxFuture<'static, Result<Response>> {
            Box::pin(async { Err("it has one method only".into()) })
        }

        fn call(
            self: Rc<Self>,
            method: String,
            arguments: Vec<Value>,
        ) -> LocalBoxFuture<'static, Result<Value>> {
            assert_eq!(method, "two");
            let argument = |at: usize| arguments.get(at).cloned().unwrap_or_default();
            let count = u32::try_from(arguments.len()).expect("a few");
            let result = vec![Value::from(count), argument(0), argument(1)];
            Box::pin(async move { Ok(result.into()) })
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.plain("OBJ", "a");
        for (label, arguments) in [
            ("none", vec![]),
            ("one", vec![1.into()]),
            ("three", vec![1.into(), 2.into(), 3.into()]),
            ("trailing undefined", vec![1.into(), Value::Undefined]),
        ] {
            W.attempt(label, stub.call_with("two", Ok(arguments))).await;
        }
    }
}

/// Arguments and results are copies.
pub(crate) mod arguments_are_copies {
    use serde::{Deserialize, Serialize};

    use crate::conformance::lifecycle::prelude::*;

    #[derive(Clone, Serialize, Deserialize)]
    pub(crate) struct Listed {
        list: Vec<u32>,
    }

    #[derive(Serialize, Deserialize)]
    pub(crate) struct Changed {
        changed: bool,
    }

    #[durable_object]
    pub(crate) struct Obj {
        listed: Listed,
    }

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self {
                listed: Listed { list: vec![1] },
            }
        }
    }

    #[rpc]
    impl Obj {
        pub fn mutate(&self, mut o: Changed) -> Changed {
            o.changed = true;
            o
        }

        pub fn get_state(&self) -> Listed {
            self.listed.clone()
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        let o = Value::object([("changed", false.into())]);
        let mutate = env
            .plain("OBJ", "a")
            .call_typed::<Changed>("mutate", Ok(vec![o.clone()]));
        let r = mutate.await.expect("it works");
        W.ev(
            "argument",
            json!({"caller": o.get("changed").and_then(Value::as_bool), "result": r.changed}),
        );
        let mut s = stub.get_state().await.expect("it works");
        s.list.push(2);
        let after = stub.get_state().await.expect("it works").list;
        W.ev("state", json!({"after": after}));
    }
}

/// Arguments and results of growing size; the limit is 32 MiB for the serialised message.
pub(crate) mod message_size_limit {
    use dormouse::value::{View, ViewKind};

    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self
        }
    }

    #[rpc]
    impl Obj {
        pub fn size(&self, b: Value) -> usize {
            b.as_bytes().map_or(0, <[u8]>::len)
        }

        pub fn give(&self, n: usize) -> Value {
            bytes(n)
        }
    }

    /// `new Uint8Array(n)`
    fn bytes(n: usize) -> Value {
        View::new(ViewKind::Uint8Array, vec![0; n]).into()
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        let m = 1 << 20;
        for (label, n) in [
            ("1 MiB", m),
            ("16 MiB", 16 * m),
            ("32 MiB - 1 KiB", 32 * m - 1024),
            ("32 MiB", 32 * m),
            ("33 MiB", 33 * m),
        ] {
            W.attempt(&format!("argument {label}"), stub.size(bytes(n)))
                .await;
            let give = async { Ok(stub.give(n).await?.as_bytes().map_or(0, <[u8]>::len)) };
            W.attempt(&format!("result {label}"), give).await;
        }
    }
}

/// Calls whose result is never awaited still run as long as the caller lives, in order.
pub(crate) mod not_awaited_calls {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        seen: RefCell<Vec<u32>>,
    }

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self {
                seen: RefCell::default(),
            }
        }
    }

    #[rpc]
    impl Obj {
        pub fn add(&self, n: u32) {
            self.seen.borrow_mut().push(n);
            O.ev("add", json!({"n": n}));
        }

        pub fn list(&self) -> Vec<u32> {
            self.seen.borrow().clone()
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        drop(stub.add(1));
        drop(stub.add(2));
        drop(stub.add(3));
        W.ev("issued", ());
        W.attempt("list", stub.list()).await;
    }
}
