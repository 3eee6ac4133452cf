//! The acknowledgement: the customer learns that their mail is here.
//!
//! Decides   which of the two texts goes out, and whether it may leave.
//! Follows   R46, R50, R51.
//! Never     leaves without the leak guard's look: an operator's letter, or a customer who wrote an agent's private
//!           address, would else send it out in our name. What fails with their words goes without them; what fails
//!           without them does not go, and the case's log says why.

use minijinja::context;

use crate::mail::verdict::Verdict;
use crate::mail::{NameAddr, html, language};

use super::Purpose;
use super::arriving::Arriving;
use super::case::{Case, Entry};
use super::customer::outbound;
use super::guard::Guard;
use super::letters::Letter;
use super::loops::{Acknowledgement, acknowledgement, open_breaker};
use super::outgoing::{Sheet, ToCustomer};
use super::policy::Mailbox;
use super::recipients::Recipients;
use super::relay::html_of;
use super::routing::Route;
use super::standing::Standing;
use super::thread;

/// Acknowledges the first mail of a new case, or logs why not.
pub(super) fn acknowledge(
    sheet: &mut Sheet<'_>,
    arriving: &Arriving<'_>,
    route: &Route,
    mailbox: &Mailbox,
    case: &Case,
    entry: &Entry,
) {
    if !entry.standing.may().gets_automatic_mail {
        sheet.log(case.key, "not_acknowledged", "yesreply", "R32", "its author is unverified");
        return;
    }
    let texts: &[Text] = match acknowledgement(arriving, route, case, arriving.verdict()) {
        Acknowledgement::Nothing(reason) => {
            open_breaker(sheet, arriving, reason);
            sheet.log(case.key, "not_acknowledged", "yesreply", "R50", reason);
            return;
        }
        Acknowledgement::Echo => &[Text::Echo, Text::Constant],
        Acknowledgement::Constant => &[Text::Constant],
    };
    // what they wrote is what they may read again, in whichever part it stood
    let said = format!("{}\n{}", entry.text, html::to_text(&entry.html));
    let entries = [(0, Entry { text: said, ..entry.clone() })];
    let guard = Guard { policy: arriving.policy, entries: &entries, recipient: entry.party };
    for text in texts {
        let mail = text.mail(arriving, mailbox, case, entry);
        let Some(draft) = sheet.customer_draft(mailbox, &mail) else {
            sheet.log(case.key, "not_acknowledged", "yesreply", "R22", "one of our own addresses");
            return;
        };
        let findings = guard.findings(&draft, &[]);
        if findings.is_empty() {
            let name = &mailbox.display_name;
            sheet.append(case.key, outbound(&draft, "yesreply", name, Standing::System, case, &draft.text));
            sheet.send_to_customer(mailbox, &mail, &draft);
            return;
        }
        let detail = format!("{} held what customers must not see: {}", text.words(), findings.join("; "));
        sheet.log(case.key, "not_acknowledged", "yesreply", "R46", &detail);
    }
}

/// What the acknowledgement is made of.
#[derive(Debug, Clone, Copy)]
enum Text {
    /// With the customer's own words.
    Echo,
    /// Without a word of anybody.
    Constant,
}

impl Text {
    fn words(self) -> &'static str {
        match self {
            Text::Echo => "the text with their words",
            Text::Constant => "the constant text",
        }
    }

    fn mail<'a>(self, arriving: &Arriving<'_>, mailbox: &Mailbox, case: &'a Case, entry: &'a Entry) -> ToCustomer<'a> {
        let letters = &arriving.policy.letters;
        let desk = &mailbox.display_name;
        let language = language::of(&entry.text).unwrap_or(&mailbox.language);
        let (written, subject) = match self {
            Text::Echo => {
                let quoted: Vec<String> = entry.text.lines().map(|l| format!("> {l}")).collect();
                let words_html = html_of(entry);
                let values = context! { reference => case.reference, desk, quoted => quoted.join("\n"), words_html };
                (letters.write_in(language, Letter::Acknowledge, &values), thread::answer_subject(&entry.subject))
            }
            Text::Constant => {
                let values = context! { reference => case.reference, desk };
                let subject = letters.constant_subject(language, case.reference);
                (letters.write_in(language, Letter::AcknowledgeConstant, &values), subject)
            }
        };
        let person = if subject.starts_with("Re: ") {
            case.customer.clone()
        } else {
            NameAddr { name: String::new(), address: case.customer.address.clone() }
        };
        ToCustomer {
            case,
            recipients: Recipients::only(person),
            from_name: desk.clone(),
            subject,
            parent: Some(entry),
            in_topic: matches!(self, Text::Echo),
            written,
            parts: Vec::new(),
            purpose: Purpose::Acknowledgement,
            unauthenticated: arriving.verdict() != Verdict::Pass
                || arriving.arrival.mail.author().is_none_or(|a| a.address.key() != case.customer.address.key()),
            not_before_ms: 0,
        }
    }
}
