//! Mail that this project did not write: `YESREPLY_CORPUS` names a folder of it. Reading is total: whatever it is, it is
//! read, by the customers' and by the agents' reader; and what is read is scored, source by source, against what the
//! folder expects. `YESREPLY_CORPUS_MISSES` names a file that gets every miss as one JSON object a line.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails, with the reason")]

mod expect;
mod score;
mod threads;

use std::io::Write;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use yesreply::mail::html;
use yesreply::mail::read::read;
use yesreply::mail::reply::{Known, read_agent, read_customer};

use score::{Measure, Scores};

/// The least share of each measure over all sources, in thousandths: what was reached, so that nothing falls behind it.
const LEAST: [(Measure, u32); 16] = [
    (Measure::WordsExact, 868),
    (Measure::WordsComplete, 956),
    (Measure::WordsKept, 988),
    (Measure::HtmlWordsExact, 880),
    (Measure::BouncesFound, 998),
    (Measure::Recipients, 989),
    (Measure::Status, 989),
    (Measure::Reason, 928),
    (Measure::AutoReplies, 1000),
    (Measure::MayAnswer, 1000),
    (Measure::PeopleKept, 1000),
    // three subjects and four bodies are read better than their sources state, which expect U+FFFD (corpus-disagreements.md)
    (Measure::Subject, 980),
    (Measure::Author, 983),
    (Measure::Attachments, 962),
    (Measure::Text, 955),
    (Measure::Threads, 1000),
];

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

/// The folder of the corpus; without one, a loud word.
fn corpus(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("YESREPLY_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        say(&format!("SKIPPED the corpus ({what}): set YESREPLY_CORPUS to a folder of messages"));
    }
    folder
}

/// To the terminal, whatever the test runner captures.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("write");
}

#[test]
fn reading_is_total() {
    let Some(folder) = corpus("reading is total") else {
        return;
    };
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    assert!(!paths.is_empty(), "YESREPLY_CORPUS holds no messages");
    let mut failed = Vec::new();
    let mut slowest = (Duration::ZERO, PathBuf::new());
    let known = Known::default();
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

#[test]
fn reading_is_right() {
    let Some(folder) = corpus("reading is right") else {
        return;
    };
    let mut scores = Scores::default();
    let mut sources: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("a folder").flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect();
    sources.sort();
    for source in &sources {
        let rows = expect::rows(source);
        let name = source.file_name().expect("a name").to_string_lossy().into_owned();
        for row in &rows {
            score::message(&mut scores, &name, source, row);
        }
        threads::score(&mut scores, &name, source, &rows);
    }
    scores.table().iter().for_each(|line| say(line));
    if let Some(path) = std::env::var_os("YESREPLY_CORPUS_MISSES") {
        std::fs::write(path, scores.misses()).expect("write the misses");
    }
    for (measure, least) in LEAST {
        let reached = scores.thousandths(measure);
        assert!(reached >= least, "{}: {reached} of 1000, it was {least}", measure.title());
    }
}
