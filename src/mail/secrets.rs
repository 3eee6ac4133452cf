//! What of an application's mail must not be shown to those who read a reply to it.
//!
//! Decides   which links and codes of a text open something to whoever holds them (R73).
//! Never     shortens anything else: what is taken out is shown as `[removed]`.

/// Stands where a secret stood.
pub const REMOVED: &str = "[removed]";

/// Characters of a part of a link that nobody would type.
const RANDOM_CHARS_MIN: usize = 16;
/// Characters of a code that is typed.
const CODE_CHARS: std::ops::RangeInclusive<usize> = 4..=12;
/// Words of a line, or of the line before, that a code stands beside.
const CODE_WORDS: [&str; 22] = [
    "code",
    "kode",
    "kod",
    "codice",
    "código",
    "codigo",
    "pin",
    "tan",
    "otp",
    "password",
    "passcode",
    "passwort",
    "kennwort",
    "wachtwoord",
    "contraseña",
    "senha",
    "lösenord",
    "one-time",
    "verification",
    "token",
    "验证码",
    "認証コード",
];
/// Secrets of one text that are kept.
const SECRETS_MAX: usize = 200;

/// The secrets in a text, each as it stands there.
#[must_use]
pub fn secrets(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut beside = false;
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let lower = line.to_lowercase();
        let names_code = lower
            .split(|c: char| !c.is_alphanumeric() && c != '-')
            .any(|word| CODE_WORDS.contains(&word) || CODE_WORDS.iter().any(|w| !w.is_ascii() && word.contains(w)));
        for word in line.split_whitespace() {
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '/' && c != '=');
            let is_secret = is_secret_link(word) || ((names_code || beside) && is_code(bare));
            let secret = if is_secret_link(word) { link_of(word) } else { bare };
            if is_secret && found.len() < SECRETS_MAX && !found.iter().any(|s| s == secret) {
                found.push(secret.to_owned());
            }
        }
        beside = names_code;
    }
    // the longest first, so that no part of one is left
    found.sort_by_key(|s| std::cmp::Reverse(s.len()));
    found
}

/// The text without these secrets, wherever they stand.
#[must_use]
pub fn without(text: &str, secrets: &[String]) -> String {
    let mut out = text.to_owned();
    for secret in secrets {
        if out.contains(secret.as_str()) {
            out = out.replace(secret.as_str(), REMOVED);
        }
        let escaped = secret.replace('&', "&amp;");
        if escaped != *secret && out.contains(&escaped) {
            out = out.replace(&escaped, REMOVED);
        }
    }
    out
}

/// The text without the secrets of its quoted lines.
#[must_use]
pub fn without_in_quotes(text: &str) -> String {
    let quoted: String = text.lines().filter(|l| l.trim_start().starts_with('>')).map(|l| format!("{l}\n")).collect();
    let found = secrets(&quoted);
    if found.is_empty() {
        return text.to_owned();
    }
    let lines: Vec<String> = text
        .split('\n')
        .map(|l| if l.trim_start().starts_with('>') { without(l, &found) } else { l.to_owned() })
        .collect();
    lines.join("\n")
}

/// A link without what stands round it.
fn link_of(word: &str) -> &str {
    let start = word.find("http").unwrap_or_default();
    let link = word.get(start..).unwrap_or(word);
    link.split(['<', '>', '"', '\'']).next().unwrap_or(link).trim_end_matches(['.', ',', ')', ']', ';'])
}

fn is_secret_link(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    if !lower.contains("http://") && !lower.contains("https://") {
        return false;
    }
    let after_host = link_of(word).splitn(4, '/').nth(3).unwrap_or_default();
    after_host.split(['/', '?', '&', '=', '#', '.']).any(is_random)
}

/// Long, and of letters and digits in no order: no words.
fn is_random(piece: &str) -> bool {
    let changes = piece
        .as_bytes()
        .windows(2)
        .filter(|w| {
            matches!(w, [a, b] if a.is_ascii_digit() != b.is_ascii_digit()
            || (a.is_ascii_lowercase() && b.is_ascii_uppercase()))
        })
        .count();
    piece.len() >= RANDOM_CHARS_MIN
        && piece.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'~' | b'%' | b'+'))
        && changes >= 3
}

fn is_code(word: &str) -> bool {
    let length = word.chars().count();
    CODE_CHARS.contains(&length)
        && word.chars().any(|c| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r73_links_and_codes_that_open_something_are_found() {
        for (text, expected) in [
            (
                "Reset it: https://shop.example/reset?token=a8F3k29Dk2m4P0qz7T now",
                "https://shop.example/reset?token=a8F3k29Dk2m4P0qz7T",
            ),
            ("Your code is 481516.", "481516"),
            ("Your one-time password:\n\n  AB12-CD34\n", "AB12-CD34"),
            ("您的验证码 481516", "481516"),
            (
                "<https://shop.example/m/9f86d081884c7d659a2feaa0c55ad015>.",
                "https://shop.example/m/9f86d081884c7d659a2feaa0c55ad015",
            ),
        ] {
            assert_eq!(secrets(text), [expected], "{text}");
            assert!(!without(text, &secrets(text)).contains(expected));
        }
        for text in [
            "Order 481516 has left.",
            "See https://shop.example/help/how-to-return-a-parcel for more.",
            "Our postal address: 1011 Amsterdam",
            "https://shop.example/orders/481516",
        ] {
            assert!(secrets(text).is_empty(), "{text}: {:?}", secrets(text));
        }
    }

    #[test]
    fn r73_only_quotes_are_touched() {
        let text = "My code is 1234.\n> Your code is 481516\n> bye";
        assert_eq!(without_in_quotes(text), "My code is 1234.\n> Your code is [removed]\n> bye");
    }
}
