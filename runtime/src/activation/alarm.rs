//! An alarm reaches its object: it waits, is armed, runs its handler, and its end goes back to the scheduler.
//!
//! At most one handler runs at a time. An alarm for the time of the one that runs shares its end; one for another time waits behind it, and
//! only the last of those. What became of the handler is told when everything that it wrote is durable; if the activation
//! ends before, its end is told, and whose fault that was.
//!
//! In: [`Activation::deliver_alarm`] and [`Activation::abandon_alarm`], by the router. Out: [`AlarmEnd`]s.

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
    time::Duration,
};

use futures_channel::oneshot;
use futures_util::future::{Either, select};

use super::{
    Activation, note_superseded_output,
    pins::PinKind,
    turn::{Gated, Task, Turn, catching},
};
use crate::{
    Error, Result,
    alarm::{AlarmEnd, AlarmInfo, Failure, traced},
    instrument::point,
    platform::WallTime,
    storage::{Arming, HandlerEnd},
};

/// How long a handler may run.
const HANDLER_TIME_MAX: Duration = Duration::from_mins(15);

/// The alarm of one activation.
#[derive(Default)]
pub(crate) struct AlarmRuns {
    running: RefCell<Option<Running>>,
    /// Delivered while another one runs, for another time.
    waiting: RefCell<Option<(AlarmInfo, EndSender)>>,
    /// The object's own code ended the activation, not the platform.
    ended_by_code: Cell<bool>,
    /// It wants its alarm not to be tried again.
    no_retry: Cell<bool>,
}

struct Running {
    scheduled: WallTime,
    /// The handler has been called: from then on a failure can be its own.
    started: bool,
    ends: Vec<EndSender>,
}

/// Tells a scheduler what became of an alarm. Dropped instead, it tells that the node has ended.
pub(crate) type EndSender = oneshot::Sender<AlarmEnd>;

impl Activation {
    /// Queues an alarm behind everything that arrived before it.
    pub(crate) fn deliver_alarm(self: &Rc<Self>, info: AlarmInfo, end: EndSender) {
        self.construct_once();
        self.arrivals.set(self.arrivals.get() + 1);
        self.note_event();
        point!("deliver", object = &*self.label, what = "alarm");
        {
            let mut running = self.alarm_runs.running.borrow_mut();
            match &mut *running {
                Some(running) if running.scheduled == info.scheduled() => {
                    return running.ends.push(end);
                }
                Some(_) => {
                    let replaced = self.alarm_runs.waiting.replace(Some((info, end)));
                    if let Some((_, replaced)) = replaced {
                        let _ = replaced.send(AlarmEnd::Canceled); // nobody may wait for it
                    }
                    return;
                }
                None => {
                    *running = Some(Running {
                        scheduled: info.scheduled(),
                        started: false,
                        ends: vec![end],
                    });
                }
            }
        }
        self.run_alarm(info);
    }

    fn run_alarm(self: &Rc<Self>, info: AlarmInfo) {
        let activation = Rc::clone(self);
        let handler = Gated::new(
            Rc::clone(self),
            Task::new(Rc::clone(&self.input)),
            async move {
                let end = activation
                    .handle_alarm(info)
                    .await
                    .unwrap_or(AlarmEnd::Failed(Failure::Uncounted));
                // Sampled in the last turn, whose batch deletes the alarm: its end is told when that is durable.
                (
                    end,
                    activation.output.pass(),
                    activation.storage.confirmed_batch(),
                )
            },
        );
        let activation = Rc::clone(self);
        let pin = self.pin(PinKind::Handler("alarm".to_owned()), None);
        self.spawn_pinned(pin, async move {
            let (end, gate, batch) = handler.await;
            if gate.await.is_err() {
                return; // the activation ends, and tells so itself
            }
            let ok = end == AlarmEnd::Done;
            if activation.is_superseded() {
                note_superseded_output(&activation.label, "alarm", batch, ok);
            } else {
                point!(
                    "output",
                    object = &*activation.label,
                    what = "alarm",
                    batch = batch,
                    ok = ok
                );
            }
            activation.alarm_ended(end);
        });
    }

    /// Runs the handler, if the alarm is due.
    ///
    /// # Errors
    /// The storage is closed or fails: the activation ends.
    async fn handle_alarm(self: &Rc<Self>, info: AlarmInfo) -> Result<AlarmEnd> {
        self.wait_until_due(info).await;
        if self.storage.arm_alarm(info.scheduled()).await? == Arming::Canceled {
            return Ok(AlarmEnd::Canceled);
        }
        if !self.entry.class().handles_alarms() {
            // Set in a constructor, where nobody checks (C-5). It is consumed, and there is no other run.
            point!("alarm_without_handler", object = &*self.label);
            self.storage.end_alarm(HandlerEnd::Succeeded)?;
            return Ok(AlarmEnd::NoHandler);
        }
        self.wait_until_due(info).await; // arming may have taken its time
        if let Some(running) = &mut *self.alarm_runs.running.borrow_mut() {
            running.started = true;
        }
        point!(
            "alarm_start",
            object = &*self.label,
            at = traced(Some(info.scheduled())),
            now = traced(Some(self.turn_began_at.get())),
            retry_count = info.retry_count
        );
        let clock = &self.node.platform.clock;
        let limit = clock.sleep_until(clock.now() + HANDLER_TIME_MAX);
        let task = Turn::current().expect("an alarm is handled in a turn").task;
        let handler = catching(task, self.instance().alarm(info));
        let outcome = match select(pin!(handler), limit).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((), _)) => {
                let error = Error::from("Alarm exceeded its allowed execution time")
                    .with_overloaded()
                    .with_reset();
                self.reset_by_code(error);
                std::future::pending().await // it is being torn down
            }
        };
        let ok = outcome.is_ok();
        point!(
            "alarm_done",
            object = &*self.label,
            at = traced(Some(info.scheduled())),
            ok = ok
        );
        if ok {
            self.storage.end_alarm(HandlerEnd::Succeeded)?;
            Ok(AlarmEnd::Done)
        } else {
            self.storage.end_alarm(HandlerEnd::Failed)?;
            Ok(AlarmEnd::Failed(Failure::Counted))
        }
    }

    /// The wall clock may have jumped back since the scheduler looked: no handler sees a time before its alarm's.
    async fn wait_until_due(&self, info: AlarmInfo) {
        let clock = &self.node.platform.clock;
        loop {
            let early = info.scheduled_time - self.turn_began_at.get().as_millis();
            if early <= 0 {
                return;
            }
            let early = Duration::from_millis(early.unsigned_abs()).min(CLOCK_CHECKED_AFTER);
            clock.sleep_until(clock.now() + early).await;
        }
    }

    /// The one that ran has ended; the next one may run.
    fn alarm_ended(self: &Rc<Self>, end: AlarmEnd) {
        let ended = self.alarm_runs.running.take();
        for sender in ended.into_iter().flat_map(|running| running.ends) {
            let _ = sender.send(end); // the node may have ended
        }
        if let Some((info, end)) = self.alarm_runs.waiting.take() {
            self.deliver_alarm(info, end);
        }
    }

    /// The activation has ended: so have its alarms.
    pub(super) fn end_alarms(&self) {
        let runs = &self.alarm_runs;
        let by_code = runs.ended_by_code.get() || self.storage.was_broken_by_application();
        let end_of = |started: bool| {
            if by_code && runs.no_retry.get() {
                AlarmEnd::Aborted
            } else if by_code && started {
                AlarmEnd::Failed(Failure::Counted)
            } else {
                AlarmEnd::Failed(Failure::Uncounted) // it never got to the handler, or it is not the handler's fault
            }
        };
        if let Some(running) = runs.running.take() {
            let end = end_of(running.started);
            for sender in running.ends {
                let _ = sender.send(end); // the node may have ended
            }
        }
        if let Some((_, sender)) = runs.waiting.take() {
            let _ = sender.send(end_of(false)); // as above
        }
    }

    /// Ends the activation for an error of the object's own code: an alarm that it interrupts counts as failed.
    pub(super) fn reset_by_code(self: &Rc<Self>, error: Error) {
        self.alarm_runs.ended_by_code.set(true);
        self.reset(error);
    }

    /// The same, and an alarm that it interrupts is not tried again (E-8).
    pub(super) fn abort_without_retry(self: &Rc<Self>, error: Error) {
        if !self.has_ended() {
            self.alarm_runs.no_retry.set(true);
        }
        self.reset_by_code(error);
    }

    /// The scheduler has given up the alarm set for `at`: it is removed from the storage, if it is still that one. No constructor runs for
    /// this.
    pub(crate) fn abandon_alarm(self: &Rc<Self>, at: WallTime, told: oneshot::Sender<()>) {
        self.arrivals.set(self.arrivals.get() + 1);
        point!("deliver", object = &*self.label, what = "abandoned alarm");
        let activation = Rc::clone(self);
        let abandon = Gated::new(
            Rc::clone(self),
            Task::new(Rc::clone(&self.input)),
            async move {
                let told = activation.storage.abandon_alarm(at).await;
                (told, activation.output.pass())
            },
        );
        self.spawn_pinned(self.pin(PinKind::Task, None), async move {
            let (outcome, gate) = abandon.await;
            if outcome.is_ok() && gate.await.is_ok() {
                let _ = told.send(()); // the node may have ended
            }
        });
    }
}

/// How long an alarm that came too early sleeps before it looks at the wall clock again.
const CLOCK_CHECKED_AFTER: Duration = Duration::from_mins(1);
