//! The life of one event inside an activation: it waits at the input gate, runs, passes the output gate, and its reply leaves.

use std::rc::Rc;

use futures_channel::oneshot;

use super::{
    Activation,
    pins::PinKind,
    turn::{Gated, Task, catching},
};
use crate::{
    Error, Response, Result,
    handler::{Invocation, Reply},
    instrument::point,
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
        self.arrivals.set(self.arrivals.get() + 1);
        self.note_event();
        point!("deliver", object = &*self.label, what = invocation.label());
        let over_rpc = matches!(invocation, Invocation::Call { .. });
        let pin = self.pin(PinKind::Handler(invocation.label().to_owned()), None);
        let activation = Rc::clone(self);
        let task = Task::new(Rc::clone(&self.input));
        let handler = Gated::new(Rc::clone(self), Rc::clone(&task), async move {
            drop(admitted); // it waits no longer
            let instance = activation.instance();
            let code = async {
                match invocation {
                    Invocation::Fetch(request) => instance
                        .fetch(request)
                        .await
                        .and_then(Response::checked)
                        .map(Reply::Response),
                    Invocation::Call { method, arguments } => {
                        instance.call(method, arguments).await.map(Reply::Value)
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
                    note_output(
                        &activation.label,
                        "reply",
                        batch,
                        ok,
                        activation.is_superseded(),
                    );
                    result
                }
                // The storage's failure takes the place of whatever the handler said (G-15): nothing of that leaves.
                Err(broken) => {
                    point!(
                        "output_dropped",
                        object = &*activation.label,
                        what = "reply",
                        batch = batch
                    );
                    Err(broken)
                }
            };
            let result = result.map_err(|error| as_seen_by_callers(error, over_rpc));
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

/// Something passed the output gate and leaves `object`; it depends on the batches up to `batch`.
pub(crate) fn note_output(
    object: &str,
    what: &'static str,
    batch: u64,
    ok: bool,
    superseded: bool,
) {
    if superseded {
        // Its batches are counted apart from its successor's.
        point!(
            "output",
            object = object,
            what = what,
            batch = batch,
            ok = ok,
            superseded = true
        );
    } else {
        point!(
            "output",
            object = object,
            what = what,
            batch = batch,
            ok = ok
        );
    }
}

/// What survives of an error that crosses a call (RP-20): the message, and the class if it is one that everybody knows.
pub(crate) fn as_seen_by_callers(error: Error, over_rpc: bool) -> Error {
    const KNOWN: [&str; 11] = [
        "Error",
        "RangeError",
        "TypeError",
        "SyntaxError",
        "ReferenceError",
        "URIError",
        "EvalError",
        "AggregateError",
        "SuppressedError",
        "DataCloneError",
        "QuotaExceededError",
    ];
    let flags = error.flags();
    let error = if KNOWN.contains(&error.name()) {
        error
    } else {
        Error::from(format!("{}: {}", error.name(), error.message())).with_flags(flags)
    };
    // As recorded from the original: over RPC the errors of a reset carry no `remote`, over fetch they do.
    if over_rpc && flags.durable_object_reset {
        error
    } else {
        error.with_remote()
    }
}
