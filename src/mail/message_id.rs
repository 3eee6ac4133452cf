//! Message-IDs: `<left@right>`.
//!
//! Decides   what is a usable id.
//! Follows   RFC 5322 section 3.6.4, and reads what real mailers write instead.

use sha2::{Digest, Sha256};

use super::text::is_hidden;

/// Octets of an id; longer ones do not fit a line (RFC 5322 section 2.1.1).
const BYTES_MAX: usize = 990;

/// A well-formed Message-ID with its angle brackets, no white space inside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(String);

impl MessageId {
    /// Reads one id, with or without brackets; `None` if it is empty or malformed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let inner = text.strip_prefix('<').unwrap_or(text);
        let inner = inner.strip_suffix('>').unwrap_or(inner);
        let (left, right) = inner.rsplit_once('@')?;
        let good = !left.is_empty()
            && !right.is_empty()
            && inner.len() <= BYTES_MAX
            && !inner.chars().any(|c| c.is_whitespace() || is_hidden(c) || matches!(c, '<' | '>'));
        good.then(|| MessageId(format!("<{inner}>")))
    }

    /// All ids in a header value, however it is written.
    #[must_use]
    pub fn scan(value: &str) -> Vec<Self> {
        if value.contains('<') {
            value
                .split('<')
                .skip(1)
                .filter_map(|piece| piece.split('>').next())
                .filter_map(|piece| {
                    let joined: String = piece.chars().filter(|c| !c.is_whitespace()).collect();
                    Self::parse(&joined)
                })
                .collect()
        } else {
            value.split_whitespace().filter_map(Self::parse).collect()
        }
    }

    /// From two sides that we made ourselves.
    #[must_use]
    pub fn from_parts(left: &str, right: &str) -> Self {
        MessageId(format!("<{left}@{right}>"))
    }

    /// With brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn inner(&self) -> &str {
        self.0.trim_start_matches('<').trim_end_matches('>')
    }

    /// Before the last `@`.
    #[must_use]
    pub fn left(&self) -> &str {
        self.inner().rsplit_once('@').map_or("", |(left, _)| left)
    }

    /// After it.
    #[must_use]
    pub fn right(&self) -> &str {
        self.inner().rsplit_once('@').map_or("", |(_, right)| right)
    }

    /// The first 16 octets of SHA-256: how the store looks ids up.
    #[must_use]
    pub fn hash16(&self) -> [u8; 16] {
        let digest = Sha256::digest(self.0.as_bytes());
        let mut hash = [0u8; 16];
        hash.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r10_an_empty_or_malformed_id_is_none() {
        for text in ["", "<>", "< >", "<a@>", "<@b>", "a b@c", "nothing", "<a@b c>", "<a\u{202e}@b>"] {
            assert_eq!(MessageId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn messy_headers_are_scanned() {
        let ids = MessageId::scan("<a@b> (was: x)\r\n\t<c@d><e@\r\n f>, garbage <g>");
        let ids: Vec<&str> = ids.iter().map(MessageId::as_str).collect();
        assert_eq!(ids, ["<a@b>", "<c@d>", "<e@f>"]);
        assert_eq!(MessageId::scan("a@b c@d").len(), 2);
    }
}
