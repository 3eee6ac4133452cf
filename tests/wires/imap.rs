//! IMAP servers that lie, cut and hang.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use yesreply::config::values::Start;
use yesreply::health::Health;
use yesreply::imap::{Intake, Settings};
use yesreply::store::cases::Filter;
use yesreply::store::types::{After, GapState};

use crate::{Desk, eventually};

/// How the server gives a mail.
#[derive(Clone, Copy, PartialEq)]
enum Gives {
    Whole,
    /// OK, and `BODY[] NIL`.
    Nil,
    /// Fewer octets than announced.
    Short,
    /// More octets than announced.
    Long,
    /// NO to a FETCH that names it.
    Refused,
    /// NO to a FETCH that names others too.
    RefusedInBatch,
    /// The connection ends in the middle of its literal.
    Cut,
    /// OK, without it.
    Omitted,
    /// NO for the first attempts, whole then.
    LaterWhole(u32),
}

struct Folder {
    uidvalidity: u32,
    uid_next: Option<u32>,
    mails: BTreeMap<u32, (String, Gives)>,
    /// What was asked, in order.
    asked: Vec<String>,
    idle: &'static str,
    attempts: u32,
}

type Shared = Arc<Mutex<Folder>>;

fn folder(mails: &[(u32, Gives)]) -> Shared {
    let mails = mails
        .iter()
        .map(|(uid, gives)| {
            let text = format!(
                "From: P{uid} <p{uid}@people.example>\r\nTo: support@shop.example\r\nSubject: mail {uid}\r\n\
                 Message-ID: <{uid}@people.example>\r\n\r\nWords of mail {uid}.\r\n"
            );
            (*uid, (text, *gives))
        })
        .collect();
    Arc::new(Mutex::new(Folder { uidvalidity: 1, uid_next: None, mails, asked: Vec::new(), idle: "ok", attempts: 0 }))
}

async fn start(folder: &Shared) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let folder = folder.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, folder.clone()));
        }
    });
    port
}

async fn converse(stream: TcpStream, folder: Shared) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"* OK ready\r\n").await.ok()?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
        folder.lock().expect("the folder").asked.push(command.to_owned());
        let (answer, last) = answer(command, &folder);
        stream.write_all(&answer).await.ok()?;
        if last == "CUT" {
            return None;
        }
        if last == "IDLE" {
            tokio::time::sleep(Duration::from_millis(300)).await;
            stream.write_all(b"* 1 EXISTS\r\n").await.ok()?;
            let mut done = String::new();
            stream.read_line(&mut done).await.ok()?;
            stream.write_all(format!("{tag} OK idle\r\n").as_bytes()).await.ok()?;
        } else if last == "HANG" {
            tokio::time::sleep(Duration::from_secs(600)).await;
        } else {
            stream.write_all(format!("{tag} {last}\r\n").as_bytes()).await.ok()?;
        }
    }
}

fn uids(set: &str, all: &BTreeMap<u32, (String, Gives)>) -> Vec<u32> {
    let highest = all.keys().max().copied().unwrap_or(0);
    let number = |text: &str| if text == "*" { highest } else { text.parse().unwrap_or(0) };
    let mut found = Vec::new();
    for run in set.split(',') {
        let (first, last) = run.split_once(':').unwrap_or((run, run));
        let (first, last) = (number(first).min(number(last)), number(first).max(number(last)));
        found.extend(all.keys().filter(|uid| (first..=last).contains(*uid)));
    }
    found
}

fn answer(command: &str, folder: &Shared) -> (Vec<u8>, String) {
    let mut folder = folder.lock().expect("the folder");
    let ok = "OK done".to_owned();
    let mut out = Vec::new();
    if command.starts_with("CAPABILITY") {
        let idle = if folder.idle == "missing" { "" } else { " IDLE" };
        out.extend(format!("* CAPABILITY IMAP4rev1{idle}\r\n").into_bytes());
    } else if command.starts_with("EXAMINE") || command.starts_with("SELECT") {
        out.extend(
            format!("* {} EXISTS\r\n* OK [UIDVALIDITY {}] x\r\n", folder.mails.len(), folder.uidvalidity).into_bytes(),
        );
        if let Some(next) = folder.uid_next {
            out.extend(format!("* OK [UIDNEXT {next}] x\r\n").into_bytes());
        }
    } else if command == "IDLE" {
        return match folder.idle {
            "refused" => (out, "NO not today".to_owned()),
            _ => (b"+ idling\r\n".to_vec(), "IDLE".to_owned()),
        };
    } else if let Some(rest) = command.strip_prefix("UID FETCH ") {
        let (set, what) = rest.split_once(' ').unwrap_or((rest, ""));
        let asked = uids(set, &folder.mails);
        if what.contains("RFC822.SIZE") {
            for uid in asked {
                let size = folder.mails[&uid].0.len();
                out.extend(
                    format!(
                        "* {uid} FETCH (UID {uid} RFC822.SIZE {size} INTERNALDATE \" 1-Feb-2026 10:00:00 +0000\")\r\n"
                    )
                    .into_bytes(),
                );
            }
        } else if what.contains("BODY") {
            return bodies(&mut folder, &asked);
        } else {
            for uid in asked {
                out.extend(format!("* {uid} FETCH (UID {uid})\r\n").into_bytes());
            }
        }
    }
    (out, ok)
}

fn bodies(folder: &mut Folder, asked: &[u32]) -> (Vec<u8>, String) {
    let mut out = Vec::new();
    for uid in asked {
        let (text, gives) = folder.mails[uid].clone();
        let whole =
            |text: &str, size: usize| format!("* {uid} FETCH (UID {uid} BODY[] {{{size}}}\r\n{text})\r\n").into_bytes();
        match gives {
            Gives::Whole => out.extend(whole(&text, text.len())),
            Gives::Nil => out.extend(format!("* {uid} FETCH (UID {uid} BODY[] NIL)\r\n").into_bytes()),
            Gives::Short => out.extend(whole(&text[..text.len() - 10], text.len() - 10)),
            Gives::Long => out.extend(whole(&format!("{text}more\r\n"), text.len() + 6)),
            Gives::Refused => return (out, "NO [SERVERBUG] cannot read it".to_owned()),
            Gives::RefusedInBatch if asked.len() > 1 => return (out, "NO [SERVERBUG] cannot read them".to_owned()),
            Gives::RefusedInBatch => out.extend(whole(&text, text.len())),
            Gives::Cut => {
                out.extend(
                    format!("* {uid} FETCH (UID {uid} BODY[] {{{}}}\r\n{}", text.len(), &text[..20]).into_bytes(),
                );
                return (out, "CUT".to_owned());
            }
            Gives::Omitted => {}
            Gives::LaterWhole(attempts) if folder.attempts < attempts => {
                folder.attempts += 1;
                return (out, "NO later".to_owned());
            }
            Gives::LaterWhole(_) => out.extend(whole(&text, text.len())),
        }
    }
    (out, "OK done".to_owned())
}

async fn desk(folder: &Shared) -> (Desk, tokio::task::JoinHandle<()>) {
    let desk = Desk::new(start(folder).await).await;
    let settings = Settings {
        start: Start::All,
        after: After::Keep,
        poll: Duration::from_secs(1),
        retry_max: Duration::from_millis(200),
        message_bytes_max: 1_000_000,
    };
    let intake = Intake::new(desk.account.clone(), settings, desk.flow.clone(), Health::default().beat("intake"));
    let handle = tokio::spawn(intake.run());
    (desk, handle)
}

async fn subjects(desk: &Desk) -> Vec<String> {
    let cases = desk.flow.store().cases(&Filter { limit: 1_000, ..Filter::default() }).await.expect("cases");
    let mut subjects: Vec<String> = cases.into_iter().map(|c| c.case.subject).collect();
    subjects.sort();
    subjects
}

async fn gap(desk: &Desk, uid: u32) -> Option<GapState> {
    let gaps = desk.flow.gaps("support", "INBOX", 1).await.expect("gaps");
    gaps.iter().find(|g| g.uid == uid).map(|g| g.state)
}

#[tokio::test]
async fn expunged_meanwhile_comes_as_nil_and_is_recorded_as_gone() {
    let folder = folder(&[(1, Gives::Whole), (2, Gives::Nil), (3, Gives::Whole)]);
    let (desk, intake) = desk(&folder).await;
    eventually("two cases", async || subjects(&desk).await == ["mail 1", "mail 3"]).await;
    assert_eq!(gap(&desk, 2).await, Some(GapState::Gone));
    intake.abort();
}

#[tokio::test]
async fn a_literal_shorter_than_announced_is_never_stored_as_the_mail() {
    let folder = folder(&[(1, Gives::Short), (2, Gives::Long), (3, Gives::Whole)]);
    let (desk, intake) = desk(&folder).await;
    eventually("two cases", async || subjects(&desk).await == ["mail 2", "mail 3"]).await;
    let quarantined = desk.flow.store().quarantined().await.expect("quarantine");
    assert_eq!(quarantined.len(), 1);
    assert!(quarantined[0].reason.contains("cut short"), "{}", quarantined[0].reason);
    intake.abort();
}

#[tokio::test]
async fn a_bad_uid_never_blocks_or_hides_later_ones() {
    let folder = folder(&[
        (1, Gives::Refused),
        (2, Gives::Whole),
        (3, Gives::RefusedInBatch),
        (4, Gives::Omitted),
        (5, Gives::Whole),
    ]);
    let (desk, intake) = desk(&folder).await;
    eventually("three cases", async || subjects(&desk).await == ["mail 2", "mail 3", "mail 5"]).await;
    eventually("an end of trying", async || gap(&desk, 1).await == Some(GapState::Failed)).await;
    let cursor = desk.flow.cursor("support", "INBOX").await.expect("a cursor").expect("a cursor");
    assert_eq!(cursor.uid_last, 5);
    intake.abort();
}

#[tokio::test]
async fn a_mail_that_kills_the_connection_becomes_a_gap() {
    let folder = folder(&[(1, Gives::Whole), (2, Gives::Cut), (3, Gives::Whole), (4, Gives::Whole)]);
    let (desk, intake) = desk(&folder).await;
    eventually("three cases", async || subjects(&desk).await == ["mail 1", "mail 3", "mail 4"]).await;
    eventually("an end of trying", async || gap(&desk, 2).await == Some(GapState::Failed)).await;
    intake.abort();
}

#[tokio::test]
async fn a_gap_is_read_when_the_server_can_again() {
    let folder = folder(&[(1, Gives::LaterWhole(3)), (2, Gives::Whole)]);
    let (desk, intake) = desk(&folder).await;
    eventually("both cases", async || subjects(&desk).await == ["mail 1", "mail 2"]).await;
    eventually("no gap", async || gap(&desk, 1).await.is_none()).await;
    intake.abort();
}

#[tokio::test]
async fn idle_refused_or_missing_is_polled() {
    for idle in ["refused", "missing"] {
        let folder = folder(&[(1, Gives::Whole)]);
        folder.lock().expect("the folder").idle = idle;
        let (desk, intake) = desk(&folder).await;
        eventually("a case", async || subjects(&desk).await == ["mail 1"]).await;
        let text = "From: x@people.example\r\nSubject: polled\r\n\r\nHello.\r\n".to_owned();
        folder.lock().expect("the folder").mails.insert(9, (text, Gives::Whole));
        eventually("a second case", async || subjects(&desk).await.contains(&"polled".to_owned())).await;
        intake.abort();
    }
}

#[tokio::test]
async fn mails_are_fetched_in_batches_and_nothing_is_marked() {
    let mails: Vec<(u32, Gives)> = (1..=250).map(|uid| (uid, Gives::Whole)).collect();
    let folder = folder(&mails);
    let (desk, intake) = desk(&folder).await;
    eventually("all cases", async || subjects(&desk).await.len() == 250).await;
    intake.abort();
    let asked = folder.lock().expect("the folder").asked.clone();
    let bodies: Vec<&String> = asked.iter().filter(|c| c.contains("BODY")).collect();
    assert_eq!(bodies.len(), 3, "{bodies:?}");
    assert!(bodies.iter().all(|c| c.contains("BODY.PEEK[]")), "{bodies:?}");
    assert!(!asked.iter().any(|c| c.contains("STORE") || c.starts_with("SELECT") || c.contains("SEARCH")), "{asked:?}");
}

#[tokio::test]
async fn uids_handed_out_again_under_the_same_uidvalidity_are_other_mail() {
    let folder = folder(&[(1, Gives::Whole), (2, Gives::Whole)]);
    folder.lock().expect("the folder").uid_next = Some(3);
    let (desk, intake) = desk(&folder).await;
    eventually("two cases", async || subjects(&desk).await.len() == 2).await;
    {
        let mut folder = folder.lock().expect("the folder");
        folder.mails.clear();
        let now = jiff::Zoned::now().strftime("%a, %d %b %Y %H:%M:%S %z").to_string();
        let text = format!("From: x@people.example\r\nDate: {now}\r\nSubject: after the loss\r\n\r\nHello.\r\n");
        folder.mails.insert(1, (text, Gives::Whole));
        folder.uid_next = Some(2);
    }
    eventually("the third case", async || subjects(&desk).await.contains(&"after the loss".to_owned())).await;
    intake.abort();
}

#[tokio::test]
async fn more_before_the_handshake_than_starttls_allows_ends_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"* OK ready\r\n").await;
            let mut line = String::new();
            let _ = BufReader::new(&mut stream).read_line(&mut line).await;
            let _ = stream.write_all(b"y1 OK go on\r\n* OK [CAPABILITY IMAP4rev1] injected\r\n").await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
    let mut desk = Desk::new(port).await;
    desk.account.imap.tls = yesreply::config::file::Tls::Starttls;
    let error = yesreply::imap::probe(&desk.account).await.expect_err("refused");
    assert!(format!("{error:#}").contains("before the handshake"), "{error:#}");
}

/// A server that says this, line by line as it is spoken to, and then this for ever.
async fn liar(answers: &'static [&'static str], forever: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                stream.write_all(b"* OK ready\r\n").await.ok()?;
                for answer in answers {
                    let mut line = String::new();
                    stream.read_line(&mut line).await.ok()?;
                    let tag = line.split(' ').next().unwrap_or_default().to_owned();
                    stream.write_all(answer.replace("TAG", &tag).as_bytes()).await.ok()?;
                }
                while !forever.is_empty() {
                    stream.write_all(forever).await.ok()?;
                }
                tokio::time::sleep(Duration::from_secs(600)).await;
                Some(())
            });
        }
    });
    port
}

#[tokio::test]
async fn t28_a_stripped_starttls_ends_the_connection_before_the_password() {
    for answer in ["TAG BAD unknown command\r\n", "TAG NO not here\r\n", "* BYE\r\nTAG BAD no\r\n"] {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let spoken = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufReader::new(stream);
                let _ = stream.write_all(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n").await;
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|n| n > 0) {
                    let tag = line.split(' ').next().unwrap_or_default().to_owned();
                    let _ = stream.write_all(answer.replace("TAG", &tag).as_bytes()).await;
                    spoken.lock().expect("what was said").push(std::mem::take(&mut line));
                }
            }
        });
        let mut desk = Desk::new(port).await;
        desk.account.imap.tls = yesreply::config::file::Tls::Starttls;
        let error = yesreply::imap::probe(&desk.account).await.expect_err("refused");
        assert!(format!("{error:#}").contains("STARTTLS"), "{error:#}");
        let heard = heard.lock().expect("what was said").join("");
        assert!(!heard.contains("LOGIN") && !heard.contains("AUTHENTICATE") && !heard.contains("secret"), "{heard}");
    }
}

#[tokio::test]
async fn t43_a_server_that_never_stops_answering_is_left() {
    let port = liar(&["TAG OK in\r\n"], b"* OK still here\r\n").await;
    let desk = Desk::new(port).await;
    let error = yesreply::imap::probe(&desk.account).await.expect_err("no end");
    let words = format!("{error:#}");
    assert!(words.contains("does not stop answering") || words.contains("no answer in time"), "{words}");
}

/// One answer that never ends is left at the size of the largest mail that is fetched, not at what memory holds.
#[tokio::test]
async fn t43_an_answer_without_an_end_is_left_at_the_largest_mail() {
    let port = liar(&["TAG OK in\r\n", "* OK "], &[b'x'; 65_536]).await;
    let mut desk = Desk::new(port).await;
    assert_eq!(desk.account.answer_bytes_max, 32 * 1024 * 1024, "of the default");
    desk.account.answer_bytes_max = 1024 * 1024;
    let error = yesreply::imap::probe(&desk.account).await.expect_err("no end");
    assert!(format!("{error:#}").contains("one answer is longer than 1048576 octets"), "{error:#}");
}

#[tokio::test]
async fn t43_a_giant_literal_is_refused_before_it_comes() {
    let port = liar(&["TAG OK in\r\n", "* 1 FETCH (UID 1 BODY[] {4000000000}\r\nFrom: x\r\n"], b"").await;
    let desk = Desk::new(port).await;
    let begun = tokio::time::Instant::now();
    let error = yesreply::imap::probe(&desk.account).await.expect_err("too large");
    assert!(begun.elapsed() < Duration::from_secs(30), "it is not waited for: {error:#}");
}
