//! The scenarios that differ for a reason: those that have no meaning in Rust, and those where the runtime decided otherwise.

/// A difference that is meant.
#[derive(Debug)]
pub struct Difference {
    /// The scenario.
    pub scenario: &'static str,
    /// Why it differs.
    pub reason: &'static str,
}

/// What the difference of a scenario is, if it has one.
pub fn difference(scenario: &str) -> Option<&'static Difference> {
    DIFFERENCES
        .iter()
        .find(|difference| difference.scenario == scenario)
}

macro_rules! differences {
    ($($reason:literal: $($scenario:literal),+;)*) => {
        &[$($(Difference { scenario: $scenario, reason: $reason },)+)*]
    };
}

/// All of them, by reason.
static DIFFERENCES: &[Difference] = differences! {
    "Rust's strings are UTF-8, which has no form for an unpaired surrogate": "ids/lone_surrogates";
    "a method of Rust takes arguments of its types: nothing is converted to a string": "ids/id_from_name_coerces";
    "how a JavaScript value prints, and whether it is identical with another, is a matter of the engine":
        "ids/id_as_value", "ids/stub_as_value";
    "the recorded runtime has no jurisdictions; here they are what the hosted platform documents": "ids/jurisdiction";
    "Rust's types refuse at compile time what cannot be sent": "rpc/values_that_cannot_be_sent";
    "functions and RPC targets by reference need a JavaScript engine: a Rust object is called by value":
        "rpc/callback_argument", "rpc/rpc_target", "rpc/pipelining_plain_objects";
    "an error of Rust has no stack": "rpc/exception_stack";
    "in Rust every object has the one base trait": "rpc/class_without_base";
    "streams and HTTP values as arguments need a JavaScript engine: they travel by fetch": "rpc/streams_and_http_values";
    "calls of all kinds on one stub start in the order in which they are made; the recorded runtime lets fetches overtake":
        "fetch/concurrent_fetch_and_rpc_order";
    "there are no blobs: binary data is bytes": "websockets/binary_type_standard";
    "an alarm that is set while a failed one waits replaces its retry at once; in the recorded runtime it waits behind the retry, and is forgotten":
        "alarms/set_between_retries";
    "who does not want to wait any more drops the future: there is no signal to abort": "fetch/caller_aborts";
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_scenario_differs_for_one_reason() {
        let names: BTreeSet<_> = DIFFERENCES.iter().map(|it| it.scenario).collect();
        assert_eq!(names.len(), DIFFERENCES.len());
    }
}
