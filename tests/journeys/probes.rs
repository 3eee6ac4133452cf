//! R95: the probe, through real servers.

use std::process::{Command, Stdio};

use crate::desk::Desk;
use crate::letter::Draft;

const CLOCK: &str = "YESREPLY__MAILBOX__SUPPORT__PROBE";
const WITHIN: &str = "YESREPLY__MAILBOX__SUPPORT__PROBE_WITHIN";

/// The steps of a probe, in their order, in what `check --online` says.
fn comes_full_circle(text: &str) {
    let line = text.lines().find(|l| l.contains("mailbox.support.probe")).expect("a line on the probe");
    let mut rest = line.split_once("ok: ").expect("ok").1;
    for step in ["submitted after ", "received after ", "answered after ", "opened after "] {
        rest = rest.split_once(step).unwrap_or_else(|| panic!("{step}: {line}")).1;
    }
}

#[test]
fn check_online_beside_a_running_daemon_opens_no_case() {
    let Some(mut desk) = Desk::new("check_online") else { return };
    desk.start();
    let (code, text) = desk.command(&["check", "--online"]);
    assert_eq!(code, 0, "{text}");
    comes_full_circle(&text);
    assert!(text.contains("the daemon took the mails in"), "{text}");
    assert_eq!(desk.audit()["stored"], 3, "the probe as it left and as it came, and its answer");
    desk.quiet();
    assert!(desk.cases().is_empty(), "{:?}", desk.cases());
    assert_eq!(desk.json(&["case", "list", "--probes"])[0]["status"], "closed");
    assert!(desk.agent("anna").mailbox().is_empty());
    let jane = desk.customer("Jane");
    jane.sends(&Draft::new(&desk.address(), "Can this be answered?", "Words that mimic a probe."));
    desk.wait_for("a case", |desk| desk.cases().len() == 1);
    desk.agent("anna").gets("Words that mimic a probe.");
}

#[test]
fn check_online_without_a_daemon_takes_nothing_else_in() {
    let Some(mut desk) = Desk::new("check_alone") else { return };
    let jane = desk.customer("Jane");
    jane.writes(&desk.address(), "Parcel", "Words before.");
    let (code, text) = desk.command(&["check", "--online"]);
    assert_eq!(code, 0, "{text}");
    comes_full_circle(&text);
    assert!(text.contains("no daemon runs"), "{text}");
    assert!(!desk.folder().join("desk.db").exists(), "no database is made");
    let desk_again = desk.with("[intake]\nstart = \"all\"\n");
    desk = desk_again;
    desk.start();
    desk.wait_for("Jane's case", |desk| desk.cases().len() == 1);
    assert!(desk.json(&["case", "list", "--probes"])[0]["subject"] == "Parcel", "what the check left is nobody's mail");
    desk.audit();
}

#[test]
fn a_daemon_that_is_killed_in_mid_probe_takes_it_up_again() {
    let Some(mut desk) = Desk::new("killed_probe") else { return };
    desk.start();
    let check = Command::new(env!("CARGO_BIN_EXE_yesreply"))
        .arg("--config")
        .arg(desk.config())
        .args(["check", "--online"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("start yesreply");
    desk.wait_for("the probe", |desk| desk.log().contains("a probe of ours came"));
    desk.kill();
    desk.start();
    let done = check.wait_with_output().expect("its end");
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{text}\n{}", desk.log());
    comes_full_circle(&text);
    desk.quiet();
    desk.audit();
}

#[test]
fn the_clock_probes_and_a_refused_sub_address_is_an_alarm() {
    let Some(mut desk) = Desk::new("probe_clock") else { return };
    desk.set(CLOCK, "5s");
    // a busy machine is no failure
    desk.set(WITHIN, "2m");
    desk.start();
    let last = |desk: &Desk| desk.json(&["mailbox", "list"])[0]["probe"].clone();
    desk.wait_for("a probe", |desk| last(desk)["state"] == "ok");
    let first = last(&desk);
    assert!(first["took_ms"].as_i64().is_some_and(|ms| ms > 0) && first["steps"]["opened"].is_string(), "{first}");
    desk.wait_for("another one", |desk| last(desk)["state"] == "ok" && last(desk)["at"] != first["at"]);
    assert!(desk.cases().is_empty());
    let line = format!("/^support\\+.*@{}$/ 550 5.1.1 no such sub-address", desk.domain.replace('.', "\\."));
    // a connection that stays open would keep the old table
    desk.stop();
    desk.host.recipients(&line);
    desk.start();
    desk.wait_for("an alarm", |desk| last(desk)["failed_at"] == "answered");
    let (code, text) = desk.command(&["check"]);
    assert!(code == 0 && text.contains("mailbox.support.probe: failed since"), "{text}");
    let (code, text) = desk.command(&["check", "--online"]);
    assert!(code == 69 && text.contains("failed at the step answered: sub-address refused: 5.1.1"), "{text}");
    assert!(desk.log().contains("somebody must look at this: a probe failed"), "{}", desk.log());
    let anna = desk.agent("anna");
    assert!(anna.gets("A probe failed").text().contains("sub-address refused"));
    desk.stop();
    desk.host.forget_recipients(&line);
    desk.start();
    anna.gets("A probe passed again");
    desk.stop();
    desk.set(CLOCK, "7d");
    desk.start();
    desk.quiet();
    let told = anna.mailbox().iter().filter(|l| l.subject().contains("A probe")).count();
    assert_eq!(told, 2, "people hear when it begins and when it is over");
    desk.audit();
    let left = desk.host.doveadm(&["search", "-u", &desk.address(), "mailbox", "INBOX", "all"]);
    assert!(left.lines().count() <= 4, "probes and answers do not pile up in the mailbox: {left}");
}
