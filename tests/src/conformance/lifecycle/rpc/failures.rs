//! What the caller sees of an exception, of a constructor that fails, of an abort.

/// What the caller catches for each kind of error a method fails with.
pub(crate) mod exceptions {
    use dormouse::value::ErrorValue;

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
        pub fn boom(&self, kind: &str) -> Result<()> {
            let inner: Value = ErrorValue::new("TypeError", "inner").into();
            Err(match kind {
                "Error" => "plain message".into(),
                "TypeError" => Error::type_error("type message"),
                "RangeError" => Error::range_error("range message"),
                "SyntaxError" => Error::new("SyntaxError", "syntax message"),
                "empty message" => "".into(),
                "custom class with name" => Error::new("MyError", "my message"),
                "custom class without name" => "unnamed message".into(),
                "custom properties" => Error::from("with props")
                    .with_property("code", "E_CODE")
                    .with_property("status", 418)
                    .with_property(
                        "nested",
                        Value::object([("a", Value::Array(vec![1.into()]))]),
                    )
                    .with_property("fn", "str"),
                "cause" => Error::from("outer").with_property("cause", inner),
                "non-error cause" => Error::from("outer")
                    .with_property("cause", Value::object([("why", "because".into())])),
                "AggregateError" => {
                    let (one, two) = (
                        ErrorValue::new("Error", "e1"),
                        ErrorValue::new("RangeError", "e2"),
                    );
                    Error::new("AggregateError", "many")
                        .with_property("errors", Value::Array(vec![one.into(), two.into()]))
                }
                "DOMException" => Error::new("AbortError", "dom message"),
                "flags set by hand" => Error::from("fake flags")
                    .with_property("retryable", true)
                    .with_property("overloaded", true)
                    .with_property("durableObjectReset", true)
                    .with_property("remote", "no"),
                "name changed" => Error::new("Renamed", "renamed"),
                "message with colon" => "TypeError: looks like a type error".into(),
                "multi-line message" => "line one\nline two".into(),
                "non-ASCII message" => "h\u{e9} \u{1f600}".into(),
                other => unreachable!("{other}"),
            })
        }

        pub async fn boom_later(&self, kind: String) -> Result<()> {
            sleep(2).await;
            self.boom(&kind)
        }

        pub async fn rejected(&self, kind: String) -> Result<()> {
            std::future::ready(()).await;
            self.boom(&kind)
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        for kind in [
            "Error",
            "TypeError",
            "RangeError",
            "SyntaxError",
            "empty message",
            "custom class with name",
            "custom class without name",
            "custom properties",
            "cause",
            "non-error cause",
            "AggregateError",
            "DOMException",
            "flags set by hand",
            "name changed",
            "message with colon",
            "multi-line message",
            "non-ASCII message",
        ] {
            W.attempt(kind, stub.boom(kind)).await;
        }
        for kind in ["Error", "custom properties"] {
            W.attempt(&format!("async {kind}"), stub.boom_later(kind.into()))
                .await;
            W.attempt(
                &format!("rejected promise {kind}"),
                stub.rejected(kind.into()),
            )
            .await;
        }
    }
}

/// An exception from a method does not reset the object: the instance and its memory stay.
pub(crate) mod exception_keeps_memory {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        n: Cell<u32>,
    }

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            O.ev("constructor", ());
            Self { n: Cell::new(0) }
        }
    }

    #[rpc]
    impl Obj {
        pub fn inc(&self) -> u32 {
            self.n.set(self.n.get() + 1);
            self.n.get()
        }

        pub fn inc_and_throw(&self) -> Result<()> {
            self.inc();
            Err("after increment".into())
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        W.attempt("inc", stub.inc()).await;
        W.attempt("incAndThrow", stub.inc_and_throw()).await;
        W.attempt("inc, same stub", stub.inc()).await;
        W.attempt("inc, new stub", env.stub::<Obj>("OBJ", "a").inc())
            .await;
    }
}

/// A constructor that fails, as only an engine can: what the caller sees, and that the next call constructs again.
pub(crate) mod constructor_throws {
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
            let builds = count("builds");
            O.ev("constructor", json!({"build": builds}));
            if builds < 3 {
                let error = Error::type_error(format!("build {builds} failed"));
                return Err(error.with_property("code", "E_BUILD"));
            }
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
            _: Vec<Value>,
        ) -> LocalBoxFuture<'static, Result<Value>> {
            Box::pin(async move { Ok(method.into()) })
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.plain("OBJ", "a");
        let hello = |stub: &dormouse::Stub| stub.call_with("hello", Ok(vec![]));
        W.attempt("first", hello(&stub)).await;
        W.attempt("second, same stub", hello(&stub)).await;
        W.attempt("third, same stub", hello(&stub)).await;
        W.attempt("fourth, new stub", hello(&env.plain("OBJ", "a")))
            .await;
    }
}

/// An abort inside a method, for different reasons: what the caller catches and which flags the error carries.
pub(crate) mod abort_reasons {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        state: State,
    }

    impl DurableObject for Obj {
        fn new(state: State, _: Env) -> Self {
            O.ev("constructor", ());
            Self { state }
        }
    }

    #[rpc]
    impl Obj {
        pub async fn die(&self, how: String) {
            O.ev("die", json!({"how": how}));
            let reason = match &*how {
                "no reason" => None,
                "string" => Some("the reason"),
                "empty string" => Some(""),
                "number" => Some("5"),
                // The reason is a text: what the text of an error is.
                "Error" => Some("Error: reason error"),
                "TypeError" => Some("TypeError: reason type error"),
                "with props" => Some("Error: reason props"),
                other => unreachable!("{other}"),
            };
            self.state.abort(reason).await;
        }

        pub fn hello(&self) -> String {
            "hello".to_owned()
        }
    }

    pub(crate) async fn worker(env: Worker) {
        for how in [
            "no reason",
            "string",
            "empty string",
            "number",
            "Error",
            "TypeError",
            "with props",
        ] {
            W.attempt(how, env.stub::<Obj>("OBJ", how).die(how.into()))
                .await;
            W.attempt(
                &format!("{how}: next call"),
                env.stub::<Obj>("OBJ", how).hello(),
            )
            .await;
        }
    }
}
