//! What is stored is there again, and only one sender gets a row.

use yesreply::store::care::{Found, Run};
use yesreply::store::copies::Going;
use yesreply::store::types::{AccountState, After, Claimed, Cursor, Ended, Gap, GapState, Settlement, Wanted};
use yesreply::store::{Store, cursors, outbox, quarantine};

use crate::both;

fn cursor(uid_last: u32) -> Cursor {
    Cursor {
        mailbox: "support".to_owned(),
        folder: "INBOX/Täglich".to_owned(),
        uidvalidity: u32::MAX,
        generation: 2,
        uid_last,
        uid_old: 17,
        taken_from_ms: i64::MIN,
        fresh_from_ms: i64::MAX,
        started_ms: 5,
        read_ms: 6,
    }
}

#[tokio::test]
async fn cursors_gaps_and_errands() {
    let folder = tempfile::tempdir().expect("a folder");
    for (url, store) in both("cursors_gaps_and_errands", folder.path()).await {
        let gap = |uid, state| Gap { uid, state, reason: "why".to_owned(), attempts: 3 };
        let mut transaction = store.begin().await.expect("begin");
        cursors::set_cursor(&mut transaction, &cursor(1)).await.expect("a cursor");
        cursors::set_cursor(&mut transaction, &cursor(u32::MAX)).await.expect("moved");
        for (uid, state) in [(5, GapState::Pending), (6, GapState::Gone), (7, GapState::Failed), (8, GapState::Pending)]
        {
            cursors::set_gap(&mut transaction, &cursor(9), &gap(uid, state)).await.expect("a gap");
        }
        cursors::set_gap(&mut transaction, &cursor(9), &gap(5, GapState::Gone)).await.expect("changed");
        cursors::close_gap(&mut transaction, &cursor(9), 8).await.expect("closed");
        for (uid, after) in
            [(1, After::Keep), (2, After::Seen), (3, After::Move("Täglich".to_owned())), (4, After::Keyword)]
        {
            cursors::add_errands(&mut transaction, &cursor(9), &[uid], &after).await.expect("an errand");
        }
        transaction.commit().await.expect("commit");
        assert_eq!(store.cursor("support", "INBOX/Täglich").await.expect("read"), Some(cursor(u32::MAX)), "{url}");
        assert_eq!(store.cursor("support", "INBOX").await.expect("read"), None);
        let gaps = store.gaps("support", "INBOX/Täglich", u32::MAX).await.expect("read");
        assert_eq!(gaps, [gap(5, GapState::Gone), gap(6, GapState::Gone), gap(7, GapState::Failed)], "{url}");
        let errands = store.errands("support", "INBOX/Täglich", u32::MAX, 10).await.expect("read");
        let actions: Vec<(u32, After)> = errands.into_iter().map(|e| (e.uid, e.action)).collect();
        assert_eq!(actions, [(2, After::Seen), (3, After::Move("Täglich".to_owned())), (4, After::Keyword)], "{url}");
        store.errands_done("support", "INBOX/Täglich", u32::MAX, &[2, 3]).await.expect("done");
        assert_eq!(store.errands("support", "INBOX/Täglich", u32::MAX, 10).await.expect("read").len(), 1);
    }
}

#[tokio::test]
async fn copies_lie_go_and_are_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    for (url, store) in both("copies_lie_go_and_are_gone", folder.path()).await {
        let go = |entry, going: &str| {
            let place = if going == "bob" { "Unowned".to_owned() } else { String::new() };
            Going { entry, marker: format!("m{entry}"), place, going: going.to_owned() }
        };
        store.copies_go("support", &[go(1, "Unowned"), go(2, "anna")]).await.expect("stored");
        store.copies_go("sales", &[go(1, "Closed")]).await.expect("stored");
        store.copies_lie("support", &[(1, "Unowned".to_owned())]).await.expect("stored");
        store.copies_go("support", &[go(1, "bob")]).await.expect("stored");
        let filed = store.filed("support", 0, |_| None).await.expect("read");
        let shown: Vec<_> = filed.iter().map(|f| (f.entry, &*f.marker, &*f.place, &*f.going, &f.wanted)).collect();
        assert_eq!(shown, [(1, "m1", "Unowned", "bob", &None), (2, "m2", "", "anna", &None)], "{url}");
        store.copies_gone("support", &[2]).await.expect("gone");
        store.copies_unwatched().await.expect("unwatched");
        let filed = store.filed("support", 0, |_| None).await.expect("read");
        let shown: Vec<_> = filed.iter().map(|f| (f.entry, &*f.marker, &*f.place, &*f.going)).collect();
        assert_eq!(shown, [(1, "m1", "", "")], "{url}");
    }
}

#[tokio::test]
async fn a_transaction_that_is_not_committed_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    for (url, store) in both("a_transaction_that_is_not_committed", folder.path()).await {
        let mut transaction = store.begin().await.expect("begin");
        cursors::set_cursor(&mut transaction, &cursor(1)).await.expect("a cursor");
        drop(transaction);
        assert_eq!(store.cursor("support", "INBOX/Täglich").await.expect("read"), None, "{url}");
    }
}

/// A run sees whether the one before it ended by itself, and takes off its own mark only; attempts count once a run, and
/// are forgotten with their release.
#[tokio::test]
async fn runs_and_what_they_read() {
    let folder = tempfile::tempdir().expect("a folder");
    for (url, store) in both("runs_and_what_they_read", folder.path()).await {
        let run = |id: &str, version: &str| Run { id: id.to_owned(), version: version.to_owned() };
        let (a, b, c, d) = (run("a", "1"), run("b", "1"), run("c", "1"), run("d", "2"));
        let begin = async |run: &Run, now_ms| store.begin_run(run, now_ms, 0, (2, "handed/")).await.expect("begin");
        let now = std::cell::Cell::new(50);
        let read = async |run: &Run, id: &str| store.begin_reading(run, id, now.get(), 10).await.expect("read");
        assert_eq!(begin(&a, 1).await, Found::default(), "{url}");
        assert_eq!((read(&a, "imap/1").await, read(&a, "imap/1").await), (1, 1), "{url}: once a run");
        assert!(begin(&b, 2).await.unclean, "{url}");
        now.set(59);
        assert_eq!(read(&b, "imap/1").await, 1, "{url}: killed again at once");
        let b = run("b2", "1");
        now.set(60);
        assert_eq!((read(&b, "imap/1").await, read(&b, "handed/1").await), (2, 1), "{url}");
        // the first one was not dead, only slow
        store.end_run(&a, 2).await.expect("end");
        assert!(begin(&c, 3).await.unclean, "{url}: another run's mark is left alone");
        now.set(70);
        assert_eq!(
            (read(&c, "imap/1").await, read(&c, "handed/1").await, read(&c, "imap/2").await),
            (3, 2, 1),
            "{url}"
        );
        store.end_reading("imap/1").await.expect("survived");
        assert_eq!(read(&c, "imap/1").await, 1, "{url}: survived");
        store.end_run(&c, 2).await.expect("end");
        let found = begin(&a, 4).await;
        assert_eq!((found.unclean, found.deadly), (false, vec!["handed/1".to_owned()]), "{url}");
        assert_eq!(read(&a, "imap/2").await, 1, "{url}: what a clean stop interrupts does not count");
        assert_eq!(begin(&d, 5).await.deadly, Vec::<String>::new(), "{url}: another release may be mended");
        assert_eq!(read(&d, "imap/2").await, 1, "{url}");
    }
}

#[tokio::test]
async fn accounts_remember_since_when() {
    let folder = tempfile::tempdir().expect("a folder");
    for (url, store) in both("accounts_remember_since_when", folder.path()).await {
        let state = |word: &str| AccountState {
            mailbox: "support".to_owned(),
            side: "smtp".to_owned(),
            state: word.to_owned(),
            detail: String::new(),
            since_ms: 0,
        };
        for (now, word, paused) in [(1, "ok", 0), (2, "paused", 900), (3, "paused", 950)] {
            store.set_account_state(now, &state(word), paused).await.expect("set");
        }
        let all = store.accounts().await.expect("read");
        assert_eq!((all.len(), all[0].since_ms), (1, 2), "{url}");
        assert_eq!(store.paused_until("support", "smtp").await.expect("read"), 950);
    }
}

#[tokio::test]
async fn quarantine_is_kept_and_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    for (url, store) in both("quarantine_is_kept_and_taken", folder.path()).await {
        let row = quarantine::Quarantined {
            id: 0,
            event_id: "imap/support/INBOX/1/1".to_owned(),
            mailbox: "support".to_owned(),
            at_ms: 7,
            reason: "it panicked".to_owned(),
            size_bytes: 3,
            old: true,
        };
        let mut transaction = store.begin().await.expect("begin");
        quarantine::put(&mut transaction, &row, b"\x00\xff\n").await.expect("put");
        transaction.commit().await.expect("commit");
        let rows = store.quarantined().await.expect("read");
        assert_eq!((rows.len(), rows[0].reason.as_str(), rows[0].old), (1, "it panicked", true), "{url}");
        assert_eq!(store.quarantined_raw(rows[0].id).await.expect("read").as_deref(), Some(&b"\x00\xff\n"[..]));
        let mut transaction = store.begin().await.expect("begin");
        quarantine::take(&mut transaction, rows[0].id).await.expect("take");
        transaction.commit().await.expect("commit");
        assert!(store.quarantined().await.expect("read").is_empty());
    }
}

async fn queue(store: &Store, count: i64) {
    let mut transaction = store.begin().await.expect("begin");
    for number in 0..count {
        sqlx::query(
            "INSERT INTO outbox (event_id, number, mailbox, purpose, priority, recipient, recipient_key, recipient_domain,
                bounce, message_id, message_hash, unauthenticated, bytes, splices, state, attempts, attempt, uncertain,
                next_attempt_at, lease_until, data_started, last_reply, status, created_at)
             VALUES ($1, 0, 'support', 'answer', 1, 'a@b.example', 'a@b.example', 'b.example',
                0, '<x@y>', $2, 0, $2, '[]', 'queued', 0, 0, 0, 0, 0, 0, '', '', 0)",
        )
        .bind(format!("test/{number}"))
        .bind(b"Subject: x\r\n\r\n".to_vec())
        .execute(&mut *transaction)
        .await
        .expect("queue");
    }
    transaction.commit().await.expect("commit");
}

#[tokio::test]
async fn what_is_small_is_sent_beside_others_whatever_it_is_made_of() {
    let folder = tempfile::tempdir().expect("a folder");
    for (url, store) in both("what_is_small", folder.path()).await {
        queue(&store, 4).await;
        let mut transaction = store.begin().await.expect("begin");
        for (id, size) in [("small", 4_096), ("large", 600 * 1024)] {
            let sql = "INSERT INTO blobs (id, content) VALUES ($1, $2)";
            sqlx::query(sql).bind(id).bind(vec![b'x'; size]).execute(&mut *transaction).await.expect("a blob");
        }
        let splices = [r#"[[14,"small"],[14,"small"]]"#, r#"[[14,"small"],[14,"large"]]"#, r#"[[14,"mail:1"]]"#, "[]"];
        for (number, splices) in splices.iter().enumerate() {
            let sql = "UPDATE outbox SET splices = $1 WHERE event_id = $2";
            let query = sqlx::query(sql).bind(*splices).bind(format!("test/{number}"));
            query.execute(&mut *transaction).await.expect("a row");
        }
        let mut claimed =
            outbox::claim(&mut transaction, "support", (10, Wanted::Any), 1_000, 10).await.expect("claim");
        transaction.commit().await.expect("commit");
        claimed.sort_by_key(|c| c.id);
        let heavy: Vec<bool> = claimed.iter().map(|c| c.heavy).collect();
        assert_eq!(heavy, [false, true, true, false], "{url}");
    }
}

#[tokio::test]
async fn a_row_is_in_one_hand_until_its_lease_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    for (url, store) in both("a_row_is_in_one_hand", folder.path()).await {
        queue(&store, 10).await;
        let claim = async |limit, now| {
            let mut transaction = store.begin().await.expect("begin");
            let claimed =
                outbox::claim(&mut transaction, "support", (limit, Wanted::Any), 1_000, now).await.expect("claim");
            transaction.commit().await.expect("commit");
            claimed
        };
        let first = claim(6, 10).await;
        let second = claim(10, 20).await;
        let mut ids: Vec<i64> = first.iter().chain(&second).map(|c| c.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((first.len(), second.len(), ids.len()), (6, 4, 10), "{url}");
        assert!(claim(10, 30).await.is_empty());

        let mut transaction = store.begin().await.expect("begin");
        let row = |claimed: &Claimed| (claimed.id, claimed.attempt);
        let begun = outbox::data_started(&mut transaction, &[row(&first[0])], 40).await.expect("start");
        assert_eq!(begun, [first[0].id], "{url}");
        let late = outbox::data_started(&mut transaction, &[row(&first[1])], 5_000).await.expect("start");
        assert!(late.is_empty(), "a lease that has ended is lost");
        transaction.commit().await.expect("commit");

        let again = claim(10, 6_000).await;
        assert_eq!(again.len(), 10, "{url}: leases end");
        let uncertain = again.iter().find(|c| c.id == first[0].id).expect("the row that had begun");
        assert_eq!((uncertain.uncertain_count, uncertain.attempts), (1, 2), "{url}");
        assert_eq!(again.iter().filter(|c| c.uncertain_count > 0).count(), 1, "the others were never sent");

        let mut transaction = store.begin().await.expect("begin");
        let sent = |claimed: &Claimed| Ended {
            id: claimed.id,
            attempt: claimed.attempt,
            settlement: Settlement::Sent { reply: "250".to_owned() },
        };
        let ends = [sent(&first[2]), sent(&again[0]), sent(&again[5])];
        let mut settled = outbox::settle(&mut transaction, &ends.iter().collect::<Vec<_>>(), 1).await.expect("settle");
        settled.sort_unstable();
        let mut theirs = vec![again[0].id, again[5].id];
        theirs.sort_unstable();
        assert_eq!(settled, theirs, "{url}: an attempt that lost its lease changes nothing");
        transaction.commit().await.expect("commit");
    }
}

#[tokio::test]
async fn two_senders_at_once_never_get_the_same_row() {
    let folder = tempfile::tempdir().expect("a folder");
    for (url, store) in both("two_senders_at_once", folder.path()).await {
        queue(&store, 200).await;
        let mut senders = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let store = store.clone();
            senders.spawn(async move {
                let mut ids = Vec::new();
                loop {
                    let mut transaction = store.begin().await.expect("begin");
                    let claimed = outbox::claim(&mut transaction, "support", (7, Wanted::Any), 1_000_000, 10)
                        .await
                        .expect("claim");
                    transaction.commit().await.expect("commit");
                    if claimed.is_empty() {
                        return ids;
                    }
                    ids.extend(claimed.into_iter().map(|c| c.id));
                }
            });
        }
        let mut all: Vec<i64> = senders.join_all().await.into_iter().flatten().collect();
        let claimed = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!((claimed, all.len()), (200, 200), "{url}");
    }
}

#[tokio::test]
async fn a_cursor_moves_only_from_where_it_stands() {
    let folder = tempfile::tempdir().expect("a folder");
    for (url, store) in both("a_cursor_moves_only_from_where_it_stands", folder.path()).await {
        let mut transaction = store.begin().await.expect("begin");
        cursors::set_cursor(&mut transaction, &cursor(10)).await.expect("a cursor");
        cursors::move_cursor(&mut transaction, &cursor(20), 10).await.expect("moved");
        for (to, from) in [(30, 10), (30, 21)] {
            let skipped = cursors::move_cursor(&mut transaction, &cursor(to), from).await;
            assert!(skipped.is_err(), "{url}: a batch behind one that was not committed");
        }
        let other = Cursor { uidvalidity: 1, ..cursor(30) };
        assert!(cursors::move_cursor(&mut transaction, &other, 20).await.is_err(), "{url}: another epoch");
        transaction.commit().await.expect("commit");
        assert_eq!(store.cursor("support", "INBOX/Täglich").await.expect("read"), Some(cursor(20)), "{url}");
    }
}
