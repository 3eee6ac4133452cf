//! The shared mailbox as a desk: cases lie in folders, and moving one of their mails is an order (R94).
//!
//! Decides   in which folder a case lies, what a move means, which copies are ours.
//! Never     takes a move for an order that has no meaning, or that was made without having seen a newer mail.

use crate::mail::Incoming;

use super::agent::Writing;
use super::arriving::Arriving;
use super::case::{Case, Direction, Entry, Status};
use super::command::Command;
use super::operator::{Order, nobody};
use super::orders::{obey, objection};
use super::outgoing::{Sheet, agents_of};
use super::parent::Parent;
use super::policy::{Agent, Policy};
use super::token::{CaseKey, TokenKeys, same};
use super::{Decision, Event, Outcome, View};

/// The field that marks a copy.
pub const FIELD: &str = "X-Yesreply-Entry";

/// Folders that stand for a state, below `Cases`; the others bear agents' names.
pub const STATES: [&str; 3] = ["Unowned", "Waiting", "Closed"];

/// A mail of a case was found in another folder than the one where it was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The case.
    pub case: CaseKey,
    /// The folder's name below `Cases`; `None` for any other folder.
    pub folder: Option<String>,
    /// The folder's whole name.
    pub whole: String,
    /// The newest entry of the case that was in the folders.
    pub shown: i64,
}

/// The name of an agent's folder: what could be a delimiter or a wildcard on some server is written in hex.
#[must_use]
pub fn folder_of(agent: &str) -> String {
    let mut folder = String::with_capacity(agent.len());
    for c in agent.chars() {
        if c.is_alphanumeric() || matches!(c, '-' | '_') {
            folder.push(c);
        } else {
            let mut octets = [0; 4];
            c.encode_utf8(&mut octets).bytes().for_each(|octet| folder.push_str(&format!("={octet:02X}")));
        }
    }
    folder
}

/// All folders of a mailbox, below `Cases`.
#[must_use]
pub fn folders(policy: &Policy, mailbox: &str) -> Vec<String> {
    let agents = agents_of(policy, mailbox).into_iter().map(|agent| folder_of(&agent.name));
    STATES.iter().map(|state| (*state).to_owned()).chain(agents).collect()
}

/// Where a case lies; spam lies nowhere. An owner who does not work the mailbox counts as none (R90).
#[must_use]
pub fn wanted(status: Status, owner: Option<&str>, policy: &Policy, mailbox: &str) -> Option<String> {
    let state = |name: &str| Some(name.to_owned());
    match status {
        Status::Spam => None,
        Status::Closed => state("Closed"),
        Status::Waiting => state("Waiting"),
        Status::New | Status::Open => {
            let owner = agents_of(policy, mailbox).into_iter().find(|agent| Some(agent.name.as_str()) == owner);
            owner.map_or_else(|| state("Unowned"), |agent| Some(folder_of(&agent.name)))
        }
    }
}

/// The marker of a copy with this content (R13): outside of these folders it is worth no more than the content is.
#[must_use]
pub fn marker(keys: &TokenKeys, entry: i64, content: &[u8; 32]) -> String {
    let number = entry.to_string();
    let seal = keys.seals(&[b"copy", number.as_bytes(), content]).next().unwrap_or_default();
    format!("{number}.{seal}")
}

/// Is this mail a copy that we laid into the folders? A marker of ours on another mail says nothing.
#[must_use]
pub fn is_copy(keys: &TokenKeys, mail: &Incoming) -> bool {
    let Some((number, seal)) = mail.copy_of.as_deref().and_then(|marker| marker.split_once('.')) else {
        return false;
    };
    keys.seals(&[b"copy", number.as_bytes(), &mail.content_hash]).any(|ours| same(&ours, seal))
}

/// A copy of ours that a client put where mail comes in does nothing; it goes back by itself.
#[must_use]
pub fn returned(arriving: &Arriving<'_>) -> Option<Decision> {
    is_copy(&arriving.policy.keys, &arriving.arrival.mail).then(|| {
        let because = "a copy of a case's mail, which lies in the folders of the desk";
        Sheet::new(arriving.event, arriving.policy).done(Outcome::Ignored, "R94", because, None)
    })
}

/// Somebody moved a mail of a case to another folder.
#[must_use]
pub fn moved(event: &Event, moved: &Moved, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let Some(known) = view.cases.get(&moved.case).map(|known| view.surviving(known)) else {
        return sheet.done(Outcome::Ignored, "R94", "there is no such case", None);
    };
    let case = &known.case;
    let newer =
        |(id, entry): &(i64, Entry)| *id > moved.shown && entry.direction == Direction::Inbound && !entry.silent;
    let unseen = known.entries.iter().any(newer);
    let commands = match orders(case, moved, unseen, policy) {
        Ok(commands) => commands,
        Err(reason) => return put_back(sheet, case, moved, &reason),
    };
    let mover = Agent {
        name: "shared mailbox".to_owned(),
        display_name: "Somebody in the shared mailbox".to_owned(),
        ..nobody(case)
    };
    let order = Order::new(case.reference, None, "");
    let arriving = Arriving { event, arrival: &order.arrival, view, policy };
    let said = known.entries.iter().rev().find(|(_, e)| e.direction != Direction::Note && !e.silent);
    let writing = Writing { arriving, known, agent: &mover, parent: Parent::Ours(said) };
    if let Some(reason) = objection(&writing, &commands) {
        return put_back(sheet, case, moved, &reason);
    }
    let detail = format!("a mail of it was moved to {}", moved.whole);
    sheet.log(case.key, "moved", &mover.name, "R94", &detail);
    obey(&mut sheet, &writing, &commands);
    sheet.done(Outcome::Handled, "R94", &detail, Some(case.key))
}

fn put_back(mut sheet: Sheet<'_>, case: &Case, moved: &Moved, reason: &str) -> Decision {
    let detail = format!("a mail of it was moved to {}, and goes back: {reason}", moved.whole);
    sheet.log(case.key, "put_back", "yesreply", "R94", &detail);
    sheet.done(Outcome::Ignored, "R94", &detail, Some(case.key))
}

/// What the move says, as an agent would write it; or why it says nothing.
fn orders(case: &Case, moved: &Moved, unseen: bool, policy: &Policy) -> Result<Vec<Command>, String> {
    let Some(folder) = &moved.folder else {
        return Err("that folder says nothing of a case".to_owned());
    };
    if case.status == Status::Spam {
        return Err("the case is spam".to_owned());
    }
    if unseen && matches!(folder.as_str(), "Waiting" | "Closed") {
        return Err("the customer had written again meanwhile".to_owned());
    }
    let reopens = matches!(case.status, Status::Waiting | Status::Closed);
    let mut commands: Vec<Command> = reopens.then_some(Command::Reopen).into_iter().collect();
    match folder.as_str() {
        "Closed" => return Ok(vec![Command::Close]),
        "Waiting" => return Ok(vec![Command::Wait]),
        "Unowned" => commands.extend(case.owner.is_some().then_some(Command::Release)),
        name => {
            let working = agents_of(policy, &case.mailbox);
            let Some(agent) = working.into_iter().find(|agent| folder_of(&agent.name) == name) else {
                return Err("no agent of this mailbox has a folder of that name".to_owned());
            };
            if case.owner.as_ref() != Some(&agent.name) {
                commands.push(Command::Assign(agent.name.clone()));
            }
        }
    }
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::read::read;

    const MAIL: &str = "From: jane@customer.example\r\nSubject: Parcel\r\n\r\nWhere is it?\r\n";

    fn marked(marker: &str, mail: &str) -> Incoming {
        read(format!("{FIELD}: {marker}\r\n{mail}").as_bytes())
    }

    #[test]
    fn r94_a_marker_holds_for_the_mail_that_it_was_made_for_alone() {
        let keys = TokenKeys::new(vec![[7; 32]]);
        let marker = marker(&keys, 12, &read(MAIL.as_bytes()).content_hash);
        assert!(is_copy(&keys, &marked(&marker, MAIL)));
        assert!(is_copy(&TokenKeys::new(vec![[8; 32], [7; 32]]), &marked(&marker, MAIL)), "keys rotate");
        assert!(!is_copy(&TokenKeys::new(vec![[8; 32]]), &marked(&marker, MAIL)));
        assert!(!is_copy(&keys, &marked(&marker, &MAIL.replace("Where", "Here"))), "another mail");
        assert!(!is_copy(&keys, &marked(&marker.replacen("12.", "13.", 1), MAIL)), "another entry");
        for forged in ["", ".", "12.", "12.0123456789abcdefghjk", "nonsense"] {
            assert!(!is_copy(&keys, &marked(forged, MAIL)), "{forged}");
        }
        assert!(!is_copy(&keys, &read(MAIL.as_bytes())));
    }

    #[test]
    fn r94_each_agent_has_a_folder_that_every_server_can_name() {
        for (agent, folder) in [
            ("anna", "anna"),
            ("Zoë", "Zoë"),
            ("a.b/c", "a=2Eb=2Fc"),
            ("50%*", "50=25=2A"),
            ("x=2E", "x=3D2E"),
            ("a b", "a=20b"),
        ] {
            assert_eq!(folder_of(agent), folder);
        }
    }
}
