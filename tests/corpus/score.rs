//! One message against its row; what was counted, as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use yesreply::mail::read::read;
use yesreply::mail::references::shows_another;
use yesreply::mail::reply::{Known, Reading, read_customer};
use yesreply::mail::report::{Action, Report};
use yesreply::mail::{Incoming, Nature, html, text as choke};

use crate::expect::{dense, folded, holds_all, plain_name, same_reason, text, texts};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    WordsExact,
    WordsComplete,
    WordsKept,
    HtmlWordsExact,
    BouncesFound,
    Recipients,
    Status,
    Reason,
    AutoReplies,
    MayAnswer,
    PeopleKept,
    Subject,
    Author,
    Attachments,
    Text,
    Threads,
}

impl Measure {
    const ALL: [Measure; 16] = [
        Measure::WordsExact,
        Measure::WordsComplete,
        Measure::WordsKept,
        Measure::HtmlWordsExact,
        Measure::BouncesFound,
        Measure::Recipients,
        Measure::Status,
        Measure::Reason,
        Measure::AutoReplies,
        Measure::MayAnswer,
        Measure::PeopleKept,
        Measure::Subject,
        Measure::Author,
        Measure::Attachments,
        Measure::Text,
        Measure::Threads,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Measure::WordsExact => "new words exact",
            Measure::WordsComplete => "new words complete",
            Measure::WordsKept => "new words complete, with the signature",
            Measure::HtmlWordsExact => "new words of HTML exact",
            Measure::BouncesFound => "bounces found",
            Measure::Recipients => "bounced recipients",
            Measure::Status => "enhanced status",
            Measure::Reason => "reason",
            Measure::AutoReplies => "automatic replies found",
            Measure::MayAnswer => "may be answered by a machine",
            Measure::PeopleKept => "people's mail not taken for automatic",
            Measure::Subject => "subject",
            Measure::Author => "author",
            Measure::Attachments => "attachment names",
            Measure::Text => "decoded text",
            Measure::Threads => "threads",
        }
    }
}

/// Right and all, by measure and source.
#[derive(Debug, Default)]
pub struct Scores {
    counted: BTreeMap<(Measure, String), (u32, u32)>,
    missed: Vec<Value>,
}

impl Scores {
    pub fn count(&mut self, measure: Measure, source: &str, file: &str, right: bool, detail: impl FnOnce() -> Value) {
        let slot = self.counted.entry((measure, source.to_owned())).or_default();
        slot.0 += u32::from(right);
        slot.1 += 1;
        if !right {
            self.missed.push(json!({ "measure": measure.title(), "source": source, "file": file, "detail": detail() }));
        }
    }

    fn total(&self, measure: Measure) -> (u32, u32) {
        self.counted
            .iter()
            .filter(|((m, _), _)| *m == measure)
            .fold((0, 0), |(r, a), (_, (right, all))| (r + right, a + all))
    }

    pub fn thousandths(&self, measure: Measure) -> u32 {
        let (right, all) = self.total(measure);
        (right * 1000).checked_div(all).unwrap_or(1000)
    }

    pub fn table(&self) -> Vec<String> {
        let line = |name: &str, (right, all): (u32, u32)| {
            let percent = f64::from(right) * 100.0 / f64::from(all.max(1));
            format!("  {name:<40} {right:>5} of {all:>5}  {percent:>6.2} %")
        };
        let mut lines = Vec::new();
        for measure in Measure::ALL {
            lines.push(line(&measure.title().to_uppercase(), self.total(measure)));
            for ((_, source), counts) in self.counted.iter().filter(|((m, _), _)| *m == measure) {
                lines.push(line(&format!("    {source}"), *counts));
            }
        }
        lines
    }

    pub fn misses(&self) -> String {
        self.missed.iter().map(|m| format!("{m}\n")).collect()
    }
}

/// A mail, or a body alone: `.txt` and `.html` files are bodies.
fn read_file(source: &Path, file: &str) -> (Incoming, Reading) {
    let path = source.join(file);
    let raw = std::fs::read(&path).expect("a message");
    let words = choke::body(&String::from_utf8_lossy(&raw));
    let mut mail = read(&raw);
    let mut forwarded = shows_another(&mail);
    match path.extension().and_then(|e| e.to_str()) {
        Some("txt") => (mail.text, mail.html, forwarded) = (words, None, false),
        Some("html") => (mail.text, mail.html, forwarded) = (html::to_text(&words), Some(words), false),
        _ => {}
    }
    let known = Known { forwarded, ..Known::default() };
    let reading = read_customer(&mail.text, mail.html.as_deref(), &known);
    (mail, reading)
}

/// Counts everything that the row states.
pub fn message(scores: &mut Scores, source: &str, folder: &Path, row: &Value) {
    let Some(file) = text(row, "file") else {
        return;
    };
    let (mail, reading) = read_file(folder, file);
    new_words(scores, source, file, row, &reading);
    nature(scores, source, file, row, &mail);
    report(scores, source, file, row, mail.report.as_ref());
    header(scores, source, file, row, &mail);
    body(scores, source, file, row, &mail);
}

fn new_words(scores: &mut Scores, source: &str, file: &str, row: &Value, reading: &Reading) {
    let fold = if text(row, "x_compare") == Some("no_whitespace") { dense } else { folded };
    if let Some(expected) = text(row, "reply_text") {
        let right = fold(&reading.words) == fold(expected);
        scores.count(
            Measure::WordsExact,
            source,
            file,
            right,
            || json!({ "want": expected, "got": reading.words, "quoted": reading.quoted, "signature": reading.signature }),
        );
    }
    if let Some(expected) = text(row, "x_reply_html") {
        let expected = html::to_text(expected);
        let right = dense(&reading.words) == dense(&expected);
        scores.count(
            Measure::HtmlWordsExact,
            source,
            file,
            right,
            || json!({ "want": expected, "got": reading.words, "quoted": reading.quoted, "signature": reading.signature }),
        );
    }
    let mut stated: Vec<&str> = text(row, "reply_text").or(text(row, "x_first_fragment")).into_iter().collect();
    stated.extend(texts(row, "x_reply_contains"));
    if !stated.is_empty() {
        let detail = || json!({ "want": stated, "got": reading.words, "quoted": reading.quoted, "signature": reading.signature });
        let right = stated.iter().all(|s| holds_all(&reading.words, s));
        scores.count(Measure::WordsComplete, source, file, right, detail);
        // Where a peer counts signatures and what phones write as words, they are not lost: they are our signature.
        let with_signature = format!("{}\n{}", reading.words, reading.signature);
        let right = stated.iter().all(|s| holds_all(&with_signature, s));
        scores.count(Measure::WordsKept, source, file, right, detail);
    }
}

/// Would our own automatic mail go to its author?
fn may_answer(mail: &Incoming) -> bool {
    let forbidden = mail.suppress.iter().any(|w| matches!(w.as_str(), "all" | "oof" | "autoreply"));
    let machine = mail.author().is_some_and(|a| a.address.is_machine() || a.address.is_no_reply());
    mail.nature.may_be_answered_automatically() && !forbidden && !machine
}

fn nature(scores: &mut Scores, source: &str, file: &str, row: &Value, mail: &Incoming) {
    let found = || json!({ "nature": mail.nature.word(), "subject": mail.subject });
    let flag = |key: &str| row.get(key).and_then(Value::as_bool);
    let kind = text(row, "kind").unwrap_or_default();
    if kind == "bounce" {
        scores.count(Measure::BouncesFound, source, file, mail.nature == Nature::Bounce, found);
    }
    if kind == "auto_reply" || flag("x_is_auto_reply") == Some(true) {
        scores.count(Measure::AutoReplies, source, file, !may_answer(mail), found);
    }
    if let Some(may) = flag("x_may_auto_respond") {
        scores.count(Measure::MayAnswer, source, file, may_answer(mail) == may, found);
    }
    if kind == "customer" || source.starts_with("threads-") {
        let person = matches!(mail.nature, Nature::Personal | Nature::List);
        scores.count(Measure::PeopleKept, source, file, person, found);
    }
}

fn report(scores: &mut Scores, source: &str, file: &str, row: &Value, report: Option<&Report>) {
    let recipients = report.map(|r| r.recipients.as_slice()).unwrap_or_default();
    let mut expected: BTreeSet<String> = texts(row, "x_bounce_recipients").into_iter().map(str::to_lowercase).collect();
    let bounce = row.get("bounce").unwrap_or(&Value::Null);
    expected.extend(text(bounce, "recipient").map(str::to_lowercase));
    if !expected.is_empty() && ["flufl-bounce", "mail-bounceparser", "chatmail-core", "mikel-mail"].contains(&source) {
        let found: BTreeSet<String> = recipients
            .iter()
            .filter(|r| matches!(r.action, Action::Failed | Action::Delayed))
            .filter_map(|r| r.recipient.as_deref().map(str::to_lowercase))
            .collect();
        scores.count(
            Measure::Recipients,
            source,
            file,
            found == expected,
            || json!({ "want": expected, "got": found }),
        );
    }
    if source == "sisimai" && text(row, "kind") == Some("bounce") {
        let rows: &[Value] = row.get("x_bounces").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (index, one) in rows.iter().enumerate() {
            let ours = recipients.get(index);
            let detail = || json!({ "want": one, "got": ours.map(|o| format!("{o:?}")), "of": recipients.len() });
            if let Some(status) = text(one, "status").filter(|_| one.get("x_pseudo_status").is_none()) {
                let right = ours.and_then(|r| r.status.as_deref()) == Some(status);
                scores.count(Measure::Status, source, file, right, detail);
            }
            if let Some(theirs) = text(one, "reason") {
                scores.count(
                    Measure::Reason,
                    source,
                    file,
                    ours.is_some_and(|r| same_reason(r.reason.word(), theirs)),
                    detail,
                );
            }
        }
    } else if let Some(theirs) = text(bounce, "reason") {
        let right = recipients.first().is_some_and(|r| same_reason(r.reason.word(), theirs));
        scores.count(
            Measure::Reason,
            source,
            file,
            right,
            || json!({ "want": bounce, "got": format!("{recipients:?}") }),
        );
    }
}

/// The address of `Name <local@domain>` or of loose words, without comments, in lower case.
fn address_of(text: &str) -> String {
    let bare: String = text
        .split('(')
        .enumerate()
        .map(|(i, p)| if i == 0 { p } else { p.split_once(')').map_or("", |(_, r)| r) })
        .collect();
    let inner = bare.rsplit_once('<').map_or(bare.as_str(), |(_, rest)| rest.split('>').next().unwrap_or_default());
    let word = inner.split_whitespace().find(|w| w.contains('@')).unwrap_or(inner.trim());
    word.trim_end_matches('.').to_lowercase()
}

fn header(scores: &mut Scores, source: &str, file: &str, row: &Value, mail: &Incoming) {
    if let Some(expected) = text(row, "subject") {
        let right = folded(expected) == folded(&mail.subject);
        scores.count(Measure::Subject, source, file, right, || json!({ "want": expected, "got": mail.subject }));
    }
    let author = mail.shown_author().map(|(_, address)| address.to_lowercase()).unwrap_or_default();
    if let Some(expected) = text(row, "x_from_email").or(text(row, "from")) {
        let right = address_of(expected) == author;
        scores.count(Measure::Author, source, file, right, || json!({ "want": expected, "got": author }));
    }
    if let Some(list) = row.get("attachments").and_then(Value::as_array) {
        let right = names_match(list, mail);
        let found: Vec<&str> = mail.attachments.iter().map(|a| a.name.as_str()).collect();
        scores.count(Measure::Attachments, source, file, right, || json!({ "want": list, "got": found }));
    }
}

/// Every stated name is one of ours. Some peers invent names for parts that have none; these may be any nameless part.
fn names_match(list: &[Value], mail: &Incoming) -> bool {
    let mut ours: Vec<String> = mail.attachments.iter().map(|a| plain_name(&a.name)).collect();
    let mut unnamed = 0usize;
    for name in list.iter().filter_map(|a| text(a, "name")).map(plain_name) {
        match ours.iter().position(|o| *o == name) {
            Some(at) => {
                ours.remove(at);
            }
            None => unnamed += 1,
        }
    }
    unnamed <= ours.iter().filter(|o| o.is_empty()).count()
}

fn body(scores: &mut Scores, source: &str, file: &str, row: &Value, mail: &Incoming) {
    if let Some(expected) = text(row, "x_body_text") {
        let (want, have) = (folded(&choke::body(expected)), folded(&mail.text));
        // One peer states the first text part only; another writes a sentence where there is nothing to see.
        let right = want == have
            || (source == "stalwart-mail-parser" && have.starts_with(&want))
            || (source == "zammad" && want == "no visible content" && have.is_empty());
        scores.count(Measure::Text, source, file, right, || json!({ "want": expected, "got": mail.text }));
    }
    let parts = texts(row, "x_body_contains");
    if !parts.is_empty() {
        let right = parts.iter().all(|p| folded(&mail.text).contains(&folded(p)));
        scores.count(Measure::Text, source, file, right, || json!({ "want": parts, "got": mail.text }));
    }
}
