//! Replays cases: each on a fresh object of a node, a request for each run, the next when the former's reply is there.

use std::{collections::BTreeMap, io, rc::Rc, time::Duration};

use dormouse::{
    Method, Node, Request, RequestInit, Result, Stub,
    platform::{Platform, real},
};
use dormouse_sim::{Seed, run_on_a_machine};
use futures_util::{
    future::{Either, select},
    pin_mut,
};
use serde_json::{Value as Json, json};

use super::{
    compare::{Mismatch, compare},
    host,
    result::described,
    vector::Case,
};

/// How long a run may take, in the time of its platform.
const RUN_MAX: Duration = Duration::from_mins(1);

/// How many cases share a node. A machine of the simulator may run for an hour of its time.
const CASES_ON_A_NODE: usize = 40;

/// Where the objects' databases lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskKind {
    /// On the simulator's disk.
    Simulated,
    /// In a temporary folder.
    Real,
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// An entry for each run, as in a recording.
    pub out: Vec<Json>,
    /// Where that differs from the recording.
    pub mismatches: Vec<Mismatch>,
}

/// Replays all cases; the verdicts are in their order.
///
/// # Errors
/// There is no place for a temporary folder.
///
/// # Panics
/// A node does not start on an empty disk.
pub fn replay(cases: &[Case], disk: DiskKind) -> io::Result<Vec<Verdict>> {
    let mut verdicts: Vec<Option<Verdict>> = vec![None; cases.len()];
    let mut by_settings: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, case) in cases.iter().enumerate() {
        let settings = (case.compatibility_date(), &case.flags);
        by_settings.entry(settings).or_default().push(at);
    }
    for places in by_settings.values() {
        for places in places.chunks(CASES_ON_A_NODE) {
            let group: Rc<[Case]> = places.iter().map(|&at| cases[at].clone()).collect();
            for (&at, out) in places.iter().zip(replay_group(&group, disk)?) {
                let mismatches = compare(&cases[at], &out);
                verdicts[at] = Some(Verdict { out, mismatches });
            }
        }
    }
    let verdicts = verdicts.into_iter();
    Ok(verdicts
        .map(|verdict| verdict.expect("every case is in one group"))
        .collect())
}

/// Cases with the same settings, on one node.
fn replay_group(cases: &Rc<[Case]>, disk: DiskKind) -> io::Result<Vec<Vec<Json>>> {
    match disk {
        DiskKind::Simulated => {
            let cases = Rc::clone(cases);
            Ok(run_on_a_machine(Seed(1), |platform| async move {
                replay_on(platform, &cases).await
            }))
        }
        DiskKind::Real => {
            let folder = tempfile::tempdir()?;
            real::run(async { Ok(replay_on(real::platform(folder.path())?, cases).await) })
        }
    }
}

async fn replay_on(platform: Platform, cases: &[Case]) -> Vec<Vec<Json>> {
    let node = host::node_for(&cases[0]).start(platform.clone());
    let node = node.expect("the node starts on an empty disk");
    let mut all = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let mut out = Vec::new();
        for run in &case.runs {
            out.push(replay_run(&platform, &node, case, &at.to_string(), run).await);
        }
        all.push(out);
        node.evict_all();
    }
    all
}

/// A new stub each time: one that has seen its object fail stays broken.
async fn replay_run(
    platform: &Platform,
    node: &Node,
    case: &Case,
    object: &str,
    run: &[Json],
) -> Json {
    let namespace = node.env().durable_object(host::binding_for(case));
    let stub = namespace.and_then(|namespace| namespace.get_by_name(object));
    let stub = stub.expect("the class is served");
    let call = perform(&stub, run);
    let late = platform.clock.sleep_until(platform.clock.now() + RUN_MAX);
    pin_mut!(call);
    match select(call, late).await {
        Either::Left((Ok(results), _)) => results,
        Either::Left((Err(error), _)) => json!({"fail": described(&error)}),
        Either::Right(_) => json!({"fail": {"late": RUN_MAX.as_secs()}}),
    }
}

async fn perform(stub: &Stub, run: &[Json]) -> Result<Json> {
    let mut init = RequestInit::new();
    let body = Json::Array(run.to_vec()).to_string();
    init.with_method(Method::Post).with_body(Some(body.into()));
    let request = Request::new_with_init("http://object/", &init)?;
    stub.fetch_with_request(request).await?.json().await
}
