//! What intake makes of a mailbox that others use, and of a server that comes and goes.

use std::time::Duration;

use crate::desk::Desk;
use crate::people::unique;
use crate::proxy::Proxy;
use crate::stack::Host;

/// Puts mails into a mailbox as files, as an import does.
pub fn lay_down(desk: &Desk, address: &str, count: usize, from: &str) {
    let new = desk.host.maildir(address).join("cur");
    for folder in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(desk.host.maildir(address).join(folder)).expect("a maildir");
    }
    for number in 0..count {
        let mail = format!(
            "From: Old {number} <{from}>\nTo: {address}\nSubject: old {number}\nMessage-ID: <{number}.{}@old.example>\n\
             Date: Mon, 5 Jan 2026 10:00:00 +0000\n\nOld words {number}.\n",
            unique()
        );
        std::fs::write(new.join(format!("1767607200.M{number}P1.old,S={}:2,", mail.len())), mail)
            .expect("write a mail");
    }
    let status = std::process::Command::new("chown")
        .arg("-R")
        .arg("mail:mail")
        .arg(desk.host.maildir(address))
        .status()
        .expect("chown");
    assert!(status.success());
}

#[test]
fn first_start_on_a_mailbox_of_10_000_old_mails_sends_nothing() {
    let Some(mut desk) = Desk::new("ten_thousand_old_mails") else { return };
    let jane = desk.customer("Jane");
    lay_down(&desk, &desk.address(), 10_000, &jane.address);
    desk.start();
    std::thread::sleep(Duration::from_secs(2));
    assert!(desk.cases().is_empty());
    jane.writes(&desk.address(), "A new mail", "It is new.");
    desk.agent("anna").gets("It is new.");
    desk.quiet();
    assert_eq!(desk.cases().len(), 1);
    assert_eq!(jane.mailbox().len(), 1, "only the acknowledgement of the new mail");
}

#[test]
fn old_mail_is_taken_where_the_config_says_so_and_never_acknowledged() {
    let Some(desk) = Desk::new("old_mail_is_taken") else { return };
    let mut desk = desk.with("[intake]\nstart = \"all\"\n");
    let jane = desk.customer("Jane");
    lay_down(&desk, &desk.address(), 250, &jane.address);
    desk.start();
    let summary = desk.agent("anna").receives(|_| true);
    assert!(summary.text().contains("250"), "{}", summary.text());
    desk.quiet();
    assert_eq!(desk.cases().len(), 250);
    assert!(jane.mailbox().is_empty(), "nobody is acknowledged for old mail");
    assert_eq!(desk.agent("anna").mailbox().len(), 1, "one summary, no relays");
}

#[test]
fn idle_survives_a_cut_line_and_a_server_out_of_reach() {
    let Some(desk) = Desk::new("idle_survives_a_cut_line") else { return };
    let proxy = Proxy::to(desk.host.port("imaps"));
    let mut desk = desk.imap_through(proxy.port);
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    proxy.cut();
    jane.writes(&desk.address(), "one", "After the cut.");
    anna.gets("After the cut.");
    proxy.close();
    jane.writes(&desk.address(), "two", "While it was out of reach.");
    desk.wait_for("a failing account", |desk| desk.json(&["mailbox", "list"])[0]["imap"]["state"] == "failing");
    proxy.reopen();
    anna.gets("While it was out of reach.");
    desk.wait_for("an account that works", |desk| desk.json(&["mailbox", "list"])[0]["imap"]["state"] == "ok");
    desk.quiet();
    assert_eq!(desk.cases().len(), 2);
    desk.audit();
}

#[test]
fn idle_survives_a_restarted_server() {
    if Host::shared("idle_survives_a_restarted_server").is_none() {
        return;
    }
    let folder = tempfile::Builder::new().prefix("yesreply-host").tempdir().expect("a folder");
    let done = std::process::Command::new("chmod").arg("755").arg(folder.path()).status().expect("chmod");
    assert!(done.success());
    let mut desk = Desk::on(Host::private(&folder.path().join("host")), "restarted");
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    desk.host.stop_dovecot();
    desk.wait_for("a failing account", |desk| desk.json(&["mailbox", "list"])[0]["imap"]["state"] == "failing");
    desk.host.start_dovecot();
    jane.writes(&desk.address(), "Back?", "After the restart.");
    anna.gets("After the restart.");
    desk.stop();
}

#[test]
fn uidvalidity_reset() {
    let Some(desk) = Desk::new("uidvalidity_reset") else { return };
    let mut desk = desk.with("[intake]\npoll = \"1s\"\n");
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    lay_down(&desk, &desk.address(), 20, &jane.address);
    desk.start();
    for number in 0..5 {
        jane.writes(&desk.address(), &format!("mail {number}"), &format!("Words of mail {number}."));
        anna.gets(&format!("Words of mail {number}."));
    }
    desk.quiet();
    desk.stop();
    let before = (desk.cases().len(), anna.mailbox().len(), jane.mailbox().len());
    // the server forgets its numbers, as after a restore from a backup
    desk.host.doveadm(&["index", "-u", &desk.address(), "INBOX"]);
    std::thread::sleep(Duration::from_millis(1100));
    for file in ["dovecot-uidlist", "dovecot.index", "dovecot.index.log", "dovecot.index.cache", "dovecot-uidvalidity"]
    {
        let _ = std::fs::remove_file(desk.host.maildir(&desk.address()).join(file));
    }
    for entry in std::fs::read_dir(desk.host.maildir(&desk.address())).expect("a maildir").flatten() {
        if entry.file_name().to_string_lossy().starts_with("dovecot-uidvalidity") {
            std::fs::remove_file(entry.path()).expect("remove");
        }
    }
    jane.writes(&desk.address(), "after the reset", "Words after the reset.");
    desk.start();
    anna.gets("Words after the reset.");
    desk.wait_for("the reset in the log", |desk| desk.log().contains("numbers this folder anew"));
    std::thread::sleep(Duration::from_secs(2));
    desk.quiet();
    assert_eq!(desk.cases().len(), before.0 + 1, "{:#?}", desk.cases());
    assert_eq!(anna.mailbox().len(), before.1 + 1, "nothing is relayed twice");
    assert!(jane.mailbox().len() <= before.2 + 1, "nothing old is acknowledged");
    desk.audit();
}

#[test]
fn expunged_by_another_client() {
    let Some(desk) = Desk::new("expunged_by_another_client") else { return };
    let proxy = Proxy::to(desk.host.port("imaps"));
    let mut desk = desk.imap_through(proxy.port);
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    proxy.close();
    for number in 0..6 {
        jane.writes(&desk.address(), &format!("mail {number}"), &format!("Words of mail {number}."));
    }
    desk.wait_for("six mails on the server", |desk| {
        desk.host.doveadm(&["search", "-u", &desk.address(), "mailbox", "INBOX", "ALL"]).lines().count() == 6
    });
    desk.host.doveadm(&["expunge", "-u", &desk.address(), "mailbox", "INBOX", "SUBJECT", "mail 2"]);
    proxy.reopen();
    for number in [0, 1, 3, 4, 5] {
        anna.gets(&format!("Words of mail {number}."));
    }
    desk.quiet();
    assert_eq!(desk.cases().len(), 5, "no case for what is gone");
    desk.audit();
}

/// They read, flag, delete and undelete beside us: what arrived is a case all the same.
#[test]
fn what_people_do_in_the_mailbox_changes_nothing() {
    let Some(desk) = Desk::new("people_in_the_mailbox") else { return };
    let proxy = Proxy::to(desk.host.port("imaps"));
    let mut desk = desk.imap_through(proxy.port);
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    proxy.close();
    for number in 0..4 {
        jane.writes(&desk.address(), &format!("mail {number}"), &format!("Words of mail {number}."));
    }
    let address = desk.address();
    let flags = |change: &str, flag: &str, number: u32| {
        let subject = format!("mail {number}");
        desk.host.doveadm(&["flags", change, "-u", &address, flag, "mailbox", "INBOX", "SUBJECT", &subject]);
    };
    desk.wait_for("four mails on the server", |desk| {
        desk.host.doveadm(&["search", "-u", &address, "mailbox", "INBOX", "ALL"]).lines().count() == 4
    });
    flags("add", "\\Seen", 0);
    flags("add", "\\Flagged \\Answered", 1);
    flags("add", "\\Deleted", 2);
    flags("add", "\\Deleted \\Seen", 3);
    flags("remove", "\\Deleted", 3);
    proxy.reopen();
    for number in 0..4 {
        anna.gets(&format!("Words of mail {number}."));
    }
    desk.quiet();
    assert_eq!(desk.cases().len(), 4);
    desk.audit();
}

#[test]
fn what_happens_on_the_server_after_the_commit() {
    for (after, check) in [("seen", "SEEN"), ("keyword", "KEYWORD $yesreply"), ("move:Täglich", "")] {
        let Some(desk) = Desk::new("after_the_commit") else { return };
        let mut desk = desk.with(&format!("[intake]\nafter = \"{after}\"\n"));
        desk.start();
        desk.customer("Jane").writes(&desk.address(), "one", "Hello.");
        desk.agent("anna").gets("Hello.");
        let (folder, query) = if check.is_empty() { ("Täglich", "ALL") } else { ("INBOX", check) };
        desk.wait_for(after, |desk| {
            let address = desk.address();
            if !desk.host.doveadm(&["mailbox", "list", "-u", &address]).lines().any(|l| l == folder) {
                return false;
            }
            let mut arguments = vec!["search", "-u", &address, "mailbox", folder];
            arguments.extend(query.split(' '));
            desk.host.doveadm(&arguments).lines().count() == 1
        });
    }
}

#[test]
fn malformed_mail_is_a_case_or_in_quarantine_and_never_stops_the_queue() {
    let Some(mut desk) = Desk::new("malformed_mail") else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let to = desk.address();
    let nested: String =
        (0..2_000).map(|n| format!("--b{n}\r\nContent-Type: multipart/mixed; boundary=b{}\r\n\r\n", n + 1)).collect();
    let odd: Vec<Vec<u8>> = vec![
        b"Subject: no From, no Date, no Message-ID\r\n\r\nHello.\r\n".to_vec(),
        b"\r\nonly a body\r\n".to_vec(),
        b"From: \xe9\xe8 <eight@bit.example>\r\nSubject: 8-bit \xff\xfe header\r\n\r\nBytes \xff\x80.\r\n".to_vec(),
        b"From: a@b.example\r\nContent-Type: text/plain; charset=nonsense-42\r\n\r\nWhat charset?\r\n".to_vec(),
        b"From: a@b.example\r\nSubject: control \x07\x1b[31m \xe2\x80\xae bidi\r\n\r\ntext \x07 bell\r\n".to_vec(),
        format!("From: deep@nest.example\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n{nested}").into_bytes(),
        format!(
            "From: h@t.example\r\nContent-Type: text/html\r\n\r\n{}",
            "<div>".repeat(50_000).replace("<div><div>", "<div>\r\n<div>")
        )
        .into_bytes(),
        format!("From: {}\r\n\r\nMany authors.\r\n", "x@y.example,\r\n ".repeat(3_000)).into_bytes(),
    ];
    let count = odd.len();
    for mail in &odd {
        crate::people::hand_over(desk.host.port("smtp"), &jane.address, &[&to], mail);
    }
    desk.wait_for("all of it", |desk| desk.json(&["audit"])["stored"].as_u64() == Some(count as u64));
    jane.writes(&to, "a good one", "A good one after all that.");
    anna.gets("A good one after all that.");
    desk.quiet();
    desk.audit();
    desk.stop();
}

#[test]
fn a_mail_of_60_megabytes_is_a_case_with_its_header() {
    let Some(mut desk) = Desk::new("a_mail_of_60_megabytes") else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let line = format!("{}\r\n", "x".repeat(76));
    let mail = format!(
        "From: {}\r\nTo: {}\r\nSubject: sixty megabytes\r\nMessage-ID: <{}@big.example>\r\n\r\n{}",
        jane.from(),
        desk.address(),
        unique(),
        line.repeat(60 * 1024 * 1024 / line.len())
    );
    crate::people::hand_over(desk.host.port("smtp"), &jane.address, &[&desk.address()], mail.as_bytes());
    let relay = anna.gets("sixty megabytes");
    assert!(relay.raw.len() < 100_000);
    desk.quiet();
    assert_eq!(desk.cases().len(), 1);
}
