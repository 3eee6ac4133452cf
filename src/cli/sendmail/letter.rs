//! A mail as a program writes it to sendmail(8), made whole.

use crate::clock;
use crate::listen::maildrop::Envelope;
use crate::mail::edit::{Header, split};
use crate::mail::{Address, NameAddr, read};

use super::arguments::Arguments;

/// EX_DATAERR.
const DATA: u8 = 65;
/// EX_NOUSER.
const NO_USER: u8 = 67;

/// A mail and its envelope.
#[derive(Debug)]
pub struct Letter {
    /// From whom and to whom.
    pub envelope: Envelope,
    /// DSN conditions.
    pub notify: Option<String>,
    /// The mail, CRLF line ends.
    pub bytes: Vec<u8>,
}

impl Letter {
    /// From what stood on standard input.
    ///
    /// # Errors
    /// Exit code and words.
    pub fn of(raw: &[u8], arguments: &Arguments) -> Result<Self, (u8, String)> {
        let text = lines(raw, arguments.dots_are_text);
        let (head, body) = split(&text);
        let mut header = Header::parse(head);
        let mail = read::read(&text);
        let mut recipients = arguments.recipients.clone();
        if arguments.from_header {
            let hidden = header.value("bcc").map(|value| read::read(format!("To: {value}\r\n\r\n").as_bytes()).to);
            let named = mail.to.iter().chain(&mail.cc).cloned().chain(hidden.unwrap_or_default());
            for address in named.map(|n| n.address) {
                if !recipients.contains(&address) {
                    recipients.push(address);
                }
            }
        }
        if recipients.is_empty() {
            return Err((NO_USER, "there is no recipient".to_owned()));
        }
        header.remove(|name| name == "bcc");
        let me = myself();
        let sender = arguments.sender.clone().unwrap_or_else(|| me.to_string());
        if mail.from.is_empty() {
            let address = Address::parse(&sender).unwrap_or_else(|| me.clone());
            let name = arguments.full_name.clone().unwrap_or_default();
            header.set_from(&NameAddr::new(&name, address)).map_err(|words| (DATA, words))?;
        }
        // with an id of its own, what is handed in twice is recognised
        if mail.message_id.is_none() {
            let unique = data_encoding::HEXLOWER.encode(&clock::random::<12>());
            header.set_plain("Message-ID", &format!("<{}.{unique}@{}>", clock::now_ms(), me.domain()));
        }
        if mail.date_ms.is_none() {
            let now = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
            header.set_plain("Date", &jiff::fmt::rfc2822::to_string(&now).unwrap_or_default());
        }
        let mut bytes = header.to_bytes();
        bytes.extend_from_slice(if body.is_empty() { b"\r\n" } else { body });
        if !bytes.ends_with(b"\r\n") {
            bytes.extend_from_slice(b"\r\n");
        }
        let to = recipients.iter().map(ToString::to_string).collect();
        Ok(Letter { envelope: Envelope { from: sender, to }, notify: arguments.notify.clone(), bytes })
    }
}

/// Lines with CRLF; without `-i` they end before a dot on a line of its own.
fn lines(raw: &[u8], dots_are_text: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len().saturating_add(raw.len() / 32));
    for line in raw.split_inclusive(|b| *b == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        if !dots_are_text && bare == b"." {
            break;
        }
        // a CR that stands alone would end a line elsewhere
        out.extend(bare.iter().map(|b| if *b == b'\r' { b' ' } else { *b }));
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Who runs this program, at this machine.
fn myself() -> Address {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let uid = std::os::unix::fs::MetadataExt::uid(&match std::fs::metadata("/proc/self") {
        Ok(metadata) => metadata,
        Err(_) => return Address::unknown(),
    });
    let passwd = text("/etc/passwd");
    let user = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2).is_some_and(|id| *id == uid.to_string()))
        .and_then(|fields| fields.first().map(|name| (*name).to_owned()))
        .unwrap_or_else(|| format!("user{uid}"));
    Address::parse(&format!("{user}@{}", text("/proc/sys/kernel/hostname"))).unwrap_or_else(Address::unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(raw: &str, options: &str) -> Result<(String, Vec<String>), (u8, String)> {
        let options: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
        let arguments = Arguments::parse(&options).unwrap_or_default();
        let letter = Letter::of(raw.as_bytes(), &arguments)?;
        Ok((String::from_utf8_lossy(&letter.bytes).into_owned(), letter.envelope.to))
    }

    #[test]
    fn recipients_of_the_header_are_taken_and_hidden_ones_do_not_show() {
        let raw = "To: Jane <jane@a.example>\nCc: max@a.example\nBcc: boss@a.example,\n eva@a.example\nFrom: x@shop.example\n\nhi\n";
        let (mail, to) = letter(raw, "-t").unwrap_or_default();
        assert_eq!(to, ["jane@a.example", "max@a.example", "boss@a.example", "eva@a.example"]);
        assert!(
            !mail.contains("boss")
                && !mail.contains("eva")
                && mail.contains("Message-ID: <")
                && mail.contains("Date: ")
        );
        assert!(mail.ends_with("\r\n\r\nhi\r\n"), "{mail}");
        assert_eq!(letter("Subject: x\n\nhi\n", "-t"), Err((67, "there is no recipient".to_owned())));
    }

    #[test]
    fn a_dot_ends_the_mail_unless_it_is_text() {
        let raw = "From: x@shop.example\n\nhi\n.\nmore\r\n";
        let (mail, _) = letter(raw, "jane@a.example").unwrap_or_default();
        assert!(mail.ends_with("\r\n\r\nhi\r\n"), "{mail}");
        let (mail, _) = letter(raw, "-i jane@a.example").unwrap_or_default();
        assert!(mail.ends_with("\r\n\r\nhi\r\n.\r\nmore\r\n"), "{mail}");
    }

    #[test]
    fn a_missing_from_is_whoever_runs_it() {
        let (mail, _) =
            letter("Subject: x\n\nhi\n", "-F Shop -f noreply@shop.example jane@a.example").unwrap_or_default();
        assert!(mail.contains("From: Shop <noreply@shop.example>\r\n"), "{mail}");
    }
}
