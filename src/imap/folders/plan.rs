//! What is to be done so that every copy lies where it should (R94).
//!
//! Decides   which sightings are a person's move, and which steps bring the rest about: belief × sightings → steps.
//! Promises   a crash between any two steps is no order and loses nothing; once people rest, a few passes leave one copy
//!            of each entry in its folder.
//! Never     removes one of two copies before the other has been seen where it belongs for a while: a client may be in the
//!           middle of a move.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::types::Filed;

/// Where a copy was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    /// In a folder below the desk's own, by its name there.
    Inside(String),
    /// In another folder, by its whole name.
    Outside(String),
}

/// A copy, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    /// The folder.
    pub spot: Spot,
    /// Its UID there.
    pub uid: u32,
}

/// All copies that were seen, by their marker.
pub type Found = BTreeMap<String, Vec<Sighting>>;

/// A person moved a mail of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The case's key.
    pub case: i64,
    /// Where it was found.
    pub at: Sighting,
    /// The newest entry of the case that was in the folders: whoever moved this mail had seen nothing later.
    pub shown: i64,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A copy is made anew.
    Append {
        /// The entry.
        entry: i64,
        /// The folder.
        to: String,
    },
    /// A copy goes elsewhere.
    Move {
        /// The entry.
        entry: i64,
        /// Where it is.
        from: Sighting,
        /// The folder.
        to: String,
    },
    /// A copy goes away.
    Remove {
        /// The marker that it bears.
        marker: String,
        /// Where it is.
        from: Sighting,
    },
    /// It lies where it should.
    Settle {
        /// The entry.
        entry: i64,
        /// The folder.
        place: String,
    },
    /// There is no copy of it, and none is wanted.
    Forget {
        /// The entry.
        entry: i64,
    },
}

fn sightings<'a>(row: &Filed, found: &'a Found) -> &'a [Sighting] {
    // what has no copy yet has no marker
    found.get(&row.marker).filter(|_| !row.marker.is_empty()).map_or(&[], Vec::as_slice)
}

/// Was it seen in a folder where we had put it, or were about to?
fn is_known(row: &Filed, sighting: &Sighting) -> bool {
    matches!(&sighting.spot, Spot::Inside(name) if *name == row.place || *name == row.going)
}

fn is_placed(row: &Filed) -> bool {
    !row.place.is_empty() || !row.going.is_empty()
}

/// Where a person has moved it; `None` where nobody has. A copy that is where it was put was at most copied.
fn moved<'a>(row: &Filed, found: &'a Found) -> Option<&'a Sighting> {
    let seen = sightings(row, found);
    let stayed = seen.iter().any(|sighting| is_known(row, sighting));
    seen.iter().min().filter(|_| is_placed(row) && !stayed)
}

/// Markers that are not, or not only, where they are believed to be: a second look tells whether somebody was in the
/// middle of a move.
#[must_use]
pub fn odd(filed: &[Filed], found: &Found) -> BTreeSet<String> {
    let is_odd = |row: &&Filed| {
        let seen = sightings(row, found);
        is_placed(row) && !(seen.len() == 1 && seen.iter().all(|sighting| is_known(row, sighting)))
    };
    filed.iter().filter(is_odd).map(|row| row.marker.clone()).collect()
}

/// Entries whose copy was put somewhere and is not in the desk's folders.
#[must_use]
pub fn missing<'a>(filed: &'a [Filed], found: &Found) -> Vec<&'a Filed> {
    filed.iter().filter(|row| is_placed(row) && sightings(row, found).is_empty()).collect()
}

/// Copies beside the one that counts.
#[must_use]
pub fn surplus(filed: &[Filed], found: &Found) -> BTreeSet<Sighting> {
    filed
        .iter()
        .flat_map(|row| sightings(row, found).iter().filter(|s| Some(*s) != kept(row, found)))
        .cloned()
        .collect()
}

/// The copy that counts, of several: the one that lies right, else one that we put somewhere, else any.
fn kept<'a>(row: &Filed, found: &'a Found) -> Option<&'a Sighting> {
    let right = |sighting: &Sighting| matches!((&sighting.spot, &row.wanted), (Spot::Inside(name), Some(wanted)) if name == wanted);
    sightings(row, found).iter().min_by_key(|s| (!right(s), !is_known(row, s), (*s).clone()))
}

/// What people ordered by moving: at most one order a case. Of several moved mails the newest one counts that lies in a
/// folder with a meaning; if none does, the newest.
#[must_use]
pub fn orders(filed: &[Filed], found: &Found, meaningful: &BTreeSet<String>) -> Vec<Order> {
    let mut by_case: BTreeMap<i64, Vec<&Filed>> = BTreeMap::new();
    for row in filed {
        if let Some(case) = row.case {
            by_case.entry(case).or_default().push(row);
        }
    }
    by_case.into_iter().filter_map(|(case, rows)| order(case, &rows, found, meaningful)).collect()
}

fn order(case: i64, rows: &[&Filed], found: &Found, meaningful: &BTreeSet<String>) -> Option<Order> {
    let means = |sighting: &Sighting| matches!(&sighting.spot, Spot::Inside(name) if meaningful.contains(name));
    let moves = rows.iter().filter_map(|row| Some((row, moved(row, found)?)));
    let (row, at) = moves.max_by_key(|(row, at)| (means(at), row.entry))?;
    let is_home = matches!((&at.spot, &row.wanted), (Spot::Inside(name), Some(wanted)) if name == wanted);
    if is_home {
        return None;
    }
    let is_shown = |other: &&&Filed| !other.place.is_empty() || !sightings(other, found).is_empty();
    let shown = rows.iter().filter(is_shown).map(|other| other.entry).max().unwrap_or(row.entry);
    Some(Order { case, at: at.clone(), shown })
}

/// What brings each copy to its folder. `lasting`: surplus copies that have been seen long enough.
#[must_use]
pub fn steps(filed: &[Filed], found: &Found, lasting: &BTreeSet<Sighting>) -> Vec<Step> {
    filed.iter().flat_map(|row| step(row, found, lasting)).collect()
}

fn step(row: &Filed, found: &Found, lasting: &BTreeSet<Sighting>) -> Vec<Step> {
    let seen = sightings(row, found);
    let remove = |from: &Sighting| Step::Remove { marker: row.marker.clone(), from: from.clone() };
    let entry = row.entry;
    let Some(wanted) = &row.wanted else {
        return if seen.is_empty() { vec![Step::Forget { entry }] } else { seen.iter().map(remove).collect() };
    };
    let Some(kept) = kept(row, found) else {
        return vec![Step::Append { entry, to: wanted.clone() }];
    };
    if kept.spot != Spot::Inside(wanted.clone()) {
        return vec![Step::Move { entry, from: kept.clone(), to: wanted.clone() }];
    }
    let settles =
        (row.place != *wanted || !row.going.is_empty()).then(|| Step::Settle { entry, place: wanted.clone() });
    let others = seen.iter().filter(|s| *s != kept && lasting.contains(s)).map(remove);
    settles.into_iter().chain(others).collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
