//! What of a failure reaches the caller: name, message and flags. The object goes on as if nothing had happened.

use std::cell::Cell;

use dormouse::{
    Delay, DurableObject, Env, Error, NodeBuilder, Request, Response, Result, State,
    durable_object, rpc,
};

use super::{count_build, error_of, ms, on_both, serving};

/// Fails as it is told.
#[durable_object]
struct Failing {
    state: State,
    calls: Cell<u32>,
}

impl DurableObject for Failing {
    fn new(state: State, _: Env) -> Self {
        count_build();
        Self {
            state,
            calls: Cell::new(0),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        self.fail(&request.path()[1..], "from fetch")?;
        Response::ok("fine")
    }
}

#[rpc]
impl Failing {
    pub fn fail(&self, error_name: &str, message: &str) -> Result<()> {
        self.calls.set(self.calls.get() + 1);
        let error = Error::new(error_name, message);
        Err(if error_name == "MyError" {
            error.with_property("said by", "Failing")
        } else {
            error
        })
    }

    pub async fn put_and_fail(&self, key: String) -> Result<()> {
        self.state.storage().put(&key, 1).await?;
        Err(Error::from("after put"))
    }

    pub async fn put_and_fail_later(&self, key: String) -> Result<()> {
        self.state.storage().put(&key, 2).await?;
        Delay::from(ms(5)).await;
        Err(Error::from("after sleep"))
    }

    pub async fn stored(&self, key: String) -> Result<Option<u32>> {
        self.state.storage().get(&key).await
    }

    pub fn calls(&self) -> u32 {
        self.calls.get()
    }
}

/// Passes on what it hears from `Failing`.
#[durable_object]
struct Between {
    env: Env,
}

impl DurableObject for Between {
    fn new(_: State, env: Env) -> Self {
        Self { env }
    }
}

#[rpc]
impl Between {
    pub async fn fail(&self, error_name: String) -> Result<()> {
        let failing = self.env.durable_object("Failing")?.get_by_name("a")?;
        let failing = failing.typed::<Failing>();
        failing.fail(&error_name, "from afar").await
    }
}

fn failing() -> NodeBuilder {
    serving::<Failing>().object::<Between>("Between")
}

#[test]
fn an_exception_reaches_the_caller_with_its_name_and_its_message_and_resets_nothing() {
    // (RP-20, E-5 does not apply, lifecycle 4.2; recorded: rpc/exceptions, exception_keeps_memory)
    on_both(&failing(), |bench| async move {
        let stub = bench.stub::<Failing>("a");
        let known = [
            "Error",
            "RangeError",
            "TypeError",
            "SyntaxError",
            "ReferenceError",
            "URIError",
            "EvalError",
            "AggregateError",
            "SuppressedError",
        ];
        for name in known {
            assert_eq!(
                error_of(stub.fail(name, "what it says").await),
                format!("{name}: what it says [remote]")
            );
        }
        for message in [
            "",
            "line one\nline two",
            "TypeError: looks like one",
            "hé 😀",
        ] {
            let error = stub.fail("Error", message).await.expect_err("it fails");
            assert_eq!(error.message(), message);
            assert_eq!(error.to_string(), message);
        }
        assert_eq!(stub.calls().await, Ok(13));
    });
}

#[test]
fn an_error_keeps_the_authors_own_name_and_properties_over_any_number_of_calls() {
    // (RP-21; recorded: rpc/exceptions)
    on_both(&failing(), |bench| async move {
        let stub = bench.stub::<Failing>("a");
        assert_eq!(
            error_of(stub.fail("MyError", "my message").await),
            r#"MyError: my message [remote] [said by: "Failing"]"#
        );
        let over_two_objects = bench.stub::<Between>("b").fail("MyError".into()).await;
        let error = over_two_objects.expect_err("it fails");
        assert_eq!(error.property("said by"), Some(&"Failing".into()));
        assert_eq!(
            format!("{error:?}"),
            r#"MyError: from afar [remote] [said by: "Failing"]"#
        );
    });
}

#[test]
fn before_errors_kept_everything_a_name_of_the_authors_own_became_part_of_the_message() {
    // (RP-20)
    for old in [
        failing().compatibility_date("2026-04-20"),
        failing().compatibility_flags(["legacy_error_serialization"]),
    ] {
        on_both(&old, |bench| async move {
            let stub = bench.stub::<Failing>("a");
            assert_eq!(
                error_of(stub.fail("MyError", "my message").await),
                "Error: MyError: my message [remote]"
            );
            let over_two_objects = bench.stub::<Between>("b").fail("MyError".into()).await;
            assert_eq!(
                error_of(over_two_objects),
                "Error: MyError: from afar [remote]"
            );
        });
    }
}

#[test]
fn an_exception_of_a_fetch_handler_is_an_exception_and_no_response() {
    // (FT-10; recorded: fetch/exceptions)
    on_both(&failing(), |bench| async move {
        let stub = bench.plain::<Failing>("a");
        for (path, expected) in [
            ("Error", "Error: from fetch [remote]"),
            ("TypeError", "TypeError: from fetch [remote]"),
            (
                "MyError",
                r#"MyError: from fetch [remote] [said by: "Failing"]"#,
            ),
        ] {
            let answer = stub.fetch_with_str(&format!("http://object/{path}")).await;
            assert_eq!(error_of(answer), expected);
        }
        assert_eq!(bench.stub::<Failing>("a").calls().await, Ok(3));
    });
}

#[test]
fn an_exception_undoes_no_write() {
    // (GEN-4; recorded: exception_after_put)
    on_both(&failing(), |bench| async move {
        let stub = bench.stub::<Failing>("a");
        assert_eq!(
            error_of(stub.put_and_fail("at once".into()).await),
            "Error: after put [remote]"
        );
        assert_eq!(
            error_of(stub.put_and_fail_later("later".into()).await),
            "Error: after sleep [remote]"
        );
        let bench = bench.restart(&failing());
        let stub = bench.stub::<Failing>("a");
        assert_eq!(stub.stored("at once".into()).await, Ok(Some(1)));
        assert_eq!(stub.stored("later".into()).await, Ok(Some(2)));
    });
}

#[test]
fn a_binding_that_does_not_exist_is_named() {
    on_both(&failing(), |bench| async move {
        let missing = bench.node.env().durable_object("NOWHERE");
        assert_eq!(error_of(missing), "Error: Binding `NOWHERE` is undefined.");
        let nobody = bench.node.env().durable_object("failing");
        assert_eq!(error_of(nobody), "Error: Binding `failing` is undefined.");
    });
}
