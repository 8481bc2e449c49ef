//! The same storage on the real platform, where a task is only polled when something wakes it: a wake-up that was forgotten hangs here.

use std::{io, rc::Rc, time::Duration};

use super::*;
use crate::platform::{Leg, Link, LocalBoxFuture, Lost, Platform, real};

/// Links of a network that takes a millisecond.
struct SlowLinks(Rc<dyn Clock>);

struct SlowLink(Rc<dyn Clock>);

impl Links for SlowLinks {
    fn open_socket(&self, _: &str) -> Rc<dyn crate::platform::SocketLink> {
        unreachable!("storage opens no sockets")
    }

    fn open(&self, _from: &str, _to: &str) -> Rc<dyn Link> {
        Rc::new(SlowLink(Rc::clone(&self.0)))
    }
}

impl Link for SlowLink {
    fn carry(&self, _leg: Leg) -> LocalBoxFuture<'static, Result<(), Lost>> {
        let arrives = self.0.sleep_until(self.0.now() + Duration::from_millis(1));
        Box::pin(async move {
            arrives.await;
            Ok(())
        })
    }
}

fn open(platform: &Platform, links: Rc<dyn Links>) -> (Rc<LegacyStorage>, Rc<OutputGate>) {
    let gate = OutputGate::new();
    let storage = LegacyStorage::open(StorageSetup {
        disk: Rc::clone(&platform.disk),
        clock: Rc::clone(&platform.clock),
        entropy: Rc::clone(&platform.entropy),
        spawn: Rc::clone(&platform.spawn),
        sync_failures: crate::storage::SyncFailures::default(),
        path: PATH.into(),
        object: "Counter/a".into(),
        gate: Rc::clone(&gate),
        left: Left::InDoubt,
        wal_bytes_max: WAL_BYTES_MAX,
        history: History::off(),
        now: Rc::new(|| WallTime::from_millis(0)),
        links,
        delete_all_deletes_alarm: true,
        alarms: Rc::new(crate::storage::tests::NoScheduler),
        bytes_max: crate::storage::OBJECT_BYTES_MAX,
        strict: false,
    });
    (storage.expect("the storage opens"), gate)
}

async fn wait<T>(storage: &Rc<LegacyStorage>, answer: Result<Answer<T>>) -> Result<T> {
    storage.end_turn();
    match answer? {
        Answer::Now(result) => Ok(result),
        Answer::Later(later) => later.await,
    }
}

async fn scenario(platform: Platform, links: Rc<dyn Links>) -> Result<()> {
    let plain = PutOptions::default();
    let (storage, gate) = open(&platform, Rc::clone(&links));
    let entries = many("k", 300);
    let bytes = entries.iter().map(|(key, value)| entry(key, value));
    wait(&storage, storage.put(bytes.collect(), plain)).await?;
    wait(
        &storage,
        storage.set_alarm(Some(WallTime::from_millis(5)), plain),
    )
    .await?;
    gate.pass().await?;
    storage.shut_down(Error::from("closed"));

    let (storage, gate) = open(&platform, Rc::clone(&links));
    let listing = storage.list(everything(), Caching::Keep);
    // In flight with the read, and it has to wait for it.
    wait(&storage, storage.put(vec![entry("later", "v")], plain)).await?;
    assert_eq!(texts(wait(&storage, listing).await?), entries);
    let synced = storage.sync();
    wait(&storage, synced).await?;
    storage.evict_clean();
    let keys = ["k0000", "k0001", "missing"];
    assert_eq!(wait(&storage, storage.delete(&keys, plain)).await, Ok(2));
    assert_eq!(
        wait(&storage, storage.get("k0002", Caching::Keep))
            .await?
            .map(text),
        Some("k".repeat(30))
    );
    let large = "x".repeat(128 << 10);
    let many_bytes = (0..80).map(|number| entry(&format!("large{number}"), &large));
    wait(&storage, storage.put(many_bytes.collect(), plain)).await?; // back in 8 MiB
    assert!(storage.backpressure().is_none());
    let deleted = storage.delete_all(plain)?;
    wait(&storage, Ok(deleted.answer)).await?;
    assert_eq!(deleted.count.await, Ok(300 - 2 + 1 + 80));
    gate.pass().await?;
    storage.shut_down(Error::from("closed"));

    let (storage, gate) = open(&platform, links);
    assert_eq!(
        wait(&storage, storage.list(everything(), Caching::Keep)).await?,
        []
    );
    assert_eq!(wait(&storage, storage.get_alarm()).await, Ok(None));
    gate.pass().await?;
    assert!(storage.is_idle());
    storage.shut_down(Error::from("closed"));
    Ok(())
}

#[test]
fn everything_that_is_waited_for_comes_on_the_real_platform() {
    for slow in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let ran: io::Result<()> = real::run(async {
            let platform = real::platform(folder.path())?;
            let links = if slow {
                Rc::new(SlowLinks(Rc::clone(&platform.clock)))
            } else {
                Rc::clone(&platform.links)
            };
            let clock = Rc::clone(&platform.clock);
            let deadline = clock.sleep_until(clock.now() + Duration::from_secs(20));
            let scenario = Box::pin(scenario(platform, links));
            match futures_util::future::select(scenario, deadline).await {
                futures_util::future::Either::Left((outcome, _)) => {
                    outcome.map_err(io::Error::other)
                }
                futures_util::future::Either::Right(_) => {
                    Err(io::Error::other("somebody still waits"))
                }
            }
        });
        ran.expect("it runs to its end");
    }
}
