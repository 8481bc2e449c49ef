//! The zoo: bugs of real applications, each as it would be written, beside the object that does it right.
//!
//! A pair has the same methods, so that one workload drives both. What the bugs are, what they look like from outside, and how they are mended, is told
//! by the simulator's suites (`dormouse zoo`) and in the book. Those of the objects that everybody writes first are in [`faulty`](crate::faulty).

mod announcer;
mod arena;
mod box_office;
mod budget;
mod bulletin;
mod catalog;
mod checkout;
mod deposits;
mod desk;
mod gateway;
pub mod greeter;
mod heartbeat;
mod journal;
mod kickoff;
mod library;
mod lobby;
mod maintenance;
mod outboxes;
mod relay;
pub mod schedule;
mod tally;
mod tickets;
mod whiteboard;
mod workspace;

pub use self::{
    announcer::{Announcer, NamelessAnnouncer},
    arena::{Arena, UnrestoredArena},
    box_office::{BoxOffice, OversoldBoxOffice, SEATS},
    budget::{Budget, LIMIT, RunawayBudget},
    bulletin::{Bulletin, HastyBulletin},
    catalog::{Catalog, GatedCatalog, PriceSource},
    checkout::{Checkout, UnmarkedCheckout},
    deposits::{Deposits, ForgetfulDeposits},
    desk::{Clerk, Desk, LockedDesk},
    gateway::{Gateway, RepeatingGateway},
    heartbeat::{EternalHeartbeat, Heartbeat},
    journal::{ClockJournal, Journal},
    kickoff::{HalfToldKickoff, Kickoff, PLAYERS},
    library::{HalfMigratedLibrary, Library},
    lobby::{Lobby, LosingLobby, Table},
    maintenance::{Maintained, MultiplyingJobs},
    outboxes::{FlaggedOutbox, HourlyOutbox, OnePageOutbox, QuittingOutbox, SwallowingOutbox},
    relay::{PoisonedRelay, Relay},
    schedule::{Schedule, UnarmedSchedule},
    tally::{HastyTally, Tally},
    tickets::{SharedTickets, Tickets},
    whiteboard::{HauntedWhiteboard, Whiteboard},
    workspace::{Workspace, ZombieWorkspace},
};
