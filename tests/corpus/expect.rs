//! What the corpus expects: `expect.jsonl` of a source, one JSON object a message.

use std::path::Path;

use serde_json::Value;

/// All rows of a source; none if it states nothing.
pub fn rows(source: &Path) -> Vec<Value> {
    std::fs::read_to_string(source.join("expect.jsonl"))
        .unwrap_or_default()
        .lines()
        .filter(|l| !l.trim().is_empty())
        .map(|l| serde_json::from_str(l).expect("a JSON object a line"))
        .collect()
}

/// A text of the row.
pub fn text<'a>(row: &'a Value, key: &str) -> Option<&'a str> {
    row.get(key).and_then(Value::as_str)
}

/// The texts of a list of the row, or its one text.
pub fn texts<'a>(row: &'a Value, key: &str) -> Vec<&'a str> {
    match row.get(key) {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one.as_str()],
        _ => Vec::new(),
    }
}

/// White space folded.
pub fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Without any white space.
pub fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Letters and digits only, as words: what a person wrote, whatever the markup.
pub fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
}

/// Do all of these words stand in the text, in this order?
pub fn holds_all(text: &str, wanted: &str) -> bool {
    let mut have = words(text).into_iter();
    words(wanted).iter().all(|w| have.any(|h| h == *w))
}

/// Is our reason what a peer's word means? `filtered` is its word for a recipient refused only after the content was
/// sent, which the server mostly calls an unknown user; `networkerror` covers domains that
/// are not in the DNS.
pub fn same_reason(ours: &str, theirs: &str) -> bool {
    ours == reason(theirs) || matches!((theirs, ours), ("filtered", "user_unknown") | ("networkerror", "host_unknown"))
}

/// The reason in our vocabulary for one of the peers'.
fn reason(theirs: &str) -> &'static str {
    match theirs {
        "userunknown" | "user_unknown" | "hasmoved" | "suspend" | "user_disabled" => "user_unknown",
        "hostunknown" | "notaccept" | "domain_error" => "host_unknown",
        "mailboxfull" | "over_quota" => "mailbox_full",
        "mesgtoobig" | "exceedlimit" | "message_too_large" => "too_big",
        "expired" | "networkerror" => "expired",
        "rejected" | "filtered" | "blocked" | "authfailure" | "policyviolation" | "requireptr" | "securityerror"
        | "spamdetected" | "norelaying" | "notcompliantrfc" | "contenterror" | "badreputation" | "virusdetected"
        | "spam" | "speeding" | "ratelimited" | "toomanyconn" => "rejected",
        _ => "other",
    }
}

/// A file name as both sides would store it: letters and digits, for some peers replace all else.
pub fn plain_name(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).collect()
}
