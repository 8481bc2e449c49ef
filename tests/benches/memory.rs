//! What objects take in memory while they hibernate: `cargo bench --bench memory`.
//!
//! Many objects that nobody has called before come into memory, do something, and are left alone until the last of them has hibernated. What the process has more
//! then than before, divided by their number, is what each of them costs. Bytes that Rust's allocator has handed out are counted exactly; SQLite takes
//! its memory elsewhere, so the resident memory stands beside them, which knows everything and is as coarse as the system's pages.
//!
//! The other end of each socket is in this process too, and counts.

use std::time::Duration;

use dormouse::{
    DurableObject, Env, Headers, Node, NodeBuilder, Request, RequestInit, Response, Result, State,
    WebSocket, WebSocketIncomingMessage, WebSocketPair, durable_object,
    platform::{Platform, real},
    rpc,
};
use futures_util::future::try_join_all;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const OBJECTS: usize = 4_000;
/// How many of them are called at once, so that the files that are open stay within the system's limit.
const AT_ONCE: usize = 100;

const BINDING: &str = "ROOM";

/// The least that can be called, and hold a socket.
#[durable_object]
struct Room {
    state: State,
}

impl DurableObject for Room {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, _: Request) -> Result<Response> {
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        self.state.accept_web_socket(&server);
        Response::from_websocket(client)
    }

    async fn websocket_message(&self, _: WebSocket, _: WebSocketIncomingMessage) -> Result<()> {
        Ok(())
    }
}

#[rpc]
impl Room {
    pub async fn enter(&self) -> Result<()> {
        self.state.storage().put("entered", true).await
    }
}

/// What the process holds, in bytes.
#[derive(Clone, Copy)]
struct Memory {
    allocated: usize,
    /// Not known on every system.
    resident: Option<usize>,
}

impl Memory {
    fn now() -> Self {
        const PAGE_BYTES: usize = 4096;
        let pages = std::fs::read_to_string("/proc/self/statm").ok();
        let pages = pages.and_then(|pages| pages.split(' ').nth(1)?.parse::<usize>().ok());
        Self {
            allocated: ALLOCATOR.current_usage(),
            resident: pages.map(|pages| pages * PAGE_BYTES),
        }
    }

    fn print_since(self, before: Self, case: &str) {
        let each = |now: usize, before: usize| now.saturating_sub(before) / OBJECTS;
        let allocated = each(self.allocated, before.allocated);
        let resident = self.resident.zip(before.resident);
        let resident = resident.map_or("unknown".to_owned(), |(now, before)| {
            each(now, before).to_string()
        });
        println!("{case:<58} {allocated:>10} {resident:>10}");
    }
}

/// Until the last object has left memory.
async fn all_hibernate(node: &Node, platform: &Platform) {
    while node.activation_count() > 0 {
        wait(platform, Duration::from_millis(200)).await;
    }
}

async fn wait(platform: &Platform, time: Duration) {
    let clock = &platform.clock;
    clock.sleep_until(clock.now() + time).await;
}

/// So many objects of names that begin alike, some at a time; what the calls give.
async fn each<T>(objects: usize, kind: &str, call: impl AsyncFn(String) -> Result<T>) -> Vec<T> {
    let mut results = Vec::with_capacity(objects);
    for first in (0..objects).step_by(AT_ONCE) {
        let some = first..objects.min(first + AT_ONCE);
        let calls = some.map(|number| call(format!("{kind} {number}")));
        results.extend(try_join_all(calls).await.expect("the objects answer"));
    }
    results
}

async fn write(node: &Node, name: String) -> Result<()> {
    let room = node.env().durable_object(BINDING)?.get_by_name(&name)?;
    room.typed::<Room>().enter().await
}

/// The visitor's end of a socket that the object holds.
async fn visit(node: &Node, name: String) -> Result<WebSocket> {
    let headers = Headers::new();
    headers.set("upgrade", "websocket")?;
    let mut init = RequestInit::new();
    init.with_headers(headers);
    let request = Request::new_with_init("http://room/", &init)?;
    let room = node.env().durable_object(BINDING)?.get_by_name(&name)?;
    let response = room.fetch_with_request(request).await?;
    Ok(response.websocket().expect("an upgrade"))
}

async fn measure(node: &Node, platform: &Platform) {
    // What is allocated once and for all is allocated before.
    each(1, "first", async |name| write(node, name).await).await;
    drop(each(1, "first", async |name| visit(node, name).await).await);
    all_hibernate(node, platform).await;

    println!("bytes an object, of {OBJECTS}\n");
    println!(
        "{:<58} {:>10} {:>10}",
        "an object that", "allocated", "resident"
    );
    let before = Memory::now();
    each(OBJECTS, "room", async |name| write(node, name).await).await;
    Memory::now().print_since(before, "has written, and is in memory");
    all_hibernate(node, platform).await;
    Memory::now().print_since(before, "has written, and hibernates");
    let before = Memory::now();
    let sockets = each(OBJECTS, "hall", async |name| visit(node, name).await).await;
    Memory::now().print_since(before, "has a socket, and is in memory");
    all_hibernate(node, platform).await;
    Memory::now().print_since(before, "has a socket, and hibernates");
    for socket in sockets {
        socket.accept().expect("nobody else has it");
        socket.close(None, None::<&str>).expect("it is open");
    }
    wait(platform, Duration::from_secs(2)).await; // until the objects have been told
    all_hibernate(node, platform).await;
    Memory::now().print_since(before, "had a socket");
}

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let done: std::io::Result<()> = real::run(async {
        let platform = real::platform(folder.path())?;
        let builder = NodeBuilder::new("app").object::<Room>(BINDING);
        let node = builder.start(platform.clone()).expect("the node starts");
        measure(&node, &platform).await;
        Ok(())
    });
    done.expect("the real platform starts");
}
