//! What a customer can do by answering an application's mail with one word.
//!
//! Decides   which words an application offers, which of them a reply chose, and whether its author may choose: only who
//!           got the mail, proved by a token, and by a verdict where somebody is there to give one.
//! Follows   R30–R32, R72; RFC 6068 (`mailto:` links).
//! Never     acts for an unverified author, or twice for one notification; words beside the chosen one reach a person.

use minijinja::context;

use crate::mail::edit::Header;
use crate::mail::verdict::Verdict;
use crate::mail::{Address, Nature, ReturnPath, text};

use super::arriving::Arriving;
use super::call::{Call, Kind, shown};
use super::case::Case;
use super::letters::{Letter, Letters, Written};
use super::outgoing::Sheet;
use super::relay::percent_encoded;
use super::routing::Route;
use super::standing::Standing;
use super::submission::Notification;
use super::token::Class;
use super::{Effect, View};

/// The field in which an application offers words, lower case.
const FIELD: &str = "x-yesreply-actions";
/// Words that one mail offers.
const ACTIONS_MAX: usize = 6;
/// Characters of a word, and of what it stands for.
const WORD_CHARS_MAX: usize = 20;
const LABEL_CHARS_MAX: usize = 80;
/// Characters of what a customer wrote that an application gets.
const TEXT_CHARS_MAX: usize = 10_000;

/// What people write round the word: they are polite.
const POLITE: [&str; 22] = [
    "please",
    "thanks",
    "thank you",
    "many thanks",
    "hi",
    "hello",
    "yes",
    "bitte",
    "danke",
    "vielen dank",
    "hallo",
    "ja",
    "merci",
    "s'il vous plaît",
    "svp",
    "oui",
    "bonjour",
    "gracias",
    "por favor",
    "alstublieft",
    "graag",
    "bedankt",
];

/// What says that somebody wants no more mail, where it is all that they say.
const STOP: [&str; 37] = [
    "unsubscribe",
    "unsubscribe me",
    "stop",
    "stop it",
    "opt out",
    "opt-out",
    "optout",
    "remove",
    "remove me",
    "no more mails",
    "no more emails",
    "take me off your list",
    "abmelden",
    "abbestellen",
    "stopp",
    "austragen",
    "abmeldung",
    "bitte austragen",
    "keine weiteren e-mails",
    "keine mails mehr",
    "désabonner",
    "me désabonner",
    "se désabonner",
    "désabonnement",
    "désinscription",
    "désinscrire",
    "me désinscrire",
    "afmelden",
    "uitschrijven",
    "stoppen",
    "meld mij af",
    "geen mails meer",
    "baja",
    "darme de baja",
    "darse de baja",
    "cancelar suscripción",
    "desuscribir",
];

/// A word that a customer can answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The word, lower case.
    pub word: String,
    /// What it stands for.
    pub label: String,
}

/// The words that a mail offers: `cancel="Cancel the whole order"; keep="Send the rest"`.
///
/// # Errors
/// What is wrong, for the application.
pub fn offered(header: &Header) -> Result<Vec<Action>, String> {
    if header.values(FIELD).count() > 1 {
        return Err("X-Yesreply-Actions stands there twice".to_owned());
    }
    let Some(value) = header.decoded(FIELD) else {
        return Ok(Vec::new());
    };
    let mut actions: Vec<Action> = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let (action, after) = one(rest).ok_or_else(|| {
            format!("X-Yesreply-Actions: write word=\"What it does\"; word=\"…\"; a word has 1 to {WORD_CHARS_MAX} letters and digits, what it does 1 to {LABEL_CHARS_MAX} characters")
        })?;
        if actions.iter().any(|a| a.word == action.word) {
            return Err(format!("X-Yesreply-Actions: {} stands there twice", action.word));
        }
        if actions.len() >= ACTIONS_MAX {
            return Err(format!("X-Yesreply-Actions: more than {ACTIONS_MAX} words"));
        }
        actions.push(action);
        rest = after;
    }
    if actions.is_empty() { Err("X-Yesreply-Actions is empty".to_owned()) } else { Ok(actions) }
}

/// One `word="label"`, and what follows its semicolon.
fn one(text: &str) -> Option<(Action, &str)> {
    let (word, rest) = text.split_once('=')?;
    let word = word.trim().to_lowercase();
    let good = word.chars().all(|c| c.is_alphanumeric() || c == '-') && word.chars().any(char::is_alphanumeric);
    if !good || word.chars().count() > WORD_CHARS_MAX {
        return None;
    }
    let (label, after) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
    let label = text::header(label);
    if label.is_empty() || label.chars().count() > LABEL_CHARS_MAX {
        return None;
    }
    let after = after.trim_start();
    let after = if after.is_empty() { after } else { after.strip_prefix(';')?.trim_start() };
    Some((Action { word, label }, after))
}

/// The lines below an application's mail, with links that write the answer; `reply_to` has a token, or gives no links.
#[must_use]
pub fn lines(
    letters: &Letters,
    language: &str,
    actions: &[Action],
    subject: &str,
    reply_to: Option<&Address>,
) -> Written {
    let subject = percent_encoded(&super::thread::answer_subject(subject));
    let values: Vec<_> = actions
        .iter()
        .map(|action| {
            let Action { word, label } = action;
            let link = reply_to.map(|to| {
                let (local, domain) = (percent_encoded(to.local()), to.domain());
                format!("mailto:{local}@{domain}?subject={subject}&body={}", percent_encoded(word))
            });
            context! { word, label, link }
        })
        .collect();
    letters.write_in(language, Letter::Actions, &context! { actions => values })
}

/// What a reply chose.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Heard {
    kind: Kind,
    action: Action,
    /// What stands beside it.
    rest: String,
}

/// The word on the first line of what somebody wrote, or the wish to get no more.
fn heard(words: &str, actions: &[Action]) -> Option<Heard> {
    let words = words.trim();
    let (first, rest) = words.split_once('\n').unwrap_or((words, ""));
    let first = plain(first);
    let chosen = actions.iter().find(|a| first == plain(&a.word) || first == plain(&a.label));
    if let Some(action) = chosen {
        let rest = if plain(rest).is_empty() { "" } else { rest.trim() };
        return Some(Heard { kind: Kind::Action, action: action.clone(), rest: rest.to_owned() });
    }
    let stops = STOP.contains(&plain(words).as_str());
    stops.then(|| Heard {
        kind: Kind::Unsubscribed,
        action: Action { word: String::new(), label: String::new() },
        rest: String::new(),
    })
}

/// Words without letter case, emphasis, punctuation round them, and politeness before and behind them.
fn plain(words: &str) -> String {
    let trim = |words: &str| words.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let mut words = trim(&text::fold(words).to_lowercase().replace('’', "'").replace('*', ""));
    loop {
        let shorter = POLITE.iter().find_map(|polite| {
            let before = words.strip_suffix(polite).filter(|rest| !rest.ends_with(char::is_alphanumeric));
            let behind = words.strip_prefix(polite).filter(|rest| !rest.starts_with(char::is_alphanumeric));
            before.or(behind).map(trim)
        });
        match shorter {
            Some(shorter) if !words.is_empty() => words = shorter,
            _ => return words,
        }
    }
}

/// What becomes of a word that a reply chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// None was.
    Nothing,
    /// It is passed on.
    PassedOn {
        /// What the application is told, but for its case.
        call: Box<Call>,
        /// Nothing stands beside it.
        alone: bool,
    },
    /// It is not: why, for agents.
    Kept(String),
}

impl Chosen {
    /// No person need see it, unless the application does not take it.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        matches!(self, Chosen::PassedOn { alone: true, .. })
    }
}

/// What this reply chose of what the notification that it answers offered.
#[must_use]
pub fn chosen(arriving: &Arriving<'_>, route: &Route, standing: Standing) -> Chosen {
    let Some((notification, heard)) = asked(arriving, route) else {
        return Chosen::Nothing;
    };
    let what = shown(heard.kind, &heard.action.word, &heard.action.label);
    let mut call = Call::about(arriving.event, arriving.policy, notification, heard.kind);
    let application = call.application.clone();
    let reason = match doubt(arriving, notification, standing) {
        Some(doubt) => doubt.to_owned(),
        None if is_acted(arriving.view, notification) => {
            format!("{application} was told of an answer to this mail before")
        }
        None if call.way != super::call::Way::Called => format!("{application} takes no such word"),
        None => {
            call.word = heard.action.word;
            call.label = heard.action.label;
            call.text = heard.rest.chars().take(TEXT_CHARS_MAX).collect();
            let alone = heard.rest.is_empty() && arriving.arrival.parts.is_empty();
            return Chosen::PassedOn { call: Box::new(call), alone };
        }
    };
    Chosen::Kept(format!("{what} was not passed on: {reason}."))
}

/// The notification that this mail answers, and what it says to it.
fn asked<'a>(arriving: &Arriving<'a>, route: &Route) -> Option<(&'a Notification, Heard)> {
    let arrival = arriving.arrival;
    if arrival.old || arrival.headers_only || arrival.form || arrival.mail.nature != Nature::Personal {
        return None;
    }
    let keys = [route.notification, route.token.map(|t| t.case), route.case, route.borrowed];
    let notification = keys.into_iter().flatten().find_map(|key| arriving.view.notifications.get(&key))?;
    // it was read when it was handed in
    let actions = offered(&Header::parse(&notification.header)).unwrap_or_default();
    Some((notification, heard(&arrival.reading.words, &actions)?))
}

/// Why the author may not choose; `None` if they may.
fn doubt(arriving: &Arriving<'_>, notification: &Notification, standing: Standing) -> Option<&'static str> {
    let mail = &arriving.arrival.mail;
    let proves = |class: Class| matches!(class, Class::Notification | Class::Customer);
    let mut tokens = arriving.address_tokens().0.into_iter().chain(arriving.id_tokens());
    let got_it = mail.author().is_some_and(|a| a.address.key() == notification.recipient.address.key());
    if !got_it || standing != Standing::Party {
        return Some("its author is not, or not surely, who got the mail");
    }
    if !tokens.any(|t| t.case == notification.case && proves(t.class)) {
        return Some("it bears none of our reply addresses or ids");
    }
    if arriving.policy.security.anchor().is_some() && arriving.verdict() != Verdict::Pass {
        return Some("it did not pass authentication");
    }
    (mail.return_path == Some(ReturnPath::Null)).then_some("it has no reverse-path, like a machine's mail")
}

fn is_acted(view: &View, notification: &Notification) -> bool {
    view.acted.contains(&notification.case)
}

/// Passes on what was chosen, as part of its case.
pub fn pass_on(sheet: &mut Sheet<'_>, case: &Case, chosen: Chosen) {
    let Chosen::PassedOn { mut call, .. } = chosen else {
        return;
    };
    let what = shown(call.kind, &call.word, &call.label);
    sheet.log(case.key, "passed_on", "customer", "R72", &format!("{what} to {}", call.application));
    call.case = Some((case.key, case.reference));
    sheet.push(Effect::Call(call));
}

/// What agents are told of it, above the words that stand beside it.
#[must_use]
pub fn remark(chosen: &Chosen) -> Option<String> {
    match chosen {
        Chosen::Nothing => None,
        Chosen::PassedOn { call, .. } => {
            let what = shown(call.kind, &call.word, &call.label);
            Some(format!("{what} was passed on to {}; you hear of it if it is not taken.", call.application))
        }
        Chosen::Kept(reason) => Some(reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Vec<(String, String)>, String> {
        let header = Header::parse(format!("X-Yesreply-Actions: {value}\r\n").as_bytes());
        offered(&header).map(|all| all.into_iter().map(|a| (a.word, a.label)).collect())
    }

    #[test]
    fn r72_words_are_offered_in_one_shape_and_anything_else_is_refused() {
        let pair = |word: &str, label: &str| (word.to_owned(), label.to_owned());
        assert_eq!(
            read("Cancel=\"Cancel the whole order\"; keep = \"Send; the rest\" ;"),
            Ok(vec![pair("cancel", "Cancel the whole order"), pair("keep", "Send; the rest")])
        );
        assert_eq!(
            read("=?utf-8?q?l=C3=B6schen=3D=22Alles_l=C3=B6schen=22?="),
            Ok(vec![pair("löschen", "Alles löschen")])
        );
        for bad in [
            "",
            "cancel",
            "cancel=Cancel",
            "cancel=\"\"",
            "=\"x\"",
            "two words=\"x\"",
            "cancel=\"a\" keep=\"b\"",
            "cancel=\"a",
            "a=\"x\"; A=\"y\"",
            "a=\"1\";b=\"1\";c=\"1\";d=\"1\";e=\"1\";f=\"1\";g=\"1\"",
            "aaaaaaaaaaaaaaaaaaaaa=\"x\"",
            "<b>=\"x\"",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(offered(&Header::parse(b"Subject: x\r\n")), Ok(Vec::new()));
        assert!(offered(&Header::parse(b"X-Yesreply-Actions: a=\"1\"\r\nX-Yesreply-Actions: b=\"2\"\r\n")).is_err());
    }

    #[test]
    fn r72_the_first_line_chooses_and_forgives() {
        let actions = [
            Action { word: "cancel".to_owned(), label: "Cancel the whole order".to_owned() },
            Action { word: "stop".to_owned(), label: "Stop the delivery".to_owned() },
        ];
        for (words, expected, rest) in [
            ("cancel", Some("cancel"), ""),
            ("  *CANCEL*!\n", Some("cancel"), ""),
            ("\u{201c}Cancel.\u{201d}\n\nThank you!", Some("cancel"), ""),
            ("Cancel, please", Some("cancel"), ""),
            ("Yes please, cancel. Thanks", Some("cancel"), ""),
            ("Cancel the whole order", Some("cancel"), ""),
            ("cancel\n\nAnd where is my money?", Some("cancel"), "And where is my money?"),
            ("stop", Some("stop"), ""),
            ("cancel the gift wrap only", None, ""),
            ("do not cancel", None, ""),
            ("cancel or stop?", None, ""),
            ("cancellation", None, ""),
            ("Please", None, ""),
            ("", None, ""),
            ("I have a question.\ncancel", None, ""),
        ] {
            let heard = heard(words, &actions);
            assert_eq!(heard.as_ref().map(|h| h.action.word.as_str()), expected, "{words}");
            assert_eq!(heard.map(|h| h.rest).unwrap_or_default(), rest, "{words}");
        }
    }

    #[test]
    fn r72_a_wish_for_no_more_mail_is_one_only_if_it_is_all() {
        for words in [
            "unsubscribe",
            "STOP!",
            "Bitte abmelden.",
            "Désabonner",
            "uitschrijven\n\nbedankt",
            "Darme de baja, por favor",
        ] {
            assert_eq!(heard(words, &[]).map(|h| h.kind), Some(Kind::Unsubscribed), "{words}");
        }
        for words in [
            "unsubscribe me from the sale list but not from orders",
            "stop\nthe delivery",
            "How do I unsubscribe?",
            "please",
        ] {
            assert_eq!(heard(words, &[]), None, "{words}");
        }
    }
}
