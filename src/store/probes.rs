//! Probes: how far each has come, and what is deleted of it (R95).

use sqlx::{AnyConnection, AssertSqlSafe, any::AnyRow};

use crate::desk::broken::seconds;
use crate::desk::digest::Due;
use crate::desk::probe::{Before, Probe, Progress, Step};
use crate::desk::token::CaseKey;
use crate::desk::{Keys, View};
use crate::mail::MessageId;

use super::types::AccountState;
use super::{Store, cursors, keeping, rows};

/// How long results are kept, milliseconds.
const KEPT_MS: i64 = 30 * 86_400_000;
/// Side of an account, beside `imap` and `smtp`.
pub const SIDE: &str = "probe";

/// A probe and its way through the outbox, as long as that is kept.
const PROBE: &str = "SELECT probes.*,
    (SELECT ended_at FROM outbox WHERE outbox.case_key = probes.case_key AND purpose = 'probe' AND state = 'sent'
        AND outbox.message_id = probes.message_id) AS probe_sent,
    (SELECT last_reply FROM outbox WHERE outbox.case_key = probes.case_key AND purpose = 'probe'
        AND outbox.message_id = probes.message_id) AS probe_said,
    (SELECT ended_at FROM outbox WHERE outbox.case_key = probes.case_key AND purpose = 'probe' AND state = 'sent'
        AND outbox.message_id <> probes.message_id) AS answer_sent,
    (SELECT last_reply FROM outbox WHERE outbox.case_key = probes.case_key AND purpose = 'probe'
        AND outbox.message_id <> probes.message_id) AS answer_said
    FROM probes";

fn probe(row: &AnyRow) -> sqlx::Result<Probe> {
    let id = rows::text(row, "message_id")?;
    let step = rows::text(row, "step")?;
    let either = |column: &str, other: &str| -> sqlx::Result<Option<i64>> {
        Ok(rows::maybe_number(row, column)?.or(rows::maybe_number(row, other)?))
    };
    Ok(Probe {
        case: rows::case_key(row, "case_key")?,
        mailbox: rows::text(row, "mailbox")?,
        message_id: MessageId::parse(&id).ok_or_else(|| rows::bad("message_id", id))?,
        begun_ms: rows::number(row, "begun_at")?,
        until_ms: rows::number(row, "until")?,
        done_ms: [
            either("submitted_at", "probe_sent")?,
            rows::maybe_number(row, "received_at")?,
            either("answered_at", "answer_sent")?,
            rows::maybe_number(row, "opened_at")?,
        ],
        said: [
            rows::maybe_text(row, "probe_said")?.unwrap_or_default(),
            rows::maybe_text(row, "answer_said")?.unwrap_or_default(),
        ],
        ended_ms: rows::maybe_number(row, "ended_at")?,
        failed: Step::from_word(&step),
        detail: rows::text(row, "detail")?,
        reference: rows::maybe_number(row, "reference")?,
    })
}

async fn by_case(connection: &mut AnyConnection, case: CaseKey) -> sqlx::Result<Option<Probe>> {
    let sql = format!("{PROBE} WHERE probes.case_key = $1");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(case.to_i64()).fetch_optional(&mut *connection).await?;
    row.as_ref().map(probe).transpose()
}

/// Looks up what a decision asks of probes.
///
/// # Errors
/// The database's.
pub async fn load(connection: &mut AnyConnection, keys: &Keys, view: &mut View) -> sqlx::Result<()> {
    for case in &keys.probes {
        view.asked.probes.insert(*case);
        view.probes.extend(by_case(connection, *case).await?.map(|probe| (*case, probe)));
    }
    if let Some(mailbox) = &keys.before {
        view.asked.before = Some(mailbox.clone());
        view.before = before(connection, mailbox).await?;
    }
    Ok(())
}

async fn before(connection: &mut AnyConnection, mailbox: &str) -> sqlx::Result<Before> {
    let kept = sqlx::query("SELECT case_key, ended_at FROM probes WHERE mailbox = $1 AND kept = 1 ORDER BY begun_at")
        .bind(mailbox.to_owned())
        .fetch_all(&mut *connection)
        .await?;
    let mut before = Before::default();
    for row in &kept {
        let case = rows::case_key(row, "case_key")?;
        match rows::maybe_number(row, "ended_at")? {
            Some(_) => before.ended.push(case),
            None => before.running = Some(case),
        }
    }
    let numbered = sqlx::query(
        "SELECT reference FROM probes WHERE mailbox = $1 AND reference IS NOT NULL ORDER BY begun_at DESC LIMIT 1",
    )
    .bind(mailbox.to_owned())
    .fetch_optional(&mut *connection)
    .await?;
    before.reference = numbered.map(|row| rows::number(&row, "reference")).transpose()?;
    let state = sqlx::query("SELECT state FROM accounts WHERE mailbox = $1 AND side = $2")
        .bind(mailbox.to_owned())
        .bind(SIDE)
        .fetch_optional(&mut *connection)
        .await?;
    before.failing = state.map(|row| rows::text(&row, "state")).transpose()?.is_some_and(|state| state == "failed");
    Ok(before)
}

/// A probe has come so far.
///
/// # Errors
/// The database's.
pub async fn change(
    connection: &mut AnyConnection,
    at_ms: i64,
    case: CaseKey,
    progress: &Progress,
) -> sqlx::Result<()> {
    match progress {
        Progress::Begun { mailbox, message_id, until_ms } => {
            forget_old(connection, mailbox, at_ms).await?;
            sqlx::query(
                "INSERT INTO probes (case_key, mailbox, message_id, begun_at, until, step, detail, kept)
                 VALUES ($1, $2, $3, $4, $5, '', '', 1)",
            )
            .bind(case.to_i64())
            .bind(mailbox.clone())
            .bind(message_id.as_str().to_owned())
            .bind(at_ms)
            .bind(*until_ms)
            .execute(&mut *connection)
            .await?;
            Ok(())
        }
        Progress::Received => {
            sqlx::query("UPDATE probes SET received_at = $1 WHERE case_key = $2")
                .bind(at_ms)
                .bind(case.to_i64())
                .execute(&mut *connection)
                .await?;
            Ok(())
        }
        Progress::Opened(reference) => {
            sqlx::query("UPDATE probes SET opened_at = $1, ended_at = $1, reference = $2 WHERE case_key = $3")
                .bind(at_ms)
                .bind(*reference)
                .bind(case.to_i64())
                .execute(&mut *connection)
                .await?;
            result(connection, at_ms, case, None).await
        }
        Progress::Failed { step, words } => {
            ended(connection, at_ms, case, step.word(), words).await?;
            result(connection, at_ms, case, Some((*step, words))).await
        }
        Progress::Lapsed => ended(connection, at_ms, case, "", "no daemon ran while it was on its way").await,
        Progress::Collected => collect(connection, case).await,
    }
}

async fn ended(connection: &mut AnyConnection, at_ms: i64, case: CaseKey, step: &str, words: &str) -> sqlx::Result<()> {
    sqlx::query("UPDATE probes SET ended_at = $1, step = $2, detail = $3 WHERE case_key = $4")
        .bind(at_ms)
        .bind(step.to_owned())
        .bind(words.to_owned())
        .bind(case.to_i64())
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// What lists show of the mailbox, beside how its accounts fare.
async fn result(
    connection: &mut AnyConnection,
    at_ms: i64,
    case: CaseKey,
    failed: Option<(Step, &String)>,
) -> sqlx::Result<()> {
    let Some(probe) = by_case(connection, case).await? else {
        return Ok(());
    };
    let took = seconds(probe.took_ms().unwrap_or_default());
    let (state, detail) = match failed {
        Some((step, words)) => ("failed", format!("at the step {}: {words}", step.word())),
        None => ("ok", format!("came full circle in {took}")),
    };
    let state =
        AccountState { mailbox: probe.mailbox, side: SIDE.to_owned(), state: state.to_owned(), detail, since_ms: 0 };
    cursors::set_account(connection, at_ms, &state, 0).await
}

/// Deletes the case, the mails and what happened to them; both sides of `audit` lose the same. What comes of it later
/// is known by its MAC alone (R22).
async fn collect(connection: &mut AnyConnection, case: CaseKey) -> sqlx::Result<()> {
    let Some(probe) = by_case(connection, case).await? else {
        return Ok(());
    };
    sqlx::query("UPDATE probes SET submitted_at = $1, answered_at = $2, kept = 0 WHERE case_key = $3")
        .bind(probe.at_ms(Step::Submitted))
        .bind(probe.at_ms(Step::Answered))
        .bind(case.to_i64())
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM events WHERE id = $1")
        .bind(Due::ProbeEnds(case).event_id(probe.until_ms))
        .execute(&mut *connection)
        .await?;
    for sql in [
        "DELETE FROM events WHERE id IN (SELECT event_id FROM mails WHERE case_key = $1
                                         UNION SELECT event_id FROM outbox WHERE case_key = $1)",
        "DELETE FROM mails WHERE case_key = $1",
        "DELETE FROM notifications WHERE case_key = $1",
    ] {
        sqlx::query(sql).bind(case.to_i64()).execute(&mut *connection).await?;
    }
    keeping::forget(connection, case).await
}

/// A mailbox that is not probed any more has no state of its probes: the last one would stand there for ever.
///
/// # Errors
/// The database's.
pub async fn forget_state(connection: &mut AnyConnection, mailbox: &str) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM accounts WHERE mailbox = $1 AND side = $2")
        .bind(mailbox.to_owned())
        .bind(SIDE)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

async fn forget_old(connection: &mut AnyConnection, mailbox: &str, now_ms: i64) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM probes WHERE mailbox = $1 AND kept = 0 AND begun_at < $2")
        .bind(mailbox.to_owned())
        .bind(now_ms.saturating_sub(KEPT_MS))
        .execute(&mut *connection)
        .await?;
    Ok(())
}

impl Store {
    /// A probe, by the key of the case that its answer opens.
    ///
    /// # Errors
    /// The database's.
    pub async fn probe(&self, case: CaseKey) -> sqlx::Result<Option<Probe>> {
        by_case(&mut *self.reader().acquire().await?, case).await
    }

    /// The probe of this mailbox that is on its way.
    ///
    /// # Errors
    /// The database's.
    pub async fn running_probe(&self, mailbox: &str) -> sqlx::Result<Option<CaseKey>> {
        Ok(before(&mut *self.reader().acquire().await?, mailbox).await?.running)
    }

    /// The last probe of each mailbox that has passed or failed.
    ///
    /// # Errors
    /// The database's.
    pub async fn last_probes(&self) -> sqlx::Result<Vec<Probe>> {
        let sql = format!(
            "{PROBE} WHERE (probes.opened_at IS NOT NULL OR probes.step <> '') AND NOT EXISTS (
                 SELECT 1 FROM probes AS later WHERE later.mailbox = probes.mailbox AND later.begun_at > probes.begun_at
                 AND (later.opened_at IS NOT NULL OR later.step <> '')) ORDER BY probes.mailbox"
        );
        sqlx::query(AssertSqlSafe(sql)).fetch_all(self.reader()).await?.iter().map(probe).collect()
    }
}
