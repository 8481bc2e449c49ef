//! Performs a script's steps inside an object, as the recorder's own interpreter did in the original.
//!
//! A promise begins its work when it is made, a Rust future when it is polled. So a future that stands for a promise is polled once where
//! the script makes it ([`Interpreter::begin`]), and whatever is left of it goes on, awaited or not.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use dormouse::{Date, Delay, State, Transaction};
use futures_util::{
    FutureExt as _,
    future::{LocalBoxFuture, Shared},
};
use serde_json::{Value as Json, json};

use super::{
    binding::{self, Called, Held},
    convert::Thrown,
    host,
    js::{Js, encode, encode_string},
    result::{bound, returned, threw, with_steps},
    script::{Call, Spread, Step, Steps},
};

/// An alarm as near to the present as this is shown as the present, in milliseconds.
const NOW_MARGIN: f64 = 60_000.0;

/// The results of steps, as far as they have been performed.
type Results = Rc<RefCell<Vec<Json>>>;

/// One run of a script.
pub(super) struct Interpreter {
    state: Rc<State>,
    variables: RefCell<BTreeMap<String, Variable>>,
    /// The transactions whose closures are being performed, the innermost last.
    transactions: RefCell<Vec<(u64, Transaction)>>,
    transaction_count: Cell<u64>,
    /// What `rethrow` throws.
    last_thrown: RefCell<Thrown>,
}

enum Variable {
    Held(Held),
    Step(Begun),
}

/// A result, or a promise of one.
enum Recorded {
    Done(Json),
    Promised(LocalBoxFuture<'static, Json>),
}

/// What performing a step gives at once.
enum Performed {
    Done(Json),
    Promised(LocalBoxFuture<'static, Result<Json, Thrown>>),
}

/// A step that was begun and not awaited.
#[derive(Clone)]
enum Begun {
    Done(Json),
    Running(Shared<LocalBoxFuture<'static, Json>>),
}

fn promised(future: impl Future<Output = Result<Json, Thrown>> + 'static) -> Performed {
    Performed::Promised(Box::pin(future))
}

/// Runs the synchronous part of a promise.
fn poll_once<T>(future: &mut LocalBoxFuture<'static, T>) -> Poll<T> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

impl Interpreter {
    pub(super) fn new(state: Rc<State>) -> Rc<Self> {
        Rc::new(Self {
            state,
            variables: RefCell::default(),
            transactions: RefCell::default(),
            transaction_count: Cell::default(),
            last_thrown: RefCell::new(Thrown::Value(Js::Undefined)),
        })
    }

    /// Performs steps one after another and awaits each; gives what a `return` says.
    pub(super) fn run(
        self: &Rc<Self>,
        steps: Steps,
        results: Results,
    ) -> LocalBoxFuture<'static, Result<Js, Thrown>> {
        let this = Rc::clone(self);
        Box::pin(async move {
            for step in &*steps {
                if let Some(end) = this.control(step) {
                    return end.map(|value| match value {
                        Js::Promise => Js::Undefined, // awaited
                        value => value,
                    });
                }
                let result = match this.record(step) {
                    Recorded::Done(result) => result,
                    Recorded::Promised(promise) => promise.await,
                };
                results.borrow_mut().push(result);
            }
            Ok(Js::Undefined)
        })
    }

    /// The same without awaiting anything: a promise is left alone.
    fn run_sync(self: &Rc<Self>, steps: &Steps, results: &Results) -> Result<Js, Thrown> {
        for step in &**steps {
            if let Some(end) = self.control(step) {
                return end;
            }
            let result = match self.record(step) {
                Recorded::Done(result) => result,
                Recorded::Promised(promise) => {
                    self.begin(promise);
                    returned(&Js::Promise)
                }
            };
            results.borrow_mut().push(result);
        }
        Ok(Js::Undefined)
    }

    /// What a step that ends its list ends it with.
    fn control(&self, step: &Step) -> Option<Result<Js, Thrown>> {
        Some(match step {
            Step::Return(value) => Ok(value.clone().at(now())),
            Step::Throw(message) => Err(Thrown::Error(message.as_str().into())),
            Step::ThrowValue(value) => Err(Thrown::Value(value.clone().at(now()))),
            Step::Rethrow => Err(self.last_thrown.borrow().clone()),
            _ => return None,
        })
    }

    fn record(self: &Rc<Self>, step: &Step) -> Recorded {
        match self.perform(step) {
            Ok(Performed::Done(result)) => Recorded::Done(result),
            Ok(Performed::Promised(promise)) => {
                let this = Rc::clone(self);
                Recorded::Promised(Box::pin(async move {
                    promise.await.unwrap_or_else(|thrown| this.threw(thrown))
                }))
            }
            Err(thrown) => Recorded::Done(self.threw(thrown)),
        }
    }

    fn threw(&self, thrown: Thrown) -> Json {
        let result = threw(&thrown);
        *self.last_thrown.borrow_mut() = thrown;
        result
    }

    fn perform(self: &Rc<Self>, step: &Step) -> Result<Performed, Thrown> {
        Ok(Performed::Done(match step {
            Step::Transaction { steps, options } => {
                return Ok(promised(
                    Rc::clone(self).transaction(Rc::clone(steps), options.clone()),
                ));
            }
            Step::TransactionSync(steps) => self.transaction_sync(steps),
            Step::All(steps) => return Ok(promised(self.all(steps))),
            Step::Start(name, step) => {
                let begun = match self.record(step) {
                    Recorded::Done(result) => Begun::Done(result),
                    Recorded::Promised(promise) => self.begin(promise),
                };
                self.bind(name, Variable::Step(begun));
                bound(name)
            }
            Step::Await(name) => match self.variables.borrow().get(name) {
                Some(Variable::Step(begun)) => {
                    let begun = begun.clone();
                    return Ok(promised(async move {
                        Ok(match begun {
                            Begun::Done(result) => result,
                            Begun::Running(promise) => promise.await,
                        })
                    }));
                }
                _ => Json::Null,
            },
            Step::Let(name, call) => match self.call(call)? {
                Called::Returned(held) => {
                    self.bind(name, Variable::Held(held));
                    bound(name)
                }
                Called::Promised(promise) => {
                    let (this, name) = (Rc::clone(self), name.clone());
                    return Ok(promised(async move {
                        let held = Held::Value(promise.await?);
                        this.bind(&name, Variable::Held(held));
                        Ok(bound(&name))
                    }));
                }
            },
            Step::Keep(name) => {
                let innermost = self.transactions.borrow().last().cloned();
                let held = innermost.map_or(Held::Value(Js::Undefined), |(_, transaction)| {
                    Held::Transaction(transaction)
                });
                self.bind(name, Variable::Held(held));
                bound(name)
            }
            Step::Sql(arguments) => {
                let cursor = binding::query(&self.state, &at_now(arguments))?;
                let columns = cursor.column_names();
                let columns: Json = columns.iter().map(|name| encode_string(name)).collect();
                let rows = Held::Rows(cursor.raw()).spread()?;
                json!({"ok": {"columns": columns, "rows": encode(&Js::Array(rows))}})
            }
            Step::Spread(what) => {
                let held = match what {
                    Spread::Variable(name) => self.variable(name),
                    Spread::Call(call) => match self.call(call)? {
                        Called::Returned(held) => held,
                        Called::Promised(promise) => {
                            self.leave(promise);
                            Held::Value(Js::Promise)
                        }
                    },
                };
                returned(&Js::Array(held.spread()?))
            }
            Step::TypeOf(call) => {
                let kind = match self.call(call)? {
                    Called::Returned(held) => held.type_of(),
                    Called::Promised(promise) => {
                        self.leave(promise);
                        Js::Promise.type_of()
                    }
                };
                json!({"ok": kind})
            }
            Step::Wait(millis) => {
                let delay = Delay::from(Duration::from_secs_f64(millis / 1000.0));
                return Ok(promised(async move {
                    delay.await;
                    Ok(returned(&Js::Undefined))
                }));
            }
            Step::Abort(reason) => {
                let (state, reason) = (Rc::clone(&self.state), reason.clone());
                return Ok(promised(async move {
                    match state.abort(reason.as_deref()).await {}
                }));
            }
            Step::Call(call) => return self.perform_call(call),
            Step::Return(_) | Step::Throw(_) | Step::ThrowValue(_) | Step::Rethrow => {
                unreachable!("a step that ends its list was seen before")
            }
        }))
    }

    fn perform_call(self: &Rc<Self>, call: &Call) -> Result<Performed, Thrown> {
        let is_alarm = call.operation.ends_with("getAlarm");
        let shown = move |value: &Js| match value {
            Js::Number(at) if is_alarm && (at - now()).abs() < NOW_MARGIN => {
                json!({"ok": {"$now": 0}})
            }
            value => returned(value),
        };
        match self.call(call)? {
            Called::Returned(held) => Ok(Performed::Done(shown(&held.into_value()))),
            Called::Promised(promise) => Ok(promised(async move { Ok(shown(&promise.await?)) })),
        }
    }

    fn call(&self, call: &Call) -> Result<Called, Thrown> {
        let mut target = Held::Storage(Rc::clone(&self.state));
        let mut path = call.path.iter();
        if let Some(root) = path.next() {
            target = self.root(root)?;
        }
        for name in path {
            target = target.property(name)?;
        }
        if let Held::Value(value @ (Js::Undefined | Js::Null)) = &target {
            target = Held::Value(value.clone());
            return target.property(&call.member).map(Called::Returned);
        }
        if call.reads {
            return target.property(&call.member).map(Called::Returned);
        }
        if !target.has_method(&call.member) {
            return Err(Thrown::NoSuchMethod(call.operation.clone()));
        }
        target.call(&call.member, &at_now(&call.arguments))
    }

    /// What the first part of a path means.
    fn root(&self, name: &str) -> Result<Held, Thrown> {
        let storage = Held::Storage(Rc::clone(&self.state));
        let transaction = |level: usize| {
            let transactions = self.transactions.borrow();
            let found = transactions.iter().rev().nth(level);
            found.map_or(Held::Value(Js::Undefined), |(_, it)| {
                Held::Transaction(it.clone())
            })
        };
        match name {
            "storage" => Ok(storage),
            "sql" | "kv" => storage.property(name),
            "txn" => Ok(transaction(0)),
            "outerTxn" => Ok(transaction(1)),
            name => Ok(self.variable(name)),
        }
    }

    fn variable(&self, name: &str) -> Held {
        match self.variables.borrow().get(name) {
            Some(Variable::Held(held)) => held.clone(),
            Some(Variable::Step(_)) => Held::Value(Js::Promise),
            None => Held::Value(Js::Undefined),
        }
    }

    fn bind(&self, name: &str, variable: Variable) {
        self.variables
            .borrow_mut()
            .insert(name.to_owned(), variable);
    }

    /// Runs the synchronous part of a promise at once, the rest whether it is awaited or not.
    fn begin(&self, mut promise: LocalBoxFuture<'static, Json>) -> Begun {
        match poll_once(&mut promise) {
            Poll::Ready(result) => Begun::Done(result),
            Poll::Pending => {
                let promise = promise.shared();
                self.state.wait_until(promise.clone().map(drop));
                Begun::Running(promise)
            }
        }
    }

    /// The same for a promise that nobody can await.
    fn leave(&self, promise: LocalBoxFuture<'static, Result<Js, Thrown>>) {
        self.begin(Box::pin(promise.map(|_| Json::Null)));
    }

    /// Begins all steps, then awaits all.
    fn all(
        self: &Rc<Self>,
        steps: &Steps,
    ) -> impl Future<Output = Result<Json, Thrown>> + use<> + 'static {
        let begun: Vec<_> = steps
            .iter()
            .map(|step| match self.record(step) {
                Recorded::Done(result) => Begun::Done(result),
                Recorded::Promised(promise) => self.begin(promise),
            })
            .collect();
        async move {
            let mut results = Vec::with_capacity(begun.len());
            for step in begun {
                results.push(match step {
                    Begun::Done(result) => result,
                    Begun::Running(promise) => promise.await,
                });
            }
            Ok(json!({"all": results}))
        }
    }

    async fn transaction(self: Rc<Self>, steps: Steps, options: Js) -> Result<Json, Thrown> {
        let inner = Results::default();
        let outcome = match binding::transaction_options(&options) {
            Ok(()) => self.transact(steps, Rc::clone(&inner)).await,
            Err(thrown) => Err(thrown),
        };
        let result = match outcome {
            Ok(value) => returned(&value),
            Err(thrown) => self.threw(thrown),
        };
        Ok(with_steps(result, inner.take()))
    }

    async fn transact(self: &Rc<Self>, steps: Steps, inner: Results) -> Result<Js, Thrown> {
        let escaped = Escaped::default();
        let (this, escapes) = (Rc::clone(self), escaped.clone());
        let storage = self.state.storage();
        let outcome = host::transaction(&storage, move |transaction| async move {
            let number = this.transaction_count.get();
            this.transaction_count.set(number + 1);
            this.transactions.borrow_mut().push((number, transaction));
            let outcome = this.run(steps, inner).await;
            this.transactions
                .borrow_mut()
                .retain(|(one, _)| *one != number);
            outcome.map_err(|thrown| escapes.send(thrown))
        });
        outcome.await.map_err(|error| escaped.receive(error))
    }

    fn transaction_sync(self: &Rc<Self>, steps: &Steps) -> Json {
        let (inner, escaped) = (Results::default(), Escaped::default());
        let outcome = self.state.storage().transaction_sync(|| {
            self.run_sync(steps, &inner)
                .map_err(|thrown| escaped.send(thrown))
        });
        let result = match outcome {
            Ok(value) => returned(&value),
            Err(error) => self.threw(escaped.receive(error)),
        };
        with_steps(result, inner.take())
    }
}

/// What a closure threw, beside the error that stands for it on its way through a transaction: an error cannot carry every value.
#[derive(Clone, Default)]
struct Escaped(Rc<RefCell<Option<(dormouse::Error, Thrown)>>>);

impl Escaped {
    fn send(&self, thrown: Thrown) -> dormouse::Error {
        let error = thrown.to_error();
        *self.0.borrow_mut() = Some((error.clone(), thrown));
        error
    }

    /// What was thrown, if this is the error that stood for it; else the error is the transaction's own.
    fn receive(&self, error: dormouse::Error) -> Thrown {
        match self.0.take() {
            Some((sent, thrown)) if sent == error => thrown,
            _ => Thrown::Error(error),
        }
    }
}

/// `Date.now()`.
fn now() -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "dates are exact as numbers")]
    let now = Date::now().as_millis() as f64;
    now
}

fn at_now(arguments: &[Js]) -> Vec<Js> {
    arguments.iter().map(|it| it.clone().at(now())).collect()
}
