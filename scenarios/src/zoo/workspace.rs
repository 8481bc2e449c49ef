//! A workspace: while it is there it has everything that was written, and once it is destroyed it is gone for good.

use std::collections::BTreeSet;

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::zoo::{Workspace, ZombieWorkspace};
use dormouse_sim::{
    Client, Linearizable, Model, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::promises::{DURABLE, EVICTED, ORDER};

/// What clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Write this document.
    Write(u8),
    /// Read everything.
    Read,
    /// Destroy the workspace.
    Destroy,
}

/// What is answered: nothing if the workspace is gone.
pub type Documents = Option<Vec<u64>>;

/// The documents; `None` when it was destroyed.
#[derive(Clone, Copy, Debug)]
pub struct WorkspaceModel;

impl Model for WorkspaceModel {
    type Op = Op;
    type Ret = Documents;
    type State = Option<BTreeSet<u64>>;

    fn initial(&self) -> Self::State {
        Some(BTreeSet::new())
    }

    fn step(
        &self,
        state: &Self::State,
        op: &Op,
        returned: Option<&Documents>,
    ) -> Option<Self::State> {
        let (next, answer) = match (op, state) {
            (Op::Write(document), Some(documents)) => {
                let mut documents = documents.clone();
                documents.insert(u64::from(*document));
                (Some(documents), Some(Vec::new()))
            }
            (Op::Read, Some(documents)) => {
                (state.clone(), Some(documents.iter().copied().collect()))
            }
            (Op::Destroy, _) => (None, Some(Vec::new())),
            (Op::Write(_) | Op::Read, None) => (None, None),
        };
        returned
            .is_none_or(|returned| *returned == answer)
            .then_some(next)
    }

    fn is_same(&self, one: &Op, other: &Op) -> bool {
        one == other
    }

    fn object(&self, _: &Op) -> String {
        "workspace".to_owned()
    }
}

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("WORKSPACE")
        .alarms()
        .clients(2)
        .workload(
            prop_oneof![
                4 => (0..9_u8).prop_map(Op::Write),
                4 => Just(Op::Read),
                1 => Just(Op::Destroy),
            ],
            1..=8,
        )
        .step(|client: Client, op| async move {
            let workspace = client.stub::<Workspace>("WORKSPACE", "w");
            match op {
                Op::Write(document) => {
                    let is_there = workspace.write(u64::from(document)).await?;
                    Ok(is_there.then(Vec::new))
                }
                Op::Read => workspace.read().await,
                Op::Destroy => workspace.destroy().await.map(|()| Some(Vec::new())),
            }
        })
        .finally(vec![Op::Read])
        .check(Linearizable::per_object(WorkspaceModel))
        .into_suite()
}

/// A tombstone first, the rest by an alarm.
pub fn workspace() -> Suite {
    suite_of::<Workspace>("workspace")
}

/// Faulty: everything is removed, also what would say so.
pub fn zombie_workspace() -> Suite {
    suite_of::<ZombieWorkspace>("zombie_workspace")
}

/// It is destroyed; the last read wakes it, and it is there again.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "What was destroyed comes back",
    suite: zombie_workspace,
    correct: "workspace",
    found_as: &[DURABLE, ORDER, EVICTED],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 0,
    },
    symptom: "A workspace that was deleted is there again, empty, and takes new documents. Sometimes its alarm is what wakes it.",
    cause: "`delete_all` removes everything, also what would say that it was. The next event, a late call or an alarm that was left armed, finds a new object, and the constructor makes \
            it ready for use.",
    fix: "Store a tombstone first, in one write, which every event looks at; remove the rest from an alarm, which goes on where a crash ended it; and keep the tombstone.",
};
