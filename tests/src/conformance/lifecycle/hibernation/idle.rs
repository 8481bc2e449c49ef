//! What keeps an object in memory, and for how long.

use super::waking::hib;
use crate::conformance::lifecycle::prelude::*;

/// An idle object with a hibernatable socket: 9 s without an event keep the object, 12 s do not.
pub(crate) mod idle_with_hibernatable_socket {
    use super::*;

    hib!();

    pub(crate) async fn client(c: Client) {
        let a = c.ws("c1", "a", "?name=c1").await;
        c.step("send 'one'", async { a.frame(TEXT, b"one") }).await;
        let two = async {
            c.sleep(9000).await;
            a.frame(TEXT, b"two");
        };
        c.step("9 s pass; send 'two'", two).await;
        let three = async {
            c.sleep(12_000).await;
            a.frame(TEXT, b"three");
        };
        c.step("12 s pass; send 'three'", three).await;
    }
}

/// An object without sockets: requests after 9 s and after 12 s of idleness.
pub(crate) mod idle_without_socket {
    use super::*;

    hib!();

    pub(crate) async fn client(c: Client) {
        c.step("GET", c.get("/o/a/")).await;
        let nine = async {
            c.sleep(9000).await;
            c.get("/o/a/").await;
        };
        c.step("9 s pass; GET", nine).await;
        let twelve = async {
            c.sleep(12_000).await;
            c.get("/o/a/").await;
        };
        c.step("12 s pass; GET", twelve).await;
    }
}

/// A plainly accepted socket keeps the object in memory.
pub(crate) mod idle_with_standard_socket {
    use super::*;

    class! {
        Obj { n: Rc<Cell<u32>> }
        new(state) { O.ev("constructor", ()) }
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                server.accept()?;
                let n = Rc::clone(&self.n);
                self.state.wait_until(async move {
                    let mut events = server.events().expect("it is accepted");
                    while let Some(Ok(WebsocketEvent::Message(_))) = events.next().await {
                        O.ev("message", json!({"n": next(&n)}));
                        server.send_with_str(n.get().to_string()).expect("it is open");
                    }
                });
                Response::from_websocket(client)
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let a = c.ws("c1", "a", "").await;
        c.step("send", async { a.frame(TEXT, b"x") }).await;
        let later = async {
            c.sleep(14_000).await;
            a.frame(TEXT, b"x");
        };
        c.step("14 s pass; send", later).await;
    }
}

/// A timer of 13 s pending, with a hibernatable socket: the object stays in memory and the timer fires.
pub(crate) mod idle_with_pending_timeout {
    use super::{
        Cell, Client, DurableObject, Env, O, Rc, Request, Response, Result, State, TEXT, WebSocket,
        WebSocketIncomingMessage, accepted, class, durable_object, json, next, sleep, text,
    };

    class! {
        Obj { n: Rc<Cell<u32>> }
        new(state) { O.ev("constructor", ()) }
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                accepted(&self.state)
            }

            async fn websocket_message(&self, ws: WebSocket, m: WebSocketIncomingMessage) -> Result<()> {
                let m = text(m);
                O.clocked("message", json!({"m": m, "n": next(&self.n)}));
                if m == "arm" {
                    let n = Rc::clone(&self.n);
                    self.state.wait_until(async move {
                        sleep(13_000).await;
                        O.clocked("timer", json!({"n": n.get()}));
                    });
                }
                ws.send_with_str(self.n.get().to_string())
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let a = c.ws("c1", "a", "").await;
        c.step("send 'arm'", async { a.frame(TEXT, b"arm") }).await;
        let after = async {
            c.sleep(14_600).await;
            a.frame(TEXT, b"after");
        };
        c.step("15 s pass; send 'after'", after).await;
    }
}

/// A request that takes 13 s keeps the object in memory.
pub(crate) mod idle_with_request_in_flight {
    use super::{
        Client, DurableObject, Env, O, Request, Response, Result, State, class, durable_object,
        has, sleep,
    };

    class! {
        Obj {}
        new(state) { O.ev("constructor", ()) }
        handlers {
            async fn fetch(&self, req: Request) -> Result<Response> {
                O.ev("fetch", ());
                if has(&req, "slow") {
                    sleep(13_000).await;
                    O.ev("slow done", ());
                }
                Response::ok("ok")
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let both = async {
            c.get("/o/a/?slow").await;
            c.get("/o/a/").await;
        };
        c.step("GET ?slow, then GET", both).await;
    }
}

/// A short timer is pending when the object is evicted by the test hook: the eviction waits for it.
pub(crate) mod pending_timer_at_eviction {
    use super::{
        Client, DurableObject, Env, O, Request, Response, Result, State, class, durable_object,
        has, sleep,
    };

    class! {
        Obj {}
        new(state) { O.ev("constructor", ()) }
        handlers {
            async fn fetch(&self, req: Request) -> Result<Response> {
                if has(&req, "arm") {
                    self.state.wait_until(async {
                        sleep(200).await;
                        O.ev("timer", ());
                    });
                }
                O.ev("fetch", ());
                Response::ok("ok")
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        c.step_until_quiet("GET, arms a 200 ms timer", 30, c.get("/o/a/?arm"))
            .await;
        let evicted = async {
            c.evict().await;
            c.sleep(500).await;
        };
        c.step("evict, wait 0.5 s", evicted).await;
        c.step("GET", c.get("/o/a/")).await;
    }
}

/// Memory, SQL data and key-value data across an eviction without sockets; a put that was not awaited before the answer is there.
pub(crate) mod eviction_keeps_storage_not_memory {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Row {
        v: u32,
    }

    class! {
        Obj { memory: Cell<u32> }
        new(state) {
            let sql = state.storage().sql();
            sql.exec("CREATE TABLE IF NOT EXISTS t (v INTEGER)", None).expect("it works");
        }
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                let (storage, sql) = (self.state.storage(), self.state.storage().sql());
                let memory = next(&self.memory);
                sql.exec("INSERT INTO t VALUES (?)", vec![i64::from(memory).into()])?;
                let n: u32 = storage.get("n").await?.unwrap_or(0);
                not_awaited(storage.put("n", n + 1));
                let rows: Vec<Row> = sql.exec("SELECT v FROM t", None)?.to_array()?;
                let rows: Vec<_> = rows.into_iter().map(|row| row.v).collect();
                O.ev("state", json!({"memory": memory, "rows": rows, "n": storage.get::<u32>("n").await?}));
                Response::ok("ok")
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        c.step("GET", c.get("/o/a/")).await;
        c.step("GET", c.get("/o/a/")).await;
        c.step("evict", c.evict()).await;
        c.step("GET", c.get("/o/a/")).await;
    }
}
