//! `yesreply sendmail`: what a program that calls sendmail(8) expects, and durable before exit 0.
//!
//! Decides   to the daemon's socket, or where that does not answer into the maildrop.
//! Follows   sendmail(8) as programs use it, sysexits(3).
//! Never     obeys an option that reads or writes another file, or loses a mail after exit 0.

mod arguments;
mod letter;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::output::{Failure, code};
use crate::clock;
use crate::config::sendmail::{Places, ready_name};
use crate::listen::maildrop::Envelope;

use arguments::Arguments;
use letter::Letter;

/// For each answer of the daemon.
const ANSWER: Duration = Duration::from_secs(150);
/// Octets of a mail that is read.
const MAIL_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How a hand-over to the daemon ended.
enum Handed {
    /// It has it.
    Stored,
    /// It does not want it: its last words.
    Refused(String),
    /// It is not there, or cannot now: why.
    NotNow(String),
}

/// Runs it.
///
/// # Errors
/// A code of sysexits(3): 64 usage, 65 no usable mail, 67 no recipient, 69 refused, 75 try again, 77 not allowed.
pub fn run(config: &Path, arguments: &[String]) -> Result<(), Failure> {
    let arguments = Arguments::parse(arguments).map_err(|words| Failure::new(code::USAGE, words))?;
    let places = Places::find(config);
    if arguments.speaks {
        return speak(&places);
    }
    let mut raw = Vec::new();
    std::io::stdin()
        .lock()
        .take(MAIL_BYTES_MAX)
        .read_to_end(&mut raw)
        .map_err(|e| Failure::new(code::TRY_AGAIN, format!("read the mail: {e}")))?;
    let letter = Letter::of(&raw, &arguments).map_err(|(code, words)| Failure::new(code, words))?;
    match hand_over(&places.socket, &letter) {
        Handed::Stored => Ok(()),
        Handed::Refused(words) => {
            let code = if words.starts_with("530") || words.contains(" 5.7.") {
                code::NO_PERMISSION
            } else {
                code::UNAVAILABLE
            };
            Err(Failure::new(code, format!("the mail was refused: {words}")))
        }
        Handed::NotNow(reason) => drop_into(&places.maildrop, &letter).map_err(|e| {
            let words = format!("{reason}; and the maildrop {}: {e}", places.maildrop.display());
            Failure::new(code::TRY_AGAIN, words)
        }),
    }
}

/// SMTP on standard input and output (`-bs`).
fn speak(places: &Places) -> Result<(), Failure> {
    let closed = |e: std::io::Error| {
        let _ = std::io::stdout().write_all(b"421 4.3.2 yesreply is not there; try again\r\n");
        Failure::new(code::TRY_AGAIN, format!("connect to {}: {e}", places.socket.display()))
    };
    let stream = UnixStream::connect(&places.socket).map_err(closed)?;
    let mut theirs = stream.try_clone().map_err(closed)?;
    let reading = std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut buffer = [0u8; 16 * 1024];
        while let Ok(length @ 1..) = input.read(&mut buffer) {
            if buffer.get(..length).is_none_or(|piece| theirs.write_all(piece).is_err()) {
                break;
            }
        }
        let _ = theirs.shutdown(std::net::Shutdown::Write);
    });
    let mut stream = stream;
    let mut out = std::io::stdout().lock();
    let mut buffer = [0u8; 16 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        let piece = buffer.get(..length).unwrap_or_default();
        if out.write_all(piece).and_then(|()| out.flush()).is_err() {
            break;
        }
    }
    drop(reading);
    Ok(())
}

fn hand_over(socket: &Path, letter: &Letter) -> Handed {
    let not_now = |what: &str, e: std::io::Error| Handed::NotNow(format!("{what} {}: {e}", socket.display()));
    let stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error) => return not_now("connect to", error),
    };
    let timeouts = stream.set_read_timeout(Some(ANSWER)).and_then(|()| stream.set_write_timeout(Some(ANSWER)));
    let reader = match timeouts.and_then(|()| stream.try_clone()) {
        Ok(reader) => BufReader::new(reader),
        Err(error) => return not_now("use", error),
    };
    let mut talk = Talk { reader, writer: stream };
    match talk.all(letter) {
        Ok(handed) => handed,
        Err(error) => not_now("talk to", error),
    }
}

struct Talk {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Talk {
    fn all(&mut self, letter: &Letter) -> std::io::Result<Handed> {
        let mut said = vec!["EHLO sendmail".to_owned()];
        let Envelope { from, to, .. } = &letter.envelope;
        said.push(format!("MAIL FROM:<{from}> BODY=8BITMIME SMTPUTF8"));
        let notify = letter.notify.as_ref().map(|n| format!(" NOTIFY={n}")).unwrap_or_default();
        said.extend(to.iter().map(|to| format!("RCPT TO:<{to}>{notify}")));
        said.push("DATA".to_owned());
        if let Some(bad) = self.bad(None)? {
            return Ok(bad);
        }
        for line in &said {
            if let Some(bad) = self.bad(Some(format!("{line}\r\n").as_bytes()))? {
                return Ok(bad);
            }
        }
        let mut stuffed = Vec::with_capacity(letter.bytes.len().saturating_add(64));
        for line in letter.bytes.split_inclusive(|b| *b == b'\n') {
            if line.starts_with(b".") {
                stuffed.push(b'.');
            }
            stuffed.extend_from_slice(line);
        }
        stuffed.extend_from_slice(b".\r\n");
        let end = self.bad(Some(&stuffed))?;
        let _ = self.writer.write_all(b"QUIT\r\n");
        Ok(end.unwrap_or(Handed::Stored))
    }

    /// Says something; what the answer means if it is not good.
    fn bad(&mut self, line: Option<&[u8]>) -> std::io::Result<Option<Handed>> {
        if let Some(line) = line {
            self.writer.write_all(line)?;
        }
        loop {
            let mut answer = String::new();
            if self.reader.read_line(&mut answer)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if answer.as_bytes().get(3) == Some(&b'-') {
                continue;
            }
            let words = answer.trim_end().to_owned();
            return Ok(match answer.as_bytes().first() {
                Some(b'2' | b'3') => None,
                Some(b'5') => Some(Handed::Refused(words)),
                _ => Some(Handed::NotNow(words)),
            });
        }
    }
}

/// Into the maildrop: written, synced, renamed, synced. Its folder cannot be read by us, so that the whole file system
/// is synced instead of the folder.
fn drop_into(folder: &Path, letter: &Letter) -> std::io::Result<()> {
    let name = format!("{:013}.{}", clock::now_ms(), data_encoding::HEXLOWER.encode(&clock::random::<12>()));
    let temporary: PathBuf = folder.join(format!("tmp.{name}"));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o640).open(&temporary)?;
    let written = serde_json::to_string(&letter.envelope)
        .map_err(std::io::Error::other)
        .and_then(|head| file.write_all(format!("{head}\n").as_bytes()))
        .and_then(|()| file.write_all(&letter.bytes))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&temporary, folder.join(ready_name(&name))));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    rustix::fs::syncfs(&file).map_err(std::io::Error::from)
}
