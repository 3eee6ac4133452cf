//! Threats, each by its number: the attack through the one door, and what the attacker, the customer, the agents and
//! the store hold afterwards.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on fails, with the reason"
)]

#[path = "../database/mod.rs"]
mod database;
#[expect(dead_code, reason = "the rules use what the attacks do not")]
#[path = "../rules/desk.rs"]
mod desk;
#[expect(dead_code, reason = "the journeys use what the attacks do not")]
#[path = "../letter/mod.rs"]
mod letter;

mod authors;
