//! The contract of each port, held against the real and the simulated platform: what passes on one side only is a bug.

use std::{
    future::Future,
    io::ErrorKind,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use dormouse::platform::{Disk, DiskError, Leg, OpenMode, Platform, real};
use dormouse_sim::{Seed, run_on_a_machine};
use futures_util::future::join;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Runs a contract on both platforms. `host` is the address of the machine itself.
fn on_both<Fut: Future<Output = ()> + 'static>(contract: impl Fn(Platform, &'static str) -> Fut) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let done: std::io::Result<()> = real::run(async {
        contract(real::platform(folder.path())?, "127.0.0.1").await;
        Ok(())
    });
    done.expect("the real platform starts");
    for seed in 0..5 {
        run_on_a_machine(Seed(seed), |platform| contract(platform, "10.0.0.2"));
    }
}

fn read_all(disk: &dyn Disk, path: &str) -> Vec<u8> {
    let file = disk.open(path, OpenMode::Existing).expect("it is there");
    let len = disk.len(file).expect("it is open");
    let mut content = vec![0xEE; usize::try_from(len).expect("small")];
    assert_eq!(disk.read_at(file, &mut content, 0), Ok(content.len()));
    disk.close(file);
    content
}

// Disk.

#[test]
fn a_write_is_read_back_and_a_gap_before_it_reads_as_zeroes() {
    on_both(|platform, _| async move {
        let disk = platform.disk;
        let file = disk.open("folder/a", OpenMode::Create).expect("it is made");
        disk.write_at(file, b"world", 7).expect("there is room");
        disk.write_at(file, b"hello", 0).expect("there is room");
        assert_eq!(read_all(&*disk, "folder/a"), b"hello\0\0world");
        disk.write_at(file, b"HE", 0).expect("there is room");
        assert_eq!(read_all(&*disk, "folder/a"), b"HEllo\0\0world");
    });
}

#[test]
fn a_read_ends_at_the_end_of_the_file() {
    on_both(|platform, _| async move {
        let disk = platform.disk;
        let file = disk.open("a", OpenMode::Create).expect("it is made");
        disk.write_at(file, b"abc", 0).expect("there is room");
        let mut out = [9; 8];
        assert_eq!(disk.read_at(file, &mut out, 1), Ok(2));
        assert_eq!(&out[..2], b"bc");
        assert_eq!(disk.read_at(file, &mut out, 3), Ok(0));
        assert_eq!(disk.read_at(file, &mut out, 1_000), Ok(0));
    });
}

#[test]
fn truncating_cuts_and_extends_with_zeroes() {
    on_both(|platform, _| async move {
        let disk = platform.disk;
        let file = disk.open("a", OpenMode::Create).expect("it is made");
        disk.write_at(file, b"abcdef", 0).expect("there is room");
        disk.truncate(file, 2).expect("it is open");
        assert_eq!(disk.len(file), Ok(2));
        disk.truncate(file, 4).expect("it is open");
        assert_eq!(read_all(&*disk, "a"), b"ab\0\0");
    });
}

#[test]
fn files_are_found_by_prefix_in_order_and_gone_when_deleted() {
    on_both(|platform, _| async move {
        let disk = platform.disk;
        for path in ["objects/B/2", "objects/A/1", "other"] {
            disk.close(disk.open(path, OpenMode::Create).expect("it is made"));
        }
        assert_eq!(
            disk.list("objects/"),
            Ok(vec!["objects/A/1".to_owned(), "objects/B/2".to_owned()])
        );
        disk.delete("objects/A/1").expect("it is there");
        assert_eq!(disk.exists("objects/A/1"), Ok(false));
        assert!(matches!(
            disk.delete("objects/A/1"),
            Err(DiskError::NotFound(_))
        ));
        assert!(matches!(
            disk.open("objects/A/1", OpenMode::Existing),
            Err(DiskError::NotFound(_))
        ));
        assert_eq!(disk.list("objects/"), Ok(vec!["objects/B/2".to_owned()]));
        assert_eq!(disk.list("nothing/"), Ok(vec![]));
    });
}

#[test]
fn renaming_replaces_what_had_the_name() {
    on_both(|platform, _| async move {
        let disk = platform.disk;
        for (path, content) in [("old", b"old"), ("new", b"new")] {
            let file = disk.open(path, OpenMode::Create).expect("it is made");
            disk.write_at(file, content, 0).expect("there is room");
            disk.barrier(file).expect("the disk works");
            disk.close(file);
        }
        disk.rename("new", "old").expect("it is there");
        assert_eq!(read_all(&*disk, "old"), b"new");
        assert_eq!(disk.exists("new"), Ok(false));
        assert!(matches!(
            disk.rename("new", "old"),
            Err(DiskError::NotFound(_))
        ));
    });
}

#[test]
fn a_sync_completes_also_for_a_file_that_is_closed_meanwhile() {
    on_both(|platform, _| async move {
        let disk = platform.disk;
        let file = disk.open("a", OpenMode::Create).expect("it is made");
        disk.write_at(file, b"abc", 0).expect("there is room");
        let first = disk.sync(file);
        disk.write_at(file, b"def", 3).expect("there is room");
        let second = disk.sync(file);
        disk.close(file);
        assert_eq!(join(first, second).await, (Ok(()), Ok(())));
        assert_eq!(read_all(&*disk, "a"), b"abcdef");
    });
}

// Clock.

#[test]
fn a_sleep_is_never_too_short_and_wall_and_monotonic_time_go_on_together() {
    on_both(|platform, _| async move {
        let clock = platform.clock;
        let (start, wall) = (clock.now(), clock.wall());
        clock.sleep_until(start + Duration::from_millis(20)).await;
        assert!(clock.now() - start >= Duration::from_millis(20));
        assert!(clock.wall().as_millis() - wall.as_millis() >= 19);
        clock.sleep_until(start).await; // it is past: at once
    });
}

#[test]
fn of_two_sleeps_the_shorter_ends_first() {
    on_both(|platform, _| async move {
        let clock = platform.clock;
        let order = Rc::new(std::cell::RefCell::new(Vec::new()));
        let sleep = |millis: u64| {
            let (order, sleep) = (
                Rc::clone(&order),
                clock.sleep_until(clock.now() + Duration::from_millis(millis)),
            );
            async move {
                sleep.await;
                order.borrow_mut().push(millis);
            }
        };
        join(sleep(40), sleep(5)).await;
        assert_eq!(*order.borrow(), [5, 40]);
    });
}

// Entropy.

#[test]
fn random_bytes_fill_everything_and_differ() {
    on_both(|platform, _| async move {
        let (mut first, mut second) = ([0; 32], [0; 32]);
        platform.entropy.fill(&mut first);
        platform.entropy.fill(&mut second);
        assert_ne!(first, second);
        assert!(first.iter().any(|&byte| byte != 0));
    });
}

// Spawn.

#[test]
fn tasks_run_in_the_order_in_which_they_were_spawned() {
    on_both(|platform, _| async move {
        let order = Rc::new(std::cell::RefCell::new(Vec::new()));
        for number in 0..10 {
            let order = Rc::clone(&order);
            platform
                .spawn
                .spawn(Box::pin(async move { order.borrow_mut().push(number) }));
        }
        platform
            .clock
            .sleep_until(platform.clock.now() + Duration::from_millis(5))
            .await;
        assert_eq!(*order.borrow(), (0..10).collect::<Vec<_>>());
    });
}

// Links.

#[test]
fn messages_of_one_link_arrive_in_the_order_in_which_they_left() {
    on_both(|platform, _| async move {
        let link = platform.links.open("here", "there");
        let order = Rc::new(std::cell::RefCell::new(Vec::new()));
        let arrivals: Vec<_> = (0..20)
            .map(|number| {
                let (carried, order) = (link.carry(Leg::Call), Rc::clone(&order));
                async move {
                    assert_eq!(carried.await, Ok(()));
                    order.borrow_mut().push(number);
                }
            })
            .collect();
        futures_util::future::join_all(arrivals).await;
        assert_eq!(*order.borrow(), (0..20).collect::<Vec<_>>());
    });
}

// Network.

#[test]
fn a_listener_and_a_caller_exchange_bytes() {
    on_both(|platform, host| async move {
        let network = platform.network;
        let listener = network
            .listen(&format!("{host}:0"))
            .await
            .expect("a free port");
        let address = listener.local_address();
        let answer = async {
            let mut stream = listener.accept().await.expect("somebody connects");
            let mut question = [0; 4];
            stream.read_exact(&mut question).await.expect("four bytes");
            stream
                .write_all(&question.map(|byte| byte.to_ascii_uppercase()))
                .await
                .expect("he listens");
            stream.flush().await.expect("he listens");
        };
        let ask = async {
            let mut stream = network.connect(&address).await.expect("it listens");
            stream.write_all(b"ping").await.expect("it listens");
            stream.flush().await.expect("it listens");
            let mut answer = [0; 4];
            stream.read_exact(&mut answer).await.expect("an answer");
            assert_eq!(&answer, b"PING");
        };
        join(answer, ask).await;
    });
}

#[test]
fn a_port_belongs_to_one_listener() {
    on_both(|platform, host| async move {
        let listener = platform
            .network
            .listen(&format!("{host}:0"))
            .await
            .expect("a free port");
        let second = platform.network.listen(&listener.local_address()).await;
        assert_eq!(
            second.err().map(|error| error.kind()),
            Some(ErrorKind::AddrInUse)
        );
    });
}

#[test]
fn nobody_answers_where_nobody_listens() {
    on_both(|platform, host| async move {
        let listener = platform
            .network
            .listen(&format!("{host}:0"))
            .await
            .expect("a free port");
        let address = listener.local_address();
        drop(listener);
        let refused = platform.network.connect(&address).await;
        assert_eq!(
            refused.err().map(|error| error.kind()),
            Some(ErrorKind::ConnectionRefused)
        );
    });
}

#[test]
fn an_address_that_is_none_is_refused() {
    on_both(|platform, _| async move {
        let refused = platform.network.listen("nowhere").await;
        assert_eq!(
            refused.err().map(|error| error.kind()),
            Some(ErrorKind::InvalidInput)
        );
    });
}

#[test]
fn every_contract_runs_on_both_platforms() {
    let runs = Arc::new(AtomicU32::new(0));
    on_both(|_, _| {
        let runs = Arc::clone(&runs);
        async move {
            runs.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert_eq!(runs.load(Ordering::Relaxed), 6);
}
