//! Alarms across the lives of an object and of its process.

/// An alarm wakes an evicted object: the constructor runs, then the handler; the name is there; instance memory is new.
pub(crate) mod wakes_evicted_object {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj { used: Cell<bool> }
        new(state) { O.ev("constructor", json!({"name": state.id().name()})) }
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                self.used.set(true);
                self.state.storage().set_alarm(1000).await?;
                O.clocked("armed", ());
                Response::ok("armed")
            }

            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                let memory = if self.used.get() { "used" } else { "fresh" };
                let name = self.state.id().name();
                O.clocked("alarm", json!({"memory": memory, "name": name, "info": described(info)}));
                Response::empty()
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        c.step("GET (sets the alarm 1 s ahead)", c.get("/o/a/"))
            .await;
        let evicted = async {
            c.evict().await;
            c.sleep(2000).await;
        };
        c.step("evict, wait 2 s", evicted).await;
    }
}

/// A constructor that sets an alarm when there is none, inside `block_concurrency_while`.
pub(crate) mod set_in_constructor {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj {}
        new(state) {
            let storage = state.storage();
            drop(state.block_concurrency_while(async move {
                let pending = storage.get_alarm().await?.is_some();
                O.ev("constructor", json!({"pending": pending}));
                if !pending {
                    storage.set_alarm(1000).await?;
                }
                Ok(())
            }));
        }
        handlers {
            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                O.clocked("alarm", json!({"info": described(info)}));
                Response::empty()
            }
        }
        methods {
            pub async fn hello(&self) -> Result<()> {
                let pending = self.state.storage().get_alarm().await?.is_some();
                O.clocked("hello", json!({"pending": pending}));
                Ok(())
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let hello = env.stub::<Obj>("OBJ", "a").hello().await;
        assert_eq!(hello, Ok(()));
        env.sleep(2500).await;
        W.ev("over", ());
    }
}

/// An alarm 3 s ahead; the process is killed and started again on the same storage; nobody calls the object: the alarm fires.
pub(crate) mod survives_restart {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj {}
        new(state) { O.ev("constructor", json!({"name": state.id().name()})) }
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                self.state.storage().set_alarm(3000).await?;
                O.clocked("armed", ());
                Response::ok("armed")
            }

            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                O.clocked("alarm", json!({"info": described(info)}));
                Response::empty()
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        c.step("GET (sets the alarm 3 s ahead)", c.get("/o/a/"))
            .await;
        let restarted = async {
            c.restart();
            c.sleep(4000).await;
        };
        c.step("SIGKILL, restart, wait 4 s", restarted).await;
    }
}

/// An alarm 2 s ahead; the process is killed, stays down for 3 s and is started again: the alarm fires at once.
pub(crate) mod due_while_down {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj {}
        new(state) { O.ev("constructor", ()) }
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                self.state.storage().set_alarm(2000).await?;
                O.ev("armed", ());
                Response::ok("armed")
            }

            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                O.ev("alarm", json!({"info": described(info)}));
                Response::empty()
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        c.step("GET (sets the alarm 2 s ahead)", c.get("/o/a/"))
            .await;
        let restarted = async {
            c.kill();
            c.sleep(3000).await;
            c.start();
        };
        c.step("SIGKILL, 3 s down, restart", restarted).await;
    }
}

/// The process is killed while the handler is running: after the restart it runs again from the start; the writes of the first run are
/// there.
pub(crate) mod killed_inside_handler {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                self.state.storage().set_alarm(0).await?;
                Response::ok("armed")
            }

            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                let storage = self.state.storage();
                let keys = keys(&storage).await?;
                O.ev("alarm start", json!({"info": described(info), "keys": keys}));
                storage.put("awaited", 1).await?;
                storage.sync().await?;
                if keys.is_empty() {
                    sleep(60_000).await;
                }
                O.ev("alarm end", ());
                Response::empty()
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        c.step("GET (sets the alarm to now)", c.get("/o/a/")).await;
        c.step("SIGKILL inside alarm(), restart", async { c.restart() })
            .await;
    }
}
