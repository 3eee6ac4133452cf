//! The rules of the desk (`docs/rules.md`), each by its number, through the one door and the real store.
//!
//! Rules that are decided in one pure file have their test there: R1 in `desk/token.rs`, R61 in `smtp/retry.rs`.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on fails, with the reason"
)]

#[cfg(feature = "failpoints")]
#[path = "../bite/mod.rs"]
mod bite;
#[path = "../database/mod.rs"]
mod database;
mod desk;
#[path = "../dns/mod.rs"]
mod dns;
#[expect(dead_code, reason = "the journeys use what the rules do not")]
#[path = "../letter/mod.rs"]
mod letter;

mod actions;
mod addresses;
mod agents;
mod attacks;
mod authors;
mod automatic;
#[cfg(feature = "failpoints")]
mod bites;
mod cases;
mod clients;
mod customers;
mod folders;
mod forwards;
mod keeping;
mod monitoring;
mod notices;
mod notifications;
mod overload;
mod probes;
mod refused;
mod replies;
mod reports;
mod retention;
mod sent;
mod signatures;
mod spam;
mod threads;
mod words;
