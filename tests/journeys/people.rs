//! People with a mailbox and a mail client.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub use crate::letter::{Draft, Letter, unique};
use crate::stack::Host;

/// How long somebody waits for a mail.
const PATIENCE: Duration = Duration::from_secs(30);

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
