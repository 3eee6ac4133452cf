//! Stories, end to end: the real binary against a real Dovecot and Postfix, people with their own mailboxes.
//!
//! One mail host serves all stories; each has a desk, a domain and people of its own. `tests/run` starts the mail
//! host and names its folder in `YESREPLY_MAILHOST`. Without it stories say loudly that they were skipped.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a story that cannot go on fails, with the reason"
)]

#[cfg(feature = "failpoints")]
#[path = "../bite/mod.rs"]
mod bite;
mod client;
#[path = "../database/mod.rs"]
mod database;
mod desk;
#[path = "../dns/mod.rs"]
mod dns;
#[path = "../letter/mod.rs"]
mod letter;
mod people;
mod proxy;
mod stack;

mod answers;
mod applications;
mod attacks;
mod authors;
#[cfg(feature = "failpoints")]
mod bites;
#[cfg(feature = "failpoints")]
mod crashes;
mod delivered;
mod disk;
mod faults;
mod folders;
mod intake;
mod loops;
mod postgres;
mod probes;
mod retention;
mod sending;
mod sent;
mod stalls;
mod store;
mod terminal;
mod webhooks;
mod words;
