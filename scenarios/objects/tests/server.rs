//! `dormouse-serve` as its users run it: curl an increment, kill -9 the process, start it again, the count is there.

mod support;

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    process::{Command, Output},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use support::Server;

/// One request on a connection of its own; the status and the body.
fn ask(address: &str, method: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or(io::ErrorKind::InvalidData)?;
    Ok((status, body.to_owned()))
}

fn number((status, body): (u16, String)) -> u64 {
    assert_eq!(status, 200, "{body}");
    body.trim().parse().expect("a number")
}

#[test]
fn a_count_survives_the_process() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    assert_eq!(
        number(ask(&server.address, "POST", "/COUNTER/global/increment").expect("it answers")),
        1
    );
    assert_eq!(
        number(ask(&server.address, "POST", "/COUNTER/global/increment").expect("it answers")),
        2
    );
    assert_eq!(
        number(ask(&server.address, "POST", "/COUNTER/other/increment").expect("it answers")),
        1
    );
    server.kill();
    let server = Server::start(data.path());
    assert_eq!(
        number(ask(&server.address, "GET", "/COUNTER/global/get").expect("it answers")),
        2
    );
    server.kill();
}

#[cfg(unix)]
#[test]
fn sigterm_ends_the_process_without_an_error() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start(data.path());
    let asked = ask(&server.address, "POST", "/COUNTER/global/increment");
    assert_eq!(number(asked.expect("it answers")), 1);
    let pid = server.process.id().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(told.expect("there is a kill").success());
    let deadline = Instant::now() + Duration::from_secs(20);
    let end = loop {
        match server.process.try_wait().expect("it can be asked") {
            Some(end) => break end,
            None if Instant::now() > deadline => {
                server.kill();
                panic!("it goes on");
            }
            None => thread::sleep(Duration::from_millis(10)),
        }
    };
    assert!(end.success(), "{end}: the signal ended it, not itself");
}

#[test]
fn every_bundled_object_answers() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    for (method, path, status, body) in [
        ("POST", "/LEADER/e/elect?worker_id=one", 200, "true\n"),
        ("POST", "/LEADER/e/elect?worker_id=two", 200, "false\n"),
        ("GET", "/LEADER/e/leader", 200, "one\n"),
        (
            "POST",
            "/RATE_LIMITER/u/check?limit=1&window=600000",
            200,
            "allowed\n",
        ),
        (
            "POST",
            "/RATE_LIMITER/u/check?limit=1&window=600000",
            429,
            "Rate limit exceeded\n",
        ),
        ("POST", "/USER_SESSION/u/set?key=k&value=v", 200, ""),
        ("GET", "/USER_SESSION/u/get?key=k", 200, "v\n"),
        ("GET", "/USER_SESSION/u/get?key=other", 404, "No such key\n"),
        (
            "GET",
            "/COUNTER/c/nowhere",
            404,
            "Not found: try POST /increment or GET /get\n",
        ),
        (
            "GET",
            "/NOTHING/c/get",
            404,
            "Binding `NOTHING` is undefined. Try POST /COUNTER/global/increment\n",
        ),
        (
            "GET",
            "/COUNTER",
            404,
            "Which object? Try POST /COUNTER/global/increment\n",
        ),
    ] {
        let answer = ask(&server.address, method, path).expect("it answers");
        assert_eq!(answer, (status, body.to_owned()), "{method} {path}");
    }
    server.kill();
}

/// Several connections increment while the process is killed at some moment, twenty times over. Every acknowledged increment must be there, and
/// no number may be given out twice; an answer that did not come may or may not have counted.
#[test]
fn no_acknowledged_increment_is_lost_however_often_the_process_is_killed() {
    const KILLS: u64 = 20;
    const CLIENTS: usize = 4;
    let data = tempfile::tempdir().expect("a temporary folder");
    let acknowledged = Mutex::new(Vec::new());
    let (mut unknown, mut asked) = (0, 0);
    for kill in 0..KILLS {
        let server = Server::start(data.path());
        let killed = AtomicBool::new(false);
        let open: (u64, u64) = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| {
                    scope.spawn(|| {
                        let (mut unknown, mut asked) = (0, 0);
                        while !killed.load(Ordering::Relaxed) {
                            asked += 1;
                            match ask(&server.address, "POST", "/COUNTER/c/increment") {
                                Ok(answer) => acknowledged
                                    .lock()
                                    .expect("nobody panics")
                                    .push(number(answer)),
                                Err(_) => unknown += 1,
                            }
                        }
                        (unknown, asked)
                    })
                })
                .collect();
            // A moment that differs each time; which one it is decides the machine.
            thread::sleep(Duration::from_millis(15 + kill * 7 % 60));
            let pid = server.process.id().to_string();
            assert!(
                Command::new("kill")
                    .args(["-9", &pid])
                    .status()
                    .expect("there is a kill")
                    .success()
            );
            killed.store(true, Ordering::Relaxed);
            let counts = clients
                .into_iter()
                .map(|client| client.join().expect("no client panics"));
            counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
        });
        unknown += open.0;
        asked += open.1;
        server.kill();
    }
    let server = Server::start(data.path());
    let count = number(ask(&server.address, "GET", "/COUNTER/c/get").expect("it answers"));
    server.kill();

    let mut numbers = acknowledged.into_inner().expect("nobody panicked");
    let acknowledged = numbers.len() as u64;
    assert!(
        acknowledged > KILLS,
        "hardly anything was done: {acknowledged} of {asked} calls"
    );
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(
        numbers.len() as u64,
        acknowledged,
        "a number was given out twice"
    );
    assert!(
        numbers.last().is_none_or(|&last| last <= count),
        "the last acknowledged number is above the count {count}"
    );
    assert!(
        count >= acknowledged,
        "{acknowledged} were acknowledged and {count} counted"
    );
    assert!(
        count <= acknowledged + unknown,
        "{count} counted, but only {acknowledged} acknowledged and {unknown} unknown"
    );
}

fn fails(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dormouse-serve"));
    let Output { status, stderr, .. } =
        command.args(arguments).output().expect("the server starts");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn a_port_in_use_is_told_and_the_folder_left_alone() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let other = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let (code, message) = fails(&[
        "--listen",
        &server.address,
        "--data",
        other.path().to_str().expect("a text path"),
    ]);
    assert_eq!(code, Some(2));
    assert!(
        message.contains(&format!("cannot listen at {}", server.address)),
        "{message}"
    );
    assert!(!other.path().join("dormouse.json").exists());
    server.kill();
}

#[test]
fn a_folder_in_use_by_another_process_is_refused() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let (code, message) = fails(&[
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.path().to_str().expect("a text path"),
    ]);
    assert_eq!(code, Some(2));
    assert!(message.contains("cannot use the data folder"), "{message}");
    server.kill();
}

#[test]
fn a_folder_of_another_version_is_refused_and_left_alone() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let file = data.path().join("dormouse.json");
    for (content, expected) in [
        (
            "{\"format\": 7, \"something\": \"new\"}",
            "data folder has format 7, this version reads format 1",
        ),
        (
            "{\"format\": 1, \"namesp",
            "dormouse.json in the data folder is damaged",
        ),
    ] {
        std::fs::write(&file, content).expect("it is written");
        let (code, message) = fails(&[
            "--listen",
            "127.0.0.1:0",
            "--data",
            data.path().to_str().expect("a text path"),
        ]);
        assert_eq!(code, Some(2));
        assert!(message.contains(expected), "{message}");
        assert_eq!(
            std::fs::read_to_string(&file).expect("it is there"),
            content
        );
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let file = data.path().join("a file");
    std::fs::write(&file, "in the way").expect("it is written");
    let (code, message) = fails(&[
        "--listen",
        "127.0.0.1:0",
        "--data",
        file.to_str().expect("a text path"),
    ]);
    assert_eq!(code, Some(2));
    assert!(message.contains("cannot use the data folder"), "{message}");
}

#[test]
fn wrong_arguments_are_told_with_code_2() {
    assert_eq!(fails(&[]).0, Some(2));
    let data = tempfile::tempdir().expect("a temporary folder");
    let (code, message) = fails(&[
        "--listen",
        "nowhere",
        "--data",
        data.path().to_str().expect("a text path"),
    ]);
    assert_eq!(code, Some(2));
    assert!(message.contains("cannot listen at nowhere"), "{message}");
}
