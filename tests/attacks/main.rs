//! The catalogue of threats (docs/threats.md), each by its number: the attack through the one door and the real store,
//! and what the attacker, the customer and the agent hold afterwards. `journeys/attacks.rs` sends the worst of them
//! through real servers.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on fails, with the reason"
)]

#[path = "../database/mod.rs"]
mod database;
#[expect(dead_code, reason = "other tests use what this one does not")]
#[path = "../rules/desk.rs"]
mod desk;
#[expect(dead_code, reason = "other tests use what this one does not")]
#[path = "../letter/mod.rs"]
mod letter;

mod authors;
mod content;
mod identity;
mod injection;
mod loops;

use desk::{Desk, one_to};
use letter::{Draft, Letter};

pub(crate) const JANE: &str = "Jane Doe <jane@customer.example>";
pub(crate) const ANNA: &str = "Anna Agentson <anna@agents.example>";
pub(crate) const EVE: &str = "Eve <eve@elsewhere.example>";

/// A first mail to the desk.
pub(crate) fn question(text: &str) -> Draft {
    Draft::new("support@shop.example", "Parcel", text)
}

/// Jane's case: what she got, and Anna's relay.
pub(crate) async fn opened(desk: &mut Desk) -> (Letter, Letter) {
    desk.gets(JANE, &question("Where is it?")).await;
    let sent = desk.sends().await;
    (one_to(&sent, "jane@customer.example").clone(), one_to(&sent, "anna@agents.example").clone())
}

/// All that left to anybody but agents, whole and decoded.
pub(crate) fn outside(sent: &[desk::Sent]) -> String {
    sent.iter().filter(|s| !s.recipient.ends_with("@agents.example")).map(|s| s.letter.everything()).collect()
}

/// Whom it left to, agents apart.
pub(crate) fn outsiders(sent: &[desk::Sent]) -> Vec<&str> {
    sent.iter().map(|s| s.recipient.as_str()).filter(|r| !r.ends_with("@agents.example")).collect()
}
