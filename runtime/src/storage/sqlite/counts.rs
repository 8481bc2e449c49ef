//! How many rows a statement has read and written, as the original counts them.
//!
//! The original's SQLite has two counters that ours lacks: each instruction that comes to a row of a table or an index adds to the one,
//! each that stores or removes one to the other. Here they are worked out afterwards, and only if somebody asks, from how often each
//! instruction of the statement's program was executed, its triggers' included.
//!
//! Exact but for three things: a search for a key in an index that is no unique one, repeated within a join, counts although it may have
//! found nothing; a search for a row by an id that is no number counts; and `count(*)` of a whole table counts the rows that the
//! table has when somebody asks. Without the two options of `build.rs` nothing is executed under count, and both figures are estimates.

use std::cell::{Cell, RefCell};

/// One instruction of a statement's program.
#[derive(Clone, Debug)]
pub(super) struct Op {
    /// Where it stands in the program or, then from zero again, in a trigger's.
    pub(super) address: i64,
    pub(super) code: String,
    pub(super) p1: i64,
    pub(super) p2: i64,
    pub(super) p3: i64,
    pub(super) p5: i64,
    /// How often it was executed.
    pub(super) executed: i64,
    pub(super) is_of_trigger: bool,
}

/// The instruction counts as a changed row for `changes()`.
const CHANGES_ROW: i64 = 0x01;
/// The cursor is used to look for equal keys only.
const SEEKS_EQUAL: i64 = 0x02;

/// Rows that a statement has read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) read: u64,
    pub(crate) written: u64,
}

/// What is known of an execution beside its program.
pub(super) struct Execution<'a> {
    /// How often a loop came to another row.
    pub(super) stepped_to: u64,
    /// Rows inserted, changed or deleted, as SQLite counts them for `total_changes()`.
    pub(super) changed: u64,
    /// How many rows there are below the root page of a table or index.
    pub(super) rows_below: &'a dyn Fn(i64) -> u64,
}

/// What a statement had executed before its present execution, as far as SQLite's counters go on.
#[derive(Default)]
pub(super) struct Before {
    /// It was executed before.
    pub(super) is_used: Cell<bool>,
    /// How often it had been compiled anew.
    compiled_again: Cell<u64>,
    /// What each instruction of its triggers had been executed; `None` if nobody has looked.
    of_triggers: RefCell<Option<Vec<i64>>>,
}

impl Before {
    /// Whether another look at the program would say nothing new: it runs no triggers.
    pub(super) fn is_known(&self, compiled_again: u64) -> bool {
        let of_triggers = self.of_triggers.borrow();
        self.compiled_again.get() == compiled_again
            && of_triggers.as_ref().is_some_and(Vec::is_empty)
    }

    pub(super) fn note(&self, program: &[Op], compiled_again: u64) {
        let of_triggers = program.iter().filter(|op| op.is_of_trigger);
        let executed = of_triggers.map(|op| op.executed).collect();
        self.compiled_again.set(compiled_again);
        *self.of_triggers.borrow_mut() = Some(executed);
    }

    /// Leaves in `program` what was executed since.
    pub(super) fn take_from(&self, program: &mut [Op], compiled_again: u64) {
        let of_triggers = self.of_triggers.borrow();
        let Some(before) = &*of_triggers else {
            return;
        };
        if self.compiled_again.get() != compiled_again {
            return; // it is another program now, and its counters began from zero
        }
        let now = program.iter_mut().filter(|op| op.is_of_trigger);
        for (op, before) in now.zip(before) {
            op.executed -= before;
        }
    }
}

/// The counts of a program.
pub(super) fn of(program: &[Op], execution: &Execution<'_>) -> Counts {
    let mut counts = Counts {
        read: execution.stepped_to,
        written: 0,
    };
    let (mut changed_by_instructions, mut cleared) = (0, false);
    // Cursors are numbered within one program.
    for part in program.chunk_by(|op, next| next.address > op.address) {
        for (at, op) in part.iter().enumerate() {
            let times = op.executed.cast_unsigned();
            match &*op.code {
                "Rewind" | "Sort" | "SorterSort" | "Last" | "NotExists" | "SeekRowid" | "VNext" => {
                    counts.read += times;
                }
                "SeekGE" | "SeekGT" | "SeekLE" | "SeekLT" => counts.read += found(part, at),
                "Count" if op.p3 == 0 && times > 0 => {
                    let root = opened(part, op.p1).map(|open| open.p2);
                    counts.read += times * root.map_or(0, execution.rows_below);
                }
                "Insert" | "IdxInsert" if !is_ephemeral(part, op.p1) => {
                    counts.written += times;
                    changed_by_instructions += times * u64::from(op.p5 & CHANGES_ROW != 0);
                }
                "Delete" if op.p2 & CHANGES_ROW != 0 && !is_ephemeral(part, op.p1) => {
                    counts.written += times;
                    changed_by_instructions += times;
                }
                "VUpdate" => {
                    counts.written += times;
                    changed_by_instructions += times;
                }
                "Clear" if op.p3 != 0 && times > 0 => cleared = true,
                _ => {}
            }
        }
    }
    if cleared {
        // A whole table was emptied at one go: its rows are the changes that no other instruction made.
        counts.written += execution.changed.saturating_sub(changed_by_instructions);
    }
    counts
}

/// How many of the searches at `at` came to a row. One for an equal key in an index that finds none counts as nothing; it shows in
/// what follows it: on success the comparison after it is left out, and the loop's body begins.
fn found(part: &[Op], at: usize) -> u64 {
    let searched = part[at].executed;
    let for_equal = opened(part, part[at].p1).is_some_and(|open| open.p5 & SEEKS_EQUAL != 0);
    let found = match (part.get(at + 1), part.get(at + 2)) {
        (Some(comparison), Some(body))
            if for_equal && matches!(&*comparison.code, "IdxGT" | "IdxLT") =>
        {
            searched.min(body.executed)
        }
        _ => searched,
    };
    found.cast_unsigned()
}

fn opened(part: &[Op], cursor: i64) -> Option<&Op> {
    part.iter()
        .find(|op| op.p1 == cursor && matches!(&*op.code, "OpenRead" | "OpenWrite" | "ReopenIdx"))
}

fn is_ephemeral(part: &[Op], cursor: i64) -> bool {
    part.iter().any(|op| {
        op.p1 == cursor
            && matches!(
                &*op.code,
                "OpenEphemeral" | "OpenAutoindex" | "OpenDup" | "OpenPseudo"
            )
    })
}
