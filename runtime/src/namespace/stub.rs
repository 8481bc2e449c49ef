//! Stubs: how code calls an object.

use std::{
    cell::OnceCell,
    fmt,
    future::Future,
    marker::PhantomData,
    ops::Deref,
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
    activation::{note_superseded_output, pins::PinKind, turn::Turn},
    gate::output::OutputGate,
    handler::{Invocation, Reply, check_message_size},
    instrument::point,
    mutation::Mutation,
    platform::{LocalBoxFuture, Spawn},
    storage::ActivationStorage,
    value::{self, serialized_size_of_arguments},
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
    /// The typed stub, with a method for each of the block's. It is the same stub: calls of methods and requests keep their order (ST-6).
    type Stub: From<Stub> + Deref<Target = Stub>;
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

    /// This stub with the methods of `T`'s `#[rpc]` block. What a stub has besides is still there, unless a method of the block has the same name.
    pub fn typed<T: Rpc>(self) -> T::Stub {
        T::Stub::from(self)
    }

    /// Sends an HTTP request to the object. The URL's host needs not exist.
    ///
    /// # Errors
    /// What the object's handler failed with (as an error, not as a response: FT-10), or why the object could not answer. Redirects are
    /// followed, to this object, unless the request says otherwise (FT-6): `TypeError: Too many redirects.` after twenty of them.
    #[track_caller]
    pub fn fetch_with_request(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Response>> + use<> {
        let redirects = request.redirects();
        let connection = self.connection();
        let reply = connection.send(request.received().map(Invocation::Fetch));
        async move {
            let mut response = responded(reply).await?;
            let Some(mut redirects) = redirects else {
                return Ok(response);
            };
            while let Some(request) = redirects.next(&response)? {
                let reply = connection.send(request.received().map(Invocation::Fetch));
                response = responded(reply).await?;
            }
            Ok(response)
        }
    }

    /// Sends a GET request to the object.
    ///
    /// # Errors
    /// `url` is not absolute; else as for [`fetch_with_request`](Self::fetch_with_request).
    #[track_caller]
    pub fn fetch_with_str(&self, url: &str) -> impl Future<Output = Result<Response>> + use<> {
        let sent = match Request::new(url, crate::Method::Get) {
            Ok(request) => Ok(self.fetch_with_request(request)),
            Err(error) => Err(error),
        };
        async move { sent?.await }
    }

    /// Calls a method by name, for those who have no typed stub. The arguments travel by value.
    ///
    /// # Errors
    /// What the method failed with, or why the object could not answer; if arguments or result take more than 32 MiB (RP-14).
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
        let invocation = arguments.and_then(|arguments| {
            check_message_size(serialized_size_of_arguments(&arguments))?;
            Ok(Invocation::Call {
                method: method.to_owned(),
                arguments,
            })
        });
        RpcCall {
            reply: self.send(invocation),
            result: PhantomData,
        }
    }

    #[track_caller]
    fn send(&self, invocation: Result<Invocation>) -> oneshot::Receiver<Result<Reply>> {
        self.connection().send(invocation)
    }

    #[track_caller]
    fn connection(&self) -> Connection {
        let caller = Rc::clone(&self.caller);
        let channel = Rc::clone(self.channel.get_or_init(|| {
            Rc::new(Channel::new(
                Rc::clone(&caller.host),
                &caller.label,
                self.address.clone(),
            ))
        }));
        Connection {
            caller,
            channel,
            label: Rc::clone(self.address.label()),
            made_at: Location::caller(),
        }
    }
}

/// What a call needs of its stub, which may be gone before the call is over.
struct Connection {
    caller: Rc<Caller>,
    channel: Rc<Channel>,
    /// How the object is called.
    label: Rc<str>,
    /// Where in the caller's code the call is made.
    made_at: &'static Location<'static>,
}

impl Connection {
    fn send(&self, invocation: Result<Invocation>) -> oneshot::Receiver<Result<Reply>> {
        let (answer, reply) = oneshot::channel();
        let invocation = match invocation {
            Ok(invocation) => invocation,
            Err(error) => {
                let _ = answer.send(Err(error)); // the receiver is in our hands
                return reply;
            }
        };
        let (caller, channel) = (Rc::clone(&self.caller), Rc::clone(&self.channel));
        // Sampled now: the call waits for the writes made before it, not for later ones (GATE-10).
        let gate = caller
            .gate
            .as_ref()
            .map(|gate| (gate.output.pass(), gate.storage.confirmed_batch()));
        // Awaited or not, its answer comes back into the object, which stays in memory until then (L-8).
        let of_object = Turn::current().filter(|_| gate.is_some()).map(|turn| {
            let to = PinKind::Call(Rc::clone(&self.label));
            let place = turn
                .task
                .connections
                .enter(turn.activation.node.limits.outgoing_calls_max);
            let pin = turn.activation.pin(to, Some(self.made_at));
            (pin, place, Rc::downgrade(&turn.activation))
        });
        let host = Rc::clone(&caller.host);
        host.spawn(Box::pin(async move {
            let of_object = match of_object {
                Some((pin, place, activation)) => Some((pin, place.await, activation)),
                None => None,
            };
            if let Some((gate, batch)) = gate {
                let passed = if Mutation::CallsLeaveEarly.is_active() {
                    Ok(())
                } else {
                    gate.await
                };
                if let Err(error) = passed {
                    let _ = answer.send(Err(error)); // the caller is being reset
                    return;
                }
                let activation = of_object
                    .as_ref()
                    .and_then(|(_, _, caller)| caller.upgrade());
                if activation.is_some_and(|caller| caller.is_superseded()) {
                    note_superseded_output(&caller.label, "call", batch, true);
                } else {
                    point!(
                        "output",
                        object = &*caller.label,
                        what = "call",
                        batch = batch,
                        ok = true
                    );
                }
            }
            let reply = channel.call(invocation).await;
            if let Ok(Reply::Response(response)) = &reply {
                let home = Rc::new(BesideTheCaller(Rc::clone(&caller.host)));
                response.reached(&caller.label, home);
            }
            let _ = answer.send(reply); // the caller may not wait any more
            if let Some((pin, connection, _)) = of_object {
                drop(connection);
                pin.release();
            }
        }));
        reply
    }
}

async fn responded(reply: oneshot::Receiver<Result<Reply>>) -> Result<Response> {
    match settled(reply.await)? {
        Reply::Response(response) => Ok(response),
        Reply::Value(_) => unreachable!("a fetch is answered by a response"),
    }
}

/// Where the tasks of a caller run.
struct BesideTheCaller(Rc<dyn Host>);

impl Spawn for BesideTheCaller {
    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.0.spawn(task);
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

/// A call whose task was dropped is one whose caller went down: only then is nobody left to answer.
fn settled(reply: Result<Result<Reply>, oneshot::Canceled>) -> Result<Reply> {
    reply.unwrap_or_else(|oneshot::Canceled| Err(Error::connection_lost()))
}
