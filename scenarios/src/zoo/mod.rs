//! The suites of the zoo: for each bug the object that has it and the one that does it right, under the same workload and the same promises.
//!
//! The methods of both have the same names, so the stub of one drives either. What there is to say of a bug is its `EXHIBIT`.

pub mod announcer;
pub mod arena;
pub mod box_office;
pub mod budget;
pub mod bulletin;
pub mod catalog;
pub mod checkout;
pub mod deposits;
pub mod desk;
pub mod gateway;
pub mod greeter;
pub mod heartbeat;
pub mod journal;
pub mod kickoff;
pub mod library;
pub mod lobby;
pub mod maintenance;
pub mod outboxes;
pub mod relay;
pub mod schedule;
pub mod tally;
pub mod tickets;
pub mod whiteboard;
pub mod workspace;
