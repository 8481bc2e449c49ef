//! Simpler operations, in the ways that the workload's strategy knows: proptest's `ValueTree`, driven from here.
//!
//! The tree of an operation is made again from the plan's seed. It is the operation's if it gives the very same data.

use std::collections::BTreeMap;

use super::{
    draft::{Draft, Place},
    search::Search,
};
use crate::plan::{OpTree, RawPlan};

/// How often one operation is tried in one round: a number of 64 bits takes as many.
const TRIES_MAX: u32 = 80;
/// How many steps a tree is followed to where the operation has come by other ways.
const CATCH_UP_MAX: u32 = 16;

/// The trees of all generated operations of a seed, by client and index.
pub(super) type Trees = Vec<Vec<Box<dyn OpTree>>>;
/// The trees of the steps of a plan, by where they were generated.
pub(super) type TreesByPlace = BTreeMap<Place, Box<dyn OpTree>>;

/// Finds the tree of each step of `plan`.
pub(super) fn trees_of(plan: RawPlan, generated: Trees) -> (Draft, TreesByPlace) {
    let mut free: TreesByPlace = generated
        .into_iter()
        .enumerate()
        .flat_map(|(client, trees)| {
            let trees = trees.into_iter().enumerate();
            trees.map(move |(index, tree)| ((client, index), tree))
        })
        .collect();
    let mut taken = TreesByPlace::new();
    let mut origins = Vec::new();
    for (client, steps) in plan.clients.iter().enumerate() {
        let mut after = (client, 0);
        let mut of_client = Vec::new();
        for step in steps {
            // A plan that was shrunk has lost steps, and may have moved some to another client.
            let own = free
                .range(after..(client + 1, 0))
                .find(|(_, tree)| tree.op() == step.op)
                .map(|(place, _)| *place);
            let place = own.or_else(|| {
                let mut all = free.iter();
                all.find(|(_, tree)| tree.op() == step.op)
                    .map(|(place, _)| *place)
            });
            if let Some(place) = place {
                taken.extend(free.remove_entry(&place));
            }
            if let Some((_, index)) = own {
                after = (client, index + 1);
            }
            of_client.push(place);
        }
        origins.push(of_client);
    }
    (Draft { plan, origins }, taken)
}

pub(super) fn pass(search: &mut Search<'_>, trees: &mut TreesByPlace) {
    let places: Vec<Place> = search.best().places(search.seen());
    for (client, index) in places {
        let origin = search.best().origins[client][index];
        let Some(tree) = origin.and_then(|origin| trees.get_mut(&origin)) else {
            continue;
        };
        simplify(search, (client, index), &mut **tree);
    }
}

fn simplify(search: &mut Search<'_>, (client, index): Place, tree: &mut dyn OpTree) {
    let mut steps = 0;
    while tree.op() != search.best().plan.clients[client][index].op {
        steps += 1;
        if steps > CATCH_UP_MAX || !tree.simplify() {
            return;
        }
    }
    let mut tries = 0;
    while tree.simplify() {
        loop {
            tries += 1;
            if tries > TRIES_MAX || search.has_ended() {
                return;
            }
            let op = tree.op();
            let is_the_same = op == search.best().plan.clients[client][index].op;
            let candidate = search
                .best()
                .changed(|plan| plan.clients[client][index].op = op);
            if is_the_same || search.first([candidate]) {
                break;
            }
            if !tree.complicate() {
                return;
            }
        }
    }
}
