//! yesreply: a reply-able email gateway daemon, the end of `noreply@`.
//!
//! # The map
//! Everything that can happen is a [`desk::Event`]. For each, the shell *loads* what the decision may
//! see, the core *decides*, the store *commits* all effects in one transaction. Effects never touch the
//! network: "send" is a row in the outbox.
//!
//! ```text
//!   IMAP ─► imap/ ─┐                                  ┌─► cases, entries
//!   CLI  ─► cli/  ─┤ Event   desk::decide   Effects   ├─► outbox ─► smtp/ ─► relay
//!   timers, smtp/ ──┴─ flow ──► (pure, total) ─ commit ┴─► cursors, quarantine
//! ```
//!
//! Read in this order: [`mail`] (what a message says), [`desk`] (what the desk decides), [`store`]
//! (memory), [`flow`] (the one door), [`imap`], [`smtp`], [`call`] and [`timers`] (the edges), [`config`], [`daemon`], [`http`],
//! [`metrics`], [`cli`].
//!
//! # Invariants (kept by `tests/tidy.rs`)
//! - No mail waits in memory: what is not committed is still on the IMAP server.
//! - Nothing but [`flow`] changes a case.
//! - No effect talks to the network.
//! - Nothing in [`mail`] or [`desk`] can fail, wait, tell the time or roll dice.
//! - No trait with one implementation; no global; no `utils`.

pub mod call;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod desk;
pub mod failpoint;
pub mod flow;
pub mod health;
pub mod http;
pub mod imap;
pub mod limits;
pub mod listen;
pub mod mail;
pub mod metrics;
pub mod service;
pub mod smtp;
pub mod store;
pub mod timers;
pub mod tls;
