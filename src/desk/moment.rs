//! Times as agents write them.
//!
//! Decides   which moment `3d`, `until friday 9:00`, `tomorrow` or `2026-12-24 10:00` means, in the mailbox's time zone.
//! Never     takes a moment that has passed, or one more than ten years away.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

/// The hour of a day that is named without one.
const MORNING: i8 = 9;
/// How far away a moment may be, milliseconds.
const FAR_MS: i64 = 10 * 366 * 24 * 3_600_000;

/// The moment now, and where.
#[derive(Debug, Clone)]
pub struct Now {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// The mailbox's time zone.
    pub zone: TimeZone,
}

/// The moment that these words name, milliseconds.
///
/// # Errors
/// Why they name none, as a sentence.
pub fn read(words: &str, now: &Now) -> Result<i64, String> {
    let lower = words.trim().trim_end_matches('.').to_lowercase();
    let text = ["until ", "till ", "for ", "on "].iter().find_map(|w| lower.strip_prefix(w)).unwrap_or(&lower).trim();
    let unreadable = || format!("\"{words}\" is no time; write 3d, 2h, tomorrow, friday 9:00 or 2027-01-31 9:00.");
    let here = Timestamp::from_millisecond(now.at_ms).map_err(|_| unreadable())?.to_zoned(now.zone.clone());
    let then = span(text, &here).or_else(|| day(text, &here)).ok_or_else(unreadable)?;
    let at_ms = then.timestamp().as_millisecond();
    if at_ms <= now.at_ms {
        return Err(format!("\"{words}\" has passed already."));
    }
    if at_ms.saturating_sub(now.at_ms) > FAR_MS {
        return Err(format!("\"{words}\" is more than ten years away."));
    }
    Ok(at_ms)
}

/// `3d`, `2 weeks`, `1h30m`
fn span(text: &str, here: &Zoned) -> Option<Zoned> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let span: Span = text.parse().ok()?;
    here.checked_add(span).ok()
}

/// `friday`, `tomorrow 14:30`, `2026-12-24`, `9:00`
fn day(text: &str, here: &Zoned) -> Option<Zoned> {
    if text.is_empty() {
        return None;
    }
    let (date, time) = match text.split_once(' ').or_else(|| text.split_once('t').filter(|(date, _)| is_number(date))) {
        Some((date, time)) => (date, Some(time.trim())),
        None if text.contains(':') => ("", Some(text)),
        None => (text, None),
    };
    let time = match time {
        Some(time) => clock(time)?,
        None => Time::constant(MORNING, 0, 0, 0),
    };
    let on = match date {
        "" => {
            let today = here.date().to_datetime(time).to_zoned(here.time_zone().clone()).ok()?;
            return if today > *here { Some(today) } else { today.tomorrow().ok() };
        }
        "today" => here.date(),
        "tomorrow" => here.date().tomorrow().ok()?,
        other => match weekday(other) {
            Some(day) => here.date().nth_weekday(1, day).ok()?,
            None => other.parse().ok()?,
        },
    };
    on.to_datetime(time).to_zoned(here.time_zone().clone()).ok()
}

/// `2026-12-24`: what stands before the T of ISO 8601
fn is_number(date: &str) -> bool {
    date.ends_with(|c: char| c.is_ascii_digit())
}

/// `9:00`, `9`, `9am`, `14.30`
fn clock(text: &str) -> Option<Time> {
    let text = text.trim_start_matches("at ").trim();
    let (text, later) = match (text.strip_suffix("am"), text.strip_suffix("pm")) {
        (Some(rest), _) => (rest.trim(), 0),
        (None, Some(rest)) => (rest.trim(), 12),
        (None, None) => (text, 0),
    };
    let (hour, minute) = text.split_once([':', '.', 'h']).unwrap_or((text, "0"));
    let hour: i8 = hour.parse().ok()?;
    let minute: i8 = if minute.is_empty() { 0 } else { minute.parse().ok()? };
    let hour = if later == 12 && hour < 12 { hour.checked_add(12)? } else { hour };
    Time::new(hour, minute, 0, 0).ok()
}

fn weekday(word: &str) -> Option<Weekday> {
    const DAYS: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    DAYS.iter().find(|(name, _)| word.len() >= 3 && name.starts_with(word)).map(|(_, day)| *day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Wednesday, 15:00 in Amsterdam.
    fn now() -> Now {
        let zone = TimeZone::get("Europe/Amsterdam").unwrap_or(TimeZone::UTC);
        let at = "2026-11-25T14:00:00Z".parse::<Timestamp>().map_or(0, Timestamp::as_millisecond);
        Now { at_ms: at, zone }
    }

    #[test]
    fn moments_as_people_write_them() {
        for (words, utc) in [
            ("3d", "2026-11-28T14:00:00Z"),
            ("2 weeks", "2026-12-09T14:00:00Z"),
            ("1h30m", "2026-11-25T15:30:00Z"),
            ("for 2 days", "2026-11-27T14:00:00Z"),
            ("until monday 9:00", "2026-11-30T08:00:00Z"),
            ("until Friday", "2026-11-27T08:00:00Z"),
            ("wed", "2026-12-02T08:00:00Z"),
            ("tomorrow", "2026-11-26T08:00:00Z"),
            ("tomorrow 2pm", "2026-11-26T13:00:00Z"),
            ("2026-12-24", "2026-12-24T08:00:00Z"),
            ("2027-07-01 10:30", "2027-07-01T08:30:00Z"),
            ("16:00", "2026-11-25T15:00:00Z"),
            ("9:00", "2026-11-26T08:00:00Z"),
        ] {
            let expected = utc.parse::<Timestamp>().map(Timestamp::as_millisecond).ok();
            assert_eq!(read(words, &now()).ok(), expected, "{words}");
        }
    }

    #[test]
    fn what_is_no_moment_says_so() {
        assert!(read("2020-01-01", &now()).is_err_and(|e| e.contains("passed")));
        assert!(read("today 9:00", &now()).is_err_and(|e| e.contains("passed")));
        assert!(read("9999-01-01", &now()).is_err_and(|e| e.contains("ten years")));
        for words in ["", "soon", "25:00", "-3d", "monday monday", "3 parsecs", "99999999999999999999d"] {
            assert!(read(words, &now()).is_err(), "{words}");
        }
    }
}
