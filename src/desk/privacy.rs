//! An agent's private address in their own words.
//!
//! Decides   where it is taken out: in a line of a signature, never in a sentence, where it was meant (R46).

use crate::mail::html;

use super::answer::Words;
use super::policy::Agent;

/// Lines at the end in which a signature may stand.
const SIGNATURE_LINES: usize = 8;

/// Does every line that names this address look like a line of a signature? In a sentence of the agent's it is meant,
/// and taking it out would send something else than was written.
fn only_in_a_signature(words: &str, address: &str) -> bool {
    let lines: Vec<&str> = words.lines().filter(|l| !l.trim().is_empty()).collect();
    let end = lines.len().saturating_sub(SIGNATURE_LINES);
    lines.iter().enumerate().filter(|(_, l)| l.to_ascii_lowercase().contains(address)).all(|(at, line)| {
        let rest = line.to_ascii_lowercase().replace("mailto:", "").replace(address, "");
        let bare = !rest.chars().any(char::is_alphanumeric);
        at >= end && (bare || rest.contains(['|', '•', '·', '–', ':', '/', '<', '(', '[']))
    })
}

/// The words without the agent's registered addresses (R46), and whether one was there.
#[must_use]
pub fn without_private_addresses(said: &Words, agent: &Agent) -> (String, String, bool) {
    let fragment = match &said.html {
        Some(fragment) => html::clean(fragment),
        None => html::from_text(&said.text),
    };
    let mut words = said.text.clone();
    let mut words_html = fragment;
    let mut lost = false;
    let in_a_signature =
        |a: &&crate::mail::Address| only_in_a_signature(&said.text, &a.to_string().to_ascii_lowercase());
    for address in agent.addresses.iter().filter(in_a_signature) {
        for text in [&mut words, &mut words_html] {
            let shorter = without(text, &address.to_string());
            lost |= shorter != *text;
            *text = shorter;
        }
    }
    (words, words_html, lost)
}

/// Every occurrence taken out, whatever its letter case; `mailto:` before it and empty brackets round it too.
fn without(text: &str, address: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let needle = address.to_ascii_lowercase();
    if needle.is_empty() || !lower.contains(&needle) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0usize;
    for (at, found) in lower.match_indices(&needle) {
        out.push_str(text.get(done..at).unwrap_or_default());
        done = at.saturating_add(found.len());
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out.replace("mailto:\"", "\"").replace("<>", "").replace("&lt;&gt;", "")
}
