//! A mail as people see it, and as they write it.

use std::path::PathBuf;

use mail_parser::{HeaderValue, Message, MessageParser};

/// A mail as it lies in a mailbox.
#[derive(Clone)]
pub struct Letter {
    pub raw: Vec<u8>,
    /// Where it lies, if it does.
    pub path: PathBuf,
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n{}\n", String::from_utf8_lossy(&self.raw))
    }
}

impl Letter {
    pub fn parsed(&self) -> Message<'_> {
        MessageParser::new().parse(&self.raw).expect("a mail")
    }

    /// The raw value of a field, unfolded.
    pub fn field(&self, name: &str) -> String {
        let message = self.parsed();
        let raw = message.header_raw(name).unwrap_or_default();
        raw.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub fn subject(&self) -> String {
        self.parsed().subject().unwrap_or_default().to_owned()
    }

    pub fn text(&self) -> String {
        self.parsed().body_text(0).unwrap_or_default().replace("\r\n", "\n")
    }

    pub fn html(&self) -> String {
        let message = self.parsed();
        if message.html_body.is_empty() { String::new() } else { message.body_html(0).unwrap_or_default().into_owned() }
    }

    /// Where the reply button sends it.
    pub fn reply_to(&self) -> String {
        let message = self.parsed();
        let field = match message.header("Reply-To") {
            Some(HeaderValue::Address(address)) => address.first(),
            _ => message.from().and_then(|f| f.first()),
        };
        field.and_then(|a| a.address.as_deref()).expect("an address to reply to").to_owned()
    }

    pub fn message_id(&self) -> String {
        self.field("Message-ID")
    }

    /// All of it, for searching: raw, and decoded.
    pub fn everything(&self) -> String {
        let message = self.parsed();
        let mut all = String::from_utf8_lossy(&self.raw).into_owned();
        for part in &message.parts {
            all.push('\n');
            all.push_str(&String::from_utf8_lossy(part.contents()));
        }
        all
    }

    /// What the reply button makes of it.
    pub fn reply(&self, words: &str) -> Draft {
        let quoted: String = self.text().lines().map(|l| format!("> {l}\n")).collect();
        let subject = self.subject();
        let subject = if subject.to_lowercase().starts_with("re:") { subject } else { format!("Re: {subject}") };
        let references = format!("{} {}", self.field("References"), self.message_id());
        Draft::new(&self.reply_to(), &subject, &format!("{words}\n\nOn Monday somebody wrote:\n{quoted}"))
            .field("In-Reply-To", &self.message_id())
            .field("References", references.trim())
    }
}

/// A mail that is being written.
#[derive(Debug, Clone)]
pub struct Draft {
    pub to: String,
    pub envelope: Vec<String>,
    pub subject: String,
    pub fields: Vec<(String, String)>,
    pub body: String,
}

impl Draft {
    pub fn new(to: &str, subject: &str, text: &str) -> Self {
        Draft {
            to: to.to_owned(),
            envelope: vec![to.to_owned()],
            subject: subject.to_owned(),
            fields: Vec::new(),
            body: text.to_owned(),
        }
    }

    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(n, _)| n != name);
        self
    }

    pub fn subject(mut self, subject: &str) -> Self {
        self.subject = subject.to_owned();
        self
    }

    pub fn to(mut self, to: &str) -> Self {
        self.to = to.to_owned();
        self
    }

    pub fn envelope(mut self, recipients: &[&str]) -> Self {
        self.envelope = recipients.iter().map(|r| (*r).to_owned()).collect();
        self
    }

    /// As it leaves, with CRLF line ends.
    pub fn bytes(&self, from: &str, unique: &str) -> String {
        let mut mail = format!("From: {from}\nTo: {}\nSubject: {}\n", self.to, self.subject);
        let has = |name: &str| self.fields.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !has("Message-ID") {
            mail.push_str(&format!("Message-ID: <{unique}>\n"));
        }
        if !has("Date") {
            mail.push_str(&format!("Date: {}\n", jiff::fmt::rfc2822::to_string(&jiff::Zoned::now()).expect("a date")));
        }
        if !has("Content-Type") {
            mail.push_str(
                "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n",
            );
        }
        for (name, value) in &self.fields {
            mail.push_str(&format!("{name}: {value}\n"));
        }
        format!("{mail}\n{}\n", self.body).replace('\n', "\r\n")
    }
}

/// A word that nobody else uses.
pub fn unique() -> String {
    format!("{:016x}", u64::from_le_bytes(yesreply::clock::random::<8>()))
}
