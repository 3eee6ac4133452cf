//! A customer writes, or anybody else who is no agent of the case.
//!
//! Decides   whether a case opens, reopens or goes on, who is told, and what the agents are warned of.
//! Follows   R11, R12, R20, R32, R33, R50–R54, R91.
//! Never     sends one person's words to another: customers get the desk's letters, agents get relays.

use minijinja::context;

use crate::mail::NameAddr;
use crate::mail::verdict::Verdict;

use super::acknowledge::acknowledge;
use super::actions;
use super::arriving::Arriving;
use super::case::{Case, Direction, Entry, Held, Party, Status};
use super::change::Change;
use super::letters::Letter;
use super::loops::is_beyond_the_limit;
use super::machine;
use super::notified;
use super::opening::new_case;
use super::outgoing::{Outside, Sheet, agents_of, shown};
use super::ownership::in_turn;
use super::policy::Policy;
use super::relay::relay_to_audience;
use super::routing::Route;
use super::spam::is_spam;
use super::standing::{self, Standing};
use super::token::{CaseKey, PartyId};
use super::warnings::warnings;
use super::who::{home, nobody, other_author};
use super::{CaseView, Decision, Effect, EntryLink, Event, Outcome, View};

/// Somebody outside wrote.
#[must_use]
pub fn wrote(arriving: &Arriving<'_>, route: &Route) -> Decision {
    match route.case.and_then(|key| arriving.view.cases.get(&key)) {
        Some(known) => goes_on(arriving, route, known),
        None => opens(arriving, route),
    }
}

fn goes_on(arriving: &Arriving<'_>, route: &Route, known: &CaseView) -> Decision {
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    let case = &known.case;
    let author = standing::in_case(arriving, known, route.token);
    let mut entry = inbound(arriving, author.standing, author.number);
    entry.holder = author.holder;
    entry.origin = came_to(arriving, route, known);
    if known.entries.iter().any(|(_, e)| notified::is_applications(e)) {
        notified::hide_secrets(&mut entry, None);
    }
    entry.silent = machine::is_silent(arriving, known);
    sheet.append(case.key, entry.clone());
    point(&mut sheet, arriving, route, case);
    if let Some(doubt) = &author.doubt {
        sheet.log(case.key, "unverified", "yesreply", "R33", doubt);
    }
    if entry.silent {
        let word = arriving.arrival.mail.nature.word();
        sheet.log(case.key, word, "yesreply", "R53", "kept as a silent entry");
        let shown_in = case.status != Status::Spam && !arriving.arrival.old;
        if let Some(line) = machine::news(arriving, known, &entry).filter(|_| shown_in) {
            let mut warnings = warnings(arriving, route, Some(known), &author);
            warnings.push(line.to_owned());
            relay_to_audience(&mut sheet, arriving.view, case, Some(known), &entry, EntryLink::Appended, &warnings);
        }
        return sheet.done(Outcome::Handled, "R53", &route.because, Some(case.key));
    }
    let is_new = known.parties.iter().any(|p| p.id == author.number && !p.has_passed);
    if is_new && arriving.verdict() == Verdict::Pass && author.standing == Standing::Party {
        sheet.push(Effect::PartyPassed(case.key, author.number));
    }
    let aside = known.parties.iter().any(|p| p.id == author.number && p.aside);
    if case.status != Status::Spam && author.standing.may().runs_the_clock && !aside {
        if case.handling.snoozed_until_ms.is_some() {
            sheet.push(Effect::Change(case.key, Change::Snoozed(None)));
        }
        let rule = if case.status == Status::Closed { "R12" } else { "R10" };
        sheet.set_status(case, waited_for(known), "customer", rule);
    }
    let chosen = actions::chosen(arriving, route, author.standing);
    if !arriving.arrival.old {
        let mut warnings = warnings(arriving, route, Some(known), &author);
        warnings.extend(actions::remark(&chosen));
        relay_to_audience(&mut sheet, arriving.view, case, Some(known), &entry, EntryLink::Appended, &warnings);
    }
    actions::pass_on(&mut sheet, case, chosen);
    sheet.done(Outcome::Handled, route.rule, &route.because, Some(case.key))
}

/// The new case with what was said in the one that it continues: for the history of its first relay (R12).
fn as_begun(case: &Case, continued: &CaseView) -> CaseView {
    CaseView { entries: continued.entries.clone(), ..CaseView::new(case.clone()) }
}

/// The merged case to whose address the mail came (R15).
fn came_to(arriving: &Arriving<'_>, route: &Route, known: &CaseView) -> Option<CaseKey> {
    let named = arriving.view.cases.get(&route.token?.case)?;
    (named.case.key != known.case.key && named.case.merged_into.is_some()).then_some(named.case.key)
}

/// Where a case stands in which the customer has written again.
pub(super) fn waited_for(known: &CaseView) -> Status {
    let answered =
        known.entries.iter().any(|(_, e)| e.direction == Direction::Outbound && e.standing == Standing::Agent);
    if known.case.owner.is_some() || answered { Status::Open } else { Status::New }
}

fn opens(arriving: &Arriving<'_>, route: &Route) -> Decision {
    let mail = &arriving.arrival.mail;
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    // words alone are no proof: a person must see it (R53)
    if mail.nature.is_silent() && !mail.nature_by_words {
        return silent(arriving, route);
    }
    let answered = route.notification.and_then(|key| arriving.view.notifications.get(&key));
    let Some(mailbox) = notified::mailbox(arriving, answered).or_else(|| home(arriving)) else {
        return sheet.done(Outcome::Held, "R10", "the mailbox is no longer in the config", None);
    };
    let continued = route.continues.and_then(|key| arriving.view.cases.get(&key));
    let mut case = new_case(arriving, route, mailbox, continued, is_spam(arriving, route));
    let given = hand_out(arriving, &mut case);
    let passed = arriving.verdict() == Verdict::Pass;
    let wrote = mail.author().is_some_and(|a| a.address.key() == case.customer.address.key());
    let party = Party { has_passed: passed && wrote, ..Party::new(case.key, case.customer.clone()) };
    let author = standing::of_opener(arriving, party.id, continued.is_some() || route.notification.is_some());
    let entry = notified::without_secrets(arriving, route, inbound(arriving, author.standing, party.id));
    let chosen = actions::chosen(arriving, route, author.standing);
    if chosen.is_alone() && !is_beyond_the_limit(arriving) {
        case.status = Status::Waiting;
    }
    sheet.push(Effect::Open(Box::new(case.clone())));
    sheet.push(Effect::AddParty(case.key, party));
    if let Some(person) = other_author(arriving, &case) {
        sheet.push(Effect::AddParty(case.key, Party { has_passed: passed, ..Party::new(case.key, person.clone()) }));
    }
    sheet.log(case.key, "opened", "customer", route.rule, &route.because);
    if let Some(agent) = given {
        sheet.push(Effect::Given(agent.clone()));
        sheet.log(case.key, "owner", "yesreply", "R40", &format!("{agent}, in turn"));
    }
    if let Some(notification) = answered {
        sheet.push(Effect::Precede(case.key, Box::new(notified::first_entry(notification))));
    }
    sheet.append(case.key, entry.clone());
    if let Some(before) = continued {
        sheet.push(Effect::SetSuccessor(before.case.key, case.key));
        sheet.log(before.case.key, "continued", "customer", route.rule, &format!("goes on in case {}", case.reference));
    }
    point(&mut sheet, arriving, route, &case);
    if let Some(doubt) = &author.doubt {
        sheet.log(case.key, "unverified", "yesreply", "R32", doubt);
    }
    if case.status == Status::Spam {
        let because =
            if arriving.arrival.junk { "it lay in the folder for spam" } else { "our server marked it as spam" };
        return sheet.done(Outcome::Handled, "R34", because, Some(case.key));
    }
    if is_beyond_the_limit(arriving) {
        return beyond_the_limit(sheet, &case);
    }
    if !arriving.arrival.old && !chosen.is_alone() {
        let before = answered.map(|n| notified::as_known(&case, n)).or_else(|| continued.map(|k| as_begun(&case, k)));
        let mut warnings = warnings(arriving, route, before.as_ref(), &author);
        warnings.extend(continued.map(|k| format!("it goes on from case #{}, which is closed.", k.case.reference)));
        warnings.extend(actions::remark(&chosen));
        relay_to_audience(&mut sheet, arriving.view, &case, before.as_ref(), &entry, EntryLink::Appended, &warnings);
    }
    if !chosen.is_alone() {
        acknowledge(&mut sheet, arriving, route, mailbox, &case, &entry);
    }
    actions::pass_on(&mut sheet, &case, chosen);
    sheet.done(Outcome::Handled, route.rule, &route.because, Some(case.key))
}

/// A new case of nobody goes to an agent in turn, where the desk gives them out.
fn hand_out(arriving: &Arriving<'_>, case: &mut Case) -> Option<String> {
    if case.status != Status::New || case.old || is_beyond_the_limit(arriving) {
        return None;
    }
    let agent = in_turn(arriving.policy, arriving.view, case, arriving.event.at_ms)?;
    case.owner = Some(agent.name.clone());
    case.status = Status::Open;
    Some(agent.name.clone())
}

/// What a machine says to no case (R53).
fn silent(arriving: &Arriving<'_>, route: &Route) -> Decision {
    if route.rule == "R72" {
        return notified::automatic_reply(arriving);
    }
    let because = format!("{} that answers no mail of ours", arriving.arrival.mail.nature.word());
    Sheet::new(arriving.event, arriving.policy).done(Outcome::Ignored, "R53", &because, None)
}

/// R50: the case is kept, and stands in the digest.
fn beyond_the_limit(mut sheet: Sheet<'_>, case: &Case) -> Decision {
    let detail = "limits.cases_per_address is used up: it stands in the digest";
    sheet.log(case.key, "beyond_limit", "yesreply", "R50", detail);
    let because = "kept: its author opened more cases than limits.cases_per_address";
    sheet.done(Outcome::Handled, "R50", because, Some(case.key))
}

/// The entry of a mail that came in.
#[must_use]
pub fn inbound(arriving: &Arriving<'_>, standing: Standing, party: PartyId) -> Entry {
    let arrival = arriving.arrival;
    let mail = &arrival.mail;
    let author = mail.author().cloned().unwrap_or_else(nobody);
    let bare = |list: &[NameAddr]| list.iter().map(|n| n.address.to_string()).collect();
    let text = if arrival.headers_only {
        format!(
            "[This mail is {} octets long, more than limits.message_bytes_max. Only its headers were fetched; it lies in the mailbox.]",
            arrival.size_bytes
        )
    } else if arrival.reading.words.trim().is_empty() {
        mail.text.clone()
    } else {
        arrival.reading.words.clone()
    };
    Entry {
        direction: Direction::Inbound,
        author: author.address.to_string(),
        author_name: shown(&author),
        standing,
        party,
        from: author.address.to_string(),
        to: bare(&mail.to),
        cc: bare(&mail.cc),
        subject: mail.subject.clone(),
        message_id: mail.message_id.clone(),
        references: mail.references.clone(),
        at_ms: arriving.event.at_ms,
        text,
        html: arrival.clean_html.clone(),
        body: mail.text.clone(),
        parts: arrival.parts.clone(),
        thread_topic: mail.thread_topic.clone(),
        thread_index: mail.thread_index.clone(),
        silent: false,
        relay_text: String::new(),
        held: Held::No,
        answers: None,
        holder: PartyId::NOBODY,
        origin: None,
    }
}

/// The other cases that this mail was addressed to get a line (R10).
fn point(sheet: &mut Sheet<'_>, arriving: &Arriving<'_>, route: &Route, case: &Case) {
    for key in route.pointers.iter().filter(|k| arriving.view.cases.contains_key(k)) {
        sheet.log(*key, "pointer", "yesreply", "R10", &format!("a mail to this case went to case {}", case.reference));
    }
    if route.forged {
        let detail = "it bore a reply address with a wrong MAC, or a revoked one";
        sheet.log(case.key, "forged_token", "yesreply", "R14", detail);
    }
}

/// The entry of a mail that leaves.
#[must_use]
pub fn outbound(
    draft: &crate::mail::render::Draft,
    author: &str,
    author_name: &str,
    standing: Standing,
    case: &Case,
    words: &str,
) -> Entry {
    let to = draft.to.first().map(|n| n.address.clone());
    Entry {
        direction: Direction::Outbound,
        author: author.to_owned(),
        author_name: author_name.to_owned(),
        standing,
        party: to.as_ref().map_or(PartyId::NOBODY, |a| PartyId::of_party(case.key, a)),
        from: draft.from.address.to_string(),
        to: draft.to.iter().map(|n| n.address.to_string()).collect(),
        cc: draft.cc.iter().map(|n| n.address.to_string()).collect(),
        subject: draft.subject.clone(),
        message_id: Some(draft.message_id.clone()),
        references: draft.references.clone(),
        at_ms: draft.date_ms,
        text: words.to_owned(),
        html: draft.html.clone(),
        body: draft.text.clone(),
        parts: draft.parts.clone(),
        thread_topic: None,
        thread_index: None,
        silent: false,
        relay_text: String::new(),
        held: Held::No,
        answers: None,
        holder: PartyId::NOBODY,
        origin: None,
    }
}

/// One summary of the old mail that was taken in (R91).
#[must_use]
pub fn old_mail(event: &Event, mailbox: &str, count: i64, _view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    if let Some(mailbox) = policy.mailboxes.get(mailbox) {
        for agent in agents_of(policy, &mailbox.name) {
            let values = context! { count, desk => mailbox.display_name };
            let written = policy.letters.write(Letter::Summary, &values);
            let subject = format!("Older mail of {}", mailbox.display_name);
            sheet.to_agent_outside(mailbox, agent, Outside { subject, written, door: false });
        }
    }
    sheet.done(Outcome::Handled, "R91", "one summary of old mail", None)
}
