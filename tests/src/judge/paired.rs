//! From a list of invocations and completions to calls: the next completion of a process belongs to its last invocation.

use std::{collections::BTreeMap, time::Duration};

use dormouse_sim::{Call, History, Moment, Outcome};

/// Builds a history, event by event.
pub(super) struct Paired<Op, Ret> {
    history: History<Op, Ret>,
    /// By process: the place of its open call.
    open: BTreeMap<i64, usize>,
    calls: BTreeMap<i64, usize>,
    next: u64,
}

impl<Op, Ret> Paired<Op, Ret> {
    pub(super) fn new() -> Self {
        Self {
            history: History::default(),
            open: BTreeMap::new(),
            calls: BTreeMap::new(),
            next: 0,
        }
    }

    fn moment(&mut self) -> Moment {
        self.next += 1;
        Moment {
            order: self.next,
            at: Duration::from_millis(self.next), // events have an order only; as milliseconds it can be read
        }
    }

    /// A process asks.
    ///
    /// # Errors
    /// It has asked before and has not been answered.
    pub(super) fn invoke(&mut self, process: i64, op: Op) -> Result<(), String> {
        if self.open.contains_key(&process) {
            return Err(format!(
                "process {process} asks again before it was answered"
            ));
        }
        let index = self.calls.entry(process).or_default();
        let call = Call {
            client: usize::try_from(process)
                .map_err(|_| format!("process {process} is negative"))?,
            index: *index,
            op,
            invoked: Moment {
                order: 0,
                at: Duration::ZERO,
            },
            returned: None,
            outcome: Outcome::Unknown("never settled".to_owned()),
        };
        *index += 1;
        let invoked = self.moment();
        let place = self.history.push(Call { invoked, ..call });
        self.open.insert(process, place);
        Ok(())
    }

    /// What a process that has an open call asked.
    ///
    /// # Errors
    /// It has none.
    pub(super) fn asked(&self, process: i64) -> Result<&Op, String> {
        let place = self.open.get(&process);
        let place =
            place.ok_or_else(|| format!("process {process} is answered and asked nothing"))?;
        Ok(&self.history.calls()[*place].op)
    }

    /// A process is answered, or told that it will not be.
    ///
    /// # Errors
    /// It asked nothing.
    pub(super) fn settle(&mut self, process: i64, outcome: Outcome<Ret>) -> Result<(), String> {
        self.asked(process)?;
        let returned = self.moment();
        let place = self.open.remove(&process).expect("it asked");
        self.history.settle(place, returned, outcome);
        Ok(())
    }

    pub(super) fn finish(self) -> History<Op, Ret> {
        self.history
    }
}
