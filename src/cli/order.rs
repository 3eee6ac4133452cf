//! An operator's order: an event like any other, through the one door.

use std::sync::Arc;

use anyhow::Context;

use crate::clock;
use crate::config::Config;
use crate::desk::{Event, What};
use crate::flow::{Flow, Handled};
use crate::store::Store;

use super::output::Failure;

/// Gives the order, and says what became of it. A running daemon sees its effects in the store.
pub async fn order(store: &Store, config: Config, what: What) -> Result<Handled, Failure> {
    let flow = Flow::start(store.clone(), Arc::new(config.policy));
    let id = format!("cli/{}", data_encoding::HEXLOWER.encode(&clock::random::<16>()));
    let handled = flow.handle(vec![Event { id, at_ms: clock::now_ms(), what }]).await?;
    Ok(handled.into_iter().next().context("an order went missing")?)
}
