//! An agent writes to a case's tokened address.
//!
//! Decides   whether it is an answer to the customer, a note, or neither (R40, R42, R43, R47).
//! Never     sends by halves: what cannot be acted on goes back to the agent with the reason and their words,
//!           and nothing leaves. Rights are looked at now, not when the relay was sent.

use crate::mail::references::{ancestors, base_subject, case_tags};
use crate::mail::{Address, NameAddr, Nature, ReturnPath};

use super::answer::{self, Answer, Manner, Words};
use super::arriving::Arriving;
use super::case::{Direction, Party, party_of};
use super::command::{self, Command, Leading};
use super::confirm::orders;
use super::held::{self, Hold, held};
use super::loops::repeats_itself;
use super::note::{note, note_of_colleague};
use super::orders::{colleagues, objection, parties_after};
use super::outgoing::{Sheet, agents_of};
use super::parent::{Parent, parent, unclear};
use super::policy::Agent;
use super::recipients::Recipients;
use super::relay::{Shown, relay};
use super::routing::{Route, agent_by_address, agent_of};
use super::standing::{self, Standing};
use super::token::{PartyId, Token};
use super::{CaseView, Decision, Effect, EntryLink, Outcome, Purpose, Side};
use super::{absence, customer, door, recipients, settle, unseen};

/// An agent's mail under decision.
#[derive(Debug, Clone, Copy)]
pub struct Writing<'a> {
    /// The mail.
    pub arriving: Arriving<'a>,
    /// The case.
    pub known: &'a CaseView,
    /// The agent.
    pub agent: &'a Agent,
    /// The mail of ours that it answers.
    pub parent: Parent<'a>,
}

/// Somebody wrote to an agent's address, or answers a mail of an agent.
#[must_use]
pub fn wrote(arriving: &Arriving<'_>, route: &Route, token: Token) -> Decision {
    let key = route.case.or(route.continues).unwrap_or(token.case);
    let Some(known) = arriving.view.cases.get(&key) else {
        return customer::wrote(arriving, &Route { token: None, ..route.clone() });
    };
    let author = arriving.arrival.mail.author().map(|a| &a.address);
    let colleague = author.and_then(|a| agent_by_address(arriving.policy, a));
    let Some(agent) = agent_of(arriving.policy, token.party) else {
        return held::by_removed_agent(arriving, known);
    };
    if !route.token_in_address && colleague.is_none() {
        return customer::wrote(arriving, route);
    }
    let parent = parent(arriving, known, agent);
    let writing = Writing { arriving: *arriving, known, agent, parent };
    let mail = &arriving.arrival.mail;
    if mail.nature.is_silent() {
        return automatic(&writing);
    }
    // machines send with an empty reverse-path, people do not (R50)
    let ordinary =
        (mail.nature == Nature::Personal || mail.nature_by_words) && mail.return_path != Some(ReturnPath::Null);
    if !ordinary && matches!(writing.parent, Parent::Ours(_)) {
        let reason = format!("Your mail came as {}, not as a person's own.", mail.nature.word());
        let remedy = "Send it from your own account, not through a list or a rule.";
        return held(&writing, Hold::mend("R40", &reason, remedy).in_doubt());
    }
    if !ordinary {
        return automatic(&writing);
    }
    if !agents_of(arriving.policy, &known.case.mailbox).iter().any(|a| a.name == agent.name) {
        let reason = format!("You do not work mailbox {} any more.", known.case.mailbox);
        return held(&writing, Hold::mend("R40", &reason, "Ask your operator, or a colleague who does.").in_doubt());
    }
    let heard = colleague.and_then(|author| door::heard(arriving, author));
    let mut decision = match (standing::doubt_of_agent(arriving, colleague), colleague) {
        (Some((reason, remedy)), _) => held(&writing, Hold::mend("R40", &reason, &remedy).in_doubt()),
        (None, Some(colleague)) if colleague.name != agent.name => note_of_colleague(&writing, colleague),
        (None, _) => {
            let mut back = Sheet::new(arriving.event, arriving.policy);
            absence::seen(&mut back, arriving.view, agent);
            let mut decision = of_agent(&writing, route);
            let mut effects = back.into_effects();
            effects.append(&mut decision.effects);
            Decision { effects, ..decision }
        }
    };
    // a mail that answers ours, on the agent's own address, is a probe that came back (R31)
    let is_proof = route.token_in_address && matches!(writing.parent, Parent::Ours(_));
    decision.effects.extend(heard.filter(|_| is_proof));
    decision
}

/// An agent's mail about whose author there is no doubt.
#[must_use]
pub fn of_agent(writing: &Writing<'_>, route: &Route) -> Decision {
    let arrival = writing.arriving.arrival;
    if arrival.headers_only {
        let reason = "Your mail is larger than limits.message_bytes_max.";
        return held(writing, Hold::mend("R40", reason, "Send it with smaller attachments."));
    }
    let mut reading = arrival.agent_reading.clone();
    let (commands, lines) = match command::read(&reading.words, &writing.arriving.now()) {
        Leading::Stopped { reason } => {
            return held(writing, Hold::mend("R41", &reason, "Mend the line and send your reply again."));
        }
        Leading::Commands { commands, lines } => (commands, lines),
    };
    if let Some(reason) = objection(writing, &commands) {
        return held(writing, Hold::mend("R20", &reason, "Mend the line and send your reply again."));
    }
    let (text, html) = reading.without_leading(lines);
    reading.words = command::unescaped(&text);
    reading.words_html = html;
    if commands.contains(&Command::Note) {
        return note(writing, &reading.words, &commands);
    }
    let template = commands.iter().find_map(|c| match c {
        Command::Template(name) => Some(name.as_str()),
        _ => None,
    });
    let words = Words::of_mail(arrival, &reading).with_template(writing, template);
    let decides = command::settling(&commands).is_some() || commands.contains(&Command::Send);
    if words.are_none() && !decides {
        return no_words(writing, &commands);
    }
    if !words.are_none()
        && repeats_itself(writing.known, &writing.agent.name, &words.text, writing.arriving.event.at_ms)
    {
        let reason = "It says word for word what you answered in this case before, more than once today.";
        return held(writing, Hold::mend("R47", reason, "If you wrote it yourself, put it in other words."));
    }
    let objection = no_answer(writing, route, &reading.doubtful, &words);
    if let Some(hold) = objection {
        return held(writing, hold);
    }
    match (writing.parent, command::settling(&commands)) {
        (Parent::Others, None) if !decides => note(writing, &reading.words, &commands),
        (Parent::Others, _) => held(
            writing,
            Hold::mend(
                "R40",
                "Your mail answers another person's mail.",
                "Give the word in a reply to a mail of ours.",
            ),
        ),
        (Parent::TooOld, _) => held(
            writing,
            Hold::mend(
                "R40",
                "The mail that you answer lies too far back in the case.",
                "Reply to a newer mail of it.",
            ),
        ),
        (_, Some(settling)) => settle::settle(writing, settling, words, &commands),
        (_, None) if decides => held::send(writing, &words, &commands),
        (Parent::Ours(_), None) => answers(writing, words, &commands),
        (Parent::Nothing, None) => {
            let reason = "Your mail answers none of ours, so that we do not know what you had seen.";
            held(writing, Hold::waits("R40", reason, SEND, &words).obeying(&commands))
        }
    }
}

/// How held words are sent after all.
pub const SEND: &str = "Reply to this mail with #send on the first line to send them as they are.";

/// Commands alone, or nothing at all.
fn no_words(writing: &Writing<'_>, commands: &[Command]) -> Decision {
    if commands.is_empty() || commands.iter().any(|c| matches!(c, Command::All | Command::Ask(_))) {
        let remedy = "Write your answer above or below the quoted mail.";
        let remark = writing.arriving.arrival.mail.remarks.first().map(|r| format!(": {r}")).unwrap_or_default();
        let reason = format!("There were no words of yours in it{remark}.");
        return held(writing, Hold::mend("R42", &reason, remedy));
    }
    orders(writing, commands)
}

/// A reply to a mail of ours: it goes to whom the relay said, unless nobody knows yet who that is (R33).
fn answers(writing: &Writing<'_>, words: Words, commands: &[Command]) -> Decision {
    if settle::matter(writing).is_some() {
        let reason = "The mail that you answer came from somebody who is unverified in this case.";
        let remedy = format!(
            "Reply to this mail with one word on the first line to say to whom it goes. {}",
            command::settling_words()
        );
        return held(writing, Hold::waits("R33", reason, &remedy, &words).obeying(commands));
    }
    let asked = commands.iter().find_map(|c| match c {
        Command::Ask(addresses) => Some(addresses),
        _ => None,
    });
    let mut sheet = Sheet::new(writing.arriving.event, writing.arriving.policy);
    if let Some(addresses) = asked {
        let answers = asides(&mut sheet, writing, addresses, &words);
        return answer::send_all(writing, sheet, &answers, commands);
    }
    if let Some(hold) = unseen::hold(writing, &words) {
        return held(writing, hold.obeying(commands));
    }
    if let Some(hold) = unclear(writing, &words).filter(|_| !commands.contains(&Command::All)) {
        return held(writing, hold.obeying(commands));
    }
    let target = held::answered(writing);
    let parties = parties_after(writing, commands);
    if commands.contains(&Command::All) {
        let answers: Vec<Answer<'_>> = recipients::everybody(&writing.known.case, &parties)
            .into_iter()
            .map(|to| Answer { recipients: Recipients::only(to), target, manner: Manner::Reply, words: words.clone() })
            .collect();
        return answer::send_all(writing, sheet, &answers, commands);
    }
    let recipients = recipients::of_answer(&writing.known.case, &parties, target.map(|(_, e)| e));
    answer::send(writing, sheet, &Answer { recipients, target, manner: Manner::Reply, words }, commands)
}

/// Questions beside the case: who is asked belongs to it from now on, and sees these words alone.
fn asides<'a>(sheet: &mut Sheet<'_>, writing: &Writing<'_>, addresses: &[Address], words: &Words) -> Vec<Answer<'a>> {
    let case = &writing.known.case;
    let mut answers = Vec::new();
    for address in addresses {
        let known = party_of(&writing.known.parties, address).cloned();
        let party =
            known.unwrap_or_else(|| Party { aside: true, ..Party::new(case.key, NameAddr::new("", address.clone())) });
        let recipients = Recipients::only(party.person.clone());
        sheet.push(Effect::AddParty(case.key, party));
        sheet.log(case.key, "asked", &writing.agent.name, "R15", &format!("{address} is asked beside the case"));
        answers.push(Answer { recipients, target: None, manner: Manner::Aside, words: words.clone() });
    }
    answers
}

/// Why the words may not leave, although the author is right.
fn no_answer<'a>(writing: &Writing<'_>, route: &Route, doubtful: &[String], words: &Words) -> Option<Hold<'a>> {
    if !route.token_in_address {
        let reason = "Your reply went to the desk's plain address, not to the one in Reply-To.";
        if words.are_none() {
            return Some(Hold::mend(
                "R40",
                reason,
                "Answer to the Reply-To address; some clients ask whether to use it.",
            ));
        }
        return Some(Hold::waits("R40", reason, SEND, words));
    }
    if !doubtful.is_empty() {
        let lines: Vec<&str> = doubtful.iter().take(3).map(String::as_str).collect();
        let reason = format!("These lines may be yours or may be quoted from our mail: {}", lines.join(" / "));
        let remedy = "Delete the quoted part, or write your text above it, and send it again.";
        return Some(Hold::mend("R43", &reason, remedy));
    }
    let answers_ours = replies_to(writing) || writing.arriving.arrival.agent_reading.quotes_ours;
    if !answers_ours && !words.are_none() && !matches!(writing.parent, Parent::Nothing) {
        let reason = "It quotes nothing of ours, and its subject is not a reply to our mail's.";
        return Some(Hold::waits("R47", reason, SEND, words));
    }
    None
}

/// Is its subject that of our mail, with any prefix?
fn replies_to(writing: &Writing<'_>) -> bool {
    let subject = &writing.arriving.arrival.mail.subject;
    let case = &writing.known.case;
    case_tags(subject).contains(&case.reference) && !matches!(writing.parent, Parent::Nothing)
        || base_subject(subject) == base_subject(&case.subject)
}

/// Out-of-office, receipts, reactions on an agent's address: a silent entry, never an answer (R47). A vacation reply
/// says that the agent is away: the others get what it answers.
fn automatic(writing: &Writing<'_>) -> Decision {
    let arriving = &writing.arriving;
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    let case = &writing.known.case;
    let mut entry = customer::inbound(arriving, Standing::Agent, PartyId::NOBODY);
    entry.direction = Direction::Note;
    entry.silent = true;
    sheet.append(case.key, entry);
    hand_over(&mut sheet, writing);
    let word = arriving.arrival.mail.nature.word();
    sheet.log(case.key, word, &writing.agent.name, "R47", "automatic mail on an agent's address is never an answer");
    sheet.done(Outcome::Handled, "R47", "automatic mail on an agent's address", Some(case.key))
}

/// The agent's own vacation reply: they are away, and the others get the mail that it answers.
fn hand_over(sheet: &mut Sheet<'_>, writing: &Writing<'_>) {
    let arriving = &writing.arriving;
    let author = arriving.arrival.mail.author().and_then(|a| agent_by_address(arriving.policy, &a.address));
    let is_theirs = author.is_some_and(|a| a.name == writing.agent.name);
    let vacation = arriving.arrival.mail.nature == Nature::AutoReply;
    if !vacation || !is_theirs || standing::doubt_of_agent(arriving, author).is_some() {
        return;
    }
    absence::noticed(sheet, arriving.view, writing.agent);
    let Parent::Ours(Some((id, entry))) = writing.parent else {
        return;
    };
    let is_owner = writing.known.case.owner.as_ref() == Some(&writing.agent.name);
    if !is_owner || entry.direction != Direction::Inbound || entry.silent {
        return;
    }
    let lines = [format!("{}, whose case it is, is away", writing.agent.display_name)];
    let case = &writing.known.case;
    for other in colleagues(writing) {
        let link = EntryLink::Stored(*id);
        let shows = Shown { case, known: Some(writing.known), entry, link, warnings: &[], lines: &lines };
        relay(sheet, shows, other, Purpose::RelayAll);
    }
}

/// A mail to an address that was an agent's reply address, and names nothing any more: its author is an agent who
/// answers a mail of ours to them. Held and told, so that it opens no case in their name (R14, R40).
#[must_use]
pub fn on_a_dead_token(arriving: &Arriving<'_>, route: &Route) -> Option<Decision> {
    if route.case.is_some() || arriving.arrival.mail.nature.is_silent() {
        return None;
    }
    let [author] = arriving.arrival.mail.from.as_slice() else {
        return None;
    };
    let agent = agent_by_address(arriving.policy, &author.address)?;
    let answered = ancestors(&arriving.arrival.mail);
    let known_ids = &arriving.view.known_ids;
    let hit = known_ids.iter().find(|k| k.side == Side::Agent(agent.name.clone()) && answered.contains(&k.id))?;
    let known = arriving.view.cases.get(&hit.case)?;
    let writing = Writing { arriving: *arriving, known, agent, parent: Parent::Nothing };
    let hold = Hold::mend(
        "R14",
        "The reply address of the mail that you answer does not hold any more.",
        "Reply to a newer mail of this case.",
    );
    Some(held(&writing, hold.in_doubt()))
}
