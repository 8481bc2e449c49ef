//! The checkers that scenarios choose, each held against objects that keep its promise and a twin of them that does not.
//!
//! The correct object must pass every seed and the broken one be found, by the promise that it breaks: a checker that accuses nobody is worth as little as
//! one that accuses everybody.

use std::time::Duration;

use dormouse::{
    Delay, DurableObject, Env, ObjectClass, PutOptions, Result, RpcCall, State, durable_object, rpc,
};
use dormouse_objects::{Counter, faulty::ForgetfulCounter};
use dormouse_sim::{
    Client, Detail, Durable, Effects, Faults, MonotonicReads, Scenario, Seed, Suite, Transactional,
    check::{
        effects::{PROMISE_AT_LEAST_ONCE, PROMISE_EXACTLY_ONCE},
        linearizable::PROMISE_DURABLE,
        monotonic, transactional,
        transactions::{Action, Level},
    },
};
use proptest::{collection, prelude::*};
use serde::{Deserialize, Serialize};

/// How many seeds a correct object must pass.
const SEEDS: u64 = 60;
/// Within how many seeds a broken one must be found.
const SEEDS_TO_FIND: u64 = 500;

#[track_caller]
fn passes(suite: &Suite) {
    for seed in 0..SEEDS {
        let violation = suite.run_seed(Seed(seed), Detail::Brief).violation;
        assert_eq!(violation, None, "seed {seed} of {}", suite.name());
    }
}

/// Why the promise was broken, in the first seed that breaks any.
#[track_caller]
fn breaks(suite: &Suite, promise: &str) -> String {
    let found =
        (0..SEEDS_TO_FIND).find_map(|seed| suite.run_seed(Seed(seed), Detail::Brief).violation);
    let violation = found.unwrap_or_else(|| panic!("{} passes all seeds", suite.name()));
    assert_eq!(violation.promise, promise, "{violation}");
    println!("{}: {violation}", suite.name());
    violation.why
}

// Transactions.

/// A step of a transaction on lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    Append(String, i64),
    Read(String),
}

impl Step {
    fn key(&self) -> &str {
        let (Self::Append(key, _) | Self::Read(key)) = self;
        key
    }
}

/// What the reads of a transaction saw, in order.
type Seen = Vec<Vec<i64>>;

fn actions(steps: &Vec<Step>, seen: Option<&Seen>) -> Vec<Action> {
    let mut seen = seen.into_iter().flatten();
    let mut actions = Vec::new();
    for step in steps {
        let key = step.key().into();
        match step {
            Step::Append(_, value) => actions.push(Action::Append(key, (*value).into())),
            Step::Read(_) => actions.extend(seen.next().map(|seen| {
                Action::ReadList(key, seen.iter().map(|value| (*value).into()).collect())
            })),
        }
    }
    actions
}

/// Two keys, so that transactions meet. Values are drawn from so many that none is drawn twice, and all can be stored: as in JavaScript, beyond 2^53 none can.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || prop_oneof![Just("x".to_owned()), Just("y".to_owned())];
    let step = prop_oneof![
        (key(), 0..1_i64 << 50).prop_map(|(key, value)| Step::Append(key, value)),
        key().prop_map(Step::Read),
    ];
    collection::vec(step, 1..=3)
}

async fn list(state: &State, key: &str) -> Result<Vec<i64>> {
    Ok(state.storage().get(key).await?.unwrap_or_default())
}

/// Carries out one step; nothing but storage is waited for.
async fn carry_out(state: &State, step: &Step, seen: &mut Seen) -> Result<()> {
    let mut values = list(state, step.key()).await?;
    match step {
        Step::Append(key, value) => {
            values.push(*value);
            state.storage().put(key, values).await
        }
        Step::Read(_) => {
            seen.push(values);
            Ok(())
        }
    }
}

/// Lists; a transaction is one turn.
#[durable_object]
struct Lists {
    state: State,
}

impl DurableObject for Lists {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl Lists {
    pub async fn transact(&self, steps: Vec<Step>) -> Result<Seen> {
        let mut seen = Seen::new();
        for step in &steps {
            carry_out(&self.state, step, &mut seen).await?;
        }
        Ok(seen)
    }
}

/// Lists; a transaction waits for something else between its steps.
#[durable_object]
struct InterruptedLists {
    state: State,
}

impl DurableObject for InterruptedLists {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl InterruptedLists {
    pub async fn transact(&self, steps: Vec<Step>) -> Result<Seen> {
        let mut seen = Seen::new();
        for step in &steps {
            carry_out(&self.state, step, &mut seen).await?;
            Delay::from(Duration::from_millis(1)).await;
        }
        Ok(seen)
    }
}

fn lists<T: DurableObject + ObjectClass>(
    name: &'static str,
    faults: Faults,
    transact: fn(&Client, &str, Vec<Step>) -> RpcCall<Seen>,
) -> Scenario<Vec<Step>, Seen> {
    let read = |key: &str| vec![Step::Read(key.to_owned())];
    Scenario::new(name)
        .object::<T>("LISTS")
        .workload(steps(), 1..=8)
        .faults(faults)
        .step(move |client, steps| transact(&client, "all", steps))
        .finally(vec![read("x"), read("y")])
        .check(Transactional::strict_serializable(actions))
}

#[test]
fn transactions_in_one_turn_are_strict_serializable() {
    let transact =
        |client: &Client, name: &str, steps| client.stub::<Lists>("LISTS", name).transact(steps);
    passes(&lists::<Lists>("lists", Faults::all(), transact).into_suite());
}

#[test]
fn transactions_that_are_interrupted_are_not() {
    let transact = |client: &Client, name: &str, steps| {
        client
            .stub::<InterruptedLists>("LISTS", name)
            .transact(steps)
    };
    let suite = lists::<InterruptedLists>("interrupted_lists", Faults::none(), transact);
    let promise = transactional::promise(Level::StrictSerializable);
    let why = breaks(&suite.into_suite(), &promise);
    assert!(
        why.contains(" is client-"),
        "it tells whose calls they were: {why}"
    );
}

#[test]
fn transactions_over_two_objects_are_not_isolated_though_each_object_is() {
    let read = |key: &str| vec![Step::Read(key.to_owned())];
    let suite = Scenario::new("lists_apart")
        .object::<Lists>("LISTS")
        .workload(steps(), 1..=8)
        .faults(Faults::none())
        .step(|client, steps| async move {
            let mut seen = Seen::new();
            for step in steps {
                let list = client.stub::<Lists>("LISTS", step.key());
                seen.extend(list.transact(vec![step]).await?);
            }
            Ok(seen)
        })
        .finally(vec![read("x"), read("y")])
        .check(Transactional::serializable(actions));
    breaks(
        &suite.into_suite(),
        &transactional::promise(Level::Serializable),
    );
}

// Effects outside.

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Pay {
    Invoice(String),
    /// Asks the bank what it did.
    Charges,
}

/// The service outside: writes down each charge, and makes none again for the same key.
#[durable_object]
struct Bank {
    state: State,
}

impl DurableObject for Bank {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl Bank {
    pub async fn charge(&self, key: String) -> Result<()> {
        let mut charges = self.charges().await?;
        if !charges.contains(&key) {
            charges.push(key);
            self.state.storage().put("charges", charges).await?;
        }
        Ok(())
    }

    /// As a bank that knows no idempotency keys.
    pub async fn charge_anyhow(&self, key: String) -> Result<()> {
        let mut charges = self.charges().await?;
        charges.push(key);
        self.state.storage().put("charges", charges).await
    }

    pub async fn charges(&self) -> Result<Vec<String>> {
        Ok(self
            .state
            .storage()
            .get("charges")
            .await?
            .unwrap_or_default())
    }
}

fn bank(env: &Env) -> Result<<Bank as dormouse::Rpc>::Stub> {
    Ok(env
        .durable_object("BANK")?
        .get_by_name("bank")?
        .typed::<Bank>())
}

/// Pays invoices. `pay` gives the invoice to the bank as its key; the others each make a mistake.
#[durable_object]
struct Shop {
    state: State,
    env: Env,
}

impl DurableObject for Shop {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }
}

#[rpc]
impl Shop {
    pub async fn pay(&self, invoice: String) -> Result<()> {
        let storage = self.state.storage();
        if storage.get::<bool>(&invoice).await?.is_none() {
            bank(&self.env)?.charge(invoice.clone()).await?;
            storage.put(&invoice, true).await?;
        }
        Ok(())
    }

    /// Looks whether it has paid, pays, and then makes a note of it.
    pub async fn pay_then_note(&self, invoice: String) -> Result<()> {
        let storage = self.state.storage();
        if storage.get::<bool>(&invoice).await?.is_none() {
            bank(&self.env)?.charge_anyhow(invoice.clone()).await?;
            storage.put(&invoice, true).await?;
        }
        Ok(())
    }

    /// Answers at once, and pays later.
    #[expect(clippy::unused_async, reason = "the same type as the others")]
    pub async fn pay_later(&self, invoice: String) -> Result<()> {
        let env = self.env.clone();
        self.state.wait_until(async move {
            Delay::from(Duration::from_millis(20)).await;
            if let Ok(bank) = bank(&env) {
                let _ = bank.charge(invoice).await; // nobody is left to be told
            }
        });
        Ok(())
    }
}

type Intended = fn(&Pay, Option<&Vec<String>>) -> Vec<String>;
type Noted = fn(&Pay, &Vec<String>) -> Option<Vec<String>>;

fn shop(
    name: &'static str,
    check: fn(Intended, Noted) -> Effects<Pay, Vec<String>>,
    pay: fn(&Client, String) -> RpcCall<()>,
) -> Suite {
    let invoice = prop_oneof![Just("a"), Just("b"), Just("c"), Just("d")];
    Scenario::new(name)
        .object::<Shop>("SHOP")
        .object::<Bank>("BANK")
        .workload(
            invoice.prop_map(|invoice| Pay::Invoice(invoice.to_owned())),
            1..=4,
        )
        .step(move |client, op| async move {
            match op {
                Pay::Invoice(invoice) => pay(&client, invoice).await.map(|()| Vec::new()),
                Pay::Charges => client.stub::<Bank>("BANK", "bank").charges().await,
            }
        })
        .finally(vec![Pay::Charges])
        .check(check(
            |op, _| match op {
                Pay::Invoice(invoice) => vec![invoice.clone()],
                Pay::Charges => vec![],
            },
            |op, charges| matches!(op, Pay::Charges).then(|| charges.clone()),
        ))
        .into_suite()
}

#[test]
fn what_is_charged_by_key_is_charged_exactly_once() {
    let pay = |client: &Client, invoice| client.stub::<Shop>("SHOP", "s").pay(invoice);
    passes(&shop(
        "paying",
        |asked, seen| Effects::exactly_once(asked, seen),
        pay,
    ));
}

#[test]
fn what_is_charged_before_it_is_noted_is_charged_twice() {
    let pay = |client: &Client, invoice| client.stub::<Shop>("SHOP", "s").pay_then_note(invoice);
    let suite = shop(
        "noting",
        |asked, seen| Effects::exactly_once(asked, seen),
        pay,
    );
    let why = breaks(&suite, PROMISE_EXACTLY_ONCE);
    assert!(why.contains(" times"), "{why}");
    passes(&shop(
        "noting",
        |asked, seen| Effects::at_least_once(asked, seen),
        pay,
    ));
}

#[test]
fn what_is_charged_after_the_answer_is_sometimes_never_charged() {
    let pay = |client: &Client, invoice| client.stub::<Shop>("SHOP", "s").pay_later(invoice);
    let suite = shop(
        "later",
        |asked, seen| Effects::at_least_once(asked, seen),
        pay,
    );
    let why = breaks(&suite, PROMISE_AT_LEAST_ONCE);
    assert!(why.contains("is not there"), "{why}");
}

// Durability without a model.

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Post {
    Letter(u64),
    All,
}

/// Keeps letters. `post_unconfirmed` does not wait for them to be durable.
#[durable_object]
struct Letters {
    state: State,
}

impl DurableObject for Letters {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl Letters {
    pub async fn post(&self, letter: u64) -> Result<Vec<u64>> {
        self.keep(letter, false).await
    }

    pub async fn post_unconfirmed(&self, letter: u64) -> Result<Vec<u64>> {
        self.keep(letter, true).await
    }

    pub async fn all(&self) -> Result<Vec<u64>> {
        Ok(self
            .state
            .storage()
            .get("letters")
            .await?
            .unwrap_or_default())
    }
}

impl Letters {
    async fn keep(&self, letter: u64, allow_unconfirmed: bool) -> Result<Vec<u64>> {
        let mut letters = self.all().await?;
        letters.push(letter);
        let options = PutOptions {
            allow_unconfirmed,
            ..PutOptions::default()
        };
        let storage = self.state.storage();
        storage
            .put_with_options("letters", letters, options)
            .await?;
        Ok(Vec::new())
    }
}

fn letters(name: &'static str, post: fn(&Client, u64) -> RpcCall<Vec<u64>>) -> Suite {
    Scenario::new(name)
        .object::<Letters>("LETTERS")
        .workload((0..1_u64 << 50).prop_map(Post::Letter), 1..=8)
        .step(move |client, op| match op {
            Post::Letter(letter) => post(&client, letter),
            Post::All => client.stub::<Letters>("LETTERS", "l").all(),
        })
        .finally(vec![Post::All])
        .check(Durable::new(
            |op, _| match op {
                Post::Letter(letter) => vec![*letter],
                Post::All => vec![],
            },
            |op, letters: &Vec<u64>| matches!(op, Post::All).then(|| letters.clone()),
        ))
        .into_suite()
}

#[test]
fn letters_that_were_waited_for_are_there_in_the_end() {
    passes(&letters("letters", |client, letter| {
        client.stub::<Letters>("LETTERS", "l").post(letter)
    }));
}

#[test]
fn letters_that_were_not_waited_for_get_lost() {
    let suite = letters("unconfirmed_letters", |client, letter| {
        client
            .stub::<Letters>("LETTERS", "l")
            .post_unconfirmed(letter)
    });
    breaks(&suite, PROMISE_DURABLE);
}

// Monotonic reads.

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Count {
    Increment,
    Get,
}

fn counts<T: DurableObject + ObjectClass>(
    name: &'static str,
    increment: fn(&Client) -> RpcCall<u64>,
    get: fn(&Client) -> RpcCall<u64>,
) -> Suite {
    Scenario::new(name)
        .object::<T>("COUNTER")
        .workload(
            prop_oneof![Just(Count::Increment), Just(Count::Get)],
            1..=12,
        )
        .step(move |client, op| match op {
            Count::Increment => increment(&client),
            Count::Get => get(&client),
        })
        .check(MonotonicReads::new(|_, count: &u64| {
            Some(("c".to_owned(), *count))
        }))
        .into_suite()
}

#[test]
fn a_counter_never_shows_a_client_less_than_before() {
    passes(&counts::<Counter>(
        "counts",
        |client| client.stub::<Counter>("COUNTER", "c").increment(),
        |client| client.stub::<Counter>("COUNTER", "c").get(),
    ));
}

#[test]
fn a_counter_that_forgets_does() {
    let suite = counts::<ForgetfulCounter>(
        "forgotten_counts",
        |client| client.stub::<ForgetfulCounter>("COUNTER", "c").increment(),
        |client| client.stub::<ForgetfulCounter>("COUNTER", "c").get(),
    );
    breaks(&suite, monotonic::PROMISE);
}
