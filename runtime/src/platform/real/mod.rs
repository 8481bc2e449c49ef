//! The ports on tokio and the operating system: the one door to the real world.
//!
//! Nothing else in the runtime touches `std::fs`, `std::net`, `std::time` or tokio's runtime. The ports of one node run
//! on one thread, inside a [`LocalSet`](tokio::task::LocalSet); only `fdatasync` goes to tokio's blocking threads.
//!
//! In: a data folder. Out: a [`Platform`]. The folder belongs to one process at a time: two of them would each believe
//! that they alone append to the objects' files, and both would be wrong. A lock on a file in it keeps the second out.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "here the ports meet the operating system; what is banned elsewhere is what this folder wraps"
)]

mod clock;
mod disk;
mod entropy;
mod link;
mod network;
mod spawn;

use std::{future::Future, io, path::Path, rc::Rc};

use super::Platform;

/// The operating system's ports, with the node's files below `data_folder`, which is made if it is missing.
///
/// The folder is this process's own until the last clone of the platform's disk is dropped. Called, and its ports used,
/// inside a tokio runtime with time and I/O enabled, on a thread that runs a [`LocalSet`](tokio::task::LocalSet).
///
/// # Errors
/// If the folder cannot be made or written to, with the system's kind of error, and with kind `ResourceBusy` if another
/// process, or this one, has it open: stop that process or choose another folder.
///
/// # Example
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// dormouse::platform::real::run(async {
///     let platform = dormouse::platform::real::platform(folder)?;
///     assert_eq!(platform.disk.list(""), Ok(Vec::new()));
///     Ok(())
/// })
/// # }
/// ```
pub fn platform(data_folder: &Path) -> io::Result<Platform> {
    let disk = disk::RealDisk::open(data_folder)?;
    Ok(Platform {
        clock: Rc::new(clock::RealClock::new()),
        entropy: Rc::new(entropy::RealEntropy),
        disk: Rc::new(disk),
        network: Rc::new(network::RealNetwork),
        links: Rc::new(link::RealLinks),
        spawn: Rc::new(spawn::RealSpawn),
    })
}

/// Runs `future` to its end on this thread, with what the ports of [`platform`] need around it: a tokio runtime and a
/// [`LocalSet`](tokio::task::LocalSet). Tasks that are left over are dropped; a sync that was begun is finished.
///
/// For a program that has no tokio runtime of its own.
///
/// # Errors
/// The future's own, and the system's if it has no means for a runtime left.
///
/// # Panics
/// Inside another tokio runtime.
pub fn run<T, E: From<io::Error>>(future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    tokio::task::LocalSet::new().block_on(&runtime, future)
}
