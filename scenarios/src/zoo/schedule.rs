//! Jobs that run three times a minute: as long as one is stored, an alarm is armed.

use std::time::Duration;

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::{
    Receiver,
    zoo::{Schedule, UnarmedSchedule, schedule::jobs},
};
use dormouse_sim::{
    Client, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
    oracles::PENDING_WORK,
};

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("SCHEDULE")
        .object::<Receiver>("RECEIVER")
        .alarms()
        .rest(Duration::from_mins(1)) // a few runs
        .clients(2)
        .workload(0..2_u8, 1..=4)
        .step(|client: Client, job| async move {
            let schedule = client.stub::<Schedule>("SCHEDULE", "cron");
            schedule.repeat(job.to_string()).await
        })
        .pending_work::<T, _, _>(|storage| async move { Ok(!jobs(&storage).await?.is_empty()) })
        .into_suite()
}

/// Armed from what is stored.
pub fn schedule() -> Suite {
    suite_of::<Schedule>("schedule")
}

/// Faulty: armed where a job is new, and after a run that went well.
pub fn unarmed_schedule() -> Suite {
    suite_of::<UnarmedSchedule>("unarmed_schedule")
}

/// One job, and one run that fails.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "A job in storage and no alarm",
    suite: unarmed_schedule,
    correct: "schedule",
    found_as: &[PENDING_WORK],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 1,
    },
    symptom: "A job that ran for weeks stops. It is still on the list, and asking for it again changes nothing.",
    cause: "One run failed and returned before it armed the next. The call that would arm it finds the job on the list and takes it that there is nothing to do.",
    fix: "Arm from what is stored: at the end of every run, however it went, and in every call, also one that changes nothing.",
};
