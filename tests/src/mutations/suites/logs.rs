//! Write-ahead logs that begin anew again and again.

use dormouse::{DurableObject, Env, Result, State, durable_object, rpc};
use dormouse_scenarios::counter::{CounterModel, Op};
use dormouse_sim::{FaultKind, Faults, Linearizable, Scenario, Suite};
use proptest::prelude::Just;

/// Counts its pages; two of three are longer than a log may become.
#[durable_object]
struct Scrapbook {
    state: State,
}

/// How many bytes a long page has: more than a scenario's log may have.
const LONG: usize = 80 << 10;

impl DurableObject for Scrapbook {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl Scrapbook {
    pub async fn paste(&self) -> Result<u64> {
        let storage = self.state.storage();
        let pages = self.pages().await? + 1;
        storage.put("pages", pages).await?;
        match pages % 3 {
            1 => {}
            2 => storage.put("page", "even".repeat(LONG / 4)).await?,
            _ => storage.put("page", "odd".repeat(LONG / 3)).await?,
        }
        Ok(pages)
    }

    pub async fn pages(&self) -> Result<u64> {
        Ok(self.state.storage().get("pages").await?.unwrap_or(0))
    }
}

/// Loses power, and nothing else. A log holds a short commit and a long one, and the next begins with a long one. If its header is lost, and of that commit
/// all but something in the middle, then what is left of the old log is the short commit, which is out of date.
pub fn scrapbook() -> Suite {
    Scenario::new("scrapbook")
        .object::<Scrapbook>("BOOK")
        .faults(Faults::only([FaultKind::PowerLoss]))
        .clients(3) // the next commit has to come before the header is synced for the one before
        .workload(Just(Op::Increment("a".to_owned())), 4..=12)
        .pauses(Just(0))
        .step(|client, op| match op {
            Op::Increment(name) => client.stub::<Scrapbook>("BOOK", &name).paste(),
            Op::Get(name) => client.stub::<Scrapbook>("BOOK", &name).pages(),
        })
        .finally(vec![Op::Get("a".to_owned())])
        .check(Linearizable::per_object(CounterModel))
        .into_suite()
}
