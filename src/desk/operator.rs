//! What an operator orders, through the same door as mail.

use crate::mail::read::read;
use crate::mail::reply::Reading;

use super::agent::{Writing, of_agent};
use super::arriving::Arriving;
use super::case::{Case, Direction};
use super::outgoing::Sheet;
use super::parent::Parent;
use super::policy::{Agent, Policy};
use super::relay::relay_to_audience;
use super::routing::Route;
use super::{Arrival, CaseView, Decision, Effect, EntryLink, Event, Outcome, View};

/// What an operator says in a case: the words that an agent would write, orders on top.
#[derive(Debug, Clone)]
pub struct Order {
    /// The number of the case.
    pub reference: i64,
    /// The agent in whose name it is said; the operator's own where there is none.
    pub agent: Option<String>,
    /// The words, as a mail of that agent's.
    pub arrival: Arrival,
}

impl Order {
    /// These words, in this agent's name.
    #[must_use]
    pub fn new(reference: i64, agent: Option<&Agent>, words: &str) -> Self {
        let from = agent.and_then(|a| a.addresses.first()).map(ToString::to_string).unwrap_or_default();
        let mut mail = read(format!("From: {from}\nMIME-Version: 1.0\n\n").as_bytes());
        words.clone_into(&mut mail.text);
        let said = Reading { words: words.to_owned(), quotes_ours: true, ..Reading::default() };
        let arrival = Arrival {
            mailbox: String::new(),
            old: false,
            mail,
            reading: said.clone(),
            agent_reading: said,
            clean_html: String::new(),
            parts: Vec::new(),
            checked: None,
            size_bytes: u64::try_from(words.len()).unwrap_or(u64::MAX),
            vouched: false,
            context: Vec::new(),
            form: false,
            headers_only: false,
            forward: None,
            junk: false,
            sent: false,
        };
        Order { reference, agent: agent.map(|a| a.name.clone()), arrival }
    }
}

/// An operator says something in a case: the same rules as for mail, with all that was said seen.
#[must_use]
pub fn ordered(event: &Event, order: &Order, view: &View, policy: &Policy) -> Decision {
    let sheet = Sheet::new(event, policy);
    let Some(known) = view.cases.values().find(|c| c.case.reference == order.reference).map(|c| view.surviving(c))
    else {
        return sheet.done(Outcome::Ignored, "R41", "there is no such case", None);
    };
    let operator = nobody(&known.case);
    let agent = match &order.agent {
        Some(name) => match policy.agents.get(name) {
            Some(agent) => agent,
            None => return sheet.done(Outcome::Ignored, "R41", "there is no such agent", None),
        },
        None => &operator,
    };
    let arrival = Arrival { mailbox: known.case.mailbox.clone(), ..order.arrival.clone() };
    let arriving = Arriving { event, arrival: &arrival, view, policy };
    let said = known.entries.iter().rev().find(|(_, e)| e.direction != Direction::Note && !e.silent);
    let writing = Writing { arriving, known, agent, parent: Parent::Ours(said) };
    of_agent(&writing, &Route { token_in_address: true, ..Route::default() })
}

/// Nobody of the agents: an order of the operator's own has no address to tell anything to.
pub(super) fn nobody(case: &Case) -> Agent {
    Agent {
        name: "operator".to_owned(),
        display_name: "The operator".to_owned(),
        public_name: "The operator".to_owned(),
        addresses: Vec::new(),
        mailboxes: vec![case.mailbox.clone()],
        lead: false,
    }
}

/// All tokens of a case are revoked: the old ones count as unknown (R14). Agents get its last mail again, with reply
/// addresses that hold.
#[must_use]
pub fn rotate_tokens(event: &Event, reference: i64, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let Some(known) = view.cases.values().find(|c| c.case.reference == reference) else {
        return sheet.done(Outcome::Ignored, "R14", "there is no such case", None);
    };
    let mut renewed: CaseView = known.clone();
    renewed.case.generation = known.case.generation.saturating_add(1);
    let case = &renewed.case;
    sheet.push(Effect::Renewed(case.key));
    sheet.log(case.key, "tokens_revoked", "operator", "R14", "all reply addresses of the case were renewed");
    let last = known.entries.iter().rev().find(|(_, e)| e.direction == Direction::Inbound && !e.silent);
    if let Some((id, entry)) = last {
        let warning = "the reply addresses of this case were renewed: older mails of it can no longer be answered.";
        relay_to_audience(&mut sheet, view, case, Some(&renewed), entry, EntryLink::Stored(*id), &[warning.to_owned()]);
    }
    sheet.done(Outcome::Handled, "R14", "all tokens of the case were revoked", Some(case.key))
}
