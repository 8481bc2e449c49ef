//! What the world does when a fault fires, and what it notes of its effects.

use std::{rc::Rc, time::Duration};

use dormouse::{
    CodeUpdate, Node,
    platform::{Leg, SocketEnd},
};

use super::{World, current, machine::Life, sockets::SimSocket};
use crate::{
    check::Violation,
    fault::{CODE_UPDATE_AT_ONCE_MILLIS, Fault, FaultKind, SERVER, Trigger, clock_jump},
};

/// How many calls an overload refuses.
const CALLS_REFUSED: u32 = 3;

impl World {
    pub(super) fn fire(self: &Rc<Self>, fault: &Fault) {
        if self.faults.borrow().is_healed() {
            return;
        }
        let by = Duration::from_millis(fault.millis);
        match fault.kind {
            FaultKind::ProcessCrash | FaultKind::PowerLoss => {
                if self.crash(fault.kind, by) {
                    self.faults.borrow_mut().effects.add(fault.kind, 1);
                }
            }
            FaultKind::Hibernate
            | FaultKind::Evict
            | FaultKind::Abort
            | FaultKind::Supersede
            | FaultKind::ForgetCache
            | FaultKind::CodeUpdate => self.to_do.borrow_mut().push(fault.clone()),
            FaultKind::ResetAfterException | FaultKind::Refuse | FaultKind::CallTwice => {
                self.arm_node(fault.kind, by);
            }
            FaultKind::ReadError | FaultKind::WriteError | FaultKind::FailKvBatch => {
                self.faults.borrow_mut().fail_next(fault.kind);
            }
            FaultKind::DiskFull => {
                self.note_fault(fault.kind);
                let mut faults = self.faults.borrow_mut();
                let until = faults.end_of(self.now(), by);
                faults.fill_disk(until);
            }
            FaultKind::GiveUp => self.faults.borrow_mut().give_up_after(by),
            FaultKind::Partition => self.partition(fault, by),
            FaultKind::LoseCall => self.faults.borrow_mut().lose_next(Leg::Call),
            FaultKind::LoseReply => self.faults.borrow_mut().lose_next(Leg::Reply),
            FaultKind::CutSocket => {
                if let Some((socket, _)) = self.draw_socket(fault.kind) {
                    self.note_socket_fault(fault.kind, &socket);
                    socket.cut();
                }
            }
            FaultKind::HalfOpenSocket => {
                if let Some((socket, drawn)) = self.draw_socket(fault.kind) {
                    let from = if drawn % 2 == 0 {
                        SocketEnd::Near
                    } else {
                        SocketEnd::Far
                    };
                    self.note_socket_fault(fault.kind, &socket);
                    socket.silence(from);
                }
            }
            FaultKind::AlarmLate => self.faults.borrow_mut().delay_next_alarm(by),
            FaultKind::AlarmLost => self.faults.borrow_mut().lose_next_alarm(),
            FaultKind::AlarmTwice => {
                let fault = fault.clone();
                self.at(self.now() + by, move |world| {
                    if !world.faults.borrow().is_healed() {
                        world.to_do.borrow_mut().push(fault);
                    }
                });
            }
            FaultKind::ClockJump => self.jump(fault.kind, clock_jump(fault.millis)),
            FaultKind::SlowLinks => {
                self.note_fault(fault.kind);
                self.faults.borrow_mut().slow_links(by);
            }
            FaultKind::SlowSync => {
                self.note_fault(fault.kind);
                self.faults.borrow_mut().slow_syncs(by);
            }
            FaultKind::FailSync => {
                self.note_fault(fault.kind);
                self.faults.borrow_mut().fail_next(fault.kind);
            }
        }
    }

    pub(super) fn do_to_node(self: &Rc<Self>, fault: &Fault) {
        let kind = fault.kind;
        let machine = self.server();
        let life = Rc::clone(&machine.life.borrow());
        let Some(node) = machine.node.borrow().clone().filter(|_| !life.is_dead()) else {
            return;
        };
        let count = current::during(self, &life, || match kind {
            FaultKind::Hibernate => node.hibernate_idle(),
            FaultKind::Evict => node.evict_all(),
            FaultKind::AlarmTwice => usize::from(node.deliver_last_alarm_again()),
            FaultKind::Abort => node.abort_all(None),
            FaultKind::Supersede => node.supersede_all(),
            FaultKind::ForgetCache => node.forget_cached(),
            FaultKind::CodeUpdate => self.update_code(&node, fault.millis),
            other => unreachable!("{other} is not done to a node"),
        });
        if count > 0 {
            self.note_fault(kind);
            self.faults.borrow_mut().effects.add(kind, 1);
        }
    }

    /// Gives the objects the next version of their code; returns how many that touches.
    fn update_code(&self, node: &Node, millis: u64) -> usize {
        let next = self.next_code.borrow().clone();
        let next = next.unwrap_or_else(|| self.serves.clone());
        self.code_updated.set(true);
        let in_memory = node.activation_count();
        let when = if millis < CODE_UPDATE_AT_ONCE_MILLIS {
            CodeUpdate::Immediate
        } else {
            let end = self
                .faults
                .borrow()
                .end_of(self.now(), Duration::from_millis(millis));
            CodeUpdate::Deferred {
                max_delay: end.saturating_sub(self.now()),
            }
        };
        if let Err(error) = node.update_code(&next, when) {
            self.violated(Violation::new(
                "a code update can be made",
                error.to_string(),
            ));
        }
        in_memory
    }

    /// Lets the runtime itself do something wrong to what comes next.
    fn arm_node(&self, kind: FaultKind, by: Duration) {
        let machine = self.server();
        let node = machine.node.borrow();
        let Some(node) = &*node else {
            return; // it is down
        };
        let mut faults = self.faults.borrow_mut();
        match kind {
            FaultKind::ResetAfterException => {
                node.reset_after_exceptions(1);
                faults.expect("exception_reset", kind, 1);
            }
            FaultKind::Refuse => {
                node.refuse_calls(CALLS_REFUSED);
                faults.expect("refused", kind, CALLS_REFUSED);
            }
            _ => {
                node.repeat_calls(1, by);
                faults.expect("call_repeated", kind, 1);
            }
        }
    }

    /// Cuts a client off: the one at whose point the fault fires, else one that is drawn.
    fn partition(&self, fault: &Fault, by: Duration) {
        let machines = self.machines.borrow();
        let clients: Vec<_> = machines
            .iter()
            .map(|machine| &machine.name)
            .filter(|name| &***name != SERVER)
            .collect();
        let named = match &fault.trigger {
            Trigger::Point { machine, .. } => clients.iter().position(|name| ***name == **machine),
            Trigger::At(_) => None,
            // At a passage on a machine that counts from a call of a client's.
            Trigger::After(after) => clients.iter().position(|name| ***name == *after.machine),
        };
        if clients.is_empty() {
            return;
        }
        let mut draw = self.seed.draw("partition", "which", fault.millis);
        let drawn = usize::try_from(draw.below(clients.len() as u64)).expect("few clients");
        let client = Rc::clone(clients[named.unwrap_or(drawn)]);
        self.note("FAULT", |recorder| {
            recorder.text("kind", format_args!("{} of {client}", fault.kind));
        });
        let mut faults = self.faults.borrow_mut();
        let until = faults.end_of(self.now(), by);
        faults.cut_off(client, until);
    }

    /// A client waits no longer for an answer.
    pub(crate) fn note_given_up(&self, client: &Rc<str>) {
        self.note_fault_on(client, FaultKind::GiveUp);
        self.faults.borrow_mut().effects.add(FaultKind::GiveUp, 1);
    }

    /// Whether a client is cut off right now.
    pub(crate) fn is_cut_off(&self, machine: &str) -> bool {
        let faults = self.faults.borrow();
        faults.cut_off_until(machine, self.now()).is_some()
    }

    /// A message of a client that is cut off was lost.
    pub(crate) fn note_partitioned(&self, life: &Life) {
        self.note_fault_on(&life.machine, FaultKind::Partition);
        self.faults
            .borrow_mut()
            .effects
            .add(FaultKind::Partition, 1);
    }

    /// Whether a read that `life` makes now fails.
    pub(crate) fn read_fails(&self, life: &Life) -> bool {
        let fails = self.faults.borrow_mut().read_fails();
        if fails {
            self.note_fault_on(&life.machine, FaultKind::ReadError);
        }
        fails
    }

    /// Which fault a write that `life` makes now meets.
    pub(crate) fn write_meets(
        &self,
        life: &Life,
        is_kv: impl FnOnce() -> bool,
    ) -> Option<FaultKind> {
        let kind = self.faults.borrow_mut().write_meets(self.now(), is_kv)?;
        self.note_fault_on(&life.machine, kind);
        Some(kind)
    }

    fn note_fault_on(&self, machine: &Rc<str>, kind: FaultKind) {
        let mut trace = self.trace.borrow_mut();
        trace
            .record(self.now(), machine, "FAULT")
            .text("kind", kind);
    }

    pub(crate) fn note_effect_of_loss(&self, life: &Life, leg: Leg) {
        let kind = match leg {
            Leg::Call => FaultKind::LoseCall,
            Leg::Reply => FaultKind::LoseReply,
        };
        let mut trace = self.trace.borrow_mut();
        trace
            .record(self.now(), &life.machine, "FAULT")
            .text("kind", kind);
        self.faults.borrow_mut().effects.add(kind, 1);
    }

    fn note_socket_fault(&self, kind: FaultKind, socket: &SimSocket) {
        self.note("FAULT", |recorder| {
            recorder.text("kind", kind);
            recorder.number("socket", socket.number());
        });
        self.faults.borrow_mut().effects.add(kind, 1);
    }

    fn jump(&self, kind: FaultKind, by: i64) {
        let offset = self.clock_offset.get() + by;
        self.clock_offset.set(offset);
        let forward = by >= 0;
        self.note("FAULT", |recorder| {
            recorder.text("kind", kind);
            recorder.number("millis", by.unsigned_abs());
            recorder.bool("forward", forward);
        });
        self.faults.borrow_mut().effects.add(kind, 1);
    }

    /// A fault that waited for its moment takes effect.
    pub(crate) fn note_effect(&self, kind: FaultKind) {
        self.note_fault(kind);
        self.faults.borrow_mut().effects.add(kind, 1);
    }

    pub(super) fn note_fault(&self, kind: FaultKind) {
        self.note("FAULT", |recorder| recorder.text("kind", kind));
    }
}
