//! Flushes: how the changes of the cache get to the service.
//!
//! The first change after a flush has started arms the next one. One flush runs at a time; the next starts when it has ended and the turn
//! that armed it has, too; until then more changes join it (LK-3). A flush carries everything that is dirty when it starts, because what
//! was overwritten in the cache is gone: a part of it would be a state that never was (LK-2). It goes out as one message if it fits into
//! one, else as one transaction of the service, so it happens as a whole or not at all (LK-6, LK-8). If the connection is
//! lost it is tried again with what is dirty by then (LK-9); if it fails for good, the object is reset (LK-11).
//!
//! The output gate is held from the moment at which a flush is armed with a confirmed write until it has ended (LKVTX-2), for 30
//! seconds at most (GATE-12).

use std::rc::Rc;

use futures_channel::oneshot;
use futures_util::future::{Either, select};

use super::{
    Answer, LegacyStorage,
    alarm::AlarmChange,
    cache::Key,
    change::Change,
    contents::{Contents, Delivered, Part},
    limits::{GATE_TIME_MAX, MESSAGE_BYTES_MAX, PAIRS_MAX, WRITE_ATTEMPTS_MAX},
    service::Failure,
};
use crate::{
    Error, Result,
    gate::output::Confirmation,
    instrument::point,
    mutation::Mutation,
    storage::{batch::Confirm, durability::timed_out},
};

/// The batches of one activation: each is what one flush is for.
#[derive(Default)]
pub(super) struct Batches {
    /// How many were armed so far.
    begun: u64,
    last_confirmed: u64,
    /// Its flush has not started.
    armed: Option<Batch>,
    running: Option<Batch>,
    /// There is a task that flushes.
    is_flushing: bool,
}

struct Batch {
    number: u64,
    /// There from the first confirmed write on.
    hold: Option<Hold>,
    /// Calls of `sync` that wait for it.
    waiting: Vec<oneshot::Sender<Result<()>>>,
}

/// A hold on the output gate with its time limit.
struct Hold {
    confirmation: Confirmation,
    /// Dropped with the hold, and that ends the limit.
    _limit: oneshot::Sender<()>,
}

impl LegacyStorage {
    /// Makes sure that a flush follows. If a write is to be confirmed, outputs wait for that flush.
    pub(super) fn arm(self: &Rc<Self>, confirm: Confirm) {
        if self.failed.borrow().is_some() || self.require_open().is_err() {
            return; // accepted into memory, and never sent (LKVTX-4)
        }
        let mut batches = self.batches.borrow_mut();
        let batches = &mut *batches;
        let batch = batches.armed.get_or_insert_with(|| {
            batches.begun += 1;
            Batch {
                number: batches.begun,
                hold: None,
                waiting: Vec::new(),
            }
        });
        if confirm == Confirm::Required {
            batches.last_confirmed = batch.number;
            batch.hold.get_or_insert_with(|| self.hold_gate());
        }
    }

    fn hold_gate(self: &Rc<Self>) -> Hold {
        let (limit, released) = oneshot::channel::<()>();
        let due = self.clock.sleep_until(self.clock.now() + GATE_TIME_MAX);
        let storage = Rc::clone(self);
        self.spawn(async move {
            if let Either::Right(_) = select(released, due).await {
                storage.fail(timed_out());
            }
        });
        Hold {
            confirmation: self.gate.hold(),
            _limit: limit,
        }
    }

    /// The last batch with a confirmed write, the armed one included, counted from 1 in this activation; 0 if there was none.
    pub(crate) fn confirmed_batch(&self) -> u64 {
        self.batches.borrow().last_confirmed
    }

    /// Lets the flush go that the turn has armed, and tidies up the cache.
    pub(crate) fn end_turn(self: &Rc<Self>) {
        if self.require_open().is_err() || self.limit_memory().is_err() {
            return;
        }
        let starts = {
            let mut batches = self.batches.borrow_mut();
            let starts = batches.armed.is_some() && !batches.is_flushing;
            batches.is_flushing |= starts;
            starts
        };
        if starts {
            self.spawn(Rc::clone(self).run_flushes());
        }
    }

    /// No change is on its way to the service or waits to be sent, an unconfirmed one included: an activation that ends now loses nothing.
    pub(crate) fn is_idle(&self) -> bool {
        let batches = self.batches.borrow();
        batches.armed.is_none() && batches.running.is_none()
    }

    /// Completes when every write made before is durable, unconfirmed ones included. It starts no flush (SYNC-2).
    ///
    /// # Errors
    /// If the storage is closed, broken, or breaks meanwhile.
    pub(crate) fn sync(self: &Rc<Self>) -> Result<Answer<()>> {
        self.require_open()?;
        if let Some(failed) = &*self.failed.borrow() {
            return Err(failed.clone());
        }
        let mut batches = self.batches.borrow_mut();
        let batches = &mut *batches;
        let Some(batch) = batches.armed.as_mut().or(batches.running.as_mut()) else {
            return Ok(Answer::Now(()));
        };
        let (done, durable) = oneshot::channel();
        batch.waiting.push(done);
        let storage = Rc::clone(self);
        Ok(Answer::Later(Box::pin(async move {
            let outcome = durable.await;
            outcome.unwrap_or_else(|oneshot::Canceled| Err(storage.why_stopped()))
        })))
    }

    /// Flushes until nothing is armed any more.
    async fn run_flushes(self: Rc<Self>) {
        while let Some(number) = self.start_batch() {
            let outcome = self.flush(number).await;
            if self.failed.borrow().is_some() {
                return; // it took too long
            }
            match outcome {
                Ok(()) => self.batch_done(),
                Err(error) => return self.fail(error),
            }
        }
    }

    fn start_batch(&self) -> Option<u64> {
        let mut batches = self.batches.borrow_mut();
        batches.running = batches.armed.take();
        batches.is_flushing = batches.running.is_some();
        batches.running.as_ref().map(|batch| batch.number)
    }

    fn batch_done(&self) {
        let batch = self.batches.borrow_mut().running.take();
        let Some(Batch {
            number,
            hold,
            waiting,
        }) = batch
        else {
            return;
        };
        point!("committed", object = &*self.object, batch = number);
        point!("durable", object = &*self.object, batch = number);
        if let Some(hold) = hold {
            hold.confirmation.confirm();
        }
        for waiting in waiting {
            let _ = waiting.send(Ok(())); // whoever called `sync` may not wait any more
        }
    }

    /// No batch will be flushed any more.
    pub(super) fn abandon_batches(&self, reason: &Error) {
        let (running, armed) = {
            let mut batches = self.batches.borrow_mut();
            (batches.running.take(), batches.armed.take())
        };
        for batch in [running, armed].into_iter().flatten() {
            if let Some(hold) = batch.hold {
                hold.confirmation.fail(reason.clone());
            }
            for waiting in batch.waiting {
                let _ = waiting.send(Err(reason.clone())); // as above
            }
        }
    }

    /// One flush: everything that is dirty, in as many attempts as it takes.
    async fn flush(self: &Rc<Self>, batch: u64) -> Result<()> {
        let mut attempt = 1;
        loop {
            // Also when a lost attempt is followed by another: what was written after a `deleteAll` must not overtake it.
            if self.has_pending_delete_all() {
                self.flush_delete_all(batch).await?;
            }
            match self.attempt(Part::Now, batch, attempt).await {
                Ok(()) => return Ok(()),
                Err(Failure::Disconnected) if attempt < WRITE_ATTEMPTS_MAX => attempt += 1,
                Err(failure) => return Err(self.write_failed(failure, "write")),
            }
        }
    }

    /// Sends a part of the changes once.
    pub(super) async fn attempt(
        self: &Rc<Self>,
        part: Part,
        batch: u64,
        attempt: u32,
    ) -> Result<(), Failure> {
        let contents = self.cache.borrow_mut().contents(part);
        point!(
            "kv_flush",
            object = &*self.object,
            batch = batch,
            attempt = attempt
        );
        self.reads.ended().await;
        let delivered = match self.deliver(&contents).await {
            Err(Failure::Internal(_)) if Mutation::FailedBatchIgnored.is_active() => {
                Delivered::default()
            }
            delivered => delivered?,
        };
        let now = self.clock.now();
        self.cache.borrow_mut().settle(contents, &delivered, now);
        self.drained.notify();
        Ok(())
    }

    /// One message if one is enough, else one transaction (LK-6).
    async fn deliver(&self, contents: &Contents) -> Result<Delivered, Failure> {
        let mut changes = Vec::new();
        // Where the parts of each counted deletion stand among the changes.
        let mut counted = Vec::new();
        for counted_delete in &contents.counted {
            let first = changes.len();
            changes.extend(deletes(&counted_delete.keys));
            counted.push(first..changes.len());
        }
        changes.extend(deletes(&contents.deletes));
        changes.extend(puts(&contents.puts));
        changes.extend(contents.alarm.map(|(_, change)| Change::Alarm(change)));
        let affected = match changes.len() {
            0 => Vec::new(),
            1 => {
                let change = changes.pop().expect("there is one");
                vec![self.connect().apply(change).await?]
            }
            _ if Mutation::FlushSplit.is_active() => {
                let mut affected = Vec::new();
                for change in changes {
                    affected.push(self.connect().apply(change).await?);
                }
                affected
            }
            _ => self.connect().transaction(changes).await?,
        };
        let deletes_alarm = contents
            .alarm
            .is_some_and(|(_, change)| matches!(change, AlarmChange::DeleteIf(_)));
        Ok(Delivered {
            counts: counted
                .into_iter()
                .map(|parts| affected[parts].iter().sum())
                .collect(),
            alarm_deleted: deletes_alarm && affected.last().is_some_and(|&deleted| deleted > 0),
        })
    }

    /// The error with which the object is reset (LK-11, LK-24, lifecycle 4.4).
    pub(super) fn write_failed(&self, failure: Failure, what: &str) -> Error {
        let reference = self.reference();
        point!(
            "kv_failed",
            object = &*self.object,
            what = what,
            reason = &*failure.to_string(),
            reference = &*reference
        );
        let internal = Error::from(format!(
            "Internal error in Durable Object storage {what} caused object to be reset; reference = {reference}"
        ))
        .with_reset();
        match failure {
            Failure::Refused(error) => error.with_reset(),
            Failure::Disconnected => internal.with_retryable(),
            Failure::Internal(_) => internal,
        }
    }
}

/// `keys` in messages of at most 128 keys and 16 MiB (LK-5).
fn deletes(keys: &[Key]) -> impl Iterator<Item = Change> {
    in_messages(keys, |key| key.0.len()).map(|keys| Change::Delete(keys.to_vec()))
}

/// `entries` in messages of at most 128 keys and 16 MiB (LK-5).
fn puts(entries: &[(Key, super::Stored)]) -> impl Iterator<Item = Change> {
    in_messages(entries, |(key, value)| key.0.len() + value.len())
        .map(|entries| Change::Put(entries.to_vec()))
}

/// Cuts `items` into runs that fit into a message each. One that is too large for any has a message of its own: the service refuses it.
fn in_messages<T>(items: &[T], bytes: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let (mut count, mut sum) = (0, 0);
        for item in rest.iter().take(PAIRS_MAX) {
            sum += bytes(item);
            if count > 0 && sum > MESSAGE_BYTES_MAX {
                break;
            }
            count += 1;
        }
        let (message, after) = rest.split_at(count);
        rest = after;
        (count > 0).then_some(message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_holds_at_most_128_keys_and_16_mebibytes() {
        let lens = |items: &[usize]| -> Vec<usize> {
            in_messages(items, |&bytes| bytes)
                .map(<[usize]>::len)
                .collect()
        };
        assert_eq!(lens(&[]), [0; 0]);
        assert_eq!(lens(&[1; 128]), [128]);
        assert_eq!(lens(&[1; 300]), [128, 128, 44]);
        let half = MESSAGE_BYTES_MAX / 2;
        assert_eq!(lens(&[half, half, 1]), [2, 1]);
        assert_eq!(lens(&[1, MESSAGE_BYTES_MAX + 1, 1]), [1, 1, 1]);
    }

    #[test]
    fn an_entry_counts_in_a_message_with_its_key_and_its_value() {
        let messages = |value_bytes: usize| {
            let value: super::super::Stored = vec![0; value_bytes].into();
            let keys = (0..128).map(|number| Key::from(&*format!("{number:0>2048}")));
            let entries: Vec<_> = keys.map(|key| (key, Rc::clone(&value))).collect();
            puts(&entries).count()
        };
        assert_eq!(messages(120 << 10), 1); // 15.25 MiB
        assert_eq!(messages(127 << 10), 2); // 15.875 MiB of values, and 0.25 of keys
    }
}
