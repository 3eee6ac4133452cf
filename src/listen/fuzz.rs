//! What a fuzzer, or a test, drives: a whole conversation without a socket.

use std::fmt::Write;

use super::auth::Logins;
use super::session::{Answer, Session, Step, Terms};

/// All that is answered to these octets, cut into pieces of these sizes in turn; every mail is taken. What the driver
/// would do stands in brackets.
#[must_use]
pub fn conversation(terms: Terms, said: &[u8], sizes: &[usize]) -> String {
    let lmtp = terms.lmtp;
    let mut session = Session::new(terms);
    let mut log = String::new();
    let mut rest = said;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(usize::MAX).clamp(1, rest.len());
        let (piece, after) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        rest = after;
        let mut steps = session.feed(piece);
        while !steps.is_empty() {
            let mut next = Vec::new();
            for step in steps {
                // writing to a String does not fail
                let _ = match step {
                    Step::Reply(text) => write!(log, "{}", text.replace("\r\n", "\n")),
                    Step::Slow => writeln!(log, "[slow]"),
                    Step::Close => {
                        let _ = writeln!(log, "[close]");
                        return log;
                    }
                    Step::Handshake => {
                        let _ = writeln!(log, "[tls]");
                        return log;
                    }
                    Step::Commit(handed) => {
                        let from = handed.reverse_path.map(|a| a.to_string()).unwrap_or_default();
                        let to: Vec<String> = handed.recipients.iter().map(ToString::to_string).collect();
                        let _ = writeln!(log, "[commit] {from} -> {}: {}", to.join(","), handed.bytes.escape_ascii());
                        let answers = if lmtp { handed.recipients.len() } else { 1 };
                        next.extend(session.answered(&vec![Answer::new(250, "2.0.0 taken"); answers]));
                        Ok(())
                    }
                };
            }
            steps = next;
        }
    }
    log
}

/// Any octets: the first five say how the rest is cut and to what kind of listener it is said. What is answered does not
/// depend on the cuts. Logins are salted slowly, so they are given.
///
/// # Panics
/// If it does.
pub fn session(octets: &[u8], logins: &Logins) {
    let Some(([kind, sizes @ ..], said)) = octets.split_at_checked(5) else {
        return;
    };
    let terms = || Terms {
        lmtp: kind & 1 == 1,
        name: "submit.shop.example".to_owned(),
        starttls: kind & 2 == 2,
        private: kind & 4 == 4,
        size_bytes_max: 4_096,
        recipients_max: 10,
        logins: logins.clone(),
        trusted: if kind & 8 == 8 { vec!["local".to_owned()] } else { Vec::new() },
        nonce: "nonce".to_owned(),
    };
    let sizes: Vec<usize> = sizes.iter().map(|s| usize::from(*s).max(1)).collect();
    let whole = conversation(terms(), said, &[usize::MAX]);
    assert_eq!(conversation(terms(), said, &sizes), whole);
}
