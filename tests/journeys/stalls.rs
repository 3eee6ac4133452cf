//! A relay in plain text that stalls at an exact place, so that the daemon can be killed, or has to wait, right there.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::desk::Desk;

/// Where it stalls.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stalls {
    /// After so many lines of the mail it reads no further.
    AtLine(usize),
    /// It has the whole mail and says nothing.
    AfterDot,
    /// It has the whole mail and says 250 after this time.
    Answers(Duration),
}

/// What it has got: whole mails, and conversations that stand where they were to stall.
#[derive(Default)]
struct Got {
    mails: Vec<String>,
    stalled: usize,
}

fn relay(stalls: Stalls) -> (u16, Arc<Mutex<Got>>) {
    let got: Arc<Mutex<Got>> = Arc::default();
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let shared = got.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = shared.clone();
            std::thread::spawn(move || converse(stream, stalls, &shared));
        }
    });
    (port, got)
}

/// Ends with the connection.
fn converse(stream: TcpStream, stalls: Stalls, got: &Mutex<Got>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    writer.write_all(b"220 relay\r\n").ok()?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim_end() != "DATA" {
            let answer = if line.starts_with("EHLO") { "250 relay" } else { "250 2.0.0 ok" };
            writer.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
            continue;
        }
        writer.write_all(b"354 go on\r\n").ok()?;
        let mut mail = String::new();
        let mut lines = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == ".\r\n" {
                break;
            }
            mail.push_str(&line);
            lines += 1;
            if stalls == Stalls::AtLine(lines) {
                got.lock().expect("got").stalled += 1;
                std::thread::sleep(Duration::from_secs(60));
                return None;
            }
        }
        got.lock().expect("got").mails.push(mail);
        match stalls {
            Stalls::Answers(after) => std::thread::sleep(after),
            _ => {
                got.lock().expect("got").stalled += 1;
                std::thread::sleep(Duration::from_secs(60));
                return None;
            }
        }
        writer.write_all(b"250 2.0.0 taken\r\n").ok()?;
    }
}

/// Half of the mail is out, or all of it and no answer is here: the daemon is killed there, and what it left is sent.
#[test]
fn killed_in_the_middle_of_data_and_right_after_the_dot() {
    for stalls in [Stalls::AtLine(5), Stalls::AfterDot] {
        let Some(desk) = Desk::new("killed_while_sending") else { return };
        let mut desk = desk.with_one_connection();
        let (port, got) = relay(stalls);
        desk.relay(Some(port));
        desk.start();
        let (jane, anna, bob) = (desk.customer("Jane"), desk.agent("anna"), desk.agent("bob"));
        jane.writes(&desk.address(), "Stall", "Words that must arrive.");
        desk.wait_for("the stall", |_| got.lock().expect("got").stalled == 1);
        desk.kill();
        desk.relay(None);
        desk.start();
        anna.gets("Words that must arrive.");
        bob.gets("Words that must arrive.");
        jane.gets("[#1001]");
        desk.quiet();
        let arrived: usize = [&anna, &bob, &jane].iter().map(|person| person.mailbox().len()).sum();
        assert_eq!(arrived, 3, "{stalls:?}: one copy of each through the good relay");
        for early in &got.lock().expect("got").mails {
            let id = early.lines().find(|l| l.starts_with("Message-ID:")).expect("an id");
            let later = [&anna, &bob, &jane]
                .iter()
                .flat_map(|person| person.mailbox())
                .find(|letter| letter.everything().contains(id))
                .expect("the same mail once more");
            let raw = String::from_utf8_lossy(&later.raw).replace("\r\n", "\n");
            assert!(raw.ends_with(&early.replace("\r\n", "\n")), "{stalls:?}: the same bytes");
        }
        assert_eq!(desk.cases().len(), 1);
        desk.audit();
        desk.stop();
    }
}

/// RFC 5321 section 4.5.3.2.6 asks for ten minutes; RFC 1047 tells what a shorter wait does.
#[test]
fn a_relay_that_answers_after_65_s_gets_one_copy() {
    let Some(mut desk) = Desk::new("slow_answer") else { return };
    let (port, got) = relay(Stalls::Answers(Duration::from_secs(65)));
    desk.relay(Some(port));
    desk.patience(Duration::from_secs(100));
    desk.start();
    desk.customer("Jane").writes(&desk.address(), "Slow", "A slow relay.");
    let ends = |desk: &Desk, state: &str| {
        let rows = desk.json(&["outbox", "list", "--all"]);
        rows.as_array().expect("rows").iter().filter(|row| row["state"] == state).count()
    };
    desk.wait_for("an end of the sending", |desk| ends(desk, "sent") == 3 || ends(desk, "uncertain") > 0);
    assert_eq!((ends(&desk, "sent"), got.lock().expect("got").mails.len()), (3, 3), "one copy each");
    desk.kill();
}
