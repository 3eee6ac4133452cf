//! Ancestors and subjects.
//!
//! Decides   which ids a mail answers, nearest first; what of a subject is prefix.
//! Follows   RFC 5322 section 3.6.4, RFC 5256 section 2.1 (base subject), localised prefixes of real clients.

use super::{Incoming, MessageId, Nature};

/// Words before a colon that mean "answer", lower case.
const REPLY: [&str; 27] = [
    "re",
    "aw",
    "antw",
    "antwort",
    "sv",
    "vs",
    "odp",
    "ynt",
    "yanıt",
    "res",
    "r",
    "rif",
    "ref",
    "réf",
    "rép",
    "bls",
    "atb",
    "vá",
    "απ",
    "σχετ",
    "ат",
    "отв",
    "ответ",
    "回复",
    "答复",
    "回覆",
    "返信",
];

/// Words that mean "forwarded".
const FORWARD: [&str; 20] = [
    "fwd",
    "fw",
    "wg",
    "tr",
    "rv",
    "enc",
    "i",
    "doorst",
    "vl",
    "vb",
    "pd",
    "továbbítás",
    "ilt",
    "пересл",
    "转发",
    "轉寄",
    "転送",
    "轉發",
    "전달",
    "vs",
];

/// The ids that a mail answers: In-Reply-To, then References from the nearest, each once.
#[must_use]
pub fn ancestors(mail: &Incoming) -> Vec<MessageId> {
    let mut ids: Vec<MessageId> = Vec::new();
    for id in mail.in_reply_to.iter().chain(mail.references.iter().rev()) {
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    ids
}

/// The subject without answer and forward prefixes.
#[must_use]
pub fn base_subject(subject: &str) -> String {
    let mut rest = subject.trim();
    while let Some(shorter) = without_prefix(rest, &REPLY).or_else(|| without_prefix(rest, &FORWARD)) {
        rest = shorter;
    }
    rest.to_owned()
}

/// One `Re: ` before the subject without its answer prefixes; what is forwarded stays visible, foreign tags too.
#[must_use]
pub fn reply_subject(subject: &str) -> String {
    format!("Re: {}", without_reply_prefixes(subject))
}

/// A subject without its answer prefixes.
#[must_use]
pub fn without_reply_prefixes(subject: &str) -> &str {
    let mut rest = subject.trim();
    while let Some(shorter) = without_prefix(rest, &REPLY) {
        rest = shorter;
    }
    rest
}

/// A subject without its forward prefixes, and without the brackets of `[Fwd: …]`.
#[must_use]
pub fn without_forward_prefixes(subject: &str) -> &str {
    let subject = subject.trim();
    let inner = subject.strip_prefix('[').and_then(|s| s.strip_suffix(']')).filter(|s| forwarded(s).is_some());
    let mut rest = inner.unwrap_or(subject);
    while let Some(shorter) = forwarded(rest) {
        rest = shorter;
    }
    rest
}

fn forwarded(subject: &str) -> Option<&str> {
    without_prefix(subject, &FORWARD)
}

/// Does the subject begin with a prefix that means "answer", and nothing else?
#[must_use]
pub fn is_answer(subject: &str) -> bool {
    let subject = subject.trim();
    without_prefix(subject, &REPLY).is_some() && forwarded(subject).is_none()
}

/// Is what stands below the words of this mail meant to be read: does it forward another mail, or, with a subject of its
/// own and no mail that it answers, hold one that its author put there?
#[must_use]
pub fn shows_another(mail: &Incoming) -> bool {
    let answers = !mail.in_reply_to.is_empty()
        || !mail.references.is_empty()
        || without_prefix(mail.subject.trim(), &REPLY).is_some();
    let person = matches!(mail.nature, Nature::Personal | Nature::List);
    is_forward(&mail.subject) || (person && !mail.subject.is_empty() && !answers)
}

/// Does it begin with one that means either, by the language?
#[must_use]
pub fn is_answer_or_forward(subject: &str) -> bool {
    let subject = subject.trim();
    without_prefix(subject, &REPLY).is_some() && forwarded(subject).is_some()
}

/// Does the subject say that its sender forwards a mail? An answer to a forwarded one (`Re: Fwd:`) does not.
#[must_use]
pub fn is_forward(subject: &str) -> bool {
    let subject = subject.trim().trim_start_matches('[');
    forwarded(subject).is_some() && without_prefix(subject, &REPLY).is_none()
}

/// A subject without what a provider puts before it (`[intake] strip_subject`, R44), before or after answer prefixes.
#[must_use]
pub fn without_external(subject: &str, prefixes: &[String]) -> String {
    let mut kept = String::new();
    let mut rest = subject.trim();
    loop {
        let external = prefixes.iter().filter(|p| !p.trim().is_empty()).find_map(|p| strip_case(rest, p.trim()));
        if let Some(shorter) = external {
            rest = shorter.trim_start();
        } else if let Some(shorter) = without_prefix(rest, &REPLY).or_else(|| without_prefix(rest, &FORWARD)) {
            kept.push_str(rest.strip_suffix(shorter).unwrap_or_default());
            rest = shorter;
        } else {
            break;
        }
    }
    kept.push_str(rest);
    kept.trim().to_owned()
}

/// Without this beginning, whatever the letter case.
fn strip_case<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(start.len())?;
    (head.to_lowercase() == start.to_lowercase()).then_some(rest)
}

/// `Re:`, `RE[2]:`, `AW :`, `回复：`.
fn without_prefix<'a>(subject: &'a str, words: &[&str]) -> Option<&'a str> {
    let (head, rest) = subject.split_once([':', '：'])?;
    let head = head.trim();
    let head = match head.split_once(['[', '(', '^']) {
        Some((word, count)) if count.trim_end_matches([']', ')']).chars().all(|c| c.is_ascii_digit()) => word,
        Some(_) => return None,
        None => head.trim_end_matches(|c: char| c.is_ascii_digit()),
    };
    // the lower case of the Turkish İ is an i with a dot above
    let head = head.trim().to_lowercase().replace('\u{307}', "");
    words.contains(&head.as_str()).then(|| rest.trim_start())
}

/// Numbers of `[#1042]` tags.
#[must_use]
pub fn case_tags(subject: &str) -> Vec<i64> {
    subject
        .split("[#")
        .skip(1)
        .filter_map(|piece| piece.split_once(']'))
        .filter(|(digits, _)| digits.len() <= 15 && digits.chars().all(|c| c.is_ascii_digit()))
        .filter_map(|(digits, _)| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localised_prefixes_fold_into_one() {
        for subject in [
            "Hello",
            "Re: Hello",
            "RE: AW: Hello",
            "Re[2]: Hello",
            "回复：Hello",
            "Antw: SV: Re: Hello",
            "RE : Hello",
            "Re^3: Hello",
        ] {
            assert_eq!(reply_subject(subject), "Re: Hello", "{subject}");
        }
        assert_eq!(reply_subject("Re: Fwd: [list] Hello"), "Re: Fwd: [list] Hello");
        assert_eq!(base_subject("Re: Fwd: [list] Hello"), "[list] Hello");
        assert_eq!(reply_subject("Order 5: late"), "Re: Order 5: late");
    }

    #[test]
    fn forwards_and_external_prefixes() {
        for (subject, forwards) in
            [("Fwd: x", true), ("WG: x", true), ("TR : x", true), ("Re: Fwd: x", false), ("x", false), ("VS: x", false)]
        {
            assert_eq!(is_forward(subject), forwards, "{subject}");
        }
        let external = ["[EXTERNAL]".to_owned(), "EXT:".to_owned(), String::new()];
        for (subject, kept) in [
            ("[EXTERNAL] Order", "Order"),
            ("[External] Re: [EXTERNAL] Order", "Re: Order"),
            ("EXT: AW: EXT: [EXTERNAL] Order [EXTERNAL]", "AW: Order [EXTERNAL]"),
            ("Re: Order", "Re: Order"),
            ("[EXTERNAL]", ""),
        ] {
            assert_eq!(without_external(subject, &external), kept, "{subject}");
        }
        assert_eq!(without_external("ä", &["abc".to_owned()]), "ä");
    }

    #[test]
    fn what_a_mail_shows_that_answers_none() {
        for (head, shows) in [
            ("Subject: Fwd: Order", true),
            ("Subject: My order", true),
            ("Subject: AW: My order", false),
            ("Subject: My order\r\nIn-Reply-To: <x@shop.example>", false),
            ("Subject: My order\r\nReferences: <x@shop.example>", false),
            ("Subject: WG: My order\r\nReferences: <x@shop.example>", true),
            ("Subject: My order\r\nAuto-Submitted: auto-replied", false),
            ("To: support@shop.example", false),
        ] {
            let mail = format!("From: jane@mail.example\r\n{head}\r\n\r\nHello\r\n");
            assert_eq!(shows_another(&super::super::read::read(mail.as_bytes())), shows, "{head}");
        }
    }

    #[test]
    fn tags_are_numbers_in_brackets() {
        assert_eq!(case_tags("Re: [#1001] x [#1002]"), [1001, 1002]);
        assert_eq!(case_tags("[#12a] [#] [# 1] [#99999999999999999999]"), Vec::<i64>::new());
    }
}
