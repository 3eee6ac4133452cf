//! A mail client on the shared mailbox: what people do there by hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::letter::Letter;
use crate::stack::Host;

/// A logged-in IMAP client.
pub struct Client {
    reader: BufReader<TcpStream>,
    number: u32,
}

impl Client {
    pub fn login(host: &Host, address: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", host.port("imap"))).expect("connect to Dovecot");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let mut client = Client { reader: BufReader::new(stream), number: 0 };
        client.line();
        client.says(&format!("LOGIN {address} secret"));
        client
    }

    fn line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line).expect("an answer");
        assert!(!line.is_empty(), "Dovecot closed the connection");
        line
    }

    /// A command; its untagged answers, literals in place, and whether it ended with OK.
    pub fn asks(&mut self, command: &str) -> (bool, Vec<Vec<u8>>) {
        self.number += 1;
        let tag = format!("c{} ", self.number);
        self.reader.get_mut().write_all(format!("{tag}{command}\r\n").as_bytes()).expect("write");
        let mut answers = Vec::new();
        loop {
            let mut line = self.line();
            if line.starts_with(tag.as_bytes()) {
                return (line[tag.len()..].starts_with(b"OK"), answers);
            }
            while let Some(size) = literal(&line) {
                let mut octets = vec![0; size];
                self.reader.read_exact(&mut octets).expect("a literal");
                line.extend(octets);
                line.extend(self.line());
            }
            answers.push(line);
        }
    }

    /// A command that must go well.
    pub fn says(&mut self, command: &str) -> Vec<Vec<u8>> {
        let (ok, answers) = self.asks(command);
        assert!(ok, "{command}");
        answers
    }

    /// The mails of a folder, by UID; empty if there is no such folder.
    pub fn mails(&mut self, folder: &str) -> Vec<(u32, Letter)> {
        if !self.asks(&format!("SELECT {folder}")).0 {
            return Vec::new();
        }
        let found = self.says("UID SEARCH UNDELETED");
        let line = found.iter().find(|l| l.starts_with(b"* SEARCH")).expect("a search");
        let words = String::from_utf8_lossy(line).into_owned();
        let uids: Vec<u32> = words.split_whitespace().skip(2).map(|w| w.parse().expect("a UID")).collect();
        let mut mails = Vec::new();
        for uid in uids {
            // a mail that has gone to another folder since is answered without its octets, or with NO
            let (_, fetched) = self.asks(&format!("UID FETCH {uid} (BODY.PEEK[])"));
            let Some(line) = fetched.into_iter().find(|l| l.windows(6).any(|w| w == b"BODY[]")) else { continue };
            let start = line.iter().position(|b| *b == b'\n').expect("a line") + 1;
            let Some(size) = literal(&line[..start]) else { continue };
            mails.push((uid, Letter { raw: line[start..start + size].to_vec(), path: std::path::PathBuf::new() }));
        }
        mails
    }

    /// The UID of the one mail with these words.
    pub fn find(&mut self, folder: &str, words: &str) -> u32 {
        let found: Vec<u32> =
            self.mails(folder).into_iter().filter(|(_, l)| l.text().contains(words)).map(|(uid, _)| uid).collect();
        assert_eq!(found.len(), 1, "{words} in {folder}");
        found[0]
    }

    /// Drags the mail with these words to another folder.
    pub fn moves(&mut self, folder: &str, words: &str, to: &str) {
        let uid = self.find(folder, words);
        self.says(&format!("UID MOVE {uid} {to}"));
    }

    pub fn copies(&mut self, folder: &str, words: &str, to: &str) {
        let uid = self.find(folder, words);
        self.says(&format!("UID COPY {uid} {to}"));
    }

    pub fn deletes(&mut self, folder: &str, words: &str) {
        let uid = self.find(folder, words);
        self.says(&format!("UID STORE {uid} +FLAGS (\\Deleted)"));
        self.says("EXPUNGE");
    }
}

/// The size of the literal that follows this line.
fn literal(line: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\r', '\n']).strip_suffix('}')?;
    text.rsplit_once('{')?.1.parse().ok()
}
