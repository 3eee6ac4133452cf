//! What applications handed in, and the addresses to which it came back.

use sqlx::{AnyConnection, AssertSqlSafe, any::AnyRow};

use crate::desk::Purpose;
use crate::desk::submission::{Departure, Notification, Strike, Suppressed, day};
use crate::desk::token::CaseKey;
use crate::mail::{Address, MessageId, NameAddr};

use super::Store;
use super::load::placeholders;
use super::rows;

/// Notifications with one Message-ID that a decision sees.
const SAME_ID_MAX: i64 = 50;

fn notification(row: &AnyRow) -> sqlx::Result<Notification> {
    let id = rows::text(row, "message_id")?;
    let digest = rows::bytes(row, "digest")?;
    Ok(Notification {
        case: rows::case_key(row, "case_key")?,
        at_ms: rows::number(row, "at")?,
        application: rows::text(row, "application")?,
        mailbox: rows::text(row, "mailbox")?,
        recipient: NameAddr { name: rows::text(row, "recipient_name")?, address: rows::address(row, "recipient")? },
        sender: NameAddr { name: rows::text(row, "sender_name")?, address: rows::address(row, "sender")? },
        subject: rows::text(row, "subject")?,
        message_id: MessageId::parse(&id).ok_or_else(|| rows::bad("message_id", id))?,
        digest: digest.try_into().map_err(|_| rows::bad("digest", "another length"))?,
        text: rows::text(row, "text")?,
        context: serde_json::from_str(&rows::text(row, "context")?).map_err(|e| rows::bad("context", e))?,
        owner: rows::maybe_text(row, "owner")?,
        subject_tag: rows::maybe_text(row, "subject_tag")?,
        phrases: usize::try_from(rows::number(row, "phrases")?).unwrap_or_default(),
        header: rows::bytes(row, "header")?,
        body: rows::text(row, "body")?,
    })
}

/// The notification whose reply opens this case.
///
/// # Errors
/// The database's.
pub async fn by_case(connection: &mut AnyConnection, case: CaseKey) -> sqlx::Result<Option<Notification>> {
    let row = sqlx::query("SELECT * FROM notifications WHERE case_key = $1")
        .bind(case.to_i64())
        .fetch_optional(&mut *connection)
        .await?;
    row.as_ref().map(notification).transpose()
}

/// Notifications that left with one of these Message-IDs.
///
/// # Errors
/// The database's.
pub async fn by_message_ids(connection: &mut AnyConnection, ids: &[&MessageId]) -> sqlx::Result<Vec<Notification>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let list = placeholders(0, ids.len());
    let sql = format!("SELECT * FROM notifications WHERE message_hash IN ({list}) LIMIT {SAME_ID_MAX}");
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for id in ids {
        query = query.bind(id.hash16().to_vec());
    }
    query.fetch_all(&mut *connection).await?.iter().map(notification).collect()
}

/// Keeps a notification, and queues it if it leaves.
///
/// # Errors
/// The database's.
pub async fn add(
    connection: &mut AnyConnection,
    event_id: &str,
    notification: &Notification,
    departure: Option<&Departure>,
) -> sqlx::Result<()> {
    let Notification { recipient, sender, .. } = notification;
    sqlx::query(
        "INSERT INTO notifications (case_key, at, application, mailbox, recipient, recipient_name, sender, sender_name,
                                    subject, message_id, message_hash, digest, text, context, owner, subject_tag,
                                    phrases, header, body, event_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
    )
    .bind(notification.case.to_i64())
    .bind(notification.at_ms)
    .bind(notification.application.clone())
    .bind(notification.mailbox.clone())
    .bind(recipient.address.to_string())
    .bind(recipient.name.clone())
    .bind(sender.address.to_string())
    .bind(sender.name.clone())
    .bind(notification.subject.clone())
    .bind(notification.message_id.as_str().to_owned())
    .bind(notification.message_id.hash16().to_vec())
    .bind(notification.digest.to_vec())
    .bind(notification.text.clone())
    .bind(serde_json::json!(notification.context).to_string())
    .bind(notification.owner.clone())
    .bind(notification.subject_tag.clone())
    .bind(i64::try_from(notification.phrases).unwrap_or(i64::MAX))
    .bind(notification.header.clone())
    .bind(notification.body.clone())
    .bind(event_id.to_owned())
    .execute(&mut *connection)
    .await?;
    match departure {
        Some(departure) => queue(connection, event_id, notification, departure).await,
        None => Ok(()),
    }
}

/// The header by itself, the body stored once for all recipients.
async fn queue(
    connection: &mut AnyConnection,
    event_id: &str,
    notification: &Notification,
    departure: &Departure,
) -> sqlx::Result<()> {
    let address = &notification.recipient.address;
    let splices = serde_json::json!([(departure.header.len(), &notification.body)]).to_string();
    sqlx::query(
        "INSERT INTO outbox (event_id, number, case_key, entry_id, mailbox, purpose, priority, agent, recipient,
                             recipient_key, recipient_domain, reverse_path, bounce, message_id, message_hash,
                             unauthenticated, bytes, splices, state, attempts, attempt, uncertain, next_attempt_at,
                             lease_until, data_started, last_reply, status, created_at)
         VALUES ($1, 0, $2, NULL, $3, $4, $5, NULL, $6, $7, $8, $9, $10, $11, $12, 0, $13, $14, 'queued', 0, 0, 0,
                 $15, 0, 0, '', '', $15)",
    )
    .bind(event_id.to_owned())
    .bind(notification.case.to_i64())
    .bind(notification.mailbox.clone())
    .bind(Purpose::Notification.word())
    .bind(Purpose::Notification.priority())
    .bind(address.to_string())
    .bind(address.key())
    .bind(address.domain().to_owned())
    .bind(departure.reverse_path.as_ref().map(ToString::to_string))
    .bind(i64::from(departure.bounce.0))
    .bind(notification.message_id.as_str().to_owned())
    .bind(notification.message_id.hash16().to_vec())
    .bind(departure.header.clone())
    .bind(splices)
    .bind(notification.at_ms)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// The entry of a notification whose case is open now takes over its delivery.
///
/// # Errors
/// The database's.
pub async fn adopt(connection: &mut AnyConnection, case: CaseKey, entry: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE outbox SET entry_id = $1 WHERE case_key = $2 AND purpose = $3")
        .bind(entry)
        .bind(case.to_i64())
        .bind(Purpose::Notification.word())
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO adopted (body, case_key) SELECT body, case_key FROM notifications WHERE case_key = $1
         ON CONFLICT (body, case_key) DO NOTHING",
    )
    .bind(case.to_i64())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Counts the days on which notifications to an address came back.
///
/// # Errors
/// The database's.
pub async fn strike(connection: &mut AnyConnection, strike: &Strike) -> sqlx::Result<()> {
    let known = suppressed(connection, &strike.recipient).await?;
    let another_day = known.as_ref().is_none_or(|k| day(k.last_ms) != day(strike.at_ms));
    sqlx::query(
        "INSERT INTO suppressions (recipient_key, first_at, last_at, days, status, diagnostic)
         VALUES ($1, $2, $2, 1, $3, $4)
         ON CONFLICT (recipient_key) DO UPDATE SET last_at = $2, days = suppressions.days + $5, status = $3, diagnostic = $4",
    )
    .bind(strike.recipient.key())
    .bind(strike.at_ms)
    .bind(strike.status.clone())
    .bind(strike.diagnostic.clone())
    .bind(i64::from(another_day))
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// What is known of an address.
///
/// # Errors
/// The database's.
pub async fn suppressed(connection: &mut AnyConnection, address: &Address) -> sqlx::Result<Option<Suppressed>> {
    let row = sqlx::query("SELECT * FROM suppressions WHERE recipient_key = $1")
        .bind(address.key())
        .fetch_optional(&mut *connection)
        .await?;
    row.as_ref().map(suppression).transpose()
}

fn suppression(row: &AnyRow) -> sqlx::Result<Suppressed> {
    Ok(Suppressed {
        recipient: rows::text(row, "recipient_key")?,
        first_ms: rows::number(row, "first_at")?,
        last_ms: rows::number(row, "last_at")?,
        days: rows::number(row, "days")?,
        status: rows::text(row, "status")?,
        diagnostic: rows::text(row, "diagnostic")?,
    })
}

impl Store {
    /// When this event was handled, milliseconds; `None` if it was not.
    ///
    /// # Errors
    /// The database's.
    pub async fn handled_at(&self, event_id: &str) -> sqlx::Result<Option<i64>> {
        let row = sqlx::query("SELECT at FROM events WHERE id = $1")
            .bind(event_id.to_owned())
            .fetch_optional(self.reader())
            .await?;
        row.map(|row| rows::number(&row, "at")).transpose()
    }

    /// All addresses to which notifications came back, the last first.
    ///
    /// # Errors
    /// The database's.
    pub async fn suppressions(&self, limit: i64) -> sqlx::Result<Vec<Suppressed>> {
        sqlx::query("SELECT * FROM suppressions ORDER BY last_at DESC LIMIT $1")
            .bind(limit)
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(suppression)
            .collect()
    }

    /// Forgets that notifications to an address came back. `false` if none had.
    ///
    /// # Errors
    /// The database's.
    pub async fn release(&self, address: &Address) -> sqlx::Result<bool> {
        let mut transaction = self.begin().await?;
        let done = sqlx::query("DELETE FROM suppressions WHERE recipient_key = $1")
            .bind(address.key())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Sentences that told not to answer, by application: notifications that held some, of the last so many.
    ///
    /// # Errors
    /// The database's.
    pub async fn phrases(&self, since_ms: i64) -> sqlx::Result<Vec<(String, i64)>> {
        sqlx::query(
            "SELECT application, count(*) AS n FROM notifications WHERE phrases > 0 AND at > $1
             GROUP BY application ORDER BY application",
        )
        .bind(since_ms)
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(|row| Ok((rows::text(row, "application")?, rows::number(row, "n")?)))
        .collect()
    }
}
