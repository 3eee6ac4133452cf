//! Places where a test can end the process, as a crash would, and mistakes that a test must notice. Built with the
//! feature `failpoints` only; the shipped binary has none.
//!
//! A file with a place's name in the folder `YESREPLY_FAILPOINTS` aborts at the next visit of that place, or at the nth
//! if it holds a number n. `YESREPLY_FAULT=NAME` builds a mistake in.

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
    match text.trim().parse::<u32>() {
        Ok(visits @ 2..) => {
            let _ = std::fs::write(&file, visits.saturating_sub(1).to_string());
        }
        _ => {
            // the next start must get past this place
            let _ = std::fs::remove_file(&file);
            std::process::abort();
        }
    }
}

/// Ends the process here if a test asked for it.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn hit(_place: &str) {}

/// Is this mistake built in?
#[cfg(feature = "failpoints")]
#[must_use]
pub fn fault(name: &str) -> bool {
    std::env::var("YESREPLY_FAULT").is_ok_and(|fault| fault == name)
}

/// Is this mistake built in?
#[cfg(not(feature = "failpoints"))]
#[inline]
#[must_use]
pub fn fault(_name: &str) -> bool {
    false
}
