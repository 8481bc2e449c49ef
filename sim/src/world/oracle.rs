//! Nothing leaves an object before what it depends on is durable: checked at the moment at which it leaves, against the disk itself.
//!
//! The runtime says when it commits and when something leaves; whether the commit was durable by then is not what the runtime says, but what
//! the simulated disk knows. So a runtime that forgets to wait, or to sync, is found without any loss of power.

use std::collections::BTreeMap;

use super::disk::DiskImage;
use crate::{check::Violation, trace::Event};

/// What the oracle knows of each object in memory.
#[derive(Debug, Default)]
pub(crate) struct DurabilityOracle {
    objects: BTreeMap<String, Watched>,
    /// Of objects whose place another activation has taken: what they still say. There can be several at a time.
    superseded: BTreeMap<String, Vec<Watched>>,
}

#[derive(Debug)]
struct Watched {
    /// The name of the object's database.
    files: String,
    /// Index is the batch; how many changes the disk had seen when it was committed. Batch 0 is what the files held when they were opened.
    changes_at_commit: Vec<u64>,
    /// How many changes the disk had seen when the last batch was committed, or when the files were opened.
    changes_seen: u64,
}

impl DurabilityOracle {
    pub(crate) fn listens_to(event: &str) -> bool {
        matches!(
            event,
            "storage_open" | "committed" | "output" | "activation_end"
        )
    }

    pub(crate) fn hear(&mut self, event: Event<'_>, disk: &DiskImage) -> Option<Violation> {
        let object = event.text("object")?;
        match event.name() {
            "storage_open" => {
                let files = event.text("path")?.to_owned();
                // Nothing depends on the empty files of a new object.
                let existing = event.is_true("existing");
                let watched = Watched {
                    files,
                    changes_at_commit: vec![if existing { disk.changes() } else { 0 }],
                    changes_seen: disk.changes(),
                };
                self.objects.insert(object.to_owned(), watched);
                None
            }
            "committed" => {
                let watched = self.objects.get_mut(object)?;
                // A batch that wrote nothing, such as emptying what is empty, depends on what the one before depends on.
                let wrote = disk.last_unsynced(&watched.files) > watched.changes_seen;
                let before = watched.changes_at_commit.last().copied();
                let until = if wrote { disk.changes() } else { before? };
                watched.changes_at_commit.push(until);
                watched.changes_seen = disk.changes();
                None
            }
            "activation_end" => {
                if event.text("reason") == Some("superseded")
                    && let Some(watched) = self.objects.remove(object)
                {
                    let superseded = self.superseded.entry(object.to_owned());
                    superseded.or_default().push(watched);
                }
                None
            }
            _ => self.check_output(object, event, disk),
        }
    }

    fn check_output(&self, object: &str, event: Event<'_>, disk: &DiskImage) -> Option<Violation> {
        if event.is_true("superseded") {
            // It does not say which of them it comes from: it is fine if it may come from one.
            let possible = self.superseded.get(object)?;
            let outcomes = possible
                .iter()
                .map(|watched| Self::check_output_of(watched, object, event, disk));
            return outcomes.reduce(Option::and).flatten();
        }
        Self::check_output_of(self.objects.get(object)?, object, event, disk)
    }

    fn check_output_of(
        watched: &Watched,
        object: &str,
        event: Event<'_>,
        disk: &DiskImage,
    ) -> Option<Violation> {
        let batch = event.number("batch")?;
        let what = event.text("what").unwrap_or("something");
        let Some(&until) = watched.changes_at_commit.get(usize::try_from(batch).ok()?) else {
            let why = format!(
                "{object}: a {what} left before batch {batch}, which it depends on, was even committed"
            );
            return Some(Violation::new(Self::NAME, why));
        };
        if disk.durable_through(&watched.files, until) {
            return None;
        }
        Some(Violation::new(
            Self::NAME,
            format!(
                "{object}: a {what} left while batch {batch}, which it depends on, was not durable"
            ),
        ))
    }

    const NAME: &'static str = "nothing leaves before it is durable";
}
