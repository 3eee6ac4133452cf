//! A customer writes, or anybody else who is no agent of the case.
//!
//! Decides   whether a case opens, reopens or goes on, who is told, and what the agents are warned of.
//! Follows   R11, R12, R20, R32, R33, R50–R54, R90, R91.
//! Never     sends one person's words to another: customers get the desk's letters, agents get relays.

use minijinja::context;

use crate::mail::verdict::Verdict;
use crate::mail::{Address, NameAddr};

use super::case::{Case, Direction, Entry, Party, Standing, Status, party_of};
use super::digest::notice;
use super::forward::refusal;
use super::letters::Letter;
use super::loops::{Acknowledgement, acknowledgement, is_beyond_the_limit, open_breaker};
use super::outgoing::{Sheet, ToCustomer, agents_of, shown};
use super::policy::{Mailbox, Policy, RequireAuth};
use super::relay::{html_of, relay_to_audience};
use super::routing::{Arriving, Route, customer, home, is_our_own};
use super::spam::is_spam;
use super::thread;
use super::token::{CaseKey, PartyId};
use super::{CaseView, Decision, Effect, EntryLink, Event, Outcome, Purpose, View};

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
    let verdict = arriving.verdict(None);
    let (standing, party) = standing(arriving, known, verdict);
    let mut entry = inbound(arriving, standing, party);
    entry.silent = arriving.arrival.mail.nature.is_silent();
    sheet.append(case.key, entry.clone());
    point(&mut sheet, arriving, route, case);
    if entry.silent {
        let word = arriving.arrival.mail.nature.word();
        sheet.log(case.key, word, "yesreply", "R53", "kept as a silent entry");
        return sheet.done(Outcome::Handled, "R53", &route.because, Some(case.key));
    }
    if verdict == Verdict::Pass && standing == Standing::Party {
        sheet.push(Effect::PartyPassed(case.key, party));
    }
    if case.status != Status::Spam {
        sheet.set_status(
            case,
            waited_for(known),
            "customer",
            if case.status == Status::Closed { "R12" } else { "R10" },
        );
    }
    if !arriving.arrival.old {
        relay_to_audience(
            &mut sheet,
            case,
            Some(known),
            &entry,
            EntryLink::Appended,
            &warnings(arriving, route, standing),
        );
    }
    sheet.done(Outcome::Handled, route.rule, &route.because, Some(case.key))
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
        let because = format!("{} that answers no mail of ours", mail.nature.word());
        return sheet.done(Outcome::Ignored, "R53", &because, None);
    }
    let Some(mailbox) = home(arriving) else {
        return sheet.done(Outcome::Held, "R10", "the mailbox is no longer in the config", None);
    };
    let continued = route.continues.and_then(|key| arriving.view.cases.get(&key));
    let case = new_case(arriving, mailbox, continued, is_spam(arriving, route));
    let verdict = arriving.verdict(None);
    let party = Party {
        id: PartyId::of_party(case.key, &case.customer.address),
        person: case.customer.clone(),
        has_passed: verdict == Verdict::Pass
            && mail.author().is_some_and(|a| a.address.key() == case.customer.address.key()),
    };
    let standing = if continued.is_some() { Standing::Party } else { Standing::Stranger };
    let standing = if demands_pass(arriving, verdict) { Standing::Unverified } else { standing };
    let entry = inbound(arriving, standing, party.id);
    sheet.push(Effect::Open(Box::new(case.clone())));
    let customers_number = party.id;
    sheet.push(Effect::AddParty(case.key, party));
    if let Some(author) = other_author(arriving, &case) {
        let id = PartyId::of_party(case.key, &author.address);
        let has_passed = verdict == Verdict::Pass && id != customers_number;
        sheet.push(Effect::AddParty(case.key, Party { id, person: author.clone(), has_passed }));
    }
    sheet.log(case.key, "opened", "customer", route.rule, &route.because);
    sheet.append(case.key, entry.clone());
    if let Some(before) = continued {
        sheet.push(Effect::SetSuccessor(before.case.key, case.key));
        sheet.log(before.case.key, "continued", "customer", route.rule, &format!("goes on in case {}", case.reference));
    }
    point(&mut sheet, arriving, route, &case);
    if case.status == Status::Spam {
        let because =
            if arriving.arrival.junk { "it lay in the folder for spam" } else { "our server marked it as spam" };
        return sheet.done(Outcome::Handled, "R34", because, Some(case.key));
    }
    if is_beyond_the_limit(arriving) {
        sheet.log(
            case.key,
            "beyond_limit",
            "yesreply",
            "R50",
            "limits.cases_per_address is used up: it stands in the digest",
        );
        return sheet.done(
            Outcome::Handled,
            "R50",
            "kept: its author opened more cases than limits.cases_per_address",
            Some(case.key),
        );
    }
    if !arriving.arrival.old {
        relay_to_audience(&mut sheet, &case, None, &entry, EntryLink::Appended, &warnings(arriving, route, standing));
    }
    acknowledge(&mut sheet, arriving, route, mailbox, &case, &entry, verdict);
    sheet.done(Outcome::Handled, route.rule, &route.because, Some(case.key))
}

/// Somebody whose Reply-To is the customer (R20): what they write later from the same From is theirs too.
pub(super) fn other_author<'a>(arriving: &Arriving<'a>, case: &Case) -> Option<&'a NameAddr> {
    let author = arriving.arrival.mail.author()?;
    let same_organisation = author.address.organisational_domain() == case.customer.address.organisational_domain();
    let other = author.address.key() != case.customer.address.key();
    (other && same_organisation && !is_our_own(arriving.policy, &author.address)).then_some(author)
}

/// A case that is not there yet.
pub(super) fn new_case(
    arriving: &Arriving<'_>,
    mailbox: &Mailbox,
    continued: Option<&CaseView>,
    is_spam: bool,
) -> Case {
    let mail = &arriving.arrival.mail;
    let owner = continued.and_then(|c| c.case.owner.clone()).filter(|o| arriving.policy.agents.contains_key(o));
    let subject = mail.subject.trim().to_owned();
    let status = match (is_spam, &owner) {
        (true, _) => Status::Spam,
        (false, Some(_)) => Status::Open,
        (false, None) => Status::New,
    };
    Case {
        key: arriving.policy.keys.case_key(&arriving.event.id),
        reference: arriving.view.next_reference,
        mailbox: mailbox.name.clone(),
        subject: if subject.is_empty() { "(no subject)".to_owned() } else { subject },
        status,
        owner,
        customer: customer(arriving).unwrap_or_else(nobody),
        opened_ms: arriving.event.at_ms,
        closed_ms: None,
        merged_into: None,
        successor: None,
        old: arriving.arrival.old,
    }
}

/// Stands for the author of a mail that names none; `invalid` never resolves (RFC 2606 section 2).
fn nobody() -> NameAddr {
    let address = Address::parse("nobody@unknown.invalid");
    address.map_or_else(
        || NameAddr { name: String::new(), address: Address::unknown() },
        |address| NameAddr { name: "somebody who gave no address".to_owned(), address },
    )
}

fn demands_pass(arriving: &Arriving<'_>, verdict: Verdict) -> bool {
    arriving.policy.security.require_auth == RequireAuth::Everyone && verdict != Verdict::Pass
}

/// R30, R32: a party who fails, or who used to pass and now does not, is unverified.
fn standing(arriving: &Arriving<'_>, known: &CaseView, verdict: Verdict) -> (Standing, PartyId) {
    let Some(author) = arriving.arrival.mail.author() else {
        return (Standing::Unverified, PartyId::NOBODY);
    };
    let own_number = PartyId::of_party(known.case.key, &author.address);
    let Some(party) = party_of(&known.parties, &author.address) else {
        return (Standing::Unverified, own_number);
    };
    let fails = verdict == Verdict::Fail
        || (verdict == Verdict::None && party.has_passed)
        || arriving.arrival.mail.from.len() > 1
        || demands_pass(arriving, verdict);
    // who opened the case with another Reply-To writes as its customer (R20)
    let maps = other_author(arriving, &known.case).is_some()
        && customer(arriving).is_some_and(|c| c.address.key() == known.case.customer.address.key());
    let number = if maps { PartyId::of_party(known.case.key, &known.case.customer.address) } else { party.id };
    (if fails { Standing::Unverified } else { Standing::Party }, number)
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
    }
}

/// The other cases that this mail was addressed to get a line (R10).
fn point(sheet: &mut Sheet<'_>, arriving: &Arriving<'_>, route: &Route, case: &Case) {
    for key in route.pointers.iter().filter(|k| arriving.view.cases.contains_key(k)) {
        sheet.log(*key, "pointer", "yesreply", "R10", &format!("a mail to this case went to case {}", case.reference));
    }
    if route.forged {
        sheet.log(case.key, "forged_token", "yesreply", "R14", "a reply address with a wrong MAC was in it");
    }
}

/// What agents are to be careful of.
pub(super) fn warnings(arriving: &Arriving<'_>, route: &Route, standing: Standing) -> Vec<String> {
    let mail = &arriving.arrival.mail;
    let mut warnings = Vec::new();
    let author = mail.author().map(|a| a.address.to_string()).unwrap_or_default();
    if standing == Standing::Unverified {
        warnings.push(format!(
            "this mail came from {author}, whom this case does not know or whose mail did not pass. A reply to it is held, not sent."
        ));
    }
    if let Some(case) = route.borrowed.and_then(|key| arriving.view.cases.get(&key)) {
        warnings.push(format!(
            "{author} used a reply address that was made for {} in case #{}.",
            case.case.customer.address, case.case.reference
        ));
    }
    if route.forged {
        warnings.push("it bore a reply address that is not ours.".to_owned());
    }
    warnings.extend(refusal(arriving));
    if mail.from.len() > 1 {
        warnings.push("it names several authors.".to_owned());
    }
    let elsewhere: Vec<String> = mail
        .reply_to
        .iter()
        .filter(|r| Some(r.address.key()) != mail.author().map(|a| a.address.key()))
        .map(|r| r.address.to_string())
        .collect();
    if !elsewhere.is_empty() {
        warnings.push(format!("it asks for answers to {}.", elsewhere.join(", ")));
    }
    warnings.extend(mail.remarks.iter().map(|remark| format!("{remark}.")));
    warnings
}

fn acknowledge(
    sheet: &mut Sheet<'_>,
    arriving: &Arriving<'_>,
    route: &Route,
    mailbox: &Mailbox,
    case: &Case,
    entry: &Entry,
    verdict: Verdict,
) {
    let letters = &arriving.policy.letters;
    let desk = &mailbox.display_name;
    let (written, subject) = match acknowledgement(arriving, route, case, verdict) {
        Acknowledgement::Nothing(reason) => {
            open_breaker(sheet, arriving, reason);
            sheet.log(case.key, "not_acknowledged", "yesreply", "R50", reason);
            return;
        }
        Acknowledgement::Echo => {
            let quoted: Vec<String> = entry.text.lines().map(|l| format!("> {l}")).collect();
            let words_html = html_of(entry);
            let values = context! { reference => case.reference, desk, quoted => quoted.join("\n"), words_html };
            (letters.write(Letter::Acknowledge, &values), thread::answer_subject(&entry.subject))
        }
        Acknowledgement::Constant => {
            let values = context! { reference => case.reference, desk };
            (letters.write(Letter::AcknowledgeConstant, &values), letters.constant_subject(case.reference))
        }
    };
    let person = if subject.starts_with("Re: ") {
        case.customer.clone()
    } else {
        NameAddr { name: String::new(), address: case.customer.address.clone() }
    };
    let mail = ToCustomer {
        case,
        person: &person,
        from_name: desk.clone(),
        subject,
        parent: Some(entry),
        written,
        parts: Vec::new(),
        purpose: Purpose::Acknowledgement,
        unauthenticated: verdict != Verdict::Pass
            || arriving.arrival.mail.author().is_none_or(|a| a.address.key() != case.customer.address.key()),
    };
    let Some(draft) = sheet.customer_draft(mailbox, &mail) else {
        sheet.log(case.key, "not_acknowledged", "yesreply", "R22", "one of our own addresses");
        return;
    };
    sheet.append(case.key, outbound(&draft, "yesreply", &mailbox.display_name, Standing::System, case, &draft.text));
    sheet.send_to_customer(mailbox, &mail, draft);
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
    }
}

/// A mailbox got its first agent: what nobody was told of is relayed (R90).
#[must_use]
pub fn staffed(event: &Event, key: CaseKey, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let Some(known) = view.cases.get(&key) else {
        return sheet.done(Outcome::Ignored, "R90", "no such case", None);
    };
    let last = known.entries.iter().rev().find(|(_, e)| e.direction == Direction::Inbound && !e.silent);
    if let Some((id, entry)) = last {
        relay_to_audience(&mut sheet, &known.case, Some(known), entry, EntryLink::Stored(*id), &[]);
        sheet.log(key, "relayed", "yesreply", "R90", "the mailbox has agents now");
    }
    sheet.done(Outcome::Handled, "R90", "the mailbox has agents now", Some(key))
}

/// One summary of the old mail that was taken in (R91).
#[must_use]
pub fn old_mail(event: &Event, mailbox: &str, count: i64, _view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    if let Some(mailbox) = policy.mailboxes.get(mailbox) {
        for agent in agents_of(policy, &mailbox.name) {
            let values = context! { count, desk => mailbox.display_name };
            let written = policy.letters.write(Letter::Summary, &values);
            if let Some(dispatch) = notice(event, policy, mailbox, agent, written, "summary", "Older mail") {
                sheet.send(dispatch);
            }
        }
    }
    sheet.done(Outcome::Handled, "R91", "one summary of old mail", None)
}
