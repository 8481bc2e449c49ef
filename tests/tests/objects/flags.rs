//! The flags of every failure that can occur here, as its caller sees them, row by row of the table in lifecycle 4.4.
//!
//! As recorded from the original, the errors of a reset carry `remote` over `fetch` and not over RPC. The rows of code updates, superseded instances
//! and overload stand in `updates` and `overload`, that of a node that goes down in `lifecycle`.

use std::{cell::Cell, rc::Rc};

use dormouse::{
    Delay, DurableObject, Env, Error, NodeBuilder, Request, Response, Result, State,
    durable_object,
    platform::{Disk, DiskError, FileId, LocalBoxFuture, OpenMode, Platform},
    rpc,
};
use dormouse_sim::{Seed, run_on_a_machine};

use super::{Bench, error_of, ms, on_both, on_the_simulator, secs, serving};

thread_local! {
    static CONSTRUCTOR: Cell<Constructor> = const { Cell::new(Constructor::Fine) };
}

/// What the next constructor does.
#[derive(Clone, Copy, PartialEq)]
enum Constructor {
    Fine,
    SectionFails,
    SectionHangs,
}

/// Fails in every way.
#[durable_object]
struct Ways {
    state: Rc<State>,
}

impl DurableObject for Ways {
    fn new(state: State, _: Env) -> Self {
        match CONSTRUCTOR.replace(Constructor::Fine) {
            Constructor::Fine => {}
            Constructor::SectionFails => drop(state.block_concurrency_while(async {
                Err::<(), _>(Error::type_error("from the constructor"))
            })),
            Constructor::SectionHangs => {
                drop(state.block_concurrency_while(std::future::pending::<Result<()>>()));
            }
        }
        Self {
            state: Rc::new(state),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        match request.path().as_str() {
            "/throw" => self.throw()?,
            "/section" => self.fail_in_a_section().await?,
            "/write" => self.write().await?,
            _ => {}
        }
        Response::ok("fine")
    }
}

#[rpc]
impl Ways {
    pub fn throw(&self) -> Result<()> {
        Err(Error::range_error("thrown"))
    }

    pub async fn fail_in_a_section(&self) -> Result<()> {
        let section = self.state.block_concurrency_while(async {
            Delay::from(ms(5)).await;
            Err(Error::from("from a section"))
        });
        section.await
    }

    pub async fn hang_in_a_section(&self) -> Result<()> {
        let section = self.state.block_concurrency_while(std::future::pending());
        section.await
    }

    pub async fn write(&self) -> Result<()> {
        self.state.storage().put("key", "value").await
    }
}

const TOO_LONG: &str = "Error: A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and the \
    Durable Object was reset.";

#[test]
fn an_exception_of_a_handler_is_remote_and_nothing_else() {
    on_both(&serving::<Ways>(), |bench| async move {
        assert_eq!(
            error_of(bench.stub::<Ways>("a").throw().await),
            "RangeError: thrown [remote]"
        );
        assert_eq!(
            error_of(fetch(&bench, "throw").await),
            "RangeError: thrown [remote]"
        );
    });
}

#[test]
fn a_constructor_that_fails_is_a_reset_for_each_who_waited_and_the_next_stub_tries_again() {
    // (C-6)
    on_both(&serving::<Ways>(), |bench| async move {
        let expected = "TypeError: from the constructor [durable_object_reset]";
        CONSTRUCTOR.set(Constructor::SectionFails);
        let stub = bench.stub::<Ways>("a");
        let (first, second) = (stub.throw(), stub.throw());
        assert_eq!(error_of(first.await), expected);
        assert_eq!(error_of(second.await), expected);
        assert_eq!(error_of(stub.throw().await), expected);
        CONSTRUCTOR.set(Constructor::SectionFails);
        assert_eq!(
            error_of(fetch(&bench, "").await),
            "TypeError: from the constructor [remote] [durable_object_reset]"
        );
        assert_eq!(fetch(&bench, "").await, Ok(())); // there is no pause between attempts
    });
}

#[test]
fn a_section_that_fails_is_a_reset() {
    // (C-10)
    on_both(&serving::<Ways>(), |bench| async move {
        let stub = bench.stub::<Ways>("a");
        assert_eq!(
            error_of(stub.fail_in_a_section().await),
            "Error: from a section [durable_object_reset]"
        );
        assert_eq!(
            error_of(fetch(&bench, "section").await),
            "Error: from a section [remote] [durable_object_reset]"
        );
    });
}

#[test]
fn a_section_that_takes_longer_than_thirty_seconds_is_an_overload_and_a_reset() {
    // (C-11)
    on_the_simulator(&serving::<Ways>(), |bench| async move {
        let expected = format!("{TOO_LONG} [overloaded] [durable_object_reset]");
        let before = bench.now();
        let hung = bench.stub::<Ways>("a").hang_in_a_section().await;
        assert_eq!(error_of(hung), expected);
        let waited = bench.now() - before;
        assert!(waited >= secs(30) && waited < secs(31), "{waited:?}");
        CONSTRUCTOR.set(Constructor::SectionHangs);
        assert_eq!(error_of(bench.stub::<Ways>("a").throw().await), expected);
    });
}

#[test]
fn an_abort_from_outside_is_a_reset_like_any_other() {
    // (E-6)
    on_both(&serving::<Ways>(), |bench| async move {
        let stub = bench.stub::<Ways>("a");
        assert_eq!(stub.write().await, Ok(()));
        assert_eq!(bench.node.abort_all(None), 1);
        assert_eq!(
            error_of(stub.write().await),
            "Error: Application called abort() to reset Durable Object. [durable_object_reset]"
        );
        assert_eq!(bench.stub::<Ways>("a").write().await, Ok(()));
        assert_eq!(bench.node.abort_all(Some("maintenance")), 1);
        assert_eq!(fetch(&bench, "").await, Ok(()));
    });
}

#[test]
fn a_write_that_is_not_durable_after_thirty_seconds_is_an_overload_and_a_reset() {
    // (G-18)
    on_a_disk_that(SyncsAre::Endless, |bench| async move {
        let text = "Error: Durable Object storage operation exceeded timeout which caused object to be reset.";
        let before = bench.now();
        assert_eq!(
            error_of(bench.stub::<Ways>("a").write().await),
            format!("{text} [overloaded] [durable_object_reset]")
        );
        let waited = bench.now() - before;
        assert!(waited >= secs(30) && waited < secs(31), "{waited:?}");
        assert_eq!(
            error_of(fetch(&bench, "write").await),
            format!("{text} [overloaded] [remote] [durable_object_reset]")
        );
    });
}

#[test]
fn a_write_that_fails_on_its_way_to_the_disk_is_a_reset() {
    // (G-19)
    on_a_disk_that(SyncsAre::Failing, |bench| async move {
        let error = bench
            .stub::<Ways>("a")
            .write()
            .await
            .expect_err("it is not durable");
        let text = "Internal error in Durable Object storage write caused object to be reset";
        assert!(error.message().starts_with(text), "{error:?}");
        assert!(error.durable_object_reset(), "{error:?}");
        assert!(!error.remote(), "{error:?}");
        let error = fetch(&bench, "write").await.expect_err("it is not durable");
        assert!(error.durable_object_reset() && error.remote(), "{error:?}");
    });
}

async fn fetch(bench: &Bench, path: &str) -> Result<()> {
    let stub = bench.plain::<Ways>("a");
    stub.fetch_with_str(&format!("http://object/{path}"))
        .await?;
    Ok(())
}

/// What becomes of the syncs of objects' files.
#[derive(Clone, Copy, PartialEq)]
enum SyncsAre {
    Endless,
    Failing,
}

/// A disk whose files are never synced.
struct Unsyncable {
    disk: Rc<dyn Disk>,
    syncs: SyncsAre,
}

fn on_a_disk_that<Fut>(syncs: SyncsAre, promise: impl Fn(Bench) -> Fut + 'static)
where
    Fut: Future<Output = ()> + 'static,
{
    let serves: NodeBuilder = serving::<Ways>();
    run_on_a_machine(Seed(1), move |platform| {
        let disk = Unsyncable {
            disk: Rc::clone(&platform.disk),
            syncs,
        };
        let platform = Platform {
            disk: Rc::new(disk),
            ..platform
        };
        promise(Bench::start(platform, &serves))
    });
}

impl Disk for Unsyncable {
    fn sync(&self, _: FileId) -> LocalBoxFuture<'static, Result<(), DiskError>> {
        match self.syncs {
            SyncsAre::Endless => Box::pin(std::future::pending()),
            SyncsAre::Failing => Box::pin(std::future::ready(Err(DiskError::Io("no sync".into())))),
        }
    }

    fn open(&self, path: &str, mode: OpenMode) -> Result<FileId, DiskError> {
        self.disk.open(path, mode)
    }

    fn close(&self, file: FileId) {
        self.disk.close(file);
    }

    fn read_at(&self, file: FileId, out: &mut [u8], offset: u64) -> Result<usize, DiskError> {
        self.disk.read_at(file, out, offset)
    }

    fn write_at(&self, file: FileId, data: &[u8], offset: u64) -> Result<(), DiskError> {
        self.disk.write_at(file, data, offset)
    }

    fn len(&self, file: FileId) -> Result<u64, DiskError> {
        self.disk.len(file)
    }

    fn truncate(&self, file: FileId, len: u64) -> Result<(), DiskError> {
        self.disk.truncate(file, len)
    }

    fn delete(&self, path: &str) -> Result<(), DiskError> {
        self.disk.delete(path)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.disk.rename(from, to)
    }

    fn exists(&self, path: &str) -> Result<bool, DiskError> {
        self.disk.exists(path)
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, DiskError> {
        self.disk.list(prefix)
    }

    fn barrier(&self, file: FileId) -> Result<(), DiskError> {
        self.disk.barrier(file)
    }
}
