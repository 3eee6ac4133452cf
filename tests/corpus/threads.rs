//! Messages grouped by the ids that they name, against the threads that the corpus states.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use yesreply::mail::read::read;

use crate::expect::text;
use crate::score::{Measure, Scores};

/// Who answers whom, as RFC 5256 links messages (THREAD=REFERENCES, step 1): one parent each, no loops.
#[derive(Default)]
struct Links {
    parent: BTreeMap<String, String>,
    seen: BTreeSet<String>,
}

impl Links {
    fn root(&self, id: &str) -> String {
        let mut at = id.to_owned();
        while let Some(up) = self.parent.get(&at) {
            at.clone_from(up);
        }
        at
    }

    fn link(&mut self, child: &str, parent: &str, again: bool) {
        if again {
            self.parent.remove(child);
        }
        if !self.parent.contains_key(child) && self.root(parent) != child {
            self.parent.insert(child.to_owned(), parent.to_owned());
        }
    }

    /// A message with its chain of ancestors, oldest first; its id, made unique if it was seen before.
    fn add(&mut self, id: &str, file: &str, chain: &[String]) -> String {
        for (parent, child) in chain.iter().zip(chain.iter().skip(1)) {
            self.link(child, parent, false);
        }
        let own = if self.seen.insert(id.to_owned()) { id.to_owned() } else { format!("{id} {file}") };
        if let Some(last) = chain.last().filter(|l| **l != own) {
            self.link(&own, last, true);
        }
        own
    }
}

/// Counts a message as right if the messages of its group are those of its thread.
pub fn score(scores: &mut Scores, source: &str, folder: &Path, rows: &[Value]) {
    // Each mbox of these is a world of its own.
    let world = |file: &str| match file.split_once("__") {
        Some((mbox, _)) if source == "threads-patchwork" => mbox.to_owned(),
        _ => String::new(),
    };
    let mut links = Links::default();
    let mut expected: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut stated: Vec<(&str, &str, String)> = Vec::new();
    for row in rows {
        let (Some(file), Some(thread)) = (text(row, "file"), text(row, "x_thread_refs")) else {
            continue;
        };
        let mail = read(&std::fs::read(folder.join(file)).unwrap_or_default());
        let world = world(file);
        let own =
            mail.message_id.as_ref().map_or_else(|| format!("file {file}"), |id| format!("{world} {}", id.as_str()));
        let ids =
            if mail.references.is_empty() { mail.in_reply_to.get(..1).unwrap_or_default() } else { &mail.references };
        let chain: Vec<String> = ids.iter().map(|id| format!("{world} {}", id.as_str())).collect();
        let own = links.add(&own, file, &chain);
        expected.entry(thread).or_default().insert(file);
        stated.push((file, thread, own));
    }
    let mut found: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (file, _, own) in &stated {
        found.entry(links.root(own)).or_default().insert(file);
    }
    for (file, thread, own) in &stated {
        let group = found.get(&links.root(own));
        let right = group == expected.get(thread);
        scores.count(Measure::Threads, source, file, right, || json!({ "want": expected.get(thread), "got": group }));
    }
}
