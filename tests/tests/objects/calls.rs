//! Calls as their callers see them: their order, their arguments, and which names can be called.

use std::{cell::RefCell, collections::BTreeSet, future::Future, pin::Pin};

use dormouse::{
    Delay, DurableObject, Env, Request, Response, Result, State, Value, durable_object, rpc,
};
use dormouse_sim::{Seed, run_on_a_machine};
use futures_util::future::{join, join_all, join3};
use serde::{Deserialize, Serialize};

use super::{Bench, error_of, ms, note, noted, on_both, serving};

/// Remembers what it was told, in the order in which it was told.
#[durable_object]
struct Recorder {
    heard: RefCell<Vec<u32>>,
}

impl DurableObject for Recorder {
    fn new(_: State, _: Env) -> Self {
        Self {
            heard: RefCell::default(),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let number = request.path().trim_start_matches('/').parse();
        self.tell(number.expect("a number"));
        Response::ok("told")
    }
}

#[rpc]
impl Recorder {
    pub fn tell(&self, number: u32) {
        self.heard.borrow_mut().push(number);
    }

    pub fn heard(&self) -> Vec<u32> {
        self.heard.borrow().clone()
    }

    pub async fn work(&self, number: u32, millis: u64) -> u32 {
        self.tell(number);
        Delay::from(ms(millis)).await;
        number
    }
}

#[test]
fn calls_and_fetches_of_one_stub_arrive_in_the_order_in_which_they_are_made() {
    // (ST-5, ST-6)
    on_both(&serving::<Recorder>(), |bench| async move {
        let stub = bench.plain::<Recorder>("a");
        let calls: Vec<Pin<Box<dyn Future<Output = Result<()>>>>> = (0..20)
            .map(|number: u32| -> Pin<Box<dyn Future<Output = Result<()>>>> {
                if number.is_multiple_of(3) {
                    let fetch = stub.fetch_with_str(&format!("http://object/{number}"));
                    Box::pin(async { fetch.await.map(drop) })
                } else {
                    Box::pin(stub.call_typed("tell", Ok(vec![Value::from(number)])))
                }
            })
            .collect();
        let answers = join_all(calls.into_iter().rev()).await; // awaited in another order than sent
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        let heard: Result<Vec<u32>> = stub.call_typed("heard", Ok(Vec::new())).await;
        assert_eq!(heard, Ok((0..20).collect()));
    });
}

#[test]
fn a_call_is_sent_when_it_is_made_whether_or_not_anybody_awaits_it() {
    // (recorded: not_awaited_calls)
    on_both(&serving::<Recorder>(), |bench| async move {
        let stub = bench.stub::<Recorder>("a");
        let awaited_last = stub.tell(1);
        drop(stub.tell(2));
        assert_eq!(stub.tell(3).await, Ok(()));
        assert_eq!(stub.heard().await, Ok(vec![1, 2, 3]));
        assert_eq!(awaited_last.await, Ok(()));
        assert_eq!(stub.heard().await, Ok(vec![1, 2, 3]));
    });
}

#[test]
fn a_quick_answer_overtakes_a_slow_one() {
    // (ST-5; recorded: replies_may_overtake)
    on_both(&serving::<Recorder>(), |bench| async move {
        let stub = bench.stub::<Recorder>("a");
        let answer = |number: u32, millis| {
            let call = stub.work(number, millis);
            async move { note(call.await.expect("it works").to_string()) }
        };
        join3(answer(1, 900), answer(2, 450), answer(3, 0)).await;
        assert_eq!(stub.heard().await, Ok(vec![1, 2, 3]));
        assert_eq!(noted(), ["3", "2", "1"]);
    });
}

#[test]
fn between_two_stubs_any_order_is_possible() {
    // (ST-5): a simulator that showed one order only would hide bugs.
    let orders: BTreeSet<Vec<u32>> = (0..40)
        .map(|seed| {
            run_on_a_machine(Seed(seed), |platform| async move {
                let bench = Bench::start(platform, &serving::<Recorder>());
                let (one, other) = (bench.stub::<Recorder>("a"), bench.stub::<Recorder>("a"));
                let told = join(one.tell(1), other.tell(2)).await;
                assert_eq!(told, (Ok(()), Ok(())));
                one.heard().await.expect("it works")
            })
        })
        .collect();
    assert_eq!(orders, BTreeSet::from([vec![1, 2], vec![2, 1]]));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    item: String,
    count: u32,
    note: Option<String>,
}

/// Takes arguments of every kind.
#[durable_object]
struct Clerk;

impl DurableObject for Clerk {
    fn new(_: State, _: Env) -> Self {
        Self
    }
}

#[rpc]
impl Clerk {
    pub fn greet(&self, name: &str) -> String {
        format!("Hello, {name}!")
    }

    pub fn or_seven(&self, number: Option<u32>) -> u32 {
        number.unwrap_or(7)
    }

    pub fn double(&self, order: Order) -> Result<Order> {
        let count = order.count.checked_mul(2).ok_or("too many")?;
        Ok(Order { count, ..order })
    }

    pub fn add(&self, left: i32, right: i32) -> i32 {
        left + right
    }

    pub fn nothing(&self) {}

    pub(crate) fn secret(&self) -> u32 {
        42
    }
}

#[test]
fn a_typed_stub_takes_and_gives_the_types_of_the_method() {
    on_both(&serving::<Clerk>(), |bench| async move {
        let stub = bench.stub::<Clerk>("a");
        assert_eq!(stub.greet("Ada").await.as_deref(), Ok("Hello, Ada!"));
        assert_eq!(stub.greet("").await.as_deref(), Ok("Hello, !"));
        assert_eq!(stub.or_seven(Some(3)).await, Ok(3));
        assert_eq!(stub.or_seven(None).await, Ok(7));
        assert_eq!(stub.add(-5, 3).await, Ok(-2));
        assert_eq!(stub.nothing().await, Ok(()));
        for note in [None, Some("quick".to_owned())] {
            let order = Order {
                item: "tea".to_owned(),
                count: 2,
                note,
            };
            let doubled = Order {
                count: 4,
                ..order.clone()
            };
            assert_eq!(stub.double(order).await, Ok(doubled));
        }
        assert_eq!(Clerk.secret(), 42); // callable here, and not from afar: see below
    });
}

#[test]
fn missing_arguments_are_undefined_and_surplus_ones_are_ignored() {
    // (RP-6; recorded: argument_count)
    on_both(&serving::<Clerk>(), |bench| async move {
        let stub = bench.plain::<Clerk>("a");
        let call = |method: &str, arguments: Vec<Value>| stub.call_with(method, Ok(arguments));
        assert_eq!(call("or_seven", vec![]).await, Ok(Value::from(7)));
        let three = vec![Value::from(1), Value::from(2), Value::from(3)];
        assert_eq!(call("add", three).await, Ok(Value::from(3)));
    });
}

#[test]
fn an_argument_of_another_type_is_refused_and_named() {
    on_both(&serving::<Clerk>(), |bench| async move {
        let stub = bench.plain::<Clerk>("a");
        for (method, arguments, which) in [
            (
                "add",
                vec![Value::from(1), Value::from("two")],
                "Argument 2 of add: ",
            ),
            ("add", vec![Value::from(1)], "Argument 2 of add: "),
            (
                "add",
                vec![Value::from(0.5), Value::from(1)],
                "Argument 1 of add: ",
            ),
            ("greet", vec![Value::from(1)], "Argument 1 of greet: "),
            ("double", vec![Value::from("tea")], "Argument 1 of double: "),
        ] {
            let error = stub.call_with(method, Ok(arguments)).await;
            let error = error.expect_err("it must not be called");
            assert_eq!(error.name(), "TypeError", "{error:?}");
            assert!(error.message().starts_with(which), "{error:?}");
            assert!(!error.durable_object_reset(), "{error:?}");
        }
        let wrong_result = stub.call_typed::<u32>("greet", Ok(vec![Value::from("Ada")]));
        assert!(wrong_result.await.is_err());
        let right = stub.call_typed::<String>("greet", Ok(vec![Value::from("Ada")]));
        assert_eq!(right.await.as_deref(), Ok("Hello, Ada!"));
    });
}

#[test]
fn names_that_are_no_methods_are_refused_in_the_words_of_the_original() {
    // (RP-2; recorded: method_missing, reserved_names)
    on_both(&serving::<Clerk>(), |bench| async move {
        let stub = bench.plain::<Clerk>("a");
        let call = |method: &str| stub.call_with(method, Ok(Vec::new()));
        for missing in ["nope", "secret", "new", "", "toString", "alarm_with_info"] {
            assert_eq!(
                error_of(call(missing).await),
                format!(
                    "TypeError: The RPC receiver does not implement the method \"{missing}\". [remote]"
                )
            );
        }
        for reserved in [
            "fetch",
            "connect",
            "alarm",
            "webSocketMessage",
            "webSocketClose",
            "webSocketError",
            "dup",
            "constructor",
        ] {
            assert_eq!(
                error_of(call(reserved).await),
                format!(
                    "TypeError: '{reserved}' is a reserved method and cannot be called over RPC. [remote]"
                )
            );
        }
        assert_eq!(call("nothing").await, Ok(Value::Undefined)); // the stub is as good as before
    });
}

#[test]
fn a_class_without_a_fetch_handler_says_so() {
    // (FT-9)
    on_both(&serving::<Clerk>(), |bench| async move {
        let stub = bench.plain::<Clerk>("a");
        assert_eq!(
            error_of(stub.fetch_with_str("http://object/").await),
            "Error: Handler does not export a fetch() function. [remote]"
        );
        assert_eq!(
            stub.call_with("nothing", Ok(vec![])).await,
            Ok(Value::Undefined)
        );
    });
}

#[test]
fn a_relative_address_is_refused_by_the_caller_himself() {
    // (FT-2)
    on_both(&serving::<Recorder>(), |bench| async move {
        let stub = bench.plain::<Recorder>("a");
        let error = stub.fetch_with_str("/1").await.expect_err("it is relative");
        assert_eq!(error.name(), "TypeError");
        assert!(error.message().starts_with("Invalid URL"), "{error:?}");
        assert_eq!(bench.node.activation_count(), 0);
    });
}
