//! What the handler does to its own alarm, and what happens around it.

/// The handler sets the next alarm three times, one second apart.
pub(crate) mod set_inside_alarm {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj { n: Cell<u32> }
        new(state) {}
        handlers {
            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                O.clocked("alarm", json!({"n": next(&self.n), "info": described(info)}));
                let storage = self.state.storage();
                if self.n.get() < 4 {
                    storage.set_alarm(1000).await?;
                }
                O.ev("pending", json!({"set": storage.get_alarm().await?.is_some()}));
                Response::empty()
            }
        }
        methods {
            pub async fn arm(&self) -> Result<()> {
                self.state.storage().set_alarm(1000).await?;
                O.clocked("armed", ());
                Ok(())
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let armed = env.stub::<Obj>("OBJ", "a").arm().await;
        assert_eq!(armed, Ok(()));
        env.sleep(5500).await;
    }
}

/// The handler sets the next alarm to the current time: it runs again after this run ends, not inside it.
pub(crate) mod set_inside_alarm_to_the_past {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj { n: Cell<u32> }
        new(state) {}
        handlers {
            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                let n = next(&self.n);
                O.ev("alarm start", json!({"n": n, "info": described(info)}));
                sleep(1).await; // so that the next time is another one: virtual time stands still while code runs
                if n < 4 {
                    self.state.storage().set_alarm(0).await?;
                }
                sleep(29).await;
                O.ev("alarm end", json!({"n": n}));
                Response::empty()
            }
        }
        methods {
            pub async fn arm(&self) -> Result<()> {
                self.state.storage().set_alarm(0).await
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let armed = env.stub::<Obj>("OBJ", "a").arm().await;
        assert_eq!(armed, Ok(()));
        env.sleep(400).await;
    }
}

/// `delete_alarm` inside the handler, which then fails: it is not retried.
pub(crate) mod delete_inside_alarm_then_throw {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj { n: Cell<u32> }
        new(state) {}
        handlers {
            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                O.clocked("alarm", json!({"n": next(&self.n), "info": described(info)}));
                if self.n.get() == 1 {
                    self.state.storage().delete_alarm().await?;
                    return Err("after delete".into());
                }
                Response::empty()
            }
        }
        methods {
            pub async fn arm(&self) -> Result<()> {
                self.state.storage().set_alarm(0).await?;
                O.clocked("armed", ());
                Ok(())
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let armed = env.stub::<Obj>("OBJ", "a").arm().await;
        assert_eq!(armed, Ok(()));
        env.sleep(4500).await;
        W.ev("over", ());
    }
}

/// The handler sets a new alarm 1 s ahead and then fails: the new alarm replaces the retry; the count starts again from zero, and the
/// write of the failed run is kept.
pub(crate) mod set_inside_alarm_then_throw {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj { n: Cell<u32> }
        new(state) {}
        handlers {
            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                let storage = self.state.storage();
                let kept: Option<Value> = storage.get("k").await?;
                let kept = describe(&kept.unwrap_or_default());
                O.clocked("alarm", json!({"n": next(&self.n), "info": described(info), "kept": kept}));
                if self.n.get() == 1 {
                    storage.put("k", "from failed run").await?;
                    storage.set_alarm(1000).await?;
                    return Err("after set".into());
                }
                Response::empty()
            }
        }
        methods {
            pub async fn arm(&self) -> Result<()> {
                self.state.storage().set_alarm(0).await?;
                O.clocked("armed", ());
                Ok(())
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let armed = env.stub::<Obj>("OBJ", "a").arm().await;
        assert_eq!(armed, Ok(()));
        env.sleep(4500).await;
        W.ev("over", ());
    }
}

/// A call sets a new alarm while the handler is running: it fires after the running one ends, also when its time came earlier.
pub(crate) mod overwrite_while_running {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj { n: Cell<u32> }
        new(state) {}
        handlers {
            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                let n = next(&self.n);
                O.ev("alarm start", json!({"n": n, "info": described(info)}));
                sleep(150).await;
                let pending = self.state.storage().get_alarm().await?.is_some();
                O.ev("alarm end", json!({"n": n, "pending": pending}));
                Response::empty()
            }
        }
        methods {
            pub async fn arm(&self, delay: i64) -> Result<()> {
                self.state.storage().set_alarm(delay).await?;
                let pending = self.state.storage().get_alarm().await?.is_some();
                O.ev("armed", json!({"pending": pending}));
                Ok(())
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let s = env.stub::<Obj>("OBJ", "a");
        assert_eq!(s.arm(0).await, Ok(()));
        env.sleep(60).await;
        assert_eq!(s.arm(20).await, Ok(()));
        env.sleep(500).await;
        W.ev("over", ());
    }
}

/// Calls are let in while the handler awaits something that is not storage.
pub(crate) mod requests_during_alarm {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn alarm(&self) -> Result<Response> {
                O.ev("alarm start", ());
                sleep(120).await;
                O.ev("alarm end", ());
                Response::empty()
            }
        }
        methods {
            pub async fn arm(&self) -> Result<()> {
                self.state.storage().set_alarm(0).await
            }

            pub fn hello(&self) {
                O.ev("hello", ());
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let s = env.stub::<Obj>("OBJ", "a");
        assert_eq!(s.arm().await, Ok(()));
        env.sleep(50).await;
        assert_eq!(s.hello().await, Ok(()));
        env.sleep(200).await;
    }
}
