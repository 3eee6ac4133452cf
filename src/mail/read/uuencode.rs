//! Files that stand uuencoded in the text of a mail.
//!
//! Decides   where such a file begins and ends, and what it holds.
//! Follows   POSIX uuencode (IEEE Std 1003.1), as mailers before MIME wrote it.
//! Never     takes out what is not whole: a line that begins with "begin" may be a person's own. Each line is looked at
//!           at most twice.

/// A file with its name as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The name after the mode.
    pub name: String,
    /// Decoded.
    pub content: Vec<u8>,
}

/// The text without its uuencoded files, and the files; `None` if there are none.
#[must_use]
pub fn extracted(text: &str, files_max: usize) -> Option<(String, Vec<File>)> {
    if !text.starts_with("begin ") && !text.contains("\nbegin ") {
        return None;
    }
    let lines: Vec<&str> = text.split('\n').collect();
    let mut kept: Vec<&str> = Vec::new();
    let mut files = Vec::new();
    let mut at = 0usize;
    while let Some(line) = lines.get(at) {
        let begun = begin(line).filter(|_| files.len() < files_max);
        let next = at.saturating_add(1);
        match begun.and_then(|name| file(name, lines.get(next..).unwrap_or_default())) {
            Some((file, used)) => {
                files.push(file);
                at = next.saturating_add(used);
            }
            None => {
                kept.push(line);
                at = next;
            }
        }
    }
    (!files.is_empty()).then(|| (kept.join("\n"), files))
}

/// A whole part in this encoding, as `Content-Transfer-Encoding: x-uuencode` says.
#[must_use]
pub fn decoded(content: &[u8]) -> Option<Vec<u8>> {
    let text: String = content.iter().filter(|b| **b != b'\r').map(|b| char::from(*b)).collect();
    extracted(&text, 1)?.1.pop().map(|file| file.content)
}

/// The name in `begin 644 name`.
fn begin(line: &str) -> Option<&str> {
    let (mode, name) = line.strip_prefix("begin ")?.trim_end().split_once(' ')?;
    let octal = (3..=4).contains(&mode.len()) && mode.bytes().all(|b| matches!(b, b'0'..=b'7'));
    (octal && !name.is_empty()).then_some(name)
}

/// The file in these lines and how many of them it takes, `end` included.
fn file(name: &str, lines: &[&str]) -> Option<(File, usize)> {
    let mut content = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let line = line.trim_end_matches('\r');
        if line == "end" {
            return Some((File { name: name.to_owned(), content }, index.saturating_add(1)));
        }
        content.extend(octets(line)?);
    }
    None
}

/// What a line holds: its length first, then four characters for each three octets; blanks at its end may be lost.
fn octets(line: &str) -> Option<Vec<u8>> {
    let (first, rest) = line.as_bytes().split_first().unwrap_or((&b' ', &[]));
    let value = |byte: u8| matches!(byte, b' '..=b'`').then(|| byte.wrapping_sub(b' ') & 0x3f);
    let length = usize::from(value(*first)?);
    // Some write one or two characters more: a sum, or padding.
    let most = length.div_ceil(3).saturating_mul(4);
    if rest.len() > most.saturating_add(2) || (length > 0 && rest.is_empty()) {
        return None;
    }
    let sextets: Vec<u8> = rest.iter().take(most).map(|b| value(*b)).collect::<Option<_>>()?;
    let mut out = Vec::with_capacity(length);
    for quad in sextets.chunks(4) {
        let joined = (0..4).fold(0u32, |sum, i| (sum << 6) | u32::from(quad.get(i).copied().unwrap_or_default()));
        let [_, high, middle, low] = joined.to_be_bytes();
        out.extend([high, middle, low]);
    }
    out.resize(length, 0);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_out_of_the_text() {
        let text = "Here it is.\n\nbegin 644 cat.txt\n#0V%T\n`\nend\n\nRegards\n";
        let (kept, files) = extracted(text, 10).unwrap_or_default();
        assert_eq!(kept, "Here it is.\n\n\nRegards\n");
        assert_eq!(files, [File { name: "cat.txt".to_owned(), content: b"Cat".to_vec() }]);
        assert_eq!(decoded(b"begin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\n"), Some(b"Cat".to_vec()));
    }

    #[test]
    fn blanks_lost_at_the_end_of_a_line_are_there() {
        let text = "begin 600 zero\n$AP\n\nend\n";
        let (_, files) = extracted(text, 10).unwrap_or_default();
        assert_eq!(files.first().map(|f| f.content.clone()), Some(vec![0x87, 0, 0, 0]));
    }

    #[test]
    fn words_that_begin_are_words() {
        for text in [
            "begin 644 with me\nand then go on\nend\n",
            "begin 644 file\n#0V%T\nnever ends",
            "We\nbegin tomorrow\nend",
            "begin 999 x\n#0V%T\n`\nend\n",
        ] {
            assert_eq!(extracted(text, 10), None, "{text}");
        }
        assert_eq!(extracted("begin 644 a\n#0V%T\n`\nend\n", 0), None);
    }

    #[test]
    fn many_beginnings_are_read_in_linear_time() {
        let text = "begin 644 a\n#0V%T\n".repeat(50_000);
        assert_eq!(extracted(&text, 10), None);
        let text = format!("begin 644 a\n{}", "#0V%T\n".repeat(100_000));
        assert_eq!(extracted(&text, 10), None);
    }
}
