//! The choke point of decoded text: what is not for people's eyes is taken out here, and nowhere else.
//!
//! Decides   which characters of header text, bodies and file names stay.
//! Never     lets CR, LF, NUL, controls or bidi controls through (RFC 5322 section 2.2; reliability T26, T37).

/// Characters of one header text.
const HEADER_CHARS_MAX: usize = 998;
/// Octets of one word of a field that we write.
const WORD_BYTES_MAX: usize = 900;
/// Characters of a field that is not shown, like References.
const FIELD_CHARS_MAX: usize = 65_536;
/// Characters of a file name.
const FILE_NAME_CHARS_MAX: usize = 200;

/// Text of a header field: one line, no controls, white space folded.
#[must_use]
pub fn header(text: &str) -> String {
    one_line(text, HEADER_CHARS_MAX)
}

/// Text that may stand in a field that we write: no word is longer than a line may be (RFC 5322 section 2.1.1).
#[must_use]
pub fn writable(text: &str) -> String {
    let mut out = String::new();
    for word in header(text).split(' ') {
        let mut length = 0usize;
        if !out.is_empty() {
            out.push(' ');
        }
        for c in word.chars() {
            length = length.saturating_add(c.len_utf8());
            if length > WORD_BYTES_MAX {
                out.push(' ');
                length = c.len_utf8();
            }
            out.push(c);
        }
    }
    out
}

/// A whole field as it stands: lists of ids and traces are longer than what people read.
#[must_use]
pub fn field(text: &str) -> String {
    one_line(text, FIELD_CHARS_MAX)
}

fn one_line(text: &str, chars_max: usize) -> String {
    // most fields are clean as they are
    let clean = is_plain(text) && !text.contains(['\n', '\t']) && !text.contains("  ");
    if clean && text.len() <= chars_max {
        return text.trim_matches(' ').to_owned();
    }
    let spaced: String = text
        .chars()
        .map(|c| if is_break(c) || c == '\t' { ' ' } else { c })
        .filter(|c| !is_hidden(*c))
        .take(chars_max)
        .collect();
    fold(&spaced)
}

/// Text of a body: LF line ends, no controls but tab.
#[must_use]
pub fn body(text: &str) -> String {
    let lines = text.replace("\r\n", "\n");
    if is_plain(&lines) {
        return lines;
    }
    lines
        .chars()
        .map(|c| if matches!(c, '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{b}' | '\u{c}') { '\n' } else { c })
        .filter(|c| matches!(c, '\n' | '\t') || !is_hidden(*c))
        .collect()
}

/// A file name without path, controls or direction changes; empty if nothing is left.
#[must_use]
pub fn file_name(text: &str) -> String {
    let clean = header(text);
    let last = clean.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last
        .chars()
        .filter(|c| !matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|'))
        .take(FILE_NAME_CHARS_MAX)
        .collect();
    let name = name.trim().trim_start_matches('.').trim();
    name.to_owned()
}

/// Runs of white space become one space; none at the ends.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// Nothing but ASCII that is seen, blanks, tabs and line feeds.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' '..=b'~' | b'\n' | b'\t'))
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Is it a character that nobody sees: hidden ones, and joiners, which bodies keep since scripts and emoji need them?
#[must_use]
pub fn is_unseen(c: char) -> bool {
    is_hidden(c)
        || matches!(
            c,
            '\u{200c}' | '\u{200d}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        )
}

/// Controls, bidi controls, byte order marks, tags: what changes how the rest looks, and is not seen itself.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// For logs: of each address only the domain.
#[must_use]
pub fn without_local_parts(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "<>()[],;\"'".contains(c)) {
        match word.rsplit_once('@') {
            Some((_, domain)) => out.extend(["…@", domain]),
            None => out.push_str(word),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_name_domains_only() {
        for (said, logged) in [
            ("550 5.1.1 <jane@shop.example>: unknown", "550 5.1.1 <…@shop.example>: unknown"),
            ("to=a+b@c.example, b@d.example", "…@c.example, …@d.example"),
            ("250 2.0.0 ok", "250 2.0.0 ok"),
            ("@ and a@b@c.example", "…@ and …@c.example"),
        ] {
            assert_eq!(without_local_parts(said), logged);
        }
    }

    #[test]
    fn header_text_is_one_clean_line() {
        for (dirty, clean) in [
            ("x\r\nBcc: y", "x Bcc: y"),
            ("a\0b\u{7}c", "abc"),
            ("a\u{85}b\u{2028}c\u{2029}d", "a b c d"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("  many \t spaces ", "many spaces"),
        ] {
            assert_eq!(header(dirty), clean);
        }
        assert_eq!(header(&"x".repeat(100_000)).len(), HEADER_CHARS_MAX);
        assert!(writable(&"x".repeat(100_000)).split(' ').all(|word| word.len() <= WORD_BYTES_MAX));
        assert_eq!(writable("a  b"), "a b");
    }

    #[test]
    fn file_names_have_no_path() {
        for (dirty, clean) in [
            ("../../etc/cron.d/x", "x"),
            ("a\r\nb", "a b"),
            ("C:\\x\\y.txt", "y.txt"),
            ("..", ""),
            (".profile", "profile"),
        ] {
            assert_eq!(file_name(dirty), clean);
        }
    }

    #[test]
    fn bodies_keep_lines_and_tabs() {
        assert_eq!(body("a\r\nb\rc\0\td"), "a\nb\nc\td");
    }
}
