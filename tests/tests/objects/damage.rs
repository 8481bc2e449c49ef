//! A damaged file of one object: its callers hear of it by name, its file stays as it is, and nobody else is concerned.

use std::{fs, io, path::PathBuf};

use dormouse::{DurableObject, Env, Result, State, durable_object, platform::real, rpc};

use super::{Bench, error_of, serving};

/// Keeps a number.
#[durable_object]
struct Safe {
    state: State,
}

impl DurableObject for Safe {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl Safe {
    pub async fn put(&self, number: i64) -> Result<()> {
        self.state.storage().put("number", number).await
    }

    pub async fn get(&self) -> Result<Option<i64>> {
        self.state.storage().get("number").await
    }
}

/// The database files below a folder, each with its contents.
fn databases(folder: &std::path::Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder.join("objects/Safe"))? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "sqlite")
        {
            let contents = fs::read(&path)?;
            found.push((path, contents));
        }
    }
    found.sort();
    Ok(found)
}

#[test]
fn a_damaged_file_is_told_by_name_and_left_alone_and_other_objects_go_on() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let serves = serving::<Safe>();
    let run = |promise: &dyn Fn(Bench) -> futures_util::future::LocalBoxFuture<'static, ()>| {
        real::run(async {
            promise(Bench::start(real::platform(folder.path())?, &serves)).await;
            Ok::<_, io::Error>(())
        })
    };
    run(&|bench| {
        Box::pin(async move {
            bench.stub::<Safe>("a").put(1).await.expect("put");
        })
    })?;
    let (path, mut contents) = databases(folder.path())?.remove(0);
    contents[..16].copy_from_slice(b"not what it was.");
    fs::write(&path, &contents)?;
    // The write-ahead log has a good copy of the page: without it the damage shows.
    let log = path.with_extension("sqlite-wal");
    let mut logged = fs::read(&log)?;
    logged[..16].copy_from_slice(b"not what it was.");
    fs::write(&log, &logged)?;
    run(&|bench| {
        Box::pin(async move {
            for _ in 0..2 {
                let error = error_of(bench.stub::<Safe>("a").get().await);
                assert!(
                    error.contains("cannot open the storage of Safe/a"),
                    "{error}"
                );
                assert!(error.contains("SQLITE_NOTADB"), "{error}");
            }
            let other = bench.stub::<Safe>("b");
            other.put(2).await.expect("another object goes on");
            assert_eq!(other.get().await, Ok(Some(2)));
        })
    })?;
    let now = databases(folder.path())?;
    assert!(
        now.contains(&(path, contents)),
        "the damaged file was changed"
    );
    Ok(())
}
