//! Jobs that run three times a minute: as long as there is one, an alarm is armed.

use std::time::Duration;

use dormouse::{DurableObject, Env, Response, Result, State, Storage, durable_object, rpc};

use crate::receiver::take;

const PERIOD: Duration = Duration::from_secs(20);

/// The jobs that are stored.
///
/// # Errors
/// The storage's.
pub async fn jobs(storage: &Storage) -> Result<Vec<String>> {
    Ok(storage.get("jobs").await?.unwrap_or_default())
}

/// Arms from what is stored: after every call, and after every run, however it went.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct Schedule {
    state: State,
    env: Env,
}

impl DurableObject for Schedule {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn alarm(&self) -> Result<Response> {
        for job in jobs(&self.state.storage()).await? {
            let _ = take(&self.env, job).await; // it comes again soon
        }
        self.arm().await?;
        Response::empty()
    }
}

impl Schedule {
    async fn arm(&self) -> Result<()> {
        let storage = self.state.storage();
        if !jobs(&storage).await?.is_empty() && storage.get_alarm().await?.is_none() {
            storage.set_alarm(PERIOD).await?;
        }
        Ok(())
    }
}

#[rpc]
impl Schedule {
    /// Runs `job` three times a minute from now on. Asking again changes nothing.
    pub async fn repeat(&self, job: String) -> Result<()> {
        let storage = self.state.storage();
        let mut jobs = jobs(&storage).await?;
        if !jobs.contains(&job) {
            jobs.push(job);
            storage.put("jobs", jobs).await?;
        }
        self.arm().await
    }
}

/// Faulty: arms when a job is new, and at the end of a run that went well.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct UnarmedSchedule {
    state: State,
    env: Env,
}

impl DurableObject for UnarmedSchedule {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn alarm(&self) -> Result<Response> {
        let storage = self.state.storage();
        for job in jobs(&storage).await? {
            if take(&self.env, job).await.is_err() {
                return Response::empty(); // the next run will do it
            }
        }
        storage.set_alarm(PERIOD).await?;
        Response::empty()
    }
}

#[rpc]
impl UnarmedSchedule {
    /// Runs `job` three times a minute from now on. Asking again changes nothing.
    pub async fn repeat(&self, job: String) -> Result<()> {
        let storage = self.state.storage();
        let mut jobs = jobs(&storage).await?;
        if jobs.contains(&job) {
            return Ok(());
        }
        jobs.push(job);
        storage.put("jobs", jobs).await?;
        storage.set_alarm(PERIOD).await
    }
}
