//! Messages grouped by the ids that they name, against the threads that the corpus states.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use yesreply::mail::read::read;
use yesreply::mail::references::ancestors;

use crate::expect::text;
use crate::score::{Measure, Scores};

/// Groups that join when an id stands in both.
#[derive(Default)]
struct Groups {
    parent: BTreeMap<String, String>,
}

impl Groups {
    fn root(&self, id: &str) -> String {
        let mut at = id.to_owned();
        while let Some(up) = self.parent.get(&at) {
            at.clone_from(up);
        }
        at
    }

    fn join(&mut self, one: &str, other: &str) {
        let (one, other) = (self.root(one), self.root(other));
        if one != other {
            self.parent.insert(one, other);
        }
    }
}

/// Counts a message as right if the messages of its group are those of its thread.
pub fn score(scores: &mut Scores, source: &str, folder: &Path, rows: &[Value]) {
    // Each mbox of these is a world of its own.
    let world = |file: &str| match file.split_once("__") {
        Some((mbox, _)) if source == "threads-patchwork" => mbox.to_owned(),
        _ => String::new(),
    };
    let mut groups = Groups::default();
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
        for id in ancestors(&mail) {
            groups.join(&own, &format!("{world} {}", id.as_str()));
        }
        expected.entry(thread).or_default().insert(file);
        stated.push((file, thread, own));
    }
    let mut found: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (file, _, own) in &stated {
        found.entry(groups.root(own)).or_default().insert(file);
    }
    for (file, thread, own) in &stated {
        let group = found.get(&groups.root(own));
        let right = group == expected.get(thread);
        scores.count(Measure::Threads, source, file, right, || json!({ "want": expected.get(thread), "got": group }));
    }
}
