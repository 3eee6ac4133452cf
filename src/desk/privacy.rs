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
        for (text, is_html) in [(&mut words, false), (&mut words_html, true)] {
            let shorter = without(text, &address.to_string(), is_html);
            lost |= shorter != *text;
            *text = shorter;
        }
    }
    (words, words_html, lost)
}

/// Stands where an address was; no text of people's uses it.
const GAP: char = '\u{f8ff}';

/// Gaps that are closed with care.
const GAPS_MAX: usize = 64;

/// Every occurrence taken out, whatever its letter case; `mailto:` before it, brackets round it and the separator that
/// divided it from the rest of its line too.
fn without(text: &str, address: &str, is_html: bool) -> String {
    let lower = text.to_ascii_lowercase();
    let needle = address.to_ascii_lowercase();
    if needle.is_empty() || !lower.contains(&needle) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0usize;
    for (at, found) in lower.match_indices(&needle) {
        out.push_str(text.get(done..at).unwrap_or_default());
        out.push(GAP);
        done = at.saturating_add(found.len());
    }
    out.push_str(text.get(done..).unwrap_or_default());
    let mut out = out.replace("&nbsp;", "\u{a0}").replace(&format!("mailto:{GAP}"), "");
    for (open, close) in [("<", ">"), ("&lt;", "&gt;"), ("(", ")"), ("[", "]")] {
        out = out.replace(&format!("{open}{GAP}{close}"), &GAP.to_string());
    }
    let mut chars: Vec<char> = out.chars().collect();
    for _ in 0..GAPS_MAX {
        let Some(gap) = chars.iter().position(|c| *c == GAP) else {
            break;
        };
        close(&mut chars, gap, is_html);
    }
    chars.into_iter().filter(|c| *c != GAP).collect()
}

/// Closes a gap: no separator is left at an end of its line, nor two in a row.
fn close(chars: &mut Vec<char>, gap: usize, is_html: bool) {
    let is_separator = |at: &usize| chars.get(*at).is_some_and(|c| matches!(c, '|' | '•' | '·' | '–' | '—'));
    let is_blank = |at: &usize| chars.get(*at).is_some_and(|c| matches!(c, ' ' | '\t' | '\u{a0}'));
    let before = neighbour(chars, gap, false, is_html);
    let after = neighbour(chars, gap, true, is_html);
    let mut goes = vec![gap];
    if let Some(at) = after.filter(is_separator).filter(|_| before.is_none_or(|b| is_separator(&b))) {
        goes.extend((gap.saturating_add(1)..at).take_while(is_blank));
        goes.push(at);
        goes.extend((at.saturating_add(1)..chars.len()).take_while(is_blank));
    } else if after.is_none() {
        goes.extend((0..gap).rev().take_while(is_blank));
        if let Some(at) = before.filter(is_separator) {
            goes.push(at);
            goes.extend((0..at).rev().take_while(is_blank));
        }
    }
    let mut at = 0usize;
    chars.retain(|_| {
        let stays = !goes.contains(&at);
        at = at.saturating_add(1);
        stays
    });
}

/// Tags that stand within a line.
const INLINE: [&str; 9] = ["a", "b", "i", "u", "em", "strong", "span", "font", "small"];

/// The next character of the line that is seen, behind the gap or before it.
fn neighbour(chars: &[char], gap: usize, ahead: bool, is_html: bool) -> Option<usize> {
    let step = |at: usize| if ahead { at.checked_add(1) } else { at.checked_sub(1) };
    let mut at = step(gap)?;
    loop {
        let seen = *chars.get(at)?;
        if is_html && seen == if ahead { '<' } else { '>' } {
            let other = if ahead { '>' } else { '<' };
            let start = at;
            while *chars.get(at)? != other {
                at = step(at)?;
            }
            let tag: String = chars.get(start.min(at)..start.max(at))?.iter().collect();
            let name: String =
                tag.trim_start_matches(['<', '/']).chars().take_while(char::is_ascii_alphanumeric).collect();
            if !INLINE.contains(&name.as_str()) {
                return None;
            }
        } else if seen == '\n' && !is_html {
            return None;
        } else if !seen.is_whitespace() && seen != GAP {
            return Some(at);
        }
        at = step(at)?;
    }
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn r46_no_separator_is_left_dangling() {
        for (line, left) in [
            ("Anna Smith | anna@agents.example", "Anna Smith"),
            ("anna@agents.example | Anna Smith", "Anna Smith"),
            ("Anna | Anna@Agents.example | Tel. 5", "Anna | Tel. 5"),
            ("Anna <anna@agents.example>\nShop", "Anna\nShop"),
            ("Anna • (anna@agents.example)\n| Shop |", "Anna\n| Shop |"),
            ("E-mail: anna@agents.example", "E-mail:"),
            ("Anna | Tel. 5", "Anna | Tel. 5"),
        ] {
            assert_eq!(without(line, "anna@agents.example", false), left);
        }
        for (html, left) in [
            (
                "<p>Anna Smith&nbsp;| <a href=\"mailto:anna@agents.example\">anna@agents.example</a><br>Shop</p>",
                "<p>Anna Smith <a href=\"\"></a><br>Shop</p>",
            ),
            ("<b>anna@agents.example</b> | Anna", "<b></b> Anna"),
            ("<p>Anna |</p><p>anna@agents.example</p>", "<p>Anna |</p><p></p>"),
        ] {
            assert_eq!(without(html, "anna@agents.example", true), left);
        }
    }
}
