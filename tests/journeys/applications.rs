//! Applications that send from `noreply@`: the customer replies, the agent sees the order, the customer gets the answer.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::crashes::AS_A_SERVICE_MANAGER_WAITS;
use crate::desk::Desk;
use crate::people::unique;
use crate::stack::Host;

/// A desk with a listener, a socket for sendmail and application `shop`.
fn shop(story: &str) -> Option<(Desk, u16)> {
    shop_with(story, |_| (String::new(), ())).map(|(desk, port, ())| (desk, port))
}

/// The same with further settings of the application, and what they are about.
pub fn shop_with<T>(story: &str, settings: impl FnOnce(&Host) -> (String, T)) -> Option<(Desk, u16, T)> {
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = held.local_addr().expect("its address").port();
    let desk = Desk::new(story)?;
    let (settings, about) = settings(&desk.host);
    let folder = desk.folder().display().to_string();
    let tls = desk.host.folder.join("tls").display().to_string();
    let desk = desk.with(&format!(
        "[listener.local]\naddress = \"127.0.0.1:{port}\"\ntls = \"starttls\"\ncertificate = \"{tls}/host.pem\"\nkey = \"{tls}/host.key\"\n\
         [sendmail]\nsocket = \"{folder}/submit.sock\"\nmaildrop = \"{folder}/maildrop\"\n\
         [application.shop]\nmailbox = \"support\"\nuser = \"shop\"\npassword = \"pass\"\nusers = [\"root\"]\n{settings}"
    ));
    Some((desk, port, about))
}

fn mail(desk: &Desk, order: &str) -> String {
    let jane = desk.customer("Jane").address;
    format!(
        "X-Yesreply-Context: order={order}\nFrom: Shop Orders <noreply@{}>\nTo: Jane <{jane}>\nSubject: Your order {order}\n\n\
         Your order {order} has left.\n",
        desk.domain
    )
}

/// From the notification to the answer.
fn answered(desk: &Desk, order: &str) {
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let notification = jane.gets(&format!("Your order {order} has left."));
    assert!(!notification.field("From").contains("noreply"), "{notification:?}");
    assert!(desk.cases().is_empty(), "no case until somebody replies");
    jane.sends(&notification.reply("It never came."));
    let relay = anna.gets("It never came.");
    assert!(relay.text().contains(&format!("order: {order}")), "{}", relay.text());
    anna.sends(&relay.reply("We send another one."));
    jane.gets("We send another one.");
    let case = desk.case("1001");
    assert_eq!(case["messages"][0]["author"], "shop", "{case}");
    desk.audit();
}

fn sendmail(desk: &Desk) -> PathBuf {
    let path = desk.folder().join("sendmail");
    if !path.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_yesreply"), &path).expect("link");
    }
    path
}

/// Runs a program with this on its standard input.
fn run(command: &mut Command, input: &str) {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("write");
    let status = child.wait().expect("its end");
    assert!(status.success(), "{command:?} ended with {status}");
}

pub fn run_sendmail(desk: &Desk, arguments: &[&str], input: &str) {
    let folder = desk.folder();
    run(
        Command::new(sendmail(desk))
            .args(arguments)
            .env("YESREPLY__SENDMAIL__SOCKET", folder.join("submit.sock"))
            .env("YESREPLY__SENDMAIL__MAILDROP", folder.join("maildrop")),
        input,
    );
}

#[test]
fn an_application_with_sendmail() {
    let Some((mut desk, _)) = shop("an_application_with_sendmail") else { return };
    desk.start();
    run_sendmail(&desk, &["-t", "-i"], &mail(&desk, "4711"));
    answered(&desk, "4711");
}

#[test]
fn sendmail_works_while_the_daemon_is_down() {
    let Some((mut desk, _)) = shop("sendmail_while_down") else { return };
    desk.start();
    desk.stop();
    run_sendmail(&desk, &["-t", "-oi", "-f", "www-data@web.example"], &mail(&desk, "4712"));
    desk.start();
    answered(&desk, "4712");
    let left = std::fs::read_dir(desk.folder().join("maildrop")).expect("the maildrop");
    assert_eq!(left.flatten().filter(|e| e.path().is_file()).count(), 0);
}

const SMTPLIB: &str = r#"
import smtplib, ssl, sys
port, ca, sender, recipient, order = sys.argv[1:]
message = sys.stdin.buffer.read().replace(b"\n", b"\r\n")
with smtplib.SMTP("localhost", int(port)) as server:
    server.starttls(context=ssl.create_default_context(cafile=ca))
    server.login("shop", "pass")
    server.sendmail(sender, [recipient], message)
"#;

#[test]
fn an_application_with_smtplib() {
    let Some((mut desk, port)) = shop("an_application_with_smtplib") else { return };
    desk.start();
    let ca = desk.host.folder.join("tls/ca.pem").display().to_string();
    let (jane, port) = (desk.customer("Jane").address, port.to_string());
    let arguments = [&port, &ca, &format!("noreply@{}", desk.domain), &jane, "4713"].map(String::from);
    run(Command::new("python3").args(["-c", SMTPLIB]).args(arguments), &mail(&desk, "4713"));
    answered(&desk, "4713");
}

const NODEMAILER: &str = r#"
const nodemailer = require("nodemailer");
const [port, sender, recipient, order] = process.argv.slice(1);
const transport = nodemailer.createTransport({
  host: "localhost", port: Number(port), requireTLS: true, tls: { rejectUnauthorized: false }, auth: { user: "shop", pass: "pass" },
});
transport.sendMail({
  from: `Shop Orders <${sender}>`, to: recipient, subject: `Your order ${order}`,
  text: `Your order ${order} has left.`, html: `<p>Your order ${order} has left.</p>`,
  headers: { "X-Yesreply-Context": `order=${order}` },
}).then(() => process.exit(0), error => { console.error(error); process.exit(1); });
"#;

#[test]
fn an_application_with_nodemailer() {
    let Some((mut desk, port)) = shop("an_application_with_nodemailer") else { return };
    desk.start();
    let (jane, port) = (desk.customer("Jane").address, port.to_string());
    let sender = format!("noreply@{}", desk.domain);
    let folder = Path::new("/usr/share/nodejs");
    run(Command::new("node").args(["-e", NODEMAILER, &port, &sender, &jane, "4714"]).env("NODE_PATH", folder), "");
    answered(&desk, "4714");
}

#[test]
fn an_application_with_swaks() {
    let Some((mut desk, port)) = shop("an_application_with_swaks") else { return };
    desk.start();
    let (jane, port) = (desk.customer("Jane").address, port.to_string());
    let from = format!("noreply@{}", desk.domain);
    run(
        Command::new("swaks")
            .args(["--server", "127.0.0.1", "--port", &port, "--tls", "--auth", "PLAIN", "--auth-user", "shop"])
            .args(["--auth-password", "pass", "--from", &from, "--to", &jane, "--data", "-", "--silent", "2"]),
        &mail(&desk, "4715"),
    );
    answered(&desk, "4715");
}

/// Hands in a mail; `true` if it had its 250.
fn hand_in(socket: &Path, from: &str, to: &str, id: &str) -> bool {
    answer_to(socket, from, to, id).is_some_and(|answer| answer.starts_with("250"))
}

/// Hands in a mail: the last answer; `None` if there was none.
fn answer_to(socket: &Path, from: &str, to: &str, id: &str) -> Option<String> {
    use std::io::{BufRead, BufReader};
    let talk = || -> std::io::Result<Option<String>> {
        let stream = std::os::unix::net::UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20)))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut writer = stream;
        let mail = format!(
            "From: noreply@{from}\r\nTo: {to}\r\nMessage-ID: <{id}@{from}>\r\nSubject: {id}\r\n\r\nStorm {id}.\r\n.\r\n"
        );
        let said = format!("EHLO a\r\nMAIL FROM:<a@{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\n");
        writer.write_all(said.as_bytes())?;
        writer.write_all(mail.as_bytes())?;
        let mut last = String::new();
        loop {
            last.clear();
            if reader.read_line(&mut last)? == 0 {
                return Ok(None);
            }
            if last.starts_with("250 2.0.0 it is stored") || last.starts_with(['4', '5']) {
                return Ok(Some(last));
            }
        }
    };
    talk().unwrap_or(None)
}

/// Reading what an application hands in ends the process: it is refused for now after a bounded number of starts, for as
/// long as this release runs, and the others' mail goes on.
#[test]
fn a_mail_handed_in_that_ends_the_process_is_refused_for_now() {
    let Some((mut desk, _)) = shop("handed_in_ends") else { return };
    desk.start();
    let (socket, domain, jane) = (desk.folder().join("submit.sock"), desk.domain.clone(), desk.customer("Jane"));
    desk.poison("handed_in.ends", "Storm deadly");
    for _ in 0..3 {
        assert_eq!(answer_to(&socket, &domain, &jane.address, "deadly"), None, "at full speed, and twice with care");
        desk.dies();
        std::thread::sleep(AS_A_SERVICE_MANAGER_WAITS);
        desk.start();
    }
    let answer = answer_to(&socket, &domain, &jane.address, "deadly").expect("an answer");
    assert!(answer.starts_with("451 4.3.0 the process ended 2 times"), "{answer}");
    assert!(hand_in(&socket, &domain, &jane.address, "other"));
    jane.gets("Storm other.");
    desk.stop();
    // after an ordinary stop too
    desk.start();
    let answer = answer_to(&socket, &domain, &jane.address, "deadly").expect("an answer");
    assert!(answer.starts_with("451 4.3.0"), "{answer}");
    desk.stop();
    assert_eq!(desk.audit()["difference"], 0);
}

/// The same from the maildrop, which is read again at each start: its file is put aside whole.
#[test]
fn a_dropped_mail_that_ends_the_process_is_put_aside_whole() {
    let Some((mut desk, _)) = shop("dropped_ends") else { return };
    desk.start();
    desk.stop();
    run_sendmail(&desk, &["-t", "-i"], &mail(&desk, "4716"));
    run_sendmail(&desk, &["-t", "-i"], &mail(&desk, "4717"));
    run_sendmail(&desk, &["-t", "-i"], &mail(&desk, "4718"));
    desk.poison("handed_in.ends", "Your order 4717 has left.");
    let refused = desk.folder().join("maildrop/refused");
    let aside = |_: &Desk| std::fs::read_dir(&refused).is_ok_and(|all| all.flatten().count() == 1);
    let mut ends = 0;
    desk.launch();
    while !desk.lives_until(aside) {
        ends += 1;
        assert!(ends < 6, "a crash loop; the log:\n{}", desk.log());
        std::thread::sleep(AS_A_SERVICE_MANAGER_WAITS);
        desk.launch();
    }
    assert_eq!(ends, 3);
    let jane = desk.customer("Jane");
    jane.gets("Your order 4716 has left.");
    jane.gets("Your order 4718 has left.");
    let file = std::fs::read_dir(&refused).expect("refused").flatten().next().expect("a file").path();
    assert!(std::fs::read_to_string(file).expect("the file").contains("Your order 4717 has left."));
    desk.stop();
}

#[test]
fn every_250_is_in_the_store_and_nothing_twice_in_a_storm_of_kills() {
    let Some((mut desk, _)) = shop("a_storm_of_kills") else { return };
    desk.start();
    let socket = desk.folder().join("submit.sock");
    let (domain, jane) = (desk.domain.clone(), desk.customer("Jane"));
    let storm = unique();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let hands: Vec<_> = (0..4)
        .map(|hand| {
            let (socket, domain, to, storm, stop) =
                (socket.clone(), domain.clone(), jane.address.clone(), storm.clone(), stop.clone());
            std::thread::spawn(move || {
                let mut taken = Vec::new();
                for number in 0..1_000 {
                    let id = format!("{storm}.{hand}.{number}");
                    // a client that has no 250 tries again, as any queue does
                    while !hand_in(&socket, &domain, &to, &id) {
                        if stop.load(std::sync::atomic::Ordering::Relaxed) {
                            return taken;
                        }
                        std::thread::sleep(std::time::Duration::from_millis(20));
                    }
                    taken.push(id);
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        return taken;
                    }
                }
                taken
            })
        })
        .collect();
    for _ in 0..4 {
        std::thread::sleep(std::time::Duration::from_millis(700));
        desk.kill();
        desk.launch();
    }
    std::thread::sleep(std::time::Duration::from_millis(700));
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let taken: Vec<String> = hands.into_iter().flat_map(|h| h.join().expect("a client")).collect();
    assert!(taken.len() > 20, "{} mails", taken.len());
    desk.quiet();
    let rows = desk.json(&["outbox", "list", "--all", "--limit", "100000"]);
    let sent = rows.as_array().expect("rows").len();
    assert!(sent >= taken.len(), "{sent} rows for {} mails", taken.len());
    let subjects = || -> Vec<String> { jane.mailbox().iter().map(crate::people::Letter::subject).collect() };
    // what has left us is still on its way through the relay; between its 250 and our commit a kill sends twice: the one
    // window (design of the outbox)
    desk.wait_for("every mail that had its 250", |_| {
        let arrived = subjects();
        taken.iter().all(|id| arrived.contains(id))
    });
    let subjects = subjects();
    let mut once: Vec<&String> = subjects.iter().collect();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), sent, "one row for each mail");
    desk.audit();
}
