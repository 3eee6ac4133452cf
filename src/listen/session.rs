//! One conversation of SMTP or LMTP: octets in, replies and steps out.
//!
//! Decides   what may be said when, and what is answered.
//! Follows   RFC 5321, RFC 6409 (submission), RFC 2033 (LMTP), RFC 2920 (pipelining), RFC 3207 (STARTTLS), RFC 4954,
//!           RFC 1870, RFC 6152, RFC 6531, RFC 3461, RFC 2034, RFC 3030; the grammar is smtp-proto's.
//! Never     waits, tells the time, or says 250 to a mail: that is [`Session::answered`]'s, after the commit. However
//!           the octets are cut, the replies are the same.

mod commands;

use super::auth::{Exchange, Logins};
use super::data::{Content, Fault};
use crate::mail::Address;

/// Octets of a command line with its CRLF; RFC 5321 section 4.5.3.1.4 asks for 512, parameters come on top.
const LINE_BYTES_MAX: usize = 2_048;
/// Octets of a line within AUTH (RFC 4954 section 4).
const AUTH_LINE_BYTES_MAX: usize = 12_288;
/// Mistakes until the connection ends.
const MISTAKES_MAX: u32 = 20;

/// What a listener offers, and to whom.
#[derive(Debug, Clone)]
pub struct Terms {
    /// LMTP instead of SMTP.
    pub lmtp: bool,
    /// Our name in greetings.
    pub name: String,
    /// STARTTLS is offered, and asked for before anything else.
    pub starttls: bool,
    /// AUTH is safe here: under TLS, or the peer is on this machine.
    pub private: bool,
    /// Largest mail, octets.
    pub size_bytes_max: usize,
    /// Recipients of one mail.
    pub recipients_max: usize,
    /// Who can log in.
    pub logins: Logins,
    /// Applications that this peer is without a login.
    pub trusted: Vec<String>,
    /// Random, printable, without a comma: for SCRAM.
    pub nonce: String,
}

/// A mail that was handed over whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// The applications it may be from; exactly one if there was a login.
    pub applications: Vec<String>,
    /// Reverse-path; `None` is `<>`.
    pub reverse_path: Option<Address>,
    /// Recipients, in the order given, each once.
    pub recipients: Vec<Address>,
    /// What they called themselves.
    pub helo: String,
    /// The mail, CRLF line ends.
    pub bytes: Vec<u8>,
}

/// What is answered to a mail, or to one recipient of it (LMTP).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `250`, `451` …
    pub code: u16,
    /// Enhanced status (RFC 3463) and words.
    pub text: String,
}

impl Answer {
    /// Of a code, an enhanced status and words.
    #[must_use]
    pub fn new(code: u16, text: &str) -> Self {
        Answer { code, text: text.to_owned() }
    }
}

/// What the driver does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Write this.
    Reply(String),
    /// Do the handshake, then call [`Session::secured`].
    Handshake,
    /// Commit this, then call [`Session::answered`].
    Commit(Handed),
    /// A login failed: wait before reading on.
    Slow,
    /// End the connection.
    Close,
}

#[derive(Debug)]
enum Phase {
    Command,
    Auth(Exchange),
    Data(Content),
    /// Octets of a chunk that are still to come, and whether it is the last.
    Chunk(usize, bool),
    Handshaking,
    Committing,
    Closed,
}

/// A conversation.
#[derive(Debug)]
pub struct Session {
    terms: Terms,
    phase: Phase,
    waiting: Vec<u8>,
    /// A line is too long: nothing is kept until it ends.
    skipping: bool,
    helo: Option<String>,
    applications: Vec<String>,
    reverse_path: Option<Option<Address>>,
    recipients: Vec<Address>,
    /// What BDAT brought so far.
    chunks: Option<Content>,
    mistakes: u32,
    failed_logins: u32,
    idle_commands: u32,
    steps: Vec<Step>,
}

impl Session {
    /// A conversation that has not begun.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Session {
            phase: Phase::Command,
            waiting: Vec::new(),
            skipping: false,
            helo: None,
            applications: terms.trusted.clone(),
            reverse_path: None,
            recipients: Vec::new(),
            chunks: None,
            mistakes: 0,
            failed_logins: 0,
            idle_commands: 0,
            steps: Vec::new(),
            terms,
        }
    }

    /// The first words.
    #[must_use]
    pub fn greeting(&self) -> String {
        format!("220 {} {} yesreply\r\n", self.terms.name, if self.terms.lmtp { "LMTP" } else { "ESMTP" })
    }

    /// Reads on. Nothing is to be fed while a [`Step::Handshake`] or [`Step::Commit`] is under way.
    #[must_use]
    pub fn feed(&mut self, octets: &[u8]) -> Vec<Step> {
        self.waiting.extend_from_slice(octets);
        self.run()
    }

    /// The handshake is done: all that was said before is forgotten (RFC 3207 section 4.2).
    #[must_use]
    pub fn secured(&mut self) -> Vec<Step> {
        self.terms.starttls = false;
        self.terms.private = true;
        self.waiting.clear();
        self.helo = None;
        self.forget();
        self.phase = Phase::Command;
        Vec::new()
    }

    /// The mail is committed, or is not: one answer to all, or with LMTP one for each recipient.
    #[must_use]
    pub fn answered(&mut self, answers: &[Answer]) -> Vec<Step> {
        for answer in answers {
            self.steps.push(Step::Reply(format!("{} {}\r\n", answer.code, answer.text)));
        }
        self.idle_commands = 0;
        self.forget();
        self.phase = Phase::Command;
        self.run()
    }

    /// Is a mail or a login on its way? Then silence is no idleness.
    #[must_use]
    pub fn in_data(&self) -> bool {
        matches!(self.phase, Phase::Data(_) | Phase::Chunk(..))
    }

    /// Octets held in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        let content = match &self.phase {
            Phase::Data(content) => content.held(),
            _ => self.chunks.as_ref().map_or(0, Content::held),
        };
        content.saturating_add(self.waiting.capacity())
    }

    fn run(&mut self) -> Vec<Step> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut rest = waiting.as_slice();
        while let Some(after) = self.one(rest) {
            rest = after;
        }
        self.waiting = rest.to_vec();
        std::mem::take(&mut self.steps)
    }

    /// Takes one line, or one piece of a mail. `None`: more is needed, or something else comes first.
    fn one<'a>(&mut self, input: &'a [u8]) -> Option<&'a [u8]> {
        match &mut self.phase {
            Phase::Handshaking | Phase::Committing | Phase::Closed => None,
            Phase::Data(content) => {
                if input.is_empty() {
                    return None;
                }
                let (taken, ended) = content.take(input);
                let too_far = content.read() > self.terms.size_bytes_max.saturating_mul(2).saturating_add(1 << 20);
                if ended {
                    let content = std::mem::replace(content, Content::new(0));
                    self.complete(content);
                } else if too_far {
                    self.say("552 5.3.4 much too big; the connection ends");
                    self.close();
                }
                input.get(taken..)
            }
            Phase::Chunk(left, last) => {
                let (left, last) = (*left, *last);
                if input.is_empty() {
                    return None;
                }
                let (piece, after) = input.split_at_checked(left).unwrap_or((input, &[]));
                if let Some(content) = &mut self.chunks {
                    content.take_chunk(piece);
                }
                let left = left.saturating_sub(piece.len());
                self.phase = Phase::Chunk(left, last);
                if left == 0 {
                    self.chunk_done(last);
                }
                Some(after)
            }
            Phase::Command | Phase::Auth(_) => self.line(input),
        }
    }

    fn line<'a>(&mut self, input: &'a [u8]) -> Option<&'a [u8]> {
        let longest = if matches!(self.phase, Phase::Auth(_)) { AUTH_LINE_BYTES_MAX } else { LINE_BYTES_MAX };
        let end = input.iter().position(|b| *b == b'\n');
        let length = end.map_or(input.len(), |at| at.saturating_add(1));
        let (line, after) = input.split_at_checked(length)?;
        if self.skipping || length > longest {
            if !self.skipping {
                self.skipping = true;
                self.phase = Phase::Command;
                self.mistake("500 5.5.6 the line is too long");
            }
            self.skipping = end.is_none();
            return if input.is_empty() { None } else { Some(after) };
        }
        end?;
        let bare = line.strip_suffix(b"\r\n").unwrap_or(line);
        if bare.len() == line.len() || bare.iter().any(|b| matches!(b, b'\r' | b'\n' | b'\0')) {
            self.say("500 5.5.2 lines end with CRLF, and hold no other CR, LF or NUL");
            self.close();
            return None;
        }
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Auth(exchange) => self.auth_line(exchange, bare),
            _ => self.command(line),
        }
        Some(after)
    }

    fn say(&mut self, line: &str) {
        self.steps.push(Step::Reply(format!("{line}\r\n")));
    }

    fn close(&mut self) {
        self.phase = Phase::Closed;
        self.steps.push(Step::Close);
    }

    fn mistake(&mut self, line: &str) {
        self.say(line);
        self.mistakes = self.mistakes.saturating_add(1);
        if self.mistakes >= MISTAKES_MAX {
            self.say("421 4.7.0 too many mistakes");
            self.close();
        }
    }

    fn forget(&mut self) {
        self.reverse_path = None;
        self.recipients.clear();
        self.chunks = None;
    }

    fn chunk_done(&mut self, last: bool) {
        self.phase = Phase::Command;
        match self.chunks.take() {
            None => self.mistake("503 5.5.1 MAIL and RCPT come first"),
            Some(content) if last => self.complete(content),
            Some(content) => {
                self.chunks = Some(content);
                self.say("250 2.0.0 more");
            }
        }
    }

    fn complete(&mut self, content: Content) {
        self.phase = Phase::Command;
        let fault = match content.done() {
            Ok(bytes) => {
                self.phase = Phase::Committing;
                self.steps.push(Step::Commit(Handed {
                    applications: self.applications.clone(),
                    reverse_path: self.reverse_path.clone().flatten(),
                    recipients: std::mem::take(&mut self.recipients),
                    helo: self.helo.clone().unwrap_or_default(),
                    bytes,
                }));
                return;
            }
            Err(fault) => fault,
        };
        let recipients = if self.terms.lmtp { self.recipients.len() } else { 1 };
        self.forget();
        match fault {
            Fault::TooBig => {
                let line = format!("552 5.3.4 at most {} octets", self.terms.size_bytes_max);
                (0..recipients).for_each(|_| self.say(&line));
            }
            Fault::BareLineEnd => {
                (0..recipients).for_each(|_| self.say("550 5.6.11 a CR or LF stands alone in the mail"));
                self.close();
            }
        }
    }
}

#[cfg(test)]
#[path = "session/tests.rs"]
mod tests;
