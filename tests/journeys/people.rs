//! People with a mailbox and a mail client.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mail_parser::{HeaderValue, Message, MessageParser};

use crate::stack::Host;

/// How long somebody waits for a mail.
const PATIENCE: Duration = Duration::from_secs(30);

/// A mail as it lies in a mailbox.
#[derive(Debug, Clone)]
pub struct Letter {
    pub raw: Vec<u8>,
    pub path: PathBuf,
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
    envelope: Vec<String>,
    subject: String,
    fields: Vec<(String, String)>,
    body: String,
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

/// Somebody.
#[derive(Clone)]
pub struct Person {
    pub name: String,
    pub address: String,
    smtp: u16,
    maildir: PathBuf,
    seen: Rc<RefCell<BTreeSet<String>>>,
}

impl Person {
    pub fn new(host: &Host, name: &str, address: &str) -> Self {
        Person {
            name: name.to_owned(),
            address: address.to_owned(),
            smtp: host.port("smtp"),
            maildir: host.maildir(address),
            seen: Rc::default(),
        }
    }

    pub fn from(&self) -> String {
        format!("{} <{}>", self.name, self.address)
    }

    /// Sends a mail; returns its Message-ID.
    pub fn sends(&self, draft: &Draft) -> String {
        let unique = format!("{}@{}", unique(), self.address.split('@').nth(1).expect("a domain"));
        self.sends_raw(
            &draft.bytes(&self.from(), &unique),
            &draft.envelope.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        format!("<{unique}>")
    }

    pub fn writes(&self, to: &str, subject: &str, text: &str) -> String {
        self.sends(&Draft::new(to, subject, text))
    }

    /// SMTP, as short as it gets.
    pub fn sends_raw(&self, mail: &str, recipients: &[&str]) {
        hand_over(self.smtp, &self.address, recipients, mail.as_bytes());
    }

    /// All mails that lie in the mailbox, oldest first.
    pub fn mailbox(&self) -> Vec<Letter> {
        let mut found = Vec::new();
        for folder in ["new", "cur"] {
            for entry in std::fs::read_dir(self.maildir.join(folder)).into_iter().flatten().flatten() {
                let time = entry.metadata().and_then(|m| m.modified()).ok();
                if let Ok(raw) = std::fs::read(entry.path()) {
                    found.push((time, Letter { raw, path: entry.path() }));
                }
            }
        }
        found.sort_by(|a, b| (a.0, &a.1.path).cmp(&(b.0, &b.1.path)));
        found.into_iter().map(|(_, letter)| letter).collect()
    }

    /// The next mail that was not looked at yet and fits.
    pub fn receives(&self, fits: impl Fn(&Letter) -> bool) -> Letter {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            for letter in self.mailbox() {
                let key = letter
                    .path
                    .file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .split(':')
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                if !self.seen.borrow().contains(&key) && fits(&letter) {
                    self.seen.borrow_mut().insert(key);
                    return letter;
                }
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        let subjects: Vec<String> = self.mailbox().iter().map(Letter::subject).collect();
        panic!("{} waited for a mail in vain; there are {subjects:?}", self.address);
    }

    /// The next mail whose subject or text holds these words.
    pub fn gets(&self, words: &str) -> Letter {
        self.receives(|letter| letter.subject().contains(words) || letter.text().contains(words))
    }
}

/// A word that nobody else uses.
pub fn unique() -> String {
    format!("{:016x}", u64::from_le_bytes(yesreply::clock::random::<8>()))
}

/// Hands a mail to an SMTP server.
pub fn hand_over(port: u16, from: &str, recipients: &[&str], mail: &[u8]) {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect to Postfix");
    stream.set_nodelay(true).expect("TCP_NODELAY");
    let mut reader = BufReader::new(stream.try_clone().expect("clone"));
    let mut writer = stream;
    let mut expect = |code: char| loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("an answer");
        assert!(line.starts_with(code), "Postfix says {line}");
        if line.as_bytes().get(3) != Some(&b'-') {
            break;
        }
    };
    expect('2');
    let mut say = |line: &str, code: char| {
        writer.write_all(format!("{line}\r\n").as_bytes()).expect("write");
        expect(code);
    };
    say("EHLO people.example", '2');
    say(&format!("MAIL FROM:<{from}> BODY=8BITMIME"), '2');
    for recipient in recipients {
        say(&format!("RCPT TO:<{recipient}>"), '2');
    }
    say("DATA", '3');
    let mut body = Vec::with_capacity(mail.len());
    for line in mail.split_inclusive(|b| *b == b'\n') {
        if line.first() == Some(&b'.') {
            body.push(b'.');
        }
        body.extend_from_slice(line);
    }
    writer.write_all(&body).expect("write");
    let end: &[u8] = if mail.ends_with(b"\r\n") { b".\r\n" } else { b"\r\n.\r\n" };
    writer.write_all(end).expect("write");
    let mut line = String::new();
    reader.read_line(&mut line).expect("an answer");
    assert!(line.starts_with('2'), "Postfix says {line}");
}
