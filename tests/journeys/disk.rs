//! A disk that is slow, that fails, and that loses what was not synced (`tests/disk.c`, around the daemon).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::desk::Desk;
use crate::people::{Letter, Person};

/// The library, built once; `None` says that this story cannot run here.
fn library(story: &str) -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("disk-{}.so", std::process::id()));
        let done = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(&path)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/disk.c"))
            .args(["-ldl", "-lpthread"])
            .status();
        done.is_ok_and(|status| status.success()).then_some(path)
    });
    if built.is_none() {
        assert!(std::env::var_os("YESREPLY_TESTS_REQUIRE").is_none(), "{story}: tests/disk.c could not be built");
        let line = format!("SKIPPED {story}: it needs a C compiler: apt-get install gcc libc6-dev\n");
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).expect("write");
    }
    built.as_deref()
}

/// A desk whose database lies on such a disk; none on PostgreSQL, whose server does its own syncing.
pub fn desk(story: &str, settings: &[(&str, &str)]) -> Option<Desk> {
    let mut desk = Desk::new(story)?;
    if desk.is_postgres() {
        return None;
    }
    desk.set("LD_PRELOAD", &library(story)?.display().to_string());
    for (name, value) in settings {
        desk.set(name, value);
    }
    Some(desk)
}

/// What a power cut leaves: of each file of the database what was synced last.
fn cut_the_power(desk: &mut Desk, kept: &Path) {
    desk.kill();
    let database = PathBuf::from(desk.database().trim_start_matches("sqlite:"));
    for ending in ["", "-wal", "-shm"] {
        let mut file = database.clone().into_os_string();
        file.push(ending);
        let file = PathBuf::from(file);
        let _ = std::fs::remove_file(&file);
        let copy = kept.join(file.file_name().expect("a name"));
        if copy.exists() {
            std::fs::copy(copy, file).expect("restore");
        }
    }
}

/// All that lies there now is on the disk for good.
fn all_is_synced(desk: &Desk, kept: &Path) {
    let database = PathBuf::from(desk.database().trim_start_matches("sqlite:"));
    for ending in ["", "-wal"] {
        let mut file = database.clone().into_os_string();
        file.push(ending);
        let file = PathBuf::from(file);
        let copy = kept.join(file.file_name().expect("a name"));
        let _ = std::fs::remove_file(&copy);
        if file.exists() {
            std::fs::copy(file, copy).expect("keep");
        }
    }
}

/// Subjects of the cases that are there, asked of the files themselves.
fn stored(desk: &Desk) -> BTreeSet<String> {
    desk.cases().iter().map(|case| case["subject"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Numbers of the mails that somebody outside can know to be taken.
fn acknowledged(desk: &Desk, people: &[&Person]) -> BTreeSet<String> {
    let number = |text: &str| {
        let rest = text.split("storm ").nth(1)?;
        Some(format!("storm {}", rest.chars().take_while(char::is_ascii_digit).collect::<String>()))
    };
    let mut known: BTreeSet<String> = people
        .iter()
        .flat_map(|person| person.mailbox())
        .filter_map(|letter: Letter| number(&format!("{}\n{}", letter.subject(), letter.text())))
        .collect();
    let address = desk.address();
    let seen = desk.host.doveadm(&["-f", "tab", "fetch", "-u", &address, "hdr.subject", "mailbox", "INBOX", "SEEN"]);
    known.extend(seen.lines().filter_map(number));
    known
}

#[test]
fn what_is_acknowledged_survives_a_power_cut() {
    let kept = tempfile::tempdir().expect("a folder");
    let folder = kept.path().display().to_string();
    let Some(desk) = desk("power_cut", &[("DISK_KEEPS", &folder), ("DISK_DELAY_MS", "1")]) else { return };
    let mut desk = desk.with("[intake]\nafter = \"seen\"\n").with(crate::faults::NO_LIMITS);
    desk.start();
    let (jane, anna, bob) = (desk.customer("Jane"), desk.agent("anna"), desk.agent("bob"));
    let mut sent = 0;
    for round in 0..4u64 {
        let before = acknowledged(&desk, &[&jane, &anna, &bob]).len();
        for _ in 0..12 {
            jane.writes(&desk.address(), &format!("storm {sent}"), "Words that must stay.");
            sent += 1;
        }
        desk.wait_for("something acknowledged", |desk| acknowledged(desk, &[&jane, &anna, &bob]).len() > before);
        std::thread::sleep(Duration::from_millis(70 * round));
        cut_the_power(&mut desk, kept.path());
        let (known, stored) = (acknowledged(&desk, &[&jane, &anna, &bob]), stored(&desk));
        let lost: Vec<&String> = known.difference(&stored).collect();
        assert!(lost.is_empty(), "acknowledged and not stored after a power cut: {lost:?}");
        all_is_synced(&desk, kept.path());
        desk.start();
    }
    desk.wait_for("all cases", |desk| desk.cases().len() >= sent);
    desk.quiet();
    assert_eq!((desk.cases().len(), stored(&desk).len()), (sent, sent));
    assert_eq!(desk.audit()["stored"], sent);
    for person in [&jane, &anna, &bob] {
        let ids: BTreeSet<String> = person.mailbox().iter().map(Letter::message_id).collect();
        assert_eq!(ids.len(), sent, "{} must have one mail for each case", person.address);
    }
    desk.stop();
}

#[test]
fn a_disk_that_cannot_sync_and_then_can_again() {
    let mark = tempfile::tempdir().expect("a folder");
    let fails = mark.path().join("fails");
    let name = fails.display().to_string();
    let Some(mut desk) = desk("disk_fails", &[("DISK_FAILS", &name)]) else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    jane.writes(&desk.address(), "Before", "Before the fault.");
    anna.gets("Before the fault.");
    desk.quiet();
    std::fs::write(&fails, "").expect("break the disk");
    jane.writes(&desk.address(), "While", "While it was broken.");
    desk.wait_for("clear words", |desk| desk.log().contains("disk I/O error"));
    std::thread::sleep(Duration::from_secs(2));
    for person in [&jane, &anna] {
        let told = person.mailbox().iter().any(|l| l.everything().contains("While"));
        assert!(!told, "{} was told of what is not stored", person.address);
    }
    std::fs::remove_file(&fails).expect("mend the disk");
    anna.gets("While it was broken.");
    jane.writes(&desk.address(), "After", "After the fault.");
    anna.gets("After the fault.");
    desk.quiet();
    assert_eq!(desk.cases().len(), 3);
    assert_eq!(desk.audit()["stored"], 3);
    assert_eq!(anna.mailbox().len(), 3, "nothing is told twice");
    desk.stop();
}
