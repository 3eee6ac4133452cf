//! What a calendar says, for a mail that says nothing else.
//!
//! Decides   method, summary, time and place of the first event, in words that an agent can read.
//! Follows   RFC 5545 sections 3.1 (folded lines), 3.3.5 (times), 3.3.11 (text) and 3.7.2 (method).
//! Never     counts with time zones: a time stands as the calendar has it, with the name of its zone.

use std::collections::BTreeMap;

use crate::mail::text;

/// Lines that are looked at: an event with a thousand guests has some thousand.
const LINES_MAX: usize = 10_000;

/// The first event in words; `None` if there is none.
pub fn described(calendar: &str) -> Option<String> {
    let unfolded = calendar.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "");
    let mut method = String::new();
    let mut event: BTreeMap<String, String> = BTreeMap::new();
    let mut open: Vec<String> = Vec::new();
    for line in unfolded.lines().take(LINES_MAX) {
        let Some((name, parameters, value)) = property(line) else {
            continue;
        };
        match (name.as_str(), open.last().map(String::as_str)) {
            ("BEGIN", _) => open.push(value.trim().to_ascii_uppercase()),
            ("END", Some("VEVENT")) => break,
            ("END", _) => drop(open.pop()),
            ("METHOD", _) => method = value.trim().to_ascii_uppercase(),
            ("SUMMARY" | "LOCATION", Some("VEVENT")) => drop(event.entry(name).or_insert_with(|| plain(value))),
            ("DTSTART" | "DTEND", Some("VEVENT")) => drop(event.entry(name).or_insert_with(|| time(parameters, value))),
            _ => {}
        }
    }
    let kind = match method.as_str() {
        "REQUEST" => "Invitation",
        "REPLY" => "Answer to an invitation",
        "CANCEL" => "Cancelled",
        "COUNTER" => "Another time is proposed",
        _ => "Event",
    };
    let field = |name: &str| event.get(name).filter(|value| !value.is_empty());
    let times: Vec<&str> = ["DTSTART", "DTEND"].into_iter().filter_map(field).map(String::as_str).collect();
    let mut lines: Vec<String> = field("SUMMARY").map(|summary| format!("{kind}: {summary}")).into_iter().collect();
    if !times.is_empty() {
        lines.push(format!("When: {}", times.join(" – ")));
    }
    lines.extend(field("LOCATION").map(|place| format!("Where: {place}")));
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Name, parameters and value of a line; a colon in a quoted parameter is none.
fn property(line: &str) -> Option<(String, &str, &str)> {
    let mut quoted = false;
    let colon = line.find(|c: char| {
        quoted ^= c == '"';
        c == ':' && !quoted
    })?;
    let (head, value) = (line.get(..colon)?, line.get(colon.saturating_add(1)..)?);
    let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
    Some((name.to_ascii_uppercase(), parameters, value))
}

/// Text without its escapes, on one line.
fn plain(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n' | 'N')) => out.push(' '),
            ('\\', Some(escaped)) => out.push(escaped),
            _ => out.push(c),
        }
    }
    text::header(&out)
}

/// `20261125T100000Z` as `2026-11-25 10:00 UTC`; what is no time stays as it stands.
fn time(parameters: &str, value: &str) -> String {
    let value = value.trim();
    let digits = |range: std::ops::Range<usize>| {
        value.get(range).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let (Some(year), Some(month), Some(day)) = (digits(0..4), digits(4..6), digits(6..8)) else {
        return text::header(value);
    };
    let date = format!("{year}-{month}-{day}");
    let (Some(hour), Some(minute)) = (digits(9..11), digits(11..13)) else {
        return date;
    };
    let named = parameters.split(';').find_map(|p| p.strip_prefix("TZID=")).map(|zone| zone.trim_matches('"'));
    let zone = if value.ends_with('Z') { "UTC" } else { named.unwrap_or_default() };
    text::header(&format!("{date} {hour}:{minute} {zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(lines: &str) -> String {
        let calendar = format!("BEGIN:VCALENDAR\r\n{lines}\r\nEND:VCALENDAR\r\n");
        described(&calendar).unwrap_or_default()
    }

    #[test]
    fn an_invitation_in_words() {
        let lines = "METHOD:REQUEST\r\nBEGIN:VTIMEZONE\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nEND:STANDARD\r\n\
                     END:VTIMEZONE\r\nBEGIN:VEVENT\r\nDTSTART;TZID=\"Europe/Amsterdam\":20261125T100000\r\n\
                     DTEND:20261125T110000Z\r\nATTENDEE;CN=\"Doe: Jane\":mailto:jane@customer.example\r\n\
                     SUMMARY:Your parcel\\, again: a long li\r\n ne\r\nLOCATION:Room 1\\nHouse 2\r\n\
                     BEGIN:VALARM\r\nSUMMARY:Alarm\r\nEND:VALARM\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nSUMMARY:Another\r\nEND:VEVENT";
        assert_eq!(
            event(lines),
            "Invitation: Your parcel, again: a long line\n\
             When: 2026-11-25 10:00 Europe/Amsterdam – 2026-11-25 11:00 UTC\nWhere: Room 1 House 2"
        );
        let day = "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nSUMMARY:Fair\r\nDTSTART;VALUE=DATE:20261125\r\nEND:VEVENT";
        assert_eq!(event(day), "Cancelled: Fair\nWhen: 2026-11-25");
    }

    #[test]
    fn what_is_no_event_says_nothing_and_odd_times_stay() {
        assert_eq!(described("BEGIN:VCALENDAR\nEND:VCALENDAR\n"), None);
        assert_eq!(described(""), None);
        assert_eq!(event("BEGIN:VEVENT\nDTSTART:soon\n"), "When: soon");
        assert_eq!(event("BEGIN:VEVENT\nDTSTART:２０２６1125\n"), "When: ２０２６1125");
    }
}
