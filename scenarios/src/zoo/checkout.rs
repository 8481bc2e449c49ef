//! Payments: an invoice is paid once, by however many calls.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::{
    Receiver,
    zoo::{Checkout, UnmarkedCheckout},
};
use dormouse_sim::{
    Client, Effects, Scenario, Suite,
    check::effects::PROMISE_EXACTLY_ONCE,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// What clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Pay this invoice.
    Pay(u8),
    /// What the provider was paid for.
    Charges,
}

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("CHECKOUT")
        .object::<Receiver>("RECEIVER")
        .clients(2)
        .workload((0..3_u8).prop_map(Op::Pay), 1..=6)
        .step(|client: Client, op| async move {
            match op {
                Op::Pay(invoice) => {
                    let checkout = client.stub::<Checkout>("CHECKOUT", "shop");
                    checkout.pay(invoice.to_string()).await.map(|()| Vec::new())
                }
                Op::Charges => {
                    client
                        .stub::<Receiver>("RECEIVER", "outside")
                        .received()
                        .await
                }
            }
        })
        .finally(vec![Op::Charges])
        .check(Effects::exactly_once(
            |op, _| match op {
                Op::Pay(invoice) => vec![invoice.to_string()],
                Op::Charges => vec![],
            },
            |op, charges: &Vec<String>| (*op == Op::Charges).then(|| charges.clone()),
        ))
        .into_suite()
}

/// The provider is told which invoice it is.
pub fn checkout() -> Suite {
    suite_of::<Checkout>("checkout")
}

/// Faulty: looks, pays, notes.
pub fn unmarked_checkout() -> Suite {
    suite_of::<UnmarkedCheckout>("unmarked_checkout")
}

/// Two calls for the same invoice, each of which finds that it is not paid yet.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "Check, call out, then mark",
    suite: unmarked_checkout,
    correct: "checkout",
    found_as: &[PROMISE_EXACTLY_ONCE],
    smallest: Smallest {
        calls: 2,
        clients: 2,
        faults: 0,
    },
    symptom: "A customer who clicks twice pays twice. So does one whose payment was cut short by a deployment.",
    cause: "The object looks whether the invoice is paid, calls the provider, and notes that it is. While it waits for the provider other events run, and \
            find the invoice unpaid; a crash after the call forgets it.",
    fix: "Give the provider an idempotency key, made from what is paid for. Then it does not matter how often the call is made.",
};
