//! Places where a test can end the process, as a crash would, and mistakes that a test must notice. Built with the
//! feature `failpoints` only; the shipped binary has none.
//!
//! A file with a place's name in the folder `YESREPLY_FAILPOINTS` aborts at the next visit of that place, or at the nth
//! if it holds a number n; where mail is handled it holds words, and mail with them panics, or aborts at each visit. `YESREPLY_FAULT=NAME+NAME`
//! builds some of [`FAULTS`] in.

/// The mistakes, each made in one place and noticed by a test (docs/guarantees.md).
pub const FAULTS: [&str; 8] = [
    "synchronous_normal",
    "cursor_before_commit",
    "unseen_work_list",
    "dedup_by_message_id",
    "timeout_after_dot_60s",
    "bare_lf",
    "uncut",
    "open_guard",
];

/// Ends the process here if a test asked for it.
#[cfg(feature = "failpoints")]
pub fn hit(place: &str) {
    let Some(folder) = std::env::var_os("YESREPLY_FAILPOINTS") else {
        return;
    };
    let file = std::path::Path::new(&folder).join(place);
    let Ok(text) = std::fs::read_to_string(&file) else {
        return;
    };
    if let Ok(visits @ 2..) = text.trim().parse::<u32>() {
        let _ = std::fs::write(&file, visits.saturating_sub(1).to_string());
        return;
    }
    // the next start must get past this place
    let _ = std::fs::remove_file(&file);
    std::process::abort();
}

/// Ends the process here if a test asked for it.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn hit(_place: &str) {}

/// Panics here, at each visit, if a test asked for it on account of words that this mail has.
#[cfg(feature = "failpoints")]
#[expect(clippy::panic, reason = "a panic is what the test asked for")]
pub fn poison(place: &str, mail: &[u8]) {
    if is_meant(place, mail) {
        panic!("a test asked for it at {place}");
    }
}

/// Does a test want something to happen here to mail with words that this one has?
#[cfg(feature = "failpoints")]
fn is_meant(place: &str, mail: &[u8]) -> bool {
    let Some(folder) = std::env::var_os("YESREPLY_FAILPOINTS") else {
        return false;
    };
    let words = std::fs::read(std::path::Path::new(&folder).join(place)).unwrap_or_default();
    !words.is_empty() && mail.windows(words.len()).any(|window| window == words)
}

/// Panics here if a test asked for it.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn poison(_place: &str, _mail: &[u8]) {}

/// Ends the process here, at each visit, if a test asked for it on account of words that this mail has.
#[cfg(feature = "failpoints")]
pub fn deadly(place: &str, mail: &[u8]) {
    if is_meant(place, mail) {
        std::process::abort();
    }
}

/// Ends the process here if a test asked for it.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn deadly(_place: &str, _mail: &[u8]) {}

/// Is this mistake built in?
#[cfg(feature = "failpoints")]
#[must_use]
pub fn fault(name: &str) -> bool {
    debug_assert!(FAULTS.contains(&name), "{name} is no fault");
    std::env::var("YESREPLY_FAULT").is_ok_and(|faults| faults.split('+').any(|fault| fault == name))
}

/// Is this mistake built in?
#[cfg(not(feature = "failpoints"))]
#[inline]
#[must_use]
pub fn fault(_name: &str) -> bool {
    false
}
