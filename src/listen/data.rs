//! The content of a mail as it crosses the wire: DATA with its dots, BDAT with its counts.
//!
//! Decides   where a mail ends, and whether its line ends are such that everybody else sees the same end.
//! Follows   RFC 5321 sections 2.3.8, 4.1.1.4 and 4.5.2 (dots), RFC 3030 section 2 (chunks).
//! Never     ends at anything but CRLF, dot, CRLF; keeps a mail with a CR or LF that stands alone (SMTP smuggling), or
//!           more octets than are allowed: both are read to their true end and refused there.

/// Why a mail that was read cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A CR or LF that stands alone.
    BareLineEnd,
    /// More octets than `size_bytes_max`.
    TooBig,
}

/// Where in a line the last octet stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// After a CRLF.
    Start,
    /// After a CRLF and a dot.
    Dot,
    /// After a CRLF, a dot and a CR.
    DotCr,
    /// Within a line.
    Text,
    /// After a CR.
    Cr,
}

/// A mail while it is read.
#[derive(Debug)]
pub struct Content {
    at: At,
    bytes: Vec<u8>,
    fault: Option<Fault>,
    size_bytes_max: usize,
    read: usize,
}

impl Content {
    /// Nothing yet.
    #[must_use]
    pub fn new(size_bytes_max: usize) -> Self {
        Content { at: At::Start, bytes: Vec::new(), fault: None, size_bytes_max, read: 0 }
    }

    /// Octets read, those thrown away included.
    #[must_use]
    pub fn read(&self) -> usize {
        self.read
    }

    /// Octets held in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// The mail, CRLF line ends, dots undone.
    ///
    /// # Errors
    /// Why it cannot be taken.
    pub fn done(self) -> Result<Vec<u8>, Fault> {
        match self.fault {
            None if self.at == At::Cr => Err(Fault::BareLineEnd),
            None => Ok(self.bytes),
            Some(fault) => Err(fault),
        }
    }

    fn fail(&mut self, fault: Fault) {
        if self.fault.is_none() {
            self.fault = Some(fault);
            self.bytes = Vec::new();
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        if self.bytes.len().saturating_add(piece.len()) > self.size_bytes_max {
            self.fail(Fault::TooBig);
        } else {
            self.bytes.extend_from_slice(piece);
        }
    }

    /// Reads on. The number of octets that belong to this mail, and whether it ended with them.
    pub fn take(&mut self, input: &[u8]) -> (usize, bool) {
        let mut rest = input;
        while let Some((first, tail)) = rest.split_first() {
            if matches!(self.at, At::Text | At::Start) && !matches!(first, b'\r' | b'\n' | b'.') {
                let run = rest.iter().take_while(|b| !matches!(b, b'\r' | b'\n')).count();
                let (piece, after) = rest.split_at_checked(run).unwrap_or((rest, &[]));
                self.keep(piece);
                self.at = At::Text;
                rest = after;
                continue;
            }
            rest = tail;
            if self.step(*first) {
                let taken = input.len().saturating_sub(rest.len());
                self.read = self.read.saturating_add(taken);
                return (taken, true);
            }
        }
        self.read = self.read.saturating_add(input.len());
        (input.len(), false)
    }

    /// One octet that may mean something. `true`: the mail ends with it.
    fn step(&mut self, byte: u8) -> bool {
        match (self.at, byte) {
            (At::DotCr, b'\n') => return true,
            (At::Cr, b'\n') => {
                self.keep(b"\r\n");
                self.at = At::Start;
            }
            (At::DotCr | At::Cr, other) => {
                self.fail(Fault::BareLineEnd);
                self.at = if other == b'\r' { At::Cr } else { At::Text };
            }
            (_, b'\n') => {
                self.fail(Fault::BareLineEnd);
                self.at = At::Text;
            }
            (At::Dot, b'\r') => self.at = At::DotCr,
            (_, b'\r') => self.at = At::Cr,
            (At::Start, b'.') => self.at = At::Dot,
            (_, other) => {
                self.keep(&[other]);
                self.at = At::Text;
            }
        }
        false
    }

    /// Reads a chunk (BDAT), where dots mean nothing.
    pub fn take_chunk(&mut self, chunk: &[u8]) {
        self.read = self.read.saturating_add(chunk.len());
        let mut before = self.at == At::Cr;
        for byte in chunk {
            if (*byte == b'\n') != before {
                self.fail(Fault::BareLineEnd);
            }
            before = *byte == b'\r';
        }
        self.at = if before { At::Cr } else { At::Text };
        self.keep(chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken of these octets, however they are cut.
    fn read(wire: &[u8]) -> (Result<Vec<u8>, Fault>, Vec<u8>) {
        let mut outcomes = Vec::new();
        for size in [1, 2, 3, 7, wire.len().max(1)] {
            let mut content = Content::new(100);
            let mut rest = wire;
            let mut ended = false;
            while !ended && !rest.is_empty() {
                let (taken, end) = content.take(&rest[..size.min(rest.len())]);
                rest = &rest[taken..];
                ended = end;
            }
            outcomes.push((content.done(), rest.to_vec()));
        }
        assert!(outcomes.windows(2).all(|w| w[0] == w[1]), "{outcomes:?}");
        outcomes.remove(0)
    }

    #[test]
    fn dots_are_undone_and_only_the_true_end_ends() {
        for (wire, mail, rest) in [
            (&b"a\r\n.\r\nNEXT"[..], &b"a\r\n"[..], &b"NEXT"[..]),
            (b".\r\n", b"", b""),
            (b"..\r\n.\r\n", b".\r\n", b""),
            (b"...x\r\n.\r\n", b"..x\r\n", b""),
            (b".x\r\n.\r\n", b"x\r\n", b""),
            (b"a\r\n\r\nb\r\n.\r\n", b"a\r\n\r\nb\r\n", b""),
        ] {
            assert_eq!(read(wire), (Ok(mail.to_vec()), rest.to_vec()), "{}", String::from_utf8_lossy(wire));
        }
    }

    #[test]
    fn a_line_end_that_stands_alone_is_refused_at_the_true_end() {
        for inner in ["a\n.\n", "a\n.\r\n", "a\r.\r", "a\r\n.\n", "a\r\n.\r", "a\rb", "a\nb", "\r\r\n", "\n"] {
            let wire = format!("{inner}MAIL FROM:<evil@x.example>\r\n.\r\n");
            assert_eq!(read(wire.as_bytes()), (Err(Fault::BareLineEnd), Vec::new()), "{inner:?}");
        }
        let zero = b"a\r\n\0.\r\nb\r\n.\r\n";
        assert_eq!(read(zero).0, Ok(b"a\r\n\0.\r\nb\r\n".to_vec()));
    }

    #[test]
    fn too_much_is_read_to_its_end_and_not_kept() {
        let wire = format!("{}\r\n.\r\nNEXT", "x".repeat(200));
        assert_eq!(read(wire.as_bytes()), (Err(Fault::TooBig), b"NEXT".to_vec()));
    }

    #[test]
    fn chunks_are_held_to_the_same_line_ends() {
        for (chunks, good) in [
            (&["a\r\n", "b\r\n"][..], true),
            (&["a\r", "\nb\r\n"], true),
            (&["a\n"], false),
            (&["a\r", "b"], false),
            (&["a\r"], false),
            (&["a\r\n.\r\nb"], true),
        ] {
            let mut content = Content::new(100);
            chunks.iter().for_each(|c| content.take_chunk(c.as_bytes()));
            assert_eq!(content.done().is_ok(), good, "{chunks:?}");
        }
    }
}
