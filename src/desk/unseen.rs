//! Two answers that did not know of each other (R48).
//!
//! Decides   whether something was said that an agent had not seen when they answered.
//! Never     holds an answer because of what the agent said themselves.

use super::agent::Writing;
use super::answer::Words;
use super::case::{Direction, Entry, Held};
use super::held::Hold;
use super::outgoing::mailbox_of;
use super::parent::Parent;
use super::policy::Collision;
use super::relay::when;
use super::standing::Standing;

/// Characters that are shown of it.
const SHOWN_CHARS_MAX: usize = 4_000;

/// The answer waits, with what the agent had not seen; `None` where they had seen everything.
#[must_use]
pub fn hold<'a>(writing: &Writing<'_>, words: &Words) -> Option<Hold<'a>> {
    let Parent::Ours(Some((seen, _))) = writing.parent else {
        return None;
    };
    let later = writing.known.entries.iter().filter(|(id, _)| id > seen).map(|(_, e)| e);
    let unseen: Vec<&Entry> = later.filter(|e| matters(writing, e)).collect();
    let last = unseen.last()?;
    let what = if last.direction == Direction::Outbound { "answered" } else { "wrote" };
    let reason = format!("{} {what} meanwhile, which you had not seen.", last.author_name);
    let remedy = "Reply to this mail with #send on the first line to send yours all the same.";
    let shown: Vec<String> = unseen.iter().map(|e| shown(writing, e)).collect();
    Some(Hold::waits("R48", &reason, remedy, words).showing(shown.join("\n\n")))
}

fn matters(writing: &Writing<'_>, entry: &Entry) -> bool {
    let party = |e: &Entry| writing.known.parties.iter().find(|p| p.id == e.party).is_some_and(|p| p.aside);
    if entry.silent || entry.held != Held::No || party(entry) {
        return false;
    }
    match entry.direction {
        Direction::Outbound => entry.standing == Standing::Agent && entry.author != writing.agent.name,
        Direction::Inbound => writing.arriving.policy.collision == Collision::Mails,
        Direction::Note => false,
    }
}

fn shown(writing: &Writing<'_>, entry: &Entry) -> String {
    let zone = mailbox_of(writing.arriving.policy, &writing.known.case).map(|m| &m.time_zone);
    let at = zone.map(|zone| when(entry.at_ms, zone)).unwrap_or_default();
    let text: String = entry.text.trim().chars().take(SHOWN_CHARS_MAX).collect();
    format!("{at}  {}\n{text}", entry.author_name)
}
