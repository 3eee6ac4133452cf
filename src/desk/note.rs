//! Notes: what agents write for each other (R40, R42). Nothing of it leaves; the owner hears of it.

use super::agent::Writing;
use super::arriving::Arriving;
use super::case::{Case, Direction, Entry};
use super::command::Command;
use super::confirm::{confirm, obey};
use super::customer;
use super::outgoing::{Sheet, shown};
use super::policy::Agent;
use super::standing::Standing;
use super::token::PartyId;
use super::{Decision, Outcome};

/// `#note`, or an answer to another person's mail: stays inside, and is confirmed (R42).
pub(super) fn note(writing: &Writing<'_>, words: &str, commands: &[Command]) -> Decision {
    let arriving = &writing.arriving;
    let case = &writing.known.case;
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    sheet.append(case.key, note_entry(arriving, writing.agent, words));
    obey(&mut sheet, writing, commands);
    let closed = if commands.contains(&Command::Close) { " The case is closed." } else { "" };
    let line =
        format!("Kept as a note in case #{}; nothing was sent to {}.{closed}", case.reference, shown(&case.customer));
    confirm(&mut sheet, writing, writing.agent, &line, "");
    tell_owner(&mut sheet, writing, writing.agent, words);
    sheet.done(Outcome::Handled, "R42", "a note", Some(case.key))
}

/// A colleague's mail on another agent's token is that colleague's note (R40).
pub(super) fn note_of_colleague(writing: &Writing<'_>, colleague: &Agent) -> Decision {
    let arriving = &writing.arriving;
    let case = &writing.known.case;
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    let words = &arriving.arrival.agent_reading.words;
    sheet.append(case.key, note_entry(arriving, colleague, words));
    let line = format!("Kept as your note in case #{}; nothing was sent to {}.", case.reference, shown(&case.customer));
    confirm(&mut sheet, writing, colleague, &line, "");
    let told = told_of_note(colleague, case);
    confirm(&mut sheet, writing, writing.agent, &told, words);
    sheet.done(Outcome::Handled, "R40", "a colleague's mail on another agent's token is a note", Some(case.key))
}

fn told_of_note(author: &Agent, case: &Case) -> String {
    format!(
        "{} wrote a note in case #{}. A reply to this mail goes to {}, unless its first line is #note.",
        author.display_name,
        case.reference,
        shown(&case.customer)
    )
}

fn tell_owner(sheet: &mut Sheet<'_>, writing: &Writing<'_>, author: &Agent, words: &str) {
    let case = &writing.known.case;
    let owner = case.owner.as_ref().and_then(|name| writing.arriving.policy.agents.get(name));
    if let Some(owner) = owner.filter(|o| o.name != author.name) {
        let line = told_of_note(author, case);
        confirm(sheet, writing, owner, &line, words);
    }
}

/// The entry of a note.
pub(super) fn note_entry(arriving: &Arriving<'_>, author: &Agent, words: &str) -> Entry {
    let mut entry = customer::inbound(arriving, Standing::Agent, PartyId::NOBODY);
    entry.direction = Direction::Note;
    entry.author = author.name.clone();
    entry.author_name = author.display_name.clone();
    words.clone_into(&mut entry.text);
    entry.html = String::new();
    entry
}
