//! Stubs: how code calls an object.

use std::{
    cell::OnceCell,
    fmt,
    future::Future,
    marker::PhantomData,
    panic::Location,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use futures_channel::oneshot;
use serde::de::DeserializeOwned;

use super::{
    channel::{Channel, Host, ObjectAddress},
    object_id::ObjectId,
};
use crate::{
    Error, Request, Response, Result, Value,
    activation::{note_output, pins::PinKind, turn::Turn},
    gate::output::OutputGate,
    handler::{Invocation, Reply},
    storage::ActivationStorage,
    value,
};

/// Who makes calls: a client, or an object whose calls wait at its output gate.
pub(crate) struct Caller {
    pub(crate) label: Rc<str>,
    pub(crate) host: Rc<dyn Host>,
    pub(crate) gate: Option<CallerGate>,
}

/// The calling object's side of the output gate.
pub(crate) struct CallerGate {
    pub(crate) output: Rc<OutputGate>,
    pub(crate) storage: Rc<ActivationStorage>,
}

/// A handle to one object.
///
/// Calls made on one stub are delivered in the order in which they are made; between two stubs nothing is promised (ST-5, ST-6). A call is
/// sent when its method is called, not when it is awaited; dropping the future means not to wait for the answer.
///
/// When the object is reset or the connection is lost, the stub fails for ever with the same error: make a new one (ST-10).
pub struct Stub {
    address: ObjectAddress,
    caller: Rc<Caller>,
    /// Opened by the first call (NS-4).
    channel: OnceCell<Rc<Channel>>,
}

/// A type whose methods can be called remotely: it has an `#[rpc]` block, which made its typed stub.
pub trait Rpc {
    /// The typed stub, with a method for each of the block's.
    type Stub: From<Stub>;
}

impl Stub {
    pub(crate) fn new(address: ObjectAddress, caller: Rc<Caller>) -> Self {
        Self {
            address,
            caller,
            channel: OnceCell::new(),
        }
    }

    /// The id for which the stub was made.
    pub fn id(&self) -> ObjectId<'_> {
        ObjectId::without_namespace(self.address.id.clone())
    }

    /// The name from which the id was made, if it was made from one.
    pub fn name(&self) -> Option<&str> {
        self.address.id.name()
    }

    /// This stub with the methods of `T`'s `#[rpc]` block.
    pub fn typed<T: Rpc>(self) -> T::Stub {
        T::Stub::from(self)
    }

    /// Sends an HTTP request to the object. The URL's host needs not exist.
    ///
    /// # Errors
    /// What the object's handler failed with (as an error, not as a response: FT-10), or why the object could not answer.
    #[track_caller]
    pub fn fetch_with_request(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Response>> + use<> {
        let reply = self.send(request.received().map(Invocation::Fetch));
        async move { response(reply.await) }
    }

    /// Sends a GET request to the object.
    ///
    /// # Errors
    /// `url` is not absolute; else as for [`fetch_with_request`](Self::fetch_with_request).
    #[track_caller]
    pub fn fetch_with_str(&self, url: &str) -> impl Future<Output = Result<Response>> + use<> {
        let reply = self.send(
            Request::new(url, crate::Method::Get)
                .and_then(Request::received)
                .map(Invocation::Fetch),
        );
        async move { response(reply.await) }
    }

    /// Calls a method by name, for those who have no typed stub. The arguments travel by value.
    ///
    /// # Errors
    /// What the method failed with, or why the object could not answer.
    #[track_caller]
    pub fn call_with(&self, method: &str, arguments: Result<Vec<Value>>) -> RpcCall<Value> {
        self.call_typed(method, arguments)
    }

    /// Calls a method by name and converts its result to `T`.
    ///
    /// # Errors
    /// What the method failed with, why the object could not answer, or that the result is no `T`.
    #[track_caller]
    pub fn call_typed<T>(&self, method: &str, arguments: Result<Vec<Value>>) -> RpcCall<T> {
        let invocation = arguments.map(|arguments| Invocation::Call {
            method: method.to_owned(),
            arguments,
        });
        RpcCall {
            reply: self.send(invocation),
            result: PhantomData,
        }
    }

    #[track_caller]
    fn send(&self, invocation: Result<Invocation>) -> oneshot::Receiver<Result<Reply>> {
        let (answer, reply) = oneshot::channel();
        let invocation = match invocation {
            Ok(invocation) => invocation,
            Err(error) => {
                let _ = answer.send(Err(error)); // the receiver is in our hands
                return reply;
            }
        };
        let caller = Rc::clone(&self.caller);
        let channel = Rc::clone(self.channel.get_or_init(|| {
            Rc::new(Channel::new(
                Rc::clone(&caller.host),
                &caller.label,
                self.address.clone(),
            ))
        }));
        // Sampled now: the call waits for the writes made before it, not for later ones (GATE-10).
        let gate = caller
            .gate
            .as_ref()
            .map(|gate| (gate.output.pass(), gate.storage.confirmed_batch()));
        // Awaited or not, its answer comes back into the object, which stays in memory until then (L-8).
        let of_object = Turn::current().filter(|_| gate.is_some()).map(|turn| {
            let to = PinKind::Call(Rc::clone(self.address.label()));
            let place = turn
                .task
                .connections
                .enter(turn.activation.node.limits.outgoing_calls_max);
            let pin = turn.activation.pin(to, Some(Location::caller()));
            (pin, place, Rc::downgrade(&turn.activation))
        });
        let host = Rc::clone(&caller.host);
        host.spawn(Box::pin(async move {
            let of_object = match of_object {
                Some((pin, place, activation)) => Some((pin, place.await, activation)),
                None => None,
            };
            if let Some((gate, batch)) = gate {
                if let Err(error) = gate.await {
                    let _ = answer.send(Err(error)); // the caller is being reset
                    return;
                }
                let activation = of_object
                    .as_ref()
                    .and_then(|(_, _, caller)| caller.upgrade());
                let superseded = activation.is_some_and(|caller| caller.is_superseded());
                note_output(&caller.label, "call", batch, true, superseded);
            }
            let _ = answer.send(channel.call(invocation).await); // the caller may not wait any more
            if let Some((pin, connection, _)) = of_object {
                drop(connection);
                pin.release();
            }
        }));
        reply
    }
}

impl fmt::Debug for Stub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stub").field(&self.address.label()).finish()
    }
}

/// A call that has been sent. Await it for the result; drop it not to wait.
#[must_use = "the call has been sent; await it for its result, or drop it on purpose"]
pub struct RpcCall<T> {
    reply: oneshot::Receiver<Result<Reply>>,
    result: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Future for RpcCall<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let reply = std::task::ready!(Pin::new(&mut self.reply).poll(cx));
        Poll::Ready(match settled(reply) {
            Ok(Reply::Value(value)) => value::from_value(value),
            Ok(Reply::Response(_)) => unreachable!("a call is answered by a value"),
            Err(error) => Err(error),
        })
    }
}

impl<T> fmt::Debug for RpcCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RpcCall")
    }
}

fn response(reply: Result<Result<Reply>, oneshot::Canceled>) -> Result<Response> {
    match settled(reply)? {
        Reply::Response(response) => Ok(response),
        Reply::Value(_) => unreachable!("a fetch is answered by a response"),
    }
}

/// A call whose task was dropped is one whose caller went down: only then is nobody left to answer.
fn settled(reply: Result<Result<Reply>, oneshot::Canceled>) -> Result<Reply> {
    reply.unwrap_or_else(|oneshot::Canceled| Err(Error::connection_lost()))
}
