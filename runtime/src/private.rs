//! What the code calls that `#[durable_object]` and `#[rpc]` generate. Nobody else: it changes with the macros.
//!
//! The two macros do not see each other: the one on the struct has to dispatch calls to the one on the `impl`, if that
//! exists. So `#[rpc]` implements [`RpcMethods`], and `#[durable_object]` asks [`Dispatch`], of whose two `dispatch`
//! methods the compiler takes the one that needs fewer references: that of [`DispatchRpc`] where it applies.
//!
//! In: a method's name and values. Out: values, or a `TypeError` that names the argument.

pub use inventory;

use std::{rc::Rc, vec};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Error, Result, Value,
    platform::LocalBoxFuture,
    value::{from_value, to_value},
};

/// What `#[rpc]` makes of an `impl` block.
pub trait RpcMethods {
    /// Calls the method of this name; `None` if there is none.
    fn call(
        self: Rc<Self>,
        method: &str,
        arguments: Vec<Value>,
    ) -> Option<LocalBoxFuture<'static, Result<Value>>>;
}

/// An object whose methods are called if it has any: `(&&Dispatch(object)).dispatch(method, arguments)`.
#[derive(Debug)]
pub struct Dispatch<T>(pub Rc<T>);

/// For objects with an `#[rpc]` block.
pub trait DispatchRpc {
    /// Calls the method of this name; `None` if there is none.
    fn dispatch(
        &self,
        method: &str,
        arguments: Vec<Value>,
    ) -> Option<LocalBoxFuture<'static, Result<Value>>>;
}

/// For objects without one.
pub trait DispatchNone {
    /// Finds no method.
    fn dispatch(
        &self,
        method: &str,
        arguments: Vec<Value>,
    ) -> Option<LocalBoxFuture<'static, Result<Value>>>;
}

// For the receiver `&&Dispatch<T>` the compiler tries this one first, because it takes the receiver as it is ...
impl<T: RpcMethods> DispatchRpc for &Dispatch<T> {
    fn dispatch(
        &self,
        method: &str,
        arguments: Vec<Value>,
    ) -> Option<LocalBoxFuture<'static, Result<Value>>> {
        Rc::clone(&self.0).call(method, arguments)
    }
}

// ... and this one only if the other does not apply, because it has to take one reference off.
impl<T> DispatchNone for Dispatch<T> {
    fn dispatch(&self, _: &str, _: Vec<Value>) -> Option<LocalBoxFuture<'static, Result<Value>>> {
        None
    }
}

/// The arguments of a call, read one by one on the far side. Missing ones are `undefined`, surplus ones are ignored (RP-6).
#[derive(Debug)]
pub struct Arguments {
    method: &'static str,
    values: vec::IntoIter<Value>,
    taken: usize,
}

impl Arguments {
    /// The arguments of a call of `method`.
    pub fn new(method: &'static str, values: Vec<Value>) -> Self {
        Self {
            method,
            values: values.into_iter(),
            taken: 0,
        }
    }

    /// The next argument.
    ///
    /// # Errors
    /// It is of another shape than `T`.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<T> {
        self.taken += 1;
        let value = self.values.next().unwrap_or_default();
        from_value(value).map_err(|why| argument_error(self.taken, self.method, &why))
    }
}

/// An argument as a value, on the near side.
///
/// # Errors
/// It cannot be sent.
pub fn argument<T: Serialize + ?Sized>(argument: &T) -> Result<Value> {
    to_value(argument)
}

/// The arguments of a call as they are sent.
///
/// # Errors
/// One of them cannot be sent: the first.
pub fn arguments<const COUNT: usize>(
    method: &str,
    arguments: [Result<Value>; COUNT],
) -> Result<Vec<Value>> {
    let numbered = (1..).zip(arguments);
    numbered
        .map(|(number, argument)| argument.map_err(|why| argument_error(number, method, &why)))
        .collect()
}

/// What a method returned, as it is sent back.
///
/// # Errors
/// It cannot be sent.
pub fn returned<T: Serialize + ?Sized>(method: &str, returned: &T) -> Result<Value> {
    to_value(returned).map_err(|why| Error::type_error(format!("Result of {method}: {why}")))
}

fn argument_error(number: usize, method: &str, why: &Error) -> Error {
    Error::type_error(format!("Argument {number} of {method}: {why}"))
}

#[cfg(test)]
mod tests {
    use std::{
        future::{self, Future},
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    struct WithMethods;
    struct WithoutMethods;

    impl RpcMethods for WithMethods {
        fn call(
            self: Rc<Self>,
            method: &str,
            mut arguments: Vec<Value>,
        ) -> Option<LocalBoxFuture<'static, Result<Value>>> {
            (method == "echo").then(|| -> LocalBoxFuture<'static, Result<Value>> {
                Box::pin(future::ready(Ok(arguments.remove(0))))
            })
        }
    }

    #[test]
    fn an_object_with_an_rpc_block_is_called() {
        let dispatch = Dispatch(Rc::new(WithMethods));
        let dispatch = &&dispatch; // the receiver that the macro writes
        let call = dispatch.dispatch("echo", vec![Value::from("a")]);
        let call = pin!(call.expect("the method exists"));
        let Poll::Ready(result) = call.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("it does not wait")
        };
        assert_eq!(result, Ok(Value::from("a")));
        assert!(dispatch.dispatch("other", Vec::new()).is_none());
    }

    #[test]
    fn an_object_without_an_rpc_block_has_no_methods() {
        let dispatch = Dispatch(Rc::new(WithoutMethods));
        let dispatch = &&dispatch; // the receiver that the macro writes
        assert!(dispatch.dispatch("echo", Vec::new()).is_none());
    }

    #[test]
    fn missing_arguments_are_undefined_and_surplus_ones_are_ignored() {
        let mut arguments = Arguments::new("add", vec![Value::from(1)]);
        assert_eq!(arguments.take::<u32>(), Ok(1));
        assert_eq!(arguments.take::<Option<u32>>(), Ok(None));
        let mut arguments = Arguments::new("add", vec![Value::from(1), Value::from(2)]);
        assert_eq!(arguments.take::<u32>(), Ok(1));
    }

    #[test]
    fn an_argument_of_another_shape_is_named() {
        let mut arguments = Arguments::new("add", vec![Value::from(1), Value::from("two")]);
        assert_eq!(arguments.take::<u32>(), Ok(1));
        let error = arguments.take::<u32>().expect_err("a string is no number");
        assert_eq!(error.name(), "TypeError");
        let message = error.message();
        assert!(message.starts_with("Argument 2 of add: "), "{message}");
    }

    #[test]
    fn an_argument_that_cannot_be_sent_is_named() {
        let error = super::arguments("add", [argument(&1), argument(&u64::MAX)]);
        let error = error.expect_err("beyond the safe integers");
        assert_eq!(error.name(), "TypeError");
        let message = error.message();
        assert!(message.starts_with("Argument 2 of add: "), "{message}");
    }

    #[test]
    fn a_result_that_cannot_be_sent_names_its_method() {
        let error = returned("count", &u64::MAX).expect_err("beyond the safe integers");
        let message = error.message();
        assert!(message.starts_with("Result of count: "), "{message}");
    }
}
