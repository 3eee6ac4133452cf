//! Relays that cut at an exact place.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use yesreply::health::Health;
use yesreply::mail::dkim::Signer;
use yesreply::smtp::{Sender, Settings};
use yesreply::store::outbox::Queued;
use yesreply::store::types::{After, Content, Cursor, FetchedMail, IntakeBatch};

use crate::{Desk, eventually};

/// What the relay does with the nth mail.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Does {
    Take,
    /// Ends the connection at this verb.
    CutAt(&'static str),
    /// Takes the mail and ends the connection without an answer.
    CutAfterDot,
    /// Takes the mail and never answers.
    SilentAfterDot,
    /// Says this at this verb.
    Say(&'static str, &'static str),
}

#[derive(Default)]
struct Relay {
    script: Vec<Does>,
    begun: usize,
    taken: Vec<String>,
    connections: usize,
    /// Lines that ended in a bare LF.
    bare: usize,
}

type Shared = Arc<Mutex<Relay>>;

async fn start(script: &[Does]) -> (u16, Shared) {
    let relay = Arc::new(Mutex::new(Relay { script: script.to_vec(), ..Relay::default() }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let shared = relay.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            shared.lock().expect("relay").connections += 1;
            tokio::spawn(converse(stream, shared.clone()));
        }
    });
    (port, relay)
}

async fn converse(stream: TcpStream, relay: Shared) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 relay\r\n").await.ok()?;
    let mut does = Does::Take;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let verb = line.split([' ', '\r']).next().unwrap_or_default().to_ascii_uppercase();
        if verb == "MAIL" {
            let mut relay = relay.lock().expect("relay");
            does = relay.script.get(relay.begun).copied().unwrap_or(Does::Take);
            relay.begun += 1;
        }
        match does {
            Does::CutAt(at) if at == verb => return None,
            Does::Say(at, words) if at == verb => {
                stream.write_all(format!("{words}\r\n").as_bytes()).await.ok()?;
                continue;
            }
            _ => {}
        }
        if verb != "DATA" {
            let answer = if verb == "EHLO" { "250 relay" } else { "250 2.0.0 ok" };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
            continue;
        }
        stream.write_all(b"354 go on\r\n").await.ok()?;
        let mut mail = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            relay.lock().expect("relay").bare += usize::from(!line.ends_with("\r\n"));
            if line == ".\r\n" {
                break;
            }
            mail.push_str(line.strip_prefix('.').unwrap_or(&line));
        }
        match does {
            Does::Say("DOT", words) => {
                stream.write_all(format!("{words}\r\n").as_bytes()).await.ok()?;
                continue;
            }
            Does::CutAfterDot | Does::SilentAfterDot | Does::Take | Does::CutAt(_) | Does::Say(..) => {}
        }
        relay.lock().expect("relay").taken.push(mail);
        match does {
            Does::CutAfterDot => return None,
            Does::SilentAfterDot => tokio::time::sleep(Duration::from_secs(60)).await,
            _ => stream.write_all(b"250 2.0.0 taken\r\n").await.ok()?,
        }
    }
}

/// A desk with one relay to Anna in its outbox (and nothing else), and a sender that runs.
async fn sending(script: &[Does]) -> (Desk, Shared, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    sending_signed(script, Vec::new()).await
}

/// The same, signed.
async fn sending_signed(
    script: &[Does],
    signers: Vec<Signer>,
) -> (Desk, Shared, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    let (port, relay) = start(script).await;
    let mut desk = Desk::new(port).await;
    desk.account.connections = 1;
    let mail = "From: no-reply@people.example\r\nTo: support@shop.example\r\nSubject: x\r\nAuto-Submitted: auto-generated\r\n\r\n.dot\r\nWords.\r\n";
    let cursor = Cursor {
        mailbox: "support".to_owned(),
        folder: "INBOX".to_owned(),
        uidvalidity: 1,
        generation: 0,
        uid_last: 1,
        uid_old: 0,
        taken_from_ms: 0,
        fresh_from_ms: 0,
        started_ms: 0,
        read_ms: 0,
    };
    let mails = vec![FetchedMail { uid: 1, internal_date_ms: None, old: false, content: Content::Whole(mail.into()) }];
    let batch = IntakeBatch {
        cursor,
        moved_from: None,
        mails,
        gaps: Vec::new(),
        gaps_closed: Vec::new(),
        after: After::Keep,
        junk: false,
        sent: false,
    };
    desk.flow.intake(batch).await.expect("intake");
    let (stop, stopped) = watch::channel(false);
    let settings = Settings { signers: signers.into(), ..Settings::of(&desk.config, &desk.account) };
    let handle = tokio::spawn(
        Sender::new(desk.account.clone(), settings, desk.flow.clone(), Health::default().beat("outbox")).run(stopped),
    );
    (desk, relay, stop, handle)
}

async fn row(desk: &Desk) -> Queued {
    let rows = desk.flow.store().outbox(true, 10).await.expect("the outbox");
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.into_iter().next().expect("a row")
}

async fn ends(desk: &Desk, state: &str) -> Queued {
    eventually(state, async || row(desk).await.state == state).await;
    row(desk).await
}

#[tokio::test]
async fn r62_cut_after_the_dot_is_sent_once_more_with_the_same_bytes() {
    for cut in [Does::CutAfterDot, Does::SilentAfterDot] {
        let (desk, relay, _stop, _) = sending(&[cut]).await;
        ends(&desk, "sent").await;
        let taken = relay.lock().expect("relay").taken.clone();
        assert_eq!(taken.len(), 2, "{cut:?}");
        assert_eq!(taken[0], taken[1]);
        assert!(taken[0].ends_with("\r\n") && !taken[0].ends_with("\r\n\r\n\r\n"), "{taken:?}");
    }
}

#[tokio::test]
async fn r62_a_signed_mail_has_the_same_bytes_at_each_attempt() {
    let done = std::process::Command::new("openssl").args(["genpkey", "-algorithm", "rsa"]).output().expect("openssl");
    let signer = Signer::new("shop.example", "s", &String::from_utf8_lossy(&done.stdout)).expect("a key");
    let (desk, relay, _stop, _) = sending_signed(&[Does::CutAfterDot], vec![signer]).await;
    ends(&desk, "sent").await;
    let taken = relay.lock().expect("relay").taken.clone();
    assert_eq!(taken.len(), 2);
    assert!(taken[0].starts_with("DKIM-Signature: v=1; a=rsa-sha256"), "{taken:?}");
    // a second apart, as the retry is
    assert_eq!(taken[0], taken[1]);
}

#[tokio::test]
async fn r62_cut_after_the_dot_twice_is_held() {
    let (desk, relay, _stop, _) = sending(&[Does::CutAfterDot, Does::CutAfterDot]).await;
    ends(&desk, "held").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(relay.lock().expect("relay").taken.len(), 2, "no relay that cuts makes us send for ever");
}

#[tokio::test]
async fn cut_before_the_dot_is_sent_exactly_once() {
    for verb in ["MAIL", "RCPT", "DATA"] {
        let (desk, relay, _stop, _) = sending(&[Does::CutAt(verb)]).await;
        let row = ends(&desk, "sent").await;
        assert_eq!(relay.lock().expect("relay").taken.len(), 1, "{verb}");
        assert_eq!(row.attempts, 2, "{verb}");
    }
}

#[tokio::test]
async fn r61_what_is_final_temporary_or_about_us() {
    for (at, words, state, taken) in [
        ("RCPT", "550 5.1.1 no such user", "failed", 0),
        ("DOT", "554 5.6.0 malformed", "failed", 0),
        ("RCPT", "450 4.2.0 greylisted", "sent", 1),
        ("DATA", "451 4.3.0 later", "sent", 1),
        ("DOT", "452 4.3.1 disk full", "sent", 1),
        ("MAIL", "421 4.3.2 shutting down", "sent", 1),
    ] {
        let (desk, relay, _stop, _) = sending(&[Does::Say(at, words)]).await;
        let row = ends(&desk, state).await;
        assert_eq!(relay.lock().expect("relay").taken.len(), taken, "{words}");
        assert!(state == "sent" || row.last_reply.contains(words.get(4..12).expect("words")), "{row:?}");
    }
    for (at, words) in [
        ("MAIL", "553 5.7.1 sender not owned"),
        ("DOT", "554 5.2.252 SendAsDenied"),
        ("RCPT", "530 5.7.0 log in first"),
    ] {
        let (desk, relay, _stop, _) = sending(&[Does::Say(at, words)]).await;
        eventually("a pause", async || {
            desk.flow.store().accounts().await.expect("accounts").iter().any(|a| a.state == "paused")
        })
        .await;
        assert_eq!(row(&desk).await.state, "queued", "the mail is kept: {words}");
        assert_eq!(row(&desk).await.attempts, 0, "and the attempt does not count");
        assert!(relay.lock().expect("relay").taken.is_empty());
    }
}

#[tokio::test]
async fn a_stop_leaves_what_waits_for_its_answer_uncertain() {
    let (desk, _relay, stop, handle) = sending(&[Does::SilentAfterDot]).await;
    eventually("the dot", async || row(&desk).await.state == "sending").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = std::time::Instant::now();
    stop.send_replace(true);
    handle.await.expect("its end");
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    assert_eq!(row(&desk).await.state, "uncertain");
}

#[tokio::test]
async fn no_line_on_the_wire_ends_in_a_bare_lf() {
    let (_desk, relay, _stop, _) = sending(&[]).await;
    eventually("the mail", async || !relay.lock().expect("relay").taken.is_empty()).await;
    let relay = relay.lock().expect("relay");
    assert_eq!(relay.bare, 0, "a bare LF in {:?}", relay.taken);
    assert!(!relay.taken[0].replace("\r\n", "").contains('\r'), "a bare CR in {:?}", relay.taken);
}

#[cfg(feature = "failpoints")]
#[test]
fn the_wire_bites_where_a_line_ends_in_a_bare_lf() {
    crate::bite::bites("bare_lf", "smtp::no_line_on_the_wire_ends_in_a_bare_lf", "a bare LF in");
}

#[tokio::test]
async fn t28_a_stripped_starttls_gets_no_mail_and_no_password() {
    let (port, relay) = start(&[]).await;
    let mut desk = Desk::new(port).await;
    desk.account.smtp.tls = yesreply::config::file::Tls::Starttls;
    // this relay answers STARTTLS with 250, as one does behind somebody who takes the command out
    let error = yesreply::smtp::probe(&desk.account).await.expect_err("refused");
    assert!(format!("{error:#}").contains("STARTTLS"), "{error:#}");
    assert_eq!(relay.lock().expect("relay").begun, 0, "no mail was begun");
}

#[tokio::test]
async fn t43_a_relay_that_never_stops_answering_is_left() {
    for forever in [&b"250-more\r\n"[..], &b"without an end of line "[..]] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(b"220 relay\r\n").await;
                while stream.write_all(forever).await.is_ok() {}
            }
        });
        let desk = Desk::new(port).await;
        let begun = tokio::time::Instant::now();
        let error = yesreply::smtp::probe(&desk.account).await.expect_err("no end");
        assert!(format!("{error:#}").contains("does not stop answering"), "{error:#}");
        assert!(begun.elapsed() < Duration::from_secs(30), "long before the deadline");
    }
}
