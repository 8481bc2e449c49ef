//! What came before what by the clock alone: a client's own transactions, and those that had returned before others were invoked.

use super::{
    anomaly::OrderKind,
    graph::{GraphBuilder, Kind},
    history::{End, Transactions, by_moment},
};

/// Puts in the edges that a level asks for.
pub(super) fn infer(history: &Transactions, order: OrderKind, graph: &mut GraphBuilder) {
    if order >= OrderKind::Process {
        process(history, graph);
    }
    if order >= OrderKind::Realtime {
        realtime(history, graph);
    }
}

/// Each client's committed transactions, one after the other.
fn process(history: &Transactions, graph: &mut GraphBuilder) {
    let committed = (0..)
        .zip(history.all())
        .filter(|(_, recorded)| recorded.end == End::Committed);
    let mut by_client: Vec<(usize, u64, u32)> = committed
        .map(|(number, recorded)| (recorded.client, recorded.invoked, number))
        .collect();
    by_client.sort_unstable();
    for pair in by_client.windows(2) {
        if pair[0].0 == pair[1].0 {
            graph.link(pair[0].2, pair[1].2, Kind::Process);
        }
    }
}

/// A chain of joints, one for each moment at which something was invoked after something had returned: what returned leads into the
/// chain, and the chain leads to what was invoked. So there are as many edges as events, however many transactions overlap.
fn realtime(history: &Transactions, graph: &mut GraphBuilder) {
    let mut events = Vec::with_capacity(history.len() * 2);
    for (number, recorded) in (0..).zip(history.all()) {
        if recorded.end == End::Aborted {
            continue;
        }
        events.push((recorded.invoked, false, number));
        if let Some(returned) = recorded.returned.filter(|_| recorded.end == End::Committed) {
            events.push((returned, true, number));
        }
    }
    events.sort_by(by_moment);
    let mut last: Option<u32> = None;
    let mut takes_returns = false;
    for (_, is_return, transaction) in events {
        if !is_return {
            if let Some(joint) = last {
                graph.link(joint, transaction, Kind::Glue);
            }
            takes_returns = false;
            continue;
        }
        if !takes_returns {
            let joint = graph.joint();
            if let Some(before) = last {
                graph.link(before, joint, Kind::Glue);
            }
            last = Some(joint);
            takes_returns = true;
        }
        let joint = last.expect("it was just made");
        graph.link(transaction, joint, Kind::Realtime);
    }
}
