//! The life of one event inside an activation: it waits at the input gate, runs, passes the output gate, and its reply leaves.

use std::rc::Rc;

use futures_channel::oneshot;

use super::{
    Activation,
    pins::PinKind,
    turn::{Gated, Task, catching},
};
use crate::{
    Error, Method, Result,
    handler::{Invocation, Reply, check_message_size},
    instrument::point,
    node::Compatibility,
    value::serialized_size,
};

/// An invocation and the one who waits for its reply.
pub(crate) struct Event {
    pub(crate) invocation: Invocation,
    /// Dropping it tells the caller that the activation ended before the reply could leave.
    pub(crate) reply: oneshot::Sender<Result<Reply>>,
}

impl Activation {
    /// Queues `event` behind everything that arrived before it.
    pub(crate) fn deliver(self: &Rc<Self>, event: Event) {
        let Event { invocation, reply } = event;
        let admitted = match self.entry.crowd.admit(&self.node, &self.input, &invocation) {
            Ok(admitted) => admitted,
            Err(refused) => {
                point!("refused", object = &*self.label, what = invocation.label());
                let _ = reply.send(Err(refused)); // the caller is gone
                return;
            }
        };
        self.construct_once();
        let number = self.arrivals.get() + 1;
        self.arrivals.set(number);
        self.note_event();
        point!(
            "deliver",
            object = &*self.label,
            event = number,
            what = invocation.label()
        );
        let over_rpc = matches!(invocation, Invocation::Call { .. });
        let pin = self.pin(PinKind::Handler(invocation.label().to_owned()), None);
        let activation = Rc::clone(self);
        let task = Task::of_event(number, Rc::clone(&self.input));
        let handler = Gated::new(Rc::clone(self), Rc::clone(&task), async move {
            drop(admitted); // it waits no longer
            let instance = activation.instance();
            let code = async {
                match invocation {
                    Invocation::Fetch(request) => {
                        let (method, upgrades) = (request.method(), request.upgrades());
                        let response = instance.fetch(request).await;
                        let checked = response.and_then(|response| response.checked(upgrades));
                        checked.map(|response| {
                            Reply::Response(match method {
                                Method::Head => response.without_body(),
                                _ => response,
                            })
                        })
                    }
                    Invocation::Call { method, arguments } => {
                        let value = instance.call(method, arguments).await;
                        value.and_then(|value| {
                            check_message_size(serialized_size(&value))?;
                            Ok(Reply::Value(value))
                        })
                    }
                }
            };
            let result = catching(task, code).await;
            // Sampled in the turn that produced the result: the reply waits for every write made up to here, the ones of
            // this turn included, which are committed when the turn ends (GATE-10, CR-3).
            (
                result,
                activation.output.pass(),
                activation.storage.confirmed_batch(),
            )
        });
        let activation = Rc::clone(self);
        self.spawn_pinned(pin, async move {
            let (result, gate, batch) = handler.await;
            let threw = result.is_err();
            let result = match gate.await {
                Ok(()) => {
                    let ok = result.is_ok();
                    if activation.is_superseded() {
                        note_superseded_output(&activation.label, "reply", batch, ok);
                    } else {
                        point!(
                            "output",
                            object = &*activation.label,
                            event = number,
                            what = "reply",
                            batch = batch,
                            ok = ok
                        );
                    }
                    result
                }
                // The storage's failure takes the place of whatever the handler said (G-15): nothing of that leaves.
                Err(broken) => {
                    point!(
                        "output_dropped",
                        object = &*activation.label,
                        event = number,
                        what = "reply",
                        batch = batch
                    );
                    Err(broken)
                }
            };
            let compatibility = activation.node.compatibility;
            let result = result.map_err(|error| as_seen_by_callers(error, over_rpc, compatibility));
            let exception = result.as_ref().err().cloned();
            let _ = reply.send(result); // nobody waits any more: the caller is gone
            if let Some(exception) = exception.filter(|_| threw)
                && activation.node.exception_resets()
            {
                point!("exception_reset", object = &*activation.label);
                activation.reset(exception.with_reset());
            }
        });
    }
}

/// Something of an instance whose place another one has taken passed the output gate and leaves: its batches are counted apart from its successor's.
pub(crate) fn note_superseded_output(object: &str, what: &'static str, batch: u64, ok: bool) {
    point!(
        "output",
        object = object,
        what = what,
        batch = batch,
        ok = ok,
        superseded = true
    );
}

/// What callers see of an error that crosses a call: everything, unless the worker was written before that was so (RP-20, RP-21).
pub(crate) fn as_seen_by_callers(
    error: Error,
    over_rpc: bool,
    compatibility: Compatibility,
) -> Error {
    let is_reset = error.flags().durable_object_reset;
    let error = if compatibility.errors_keep_everything {
        error
    } else {
        error.plain()
    };
    // As recorded from the original: over RPC the errors of a reset carry no `remote`, over fetch they do.
    if over_rpc && is_reset {
        error
    } else {
        error.with_remote()
    }
}
