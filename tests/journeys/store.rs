//! A store that is locked, full, damaged or gone for a while.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::desk::Desk;

#[test]
fn a_database_locked_by_somebody_else_is_waited_for() {
    let Some(mut desk) = Desk::new("locked_database") else { return };
    if desk.is_postgres() {
        return;
    }
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    // another process holds the write lock, as a careless operator's shell would
    let script = format!(
        "import sqlite3, time, sys\nc = sqlite3.connect('{}', isolation_level=None)\nc.execute('BEGIN IMMEDIATE')\nprint('locked', flush=True)\ntime.sleep(60)\nc.execute('ROLLBACK')\n",
        desk.database().trim_start_matches("sqlite:")
    );
    let mut holder = Command::new("python3").arg("-c").arg(script).stdout(Stdio::piped()).spawn().expect("run python3");
    let mut line = String::new();
    let mut output = std::io::BufReader::new(holder.stdout.take().expect("stdout"));
    std::io::BufRead::read_line(&mut output, &mut line).expect("a line");
    jane.writes(&desk.address(), "Locked", "While it was locked.");
    std::thread::sleep(Duration::from_secs(50));
    assert!(anna.mailbox().is_empty() && jane.mailbox().is_empty(), "nothing is acknowledged that is not stored");
    assert!(desk.cases().is_empty(), "reading goes on meanwhile");
    assert!(holder.wait().expect("its end").success());
    anna.gets("While it was locked.");
    desk.quiet();
    assert_eq!(desk.audit()["stored"], 1);
    assert!(!desk.log().contains("ERROR"), "it was only late: {}", desk.log());
    desk.stop();
}

#[test]
fn a_disk_that_is_full_and_empty_again() {
    let Some(mut desk) = Desk::new("full_disk") else { return };
    if desk.is_postgres() {
        return;
    }
    let disk = desk.folder().join("disk");
    std::fs::create_dir(&disk).expect("a folder");
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"]).arg(&disk).status().expect("run mount");
    assert!(mounted.success(), "a tmpfs needs root");
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| full_disk(&mut desk, &disk)));
    if desk.is_running() {
        desk.kill();
    }
    let unmounted = Command::new("umount").arg(&disk).status().expect("run umount");
    assert!(unmounted.success());
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn full_disk(desk: &mut Desk, disk: &std::path::Path) {
    desk.use_database(&format!("sqlite:{}/desk.db", disk.display()));
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    jane.writes(&desk.address(), "Before", "Before it was full.");
    anna.gets("Before it was full.");
    desk.quiet();
    let (relays, letters) = (anna.mailbox().len(), jane.mailbox().len());
    let filler = disk.join("filler");
    let _ = Command::new("dd")
        .args(["if=/dev/zero", "bs=4096"])
        .arg(format!("of={}", filler.display()))
        .stderr(Stdio::null())
        .status();
    for number in 0..5 {
        jane.writes(&desk.address(), &format!("Full {number}"), &format!("Full {number}. {}", "word ".repeat(2_000)));
    }
    desk.wait_for("clear words", |desk| desk.log().contains("full"));
    std::thread::sleep(Duration::from_secs(2));
    let told = (jane.mailbox().len() - letters).max(anna.mailbox().len() - relays);
    let stored = desk.cases().len() - 1;
    assert!(told <= stored, "{told} were told of {stored} stored mails");
    std::fs::remove_file(&filler).expect("make room");
    for number in 0..5 {
        anna.gets(&format!("Full {number}."));
    }
    desk.quiet();
    assert_eq!(desk.cases().len(), 6);
    assert_eq!(desk.audit()["stored"], 6);
    desk.stop();
}

#[test]
fn a_damaged_database_is_refused_with_clear_words() {
    let Some(mut desk) = Desk::new("damaged_database") else { return };
    if desk.is_postgres() {
        return;
    }
    desk.start();
    desk.customer("Jane").writes(&desk.address(), "Before", "Before the damage.");
    desk.agent("anna").gets("Before the damage.");
    desk.quiet();
    desk.stop();
    let path = desk.database().trim_start_matches("sqlite:").to_owned();
    let whole = std::fs::read(&path).expect("the database");
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let told = (jane.mailbox().len(), anna.mailbox().len());
    jane.writes(&desk.address(), "After", "After the damage.");
    // somebody wrote over all of it; or over its inner pages, or cut its end off
    let middle: Vec<u8> = whole.iter().enumerate().map(|(at, b)| if at < 8192 { *b } else { b'x' }).collect();
    let damages = [
        b"this is no database any more, somebody wrote over it\n".repeat(1_000),
        middle,
        whole[..whole.len() / 2].to_vec(),
    ];
    for damaged in damages {
        std::fs::write(&path, &damaged).expect("damage it");
        desk.launch();
        desk.wait_for("an end", |desk| !desk.is_running());
        let log = desk.log();
        assert!(log.contains("damaged") && log.contains("restore a backup") && !log.contains("panicked"), "{log}");
        assert_eq!(std::fs::read(&path).expect("the file"), damaged, "nothing is written over it");
        assert!(desk.dies_with() > 0);
        std::fs::write(desk.folder().join("log"), "").expect("a new log");
    }
    assert_eq!((jane.mailbox().len(), anna.mailbox().len()), told, "nothing is acknowledged that is not stored");
    std::fs::write(&path, &whole).expect("restore a backup");
    desk.start();
    anna.gets("After the damage.");
    desk.quiet();
    assert_eq!(desk.audit()["stored"], 2);
    desk.stop();
}

#[test]
fn only_one_daemon_runs_on_a_database() {
    let Some(mut desk) = Desk::new("only_one_daemon") else { return };
    desk.start();
    let (code, _) = desk.command(&["serve"]);
    assert_eq!(code, 75);
    desk.customer("Jane").writes(&desk.address(), "Still", "The first one still works.");
    desk.agent("anna").gets("The first one still works.");
    desk.stop();
    desk.start();
}
