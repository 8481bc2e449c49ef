//! Alarms that are set, read, deleted and fired.

/// An alarm set one second ahead fires once, not before its time, with the constructor not run again.
pub(crate) mod fires_once_not_early {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj { at: Cell<i64> }
        new(state) { O.ev("constructor", ()) }
        handlers {
            async fn alarm_with_info(&self, info: AlarmInfo) -> Result<Response> {
                let (now, at) = (now(), self.at.get());
                O.clocked("alarm", json!({"early": now < at, "late": now > at + 400, "info": described(info)}));
                Response::empty()
            }
        }
        methods {
            pub async fn arm(&self) -> Result<()> {
                self.at.set(now() + 1000);
                self.state.storage().set_alarm(1000).await?;
                let exact = self.state.storage().get_alarm().await? == Some(self.at.get());
                O.clocked("armed", json!({"exact": exact}));
                Ok(())
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let armed = env.stub::<Obj>("OBJ", "a").arm().await;
        assert_eq!(armed, Ok(()));
        env.sleep(2500).await;
    }
}

/// `get_alarm` before setting, after setting, inside the handler and after it.
pub(crate) mod get_alarm {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn alarm(&self) -> Result<Response> {
                self.show("inside alarm").await?;
                sleep(10).await;
                self.show("inside alarm, later").await?;
                Response::empty()
            }
        }
        methods {
            pub async fn show(&self, when: &str) -> Result<()> {
                let alarm = self.state.storage().get_alarm().await?;
                O.ev("getAlarm", json!({"when": when, "type": alarm.map(|_| "number")}));
                Ok(())
            }

            pub async fn arm(&self) -> Result<()> {
                self.show("before set").await?;
                let storage = self.state.storage();
                let mut setting = Box::pin(storage.set_alarm(500));
                let set = setting.as_mut().now_or_never();
                self.show("set, not awaited").await?;
                let set = match set {
                    Some(set) => set,
                    None => setting.await,
                };
                O.ev("setAlarm returned", json!({"value": describe(&set.map(Value::from)?)}));
                self.show("after set").await
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let s = env.stub::<Obj>("OBJ", "a");
        assert_eq!(s.arm().await, Ok(()));
        env.sleep(1000).await;
        assert_eq!(s.show("after alarm").await, Ok(()));
    }
}

/// `set_alarm` with every kind of time. Fractions are cut; times after 2262-04-11 are refused, with a message that names another year.
pub(crate) mod time_arguments {
    use dormouse::ScheduledTime;

    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn alarm(&self) -> Result<Response> {
                O.ev("alarm", ());
                Response::empty()
            }
        }
        methods {
            pub async fn try_all(&self) {
                #[expect(clippy::cast_precision_loss, reason = "a date is far below 2^53")]
                let far = (now() + 3_600_000) as f64;
                for (label, time) in [
                    ("number", far),
                    ("Date", far),
                    ("fraction", far + 0.75),
                    ("year 2100", 4_102_444_800_000.0),
                    ("year 2262", 9_214_646_400_000.0),
                    ("year 2300", 10_413_792_000_000.0),
                    ("year 9999", 253_370_764_800_000.0),
                    ("largest Date", 8.64e15),
                    ("zero", 0.0),
                    ("minus one", -1.0),
                    ("NaN", f64::NAN),
                    ("Infinity", f64::INFINITY),
                    ("invalid Date", f64::NAN),
                ] {
                    O.attempt(label, self.try_one(time)).await;
                }
            }
        }
    }

    impl Obj {
        async fn try_one(&self, time: f64) -> Result<Value> {
            let storage = self.state.storage();
            storage.set_alarm(ScheduledTime::at_millis(time)).await?;
            let got = storage.get_alarm().await?.expect("it is set");
            storage.delete_alarm().await?;
            #[expect(
                clippy::cast_precision_loss,
                clippy::float_cmp,
                reason = "a date is exact"
            )]
            let same = got as f64 == time;
            // A whole number is its type.
            Ok(Value::object([
                ("type", "number".into()),
                ("same", same.into()),
                ("whole", true.into()),
            ]))
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let tried = env.stub::<Obj>("OBJ", "a").try_all().await;
        assert_eq!(tried, Ok(()));
    }
}

/// An alarm in the past fires at once; `get_alarm` reports the current time instead of the past one.
pub(crate) mod past_time {
    use dormouse::ScheduledTime;

    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn alarm(&self) -> Result<Response> {
                O.ev("alarm", ());
                Response::empty()
            }
        }
        methods {
            pub async fn arm(&self, millis: i64, show: bool) -> Result<()> {
                #[expect(clippy::cast_precision_loss, reason = "a date is far below 2^53")]
                let time = ScheduledTime::at_millis(millis as f64);
                self.state.storage().set_alarm(time).await?;
                let got = self.state.storage().get_alarm().await?;
                if show {
                    let got = got.map(|got| match got.cmp(&millis) {
                        std::cmp::Ordering::Equal => "as set",
                        std::cmp::Ordering::Greater => "later than set",
                        std::cmp::Ordering::Less => "earlier",
                    });
                    O.ev("armed", json!({"got": got}));
                }
                Ok(())
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let s = env.stub::<Obj>("OBJ", "a");
        assert_eq!(s.arm(1, true).await, Ok(()));
        env.sleep(100).await;
        assert_eq!(s.arm(env.now() - 60_000, true).await, Ok(()));
        env.sleep(100).await;
        assert_eq!(s.arm(env.now(), false).await, Ok(()));
        env.sleep(100).await;
    }
}

/// `set_alarm` on a class without a handler for alarms.
pub(crate) mod no_handler {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object(fetch)]
    pub(crate) struct Obj {
        state: State,
    }

    impl DurableObject for Obj {
        fn new(state: State, _: Env) -> Self {
            Self { state }
        }
    }

    #[rpc]
    impl Obj {
        pub async fn arm(&self) {
            let storage = self.state.storage();
            O.attempt("setAlarm", storage.set_alarm(100)).await;
            let alarm = async {
                Ok(storage
                    .get_alarm()
                    .await?
                    .map_or(Value::Null, |_| "set".into()))
            };
            O.attempt("getAlarm", alarm).await;
            O.attempt("deleteAlarm", storage.delete_alarm()).await;
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let armed = env.stub::<Obj>("OBJ", "a").arm().await;
        assert_eq!(armed, Ok(()));
    }
}

/// `delete_alarm` before the time: it never fires; `delete_alarm` without an alarm.
pub(crate) mod delete_before_it_fires {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn alarm(&self) -> Result<Response> {
                O.ev("alarm", ());
                Response::empty()
            }
        }
        methods {
            pub async fn go(&self) -> Result<()> {
                let storage = self.state.storage();
                let value: Value = storage.delete_alarm().await?.into();
                O.ev("delete without alarm", json!({"value": describe(&value)}));
                storage.set_alarm(100).await?;
                let value: Value = storage.delete_alarm().await?.into();
                O.ev("delete", json!({"value": describe(&value), "pending": storage.get_alarm().await?}));
                Ok(())
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let gone = env.stub::<Obj>("OBJ", "a").go().await;
        assert_eq!(gone, Ok(()));
        env.sleep(300).await;
        W.ev("over", ());
    }
}

/// A second `set_alarm` replaces the first, to a later and to an earlier time.
pub(crate) mod overwrite_before_it_fires {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn alarm(&self) -> Result<Response> {
                O.clocked("alarm", ());
                Response::empty()
            }
        }
        methods {
            pub async fn arm(&self, delays: Vec<i64>) -> Result<()> {
                for delay in &delays {
                    self.state.storage().set_alarm(*delay).await?;
                }
                O.clocked("armed", json!({"delays": delays}));
                Ok(())
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let s = env.stub::<Obj>("OBJ", "a");
        assert_eq!(s.arm(vec![200, 2000]).await, Ok(()));
        env.sleep(3000).await;
        assert_eq!(s.arm(vec![4000, 1000]).await, Ok(()));
        env.sleep(4500).await;
        W.ev("over", ());
    }
}

/// `delete_all` also deletes the alarm (by default since the date 2026-02-24).
pub(crate) mod delete_all {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn alarm(&self) -> Result<Response> {
                O.ev("alarm", ());
                Response::empty()
            }
        }
        methods {
            pub async fn go(&self) -> Result<()> {
                let storage = self.state.storage();
                storage.set_alarm(100).await?;
                storage.delete_all().await?;
                O.ev("after deleteAll", json!({"pending": storage.get_alarm().await?.is_some()}));
                Ok(())
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let gone = env.stub::<Obj>("OBJ", "a").go().await;
        assert_eq!(gone, Ok(()));
        env.sleep(300).await;
        W.ev("over", ());
    }
}

/// `set_alarm` inside a transaction that is rolled back, explicitly and by an error, and one that commits.
pub(crate) mod transaction_rollback {
    use dormouse::Transaction;

    use crate::conformance::lifecycle::prelude::*;

    const FAR: i64 = 3_600_000;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn alarm(&self) -> Result<Response> {
                O.ev("alarm", ());
                Response::empty()
            }
        }
        methods {
            pub async fn go(&self) -> Result<()> {
                let storage = self.state.storage();
                let rolled_back = storage.transaction(|txn: Transaction| async move {
                    txn.set_alarm(FAR).await?;
                    O.ev("inside", json!({"txn": txn.get_alarm().await?.is_some()}));
                    txn.rollback()
                });
                rolled_back.await?;
                self.show("after rollback()").await?;
                let failing = storage.transaction(|txn: Transaction| async move {
                    txn.set_alarm(FAR).await?;
                    Err::<(), _>(Error::from("no"))
                });
                O.attempt("throwing transaction", failing).await;
                self.show("after exception").await?;
                storage.transaction(|txn: Transaction| async move { txn.set_alarm(FAR).await }).await?;
                self.show("after commit").await?;
                let failing = storage.transaction_sync(|| {
                    not_awaited(storage.delete_alarm());
                    Err::<(), _>(Error::from("no"))
                });
                O.attempt("transactionSync", async { failing }).await;
                self.show("after failed transactionSync that deleted it").await?;
                storage.delete_alarm().await
            }
        }
    }

    impl Obj {
        async fn show(&self, when: &str) -> Result<()> {
            let set = self.state.storage().get_alarm().await?.is_some();
            O.ev("pending", json!({"when": when, "set": set}));
            Ok(())
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let gone = env.stub::<Obj>("OBJ", "a").go().await;
        assert_eq!(gone, Ok(()));
    }
}

/// The handler cannot be called by RPC.
pub(crate) mod reserved_over_rpc {
    use crate::conformance::lifecycle::prelude::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn alarm(&self) -> Result<Response> {
                O.ev("alarm", ());
                Response::empty()
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        W.attempt(
            "alarm()",
            env.plain("OBJ", "a").call_with("alarm", Ok(vec![])),
        )
        .await;
    }
}
