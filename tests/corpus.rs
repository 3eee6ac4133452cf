//! Mail that this project did not write: `YESREPLY_CORPUS` names a folder of it. Reading is total: whatever it is, it is
//! read, by the customers' and by the agents' reader.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails, with the reason")]

use std::io::Write;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use yesreply::mail::html;
use yesreply::mail::read::read;
use yesreply::mail::reply::{Known, read_agent, read_customer};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_none_or(|e| e != "jsonl" && e != "md" && e != "upstream") {
            found.push(path);
        }
    }
}

/// To the terminal, whatever the test runner captures.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("write");
}

#[test]
fn reading_is_total() {
    let Some(folder) = std::env::var_os("YESREPLY_CORPUS") else {
        say("SKIPPED the corpus: set YESREPLY_CORPUS to a folder of messages");
        return;
    };
    let mut paths = Vec::new();
    files(Path::new(&folder), &mut paths);
    assert!(!paths.is_empty(), "YESREPLY_CORPUS holds no messages");
    let mut failed = Vec::new();
    let mut slowest = (Duration::ZERO, PathBuf::new());
    let known = Known { ours: &[], shared: &[] };
    for path in &paths {
        let raw = std::fs::read(path).expect("a message");
        let begun = Instant::now();
        let done = catch_unwind(|| {
            let mail = read(&raw);
            let customer = read_customer(&mail.text, mail.html.as_deref(), &known);
            let _ = read_agent(&mail.text, mail.html.as_deref(), &known);
            customer.words_html.as_deref().map(html::clean);
        });
        if done.is_err() {
            failed.push(path);
        }
        if begun.elapsed() > slowest.0 {
            slowest = (begun.elapsed(), path.clone());
        }
    }
    say(&format!("read {} messages, the slowest in {:?}: {}", paths.len(), slowest.0, slowest.1.display()));
    assert!(failed.is_empty(), "reading panicked on {failed:#?}");
}
