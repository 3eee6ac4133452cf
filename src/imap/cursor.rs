//! What has been read and what is to be read: the decisions of intake, pure.

use std::collections::BTreeSet;

use super::wire::Selected;
use crate::config::values::Start;
use crate::store::types::Cursor;

/// Mails of one FETCH.
const BATCH_MAILS_MAX: usize = 100;
/// Octets of one FETCH, unless one mail alone has more.
const BATCH_BYTES_MAX: u64 = 1024 * 1024;
/// After a UIDVALIDITY change, mail this much younger than the last pass counts as new: clocks differ.
const FRESH_MARGIN_MS: i64 = 3_600_000;

/// How the folder stands to what we know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// As before.
    Known,
    /// Never seen.
    First,
    /// UIDVALIDITY changed, or UIDs are handed out again: everything is looked at once more.
    Reset,
}

/// Opens a folder: the cursor to go on from.
#[must_use]
pub fn open(
    known: Option<Cursor>,
    folder: (&str, &str),
    seen: Selected,
    uid_next: u32,
    start: Start,
    now_ms: i64,
) -> (Cursor, Opening) {
    let highest = uid_next.saturating_sub(1);
    let Some(known) = known else {
        let (uid_last, taken_from_ms) = match start {
            Start::Now => (highest, 0),
            Start::All => (0, i64::MIN),
            Start::Since(ms) => (0, ms),
        };
        let cursor = Cursor {
            mailbox: folder.0.to_owned(),
            folder: folder.1.to_owned(),
            uidvalidity: seen.uidvalidity,
            generation: 0,
            uid_last,
            uid_old: highest,
            taken_from_ms,
            fresh_from_ms: i64::MAX,
            started_ms: now_ms,
            read_ms: now_ms,
        };
        return (cursor, Opening::First);
    };
    let again = seen.uidvalidity == known.uidvalidity && seen.uid_next.is_some_and(|next| next <= known.uid_last);
    if seen.uidvalidity == known.uidvalidity && !again {
        return (known, Opening::Known);
    }
    let cursor = Cursor {
        uidvalidity: seen.uidvalidity,
        generation: if again { known.generation.saturating_add(1) } else { 0 },
        uid_last: 0,
        uid_old: highest,
        taken_from_ms: match start {
            // INTERNALDATE has whole seconds; what arrived in the second of the start and was taken is known anyway
            Start::Now => known.started_ms.div_euclid(1000).saturating_add(1).saturating_mul(1000),
            Start::All => i64::MIN,
            Start::Since(ms) => ms,
        },
        fresh_from_ms: known.read_ms.saturating_sub(FRESH_MARGIN_MS),
        ..known
    };
    (cursor, Opening::Reset)
}

/// What to do with a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// It arrived.
    New,
    /// Taken, and nothing automatic leaves on its account (R91).
    Old,
    /// Not taken.
    PassOver,
}

/// Is this mail new, old, or none of ours?
#[must_use]
pub fn take(cursor: &Cursor, uid: u32, internal_date_ms: Option<i64>) -> Take {
    if uid > cursor.uid_old {
        return Take::New;
    }
    match internal_date_ms {
        Some(ms) if ms < cursor.taken_from_ms => Take::PassOver,
        Some(ms) if ms >= cursor.fresh_from_ms => Take::New,
        _ => Take::Old,
    }
}

/// A mail as the first FETCH lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// UID.
    pub uid: u32,
    /// RFC822.SIZE.
    pub size_bytes: u64,
    /// INTERNALDATE, milliseconds.
    pub internal_date_ms: Option<i64>,
}

/// Groups of mails that are fetched by one command each, in the order of their UIDs.
#[must_use]
pub fn batches(mut listed: Vec<Listed>, message_bytes_max: u64) -> Vec<Vec<Listed>> {
    listed.sort_by_key(|m| m.uid);
    listed.dedup_by_key(|m| m.uid);
    let mut batches: Vec<Vec<Listed>> = Vec::new();
    let mut size = 0u64;
    let mut headers_only = false;
    for mail in listed {
        let large = mail.size_bytes > message_bytes_max;
        let weight = if large { 0 } else { mail.size_bytes };
        match batches.last_mut() {
            Some(batch)
                if batch.len() < BATCH_MAILS_MAX
                    && size.saturating_add(weight) <= BATCH_BYTES_MAX
                    && headers_only == large =>
            {
                size = size.saturating_add(weight);
                batch.push(mail);
            }
            _ => {
                size = weight;
                headers_only = large;
                batches.push(vec![mail]);
            }
        }
    }
    batches
}

/// UIDs as a sequence set (RFC 3501 section 9), runs joined.
#[must_use]
pub fn uid_set(uids: impl IntoIterator<Item = u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for uid in uids.into_iter().collect::<BTreeSet<_>>() {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(uid) => *last = uid,
            _ => runs.push((uid, uid)),
        }
    }
    let word = |(first, last): (u32, u32)| if first == last { first.to_string() } else { format!("{first}:{last}") };
    runs.into_iter().map(word).collect::<Vec<_>>().join(",")
}

/// INTERNALDATE (RFC 3501 section 9 `date-time`), milliseconds.
#[must_use]
pub fn internal_date_ms(text: &str) -> Option<i64> {
    let at = jiff::fmt::strtime::parse("%d-%b-%Y %H:%M:%S %z", text.trim()).ok()?.to_timestamp().ok()?;
    Some(at.as_millisecond())
}

/// The other way round, in UTC.
#[must_use]
pub fn internal_date(at_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    at.strftime("%d-%b-%Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(now: i64, start: Start) -> Cursor {
        open(None, ("support", "INBOX"), Selected { uidvalidity: 7, uid_next: Some(101) }, 101, start, now).0
    }

    #[test]
    fn r91_the_first_start_takes_no_old_mail_unless_told() {
        assert_eq!(cursor(5_000, Start::Now).uid_last, 100);
        let all = cursor(5_000, Start::All);
        assert_eq!((all.uid_last, take(&all, 100, Some(1))), (0, Take::Old));
        assert_eq!(take(&all, 101, Some(1)), Take::New);
        let since = cursor(5_000, Start::Since(2_000));
        assert_eq!(take(&since, 4, Some(1_999)), Take::PassOver);
        assert_eq!(take(&since, 4, Some(2_000)), Take::Old);
    }

    #[test]
    fn r91_after_a_reset_only_mail_since_the_last_pass_is_new() {
        let day = 86_400_000;
        let known = Cursor { uid_last: 300, read_ms: 30 * day, ..cursor(10 * day + 700, Start::Now) };
        let (reset, opening) = open(
            Some(known.clone()),
            ("", ""),
            Selected { uidvalidity: 8, uid_next: Some(400) },
            400,
            Start::Now,
            31 * day,
        );
        assert_eq!((opening, reset.uid_last, reset.started_ms), (Opening::Reset, 0, known.started_ms));
        assert_eq!(take(&reset, 5, Some(9 * day)), Take::PassOver);
        assert_eq!(take(&reset, 5, Some(10 * day)), Take::PassOver, "the second of the start");
        assert_eq!(take(&reset, 5, Some(10 * day + 1_000)), Take::Old);
        assert_eq!(take(&reset, 5, Some(29 * day)), Take::Old);
        assert_eq!(take(&reset, 5, Some(30 * day)), Take::New);
        assert_eq!(take(&reset, 400, Some(1)), Take::New);
        assert_eq!(reset.event_id(5), "imap/support/INBOX/8/5");
    }

    #[test]
    fn uids_that_are_handed_out_again_are_other_mail() {
        let known = cursor(1, Start::Now);
        let seen = Selected { uidvalidity: 7, uid_next: Some(100) };
        let (again, opening) = open(Some(known.clone()), ("", ""), seen, 100, Start::Now, 2);
        assert_eq!((opening, again.event_id(5).as_str()), (Opening::Reset, "imap/support/INBOX/7.1/5"));
        let same = Selected { uidvalidity: 7, uid_next: Some(101) };
        assert_eq!(open(Some(known.clone()), ("", ""), same, 101, Start::Now, 2), (known, Opening::Known));
    }

    #[test]
    fn batches_are_bounded_in_mails_and_octets() {
        let mail = |uid, size_bytes| Listed { uid, size_bytes, internal_date_ms: None };
        let many: Vec<_> = (1..=250).map(|uid| mail(uid, 1000)).collect();
        let sizes: Vec<_> = batches(many, 1 << 30).iter().map(Vec::len).collect();
        assert_eq!(sizes, [100, 100, 50]);
        let heavy = vec![mail(3, 9 << 20), mail(1, 5 << 20), mail(2, 5 << 20), mail(2, 1), mail(4, 99 << 20)];
        let uids: Vec<Vec<u32>> = batches(heavy, 25 << 20).iter().map(|b| b.iter().map(|m| m.uid).collect()).collect();
        assert_eq!(uids, [vec![1], vec![2], vec![3], vec![4]]);
    }

    #[test]
    fn words_of_the_protocol() {
        assert_eq!(uid_set([5, 1, 2, 3, 9, 10]), "1:3,5,9:10");
        assert_eq!(internal_date_ms(" 1-Feb-2026 10:00:00 +0100"), Some(1_769_936_400_000));
        assert_eq!(internal_date_ms("nonsense"), None);
        assert_eq!(internal_date(1_769_936_400_000), "01-Feb-2026 09:00:00 +0000");
    }
}
