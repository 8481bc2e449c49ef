//! Handlers that fail.

/// The handler fails three times, then succeeds: counts and delays (2, 4, 8 s plus up to a quarter of jitter). `get_alarm` between the
/// attempts; memory of the instance is kept.
pub(crate) mod retry_three_failures {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj { n: Cell<u32> }
        new(state) { O.ev("constructor", ()) }
        handlers {
            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                let n = next(&self.n);
                O.clocked("alarm", json!({"n": n, "info": described(info)}));
                if n <= 3 {
                    return Err(format!("failure {n}").into());
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

            pub async fn between(&self) -> Result<()> {
                let pending = self.state.storage().get_alarm().await?.is_some();
                O.ev("between attempts", json!({"pending": pending}));
                Ok(())
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let s = env.stub::<Obj>("OBJ", "a");
        assert_eq!(s.arm().await, Ok(()));
        env.sleep(700).await;
        assert_eq!(s.between().await, Ok(()));
        env.sleep(19_500).await;
        assert_eq!(s.between().await, Ok(()));
        W.ev("over", ());
    }
}

/// The handler always fails: the first run and six retries, delays doubling from 2 s to 64 s plus up to a quarter of jitter; then it is
/// given up, and `get_alarm` gives nothing.
pub(crate) mod retry_until_given_up {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj { n: Cell<u32> }
        new(state) {}
        handlers {
            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                O.clocked("alarm", json!({"n": next(&self.n), "info": described(info)}));
                Err("always".into())
            }
        }
        methods {
            pub async fn arm(&self) -> Result<()> {
                self.state.storage().set_alarm(0).await?;
                O.clocked("armed", ());
                Ok(())
            }

            pub async fn show(&self) -> Result<()> {
                let pending = self.state.storage().get_alarm().await?.is_some();
                O.ev("getAlarm", json!({"pending": pending}));
                Ok(())
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let s = env.stub::<Obj>("OBJ", "a");
        assert_eq!(s.arm().await, Ok(()));
        env.sleep(164_000).await;
        assert_eq!(s.show().await, Ok(()));
        W.ev("over", ());
    }
}

/// A call sets a new alarm, due before the retry, while a failed one waits for its retry: the retry still runs at its own time, with the
/// old time and the count 1, and no further run follows for the new time.
pub(crate) mod set_between_retries {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj { n: Cell<u32> }
        new(state) {}
        handlers {
            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                O.clocked("alarm", json!({"n": next(&self.n), "info": described(info)}));
                if self.n.get() == 1 {
                    return Err("first".into());
                }
                Response::empty()
            }
        }
        methods {
            pub async fn arm(&self, delay: i64) -> Result<()> {
                self.state.storage().set_alarm(delay).await?;
                O.clocked("armed", ());
                Ok(())
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let s = env.stub::<Obj>("OBJ", "a");
        assert_eq!(s.arm(0).await, Ok(()));
        env.sleep(500).await;
        assert_eq!(s.arm(500).await, Ok(()));
        env.sleep(4500).await;
        W.ev("over", ());
    }
}

/// Writes of a run that fails are kept, awaited and not.
pub(crate) mod writes_of_failed_run {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj { n: Cell<u32> }
        new(state) {}
        handlers {
            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                let storage = self.state.storage();
                let keys = keys(&storage).await?;
                let n = next(&self.n);
                O.ev("alarm", json!({"n": n, "retryCount": info.retry_count, "keys": keys}));
                if n == 1 {
                    storage.put("awaited", 1).await?;
                    not_awaited(storage.put("not awaited", 1));
                    return Err("first".into());
                }
                if n == 2 {
                    not_awaited(storage.put("before sleep", 1));
                    sleep(20).await;
                    return Err("second".into());
                }
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
        env.sleep(8500).await;
        W.ev("over", ());
    }
}

/// An abort inside the handler, once: the object is reset and the alarm retried in a new instance.
pub(crate) mod abort_in_alarm {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj {}
        new(state) { O.ev("constructor", ()) }
        handlers {
            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                let runs = count("runs");
                O.clocked("alarm", json!({"runs": runs, "info": described(info)}));
                if runs == 1 {
                    self.state.abort(Some("alarm abort")).await;
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
        // Where the disk takes its time the alarm is there before the answer, which then tells of the abort.
        drop(env.stub::<Obj>("OBJ", "a").arm().await);
        env.sleep(5000).await;
        W.ev("over", ());
    }
}
