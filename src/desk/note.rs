//! Notes: what agents write for each other (R40, R42). Nothing of it leaves; the owner hears of it.

use super::agent::Writing;
use super::arriving::Arriving;
use super::case::{Case, Direction, Entry};
use super::command::Command;
use super::confirm::{confirm, returned};
use super::customer;
use super::orders::obey;
use super::outgoing::{Sheet, agents_of, shown};
use super::ownership::watch_copied;
use super::policy::{Agent, Policy};
use super::standing::Standing;
use super::token::PartyId;
use super::{Decision, Outcome};

/// `#note`, or an answer to another person's mail: stays inside, and is confirmed (R42).
pub(super) fn note(writing: &Writing<'_>, words: &str, commands: &[Command]) -> Decision {
    let arriving = &writing.arriving;
    let case = &writing.known.case;
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    let entry = note_entry(arriving, writing.agent, words);
    sheet.append(case.key, entry.clone());
    let said = writing.known.clone().with(entry);
    let done = obey(&mut sheet, &Writing { known: &said, ..*writing }, commands);
    let mut line =
        format!("Kept as a note in case #{}; nothing was sent to {}.", case.reference, shown(&case.customer));
    for more in done.lines.iter().chain(&done.news) {
        line.push_str(&format!(" {more}."));
    }
    confirm(&mut sheet, writing, writing.agent, &line, "");
    returned(&mut sheet, &Writing { known: &said, ..*writing }, commands);
    tell_colleagues(&mut sheet, writing, writing.agent, words);
    watch_copied(&mut sheet, writing);
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
    for other in listeners(writing).into_iter().filter(|a| a.name != colleague.name && a.name != writing.agent.name) {
        confirm(&mut sheet, writing, other, &told, words);
    }
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

fn tell_colleagues(sheet: &mut Sheet<'_>, writing: &Writing<'_>, author: &Agent, words: &str) {
    let line = told_of_note(author, &writing.known.case);
    for colleague in listeners(writing).into_iter().filter(|a| a.name != author.name) {
        confirm(sheet, writing, colleague, &line, words);
    }
}

/// The owner and the watchers.
fn listeners<'a>(writing: &Writing<'a>) -> Vec<&'a Agent> {
    let case = &writing.known.case;
    let policy: &'a Policy = writing.arriving.policy;
    let listens = |a: &&Agent| case.owner.as_ref() == Some(&a.name) || case.handling.watchers.contains(&a.name);
    agents_of(policy, &case.mailbox).into_iter().filter(listens).collect()
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
