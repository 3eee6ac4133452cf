//! The commands of a conversation, one after the other.
//!
//! Decides   what a command changes and what is answered.
//! Follows   RFC 5321 section 4.1, RFC 4954 section 4, RFC 3207 section 4, RFC 3030 section 2.

use smtp_proto::{AUTH_LOGIN, AUTH_PLAIN, AUTH_SCRAM_SHA_256, MAIL_BODY_BINARYMIME, MAIL_REQUIRETLS, Request};

use super::{Phase, Session, Step};
use crate::listen::auth::{Exchange, Mechanism, Turn};
use crate::listen::data::Content;
use crate::mail::Address;

/// Failed logins until the connection ends.
const LOGINS_FAILED_MAX: u32 = 3;
/// Commands without a mail until the connection ends.
const IDLE_COMMANDS_MAX: u32 = 500;

impl Session {
    pub(super) fn command(&mut self, line: &[u8]) {
        self.idle_commands = self.idle_commands.saturating_add(1);
        if self.idle_commands > IDLE_COMMANDS_MAX {
            self.say("421 4.7.0 too many commands without a mail");
            return self.close();
        }
        let request = match Request::parse(&mut line.iter()) {
            Ok(request) => request,
            Err(error) => return self.mistake(&refusal(&error)),
        };
        match request {
            Request::Ehlo { host } if !self.terms.lmtp => self.hello(&host, true),
            Request::Lhlo { host } if self.terms.lmtp => self.hello(&host, true),
            Request::Helo { host } if !self.terms.lmtp => self.hello(&host, false),
            Request::Ehlo { .. } | Request::Lhlo { .. } | Request::Helo { .. } => {
                self.mistake("500 5.5.1 this listener speaks the other protocol");
            }
            Request::StartTls => self.start_tls(),
            Request::Quit => {
                self.say("221 2.0.0 bye");
                self.close();
            }
            Request::Noop { .. } => self.say("250 2.0.0 ok"),
            Request::Rset => {
                self.forget();
                self.say("250 2.0.0 ok");
            }
            Request::Help { .. } => self.say("214 2.0.0 see the manual of yesreply"),
            Request::Vrfy { .. } => self.say("252 2.0.0 send it, and see"),
            Request::Expn { .. } | Request::Etrn { .. } | Request::Atrn { .. } | Request::Burl { .. } => {
                self.mistake("502 5.5.1 not here");
            }
            Request::Auth { mechanism, initial_response } => self.auth(mechanism, &initial_response),
            Request::Mail { from } => self.mail(&from.address, from.size, from.flags),
            Request::Rcpt { to } => self.rcpt(&to.address),
            Request::Data => self.data(),
            Request::Bdat { chunk_size, is_last } => self.bdat(chunk_size, is_last),
        }
    }

    fn hello(&mut self, host: &str, extended: bool) {
        self.forget();
        self.helo = Some(host.chars().filter(|c| c.is_ascii_graphic()).take(255).collect());
        if !extended {
            return self.say(&format!("250 {}", self.terms.name));
        }
        let mut lines = vec![
            self.terms.name.clone(),
            "PIPELINING".to_owned(),
            format!("SIZE {}", self.terms.size_bytes_max),
            "8BITMIME".to_owned(),
            "SMTPUTF8".to_owned(),
            "CHUNKING".to_owned(),
            "DSN".to_owned(),
        ];
        if self.terms.starttls {
            lines.push("STARTTLS".to_owned());
        }
        if self.terms.private && !self.terms.logins.is_empty() {
            lines.push("AUTH SCRAM-SHA-256 PLAIN LOGIN".to_owned());
        }
        lines.push("ENHANCEDSTATUSCODES".to_owned());
        let last = lines.len().saturating_sub(1);
        let text: String = lines
            .iter()
            .enumerate()
            .map(|(at, line)| format!("250{}{line}\r\n", if at == last { ' ' } else { '-' }))
            .collect();
        self.steps.push(Step::Reply(text));
    }

    fn start_tls(&mut self) {
        if !self.terms.starttls {
            return self.mistake("502 5.5.1 there is no TLS to start");
        }
        self.say("220 2.0.0 go on");
        self.phase = Phase::Handshaking;
        self.steps.push(Step::Handshake);
    }

    fn auth(&mut self, mechanism: u64, initial: &str) {
        if !self.terms.private {
            return self.mistake("538 5.7.11 only under TLS");
        }
        if self.terms.logins.is_empty() || self.helo.is_none() || self.reverse_path.is_some() {
            return self.mistake("503 5.5.1 not now");
        }
        let mechanism = match mechanism {
            AUTH_PLAIN => Mechanism::Plain,
            AUTH_LOGIN => Mechanism::Login,
            AUTH_SCRAM_SHA_256 => Mechanism::ScramSha256,
            _ => return self.mistake("504 5.5.4 SCRAM-SHA-256, PLAIN and LOGIN are spoken here"),
        };
        let turn = self.terms.logins.begin(mechanism, initial.trim(), &self.terms.nonce);
        self.turn(turn);
    }

    pub(super) fn auth_line(&mut self, exchange: Exchange, line: &[u8]) {
        if line == b"*" {
            return self.mistake("501 5.7.0 as you wish");
        }
        let text = String::from_utf8_lossy(line);
        let turn = self.terms.logins.answer(exchange, &text, &self.terms.nonce);
        self.turn(turn);
    }

    fn turn(&mut self, turn: Turn) {
        match turn {
            Turn::Ask(question, exchange) => {
                self.say(&format!("334 {question}"));
                self.phase = Phase::Auth(exchange);
            }
            Turn::Accepted(application) => {
                self.applications = vec![application];
                self.say("235 2.7.0 welcome");
            }
            Turn::Refused => {
                self.failed_logins = self.failed_logins.saturating_add(1);
                self.steps.push(Step::Slow);
                self.mistake("535 5.7.8 user or password is wrong");
                if self.failed_logins >= LOGINS_FAILED_MAX && !matches!(self.phase, Phase::Closed) {
                    self.say("421 4.7.0 too many failed logins");
                    self.close();
                }
            }
            Turn::Malformed => self.mistake("501 5.5.2 that is no answer to the question"),
        }
    }

    fn mail(&mut self, from: &str, size: usize, flags: u64) {
        if self.terms.starttls && !self.terms.private {
            return self.mistake("530 5.7.0 STARTTLS comes first");
        }
        if self.helo.is_none() {
            return self.mistake("503 5.5.1 say who you are first");
        }
        if self.applications.is_empty() && !self.terms.lmtp {
            return self.mistake("530 5.7.0 log in first: this peer is no application that is trusted");
        }
        if self.reverse_path.is_some() {
            return self.mistake("503 5.5.1 one mail at a time");
        }
        if flags & (MAIL_BODY_BINARYMIME | MAIL_REQUIRETLS) != 0 {
            return self.mistake("504 5.5.4 BINARYMIME and REQUIRETLS are not offered");
        }
        if size > self.terms.size_bytes_max {
            return self.mistake(&format!("552 5.3.4 at most {} octets", self.terms.size_bytes_max));
        }
        let reverse_path = Address::parse(from);
        if reverse_path.is_none() && !from.is_empty() {
            return self.mistake("553 5.1.7 that is no address");
        }
        self.reverse_path = Some(reverse_path);
        self.say("250 2.1.0 ok");
    }

    fn rcpt(&mut self, to: &str) {
        if self.reverse_path.is_none() {
            return self.mistake("503 5.5.1 MAIL comes first");
        }
        if self.chunks.is_some() {
            return self.mistake("503 5.5.1 the mail has begun");
        }
        if self.recipients.len() >= self.terms.recipients_max {
            return self.say("452 4.5.3 too many recipients; the others in a mail of their own");
        }
        match Address::parse(to) {
            Some(address) => {
                if self.terms.lmtp || !self.recipients.contains(&address) {
                    self.recipients.push(address);
                }
                self.say("250 2.1.5 ok");
            }
            None => self.mistake("553 5.1.3 that is no address"),
        }
    }

    fn data(&mut self) {
        if self.reverse_path.is_none() || self.chunks.is_some() {
            return self.mistake("503 5.5.1 MAIL and RCPT come first");
        }
        if self.recipients.is_empty() {
            return self.mistake("554 5.5.1 no recipient was taken");
        }
        self.say("354 go on; end with a dot on a line of its own");
        self.phase = Phase::Data(Content::new(self.terms.size_bytes_max));
    }

    /// The octets of a chunk come in any case, and must be read even where they are not wanted.
    fn bdat(&mut self, size: usize, last: bool) {
        if size > self.terms.size_bytes_max.saturating_mul(2).saturating_add(1 << 20) {
            self.say("552 5.3.4 much too big; the connection ends");
            return self.close();
        }
        let wanted = self.reverse_path.is_some() && !self.recipients.is_empty();
        if wanted && self.chunks.is_none() {
            self.chunks = Some(Content::new(self.terms.size_bytes_max));
        }
        self.phase = Phase::Chunk(size, last);
        if size == 0 {
            self.chunk_done(last);
        }
    }
}

fn refusal(error: &smtp_proto::Error) -> String {
    match error {
        smtp_proto::Error::UnknownCommand => "500 5.5.1 no such command".to_owned(),
        smtp_proto::Error::InvalidSenderAddress => "553 5.1.7 that is no address".to_owned(),
        smtp_proto::Error::InvalidRecipientAddress => "553 5.1.3 that is no address".to_owned(),
        smtp_proto::Error::InvalidParameter { .. } => "501 5.5.4 a parameter is wrong".to_owned(),
        smtp_proto::Error::UnsupportedParameter { .. } => "555 5.5.4 a parameter is not offered".to_owned(),
        smtp_proto::Error::SyntaxError { syntax } => format!("501 5.5.2 write it like {syntax}"),
        _ => "500 5.5.2 that cannot be read".to_owned(),
    }
}
