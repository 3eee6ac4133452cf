//! What is to happen at a time, and the lines of digests.

use sqlx::AnyConnection;

use crate::desk::digest::{Due, Kind, LINES_MAX, Line};
use crate::desk::token::CaseKey;

use super::Store;
use super::rows;

/// Something is to happen. The same twice is one.
///
/// # Errors
/// The database's.
pub async fn add(connection: &mut AnyConnection, at_ms: i64, due: &Due) -> sqlx::Result<()> {
    let (mailbox, case, agent) = match due {
        Due::Digest { mailbox } | Due::Probe { mailbox } => (mailbox.clone(), None, None),
        Due::Overload { mailbox, agent } => (mailbox.clone(), None, Some(agent.clone())),
        Due::SpamEnds(case) | Due::Wakes(case) | Due::ProbeEnds(case) => (String::new(), Some(case.to_i64()), None),
        Due::Breaker => (String::new(), None, None),
        Due::Back(agent) => (String::new(), None, Some(agent.clone())),
    };
    sqlx::query(
        "INSERT INTO agenda (id, at, kind, mailbox, case_key, agent) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(due.event_id(at_ms))
    .bind(at_ms)
    .bind(due.word())
    .bind(mailbox)
    .bind(case)
    .bind(agent)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// It has happened, in the transaction of what it caused.
///
/// # Errors
/// The database's.
pub async fn done(connection: &mut AnyConnection, event_id: &str) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM agenda WHERE id = $1").bind(event_id.to_owned()).execute(&mut *connection).await?;
    Ok(())
}

/// Does the breaker of acknowledgements wait to close (R51)?
///
/// # Errors
/// The database's.
pub async fn breaker_is_open(connection: &mut AnyConnection) -> sqlx::Result<bool> {
    let row = sqlx::query("SELECT count(*) AS n FROM agenda WHERE kind = $1")
        .bind(Due::Breaker.word())
        .fetch_one(&mut *connection)
        .await?;
    Ok(rows::number(&row, "n")? > 0)
}

/// A line of the next digest. A case stands once in the digest of one agent.
///
/// # Errors
/// The database's.
pub async fn note(connection: &mut AnyConnection, line: &Line) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO digest (mailbox, kind, case_key, at, detail, agent)
         SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (
             SELECT 1 FROM digest WHERE case_key = $3 AND kind = $2 AND agent = $6 AND named_at IS NULL)",
    )
    .bind(line.mailbox.clone())
    .bind(line.kind.word())
    .bind(line.case.to_i64())
    .bind(line.at_ms)
    .bind(line.detail.clone())
    .bind(line.agent.clone())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Lines of a mailbox, for one agent or for all of it, that no digest has named, oldest first.
///
/// # Errors
/// The database's.
pub async fn unnamed(
    connection: &mut AnyConnection,
    (mailbox, agent): (&str, Option<&str>),
) -> sqlx::Result<Vec<Line>> {
    sqlx::query(
        "SELECT digest.id, digest.kind, digest.case_key, digest.at, digest.detail, cases.reference, cases.generation,
                cases.owner
         FROM digest JOIN cases ON cases.case_key = digest.case_key
         WHERE digest.mailbox = $1 AND coalesce(digest.agent, '') = $3 AND digest.named_at IS NULL
         ORDER BY digest.id LIMIT $2",
    )
    .bind(mailbox.to_owned())
    .bind(i64::try_from(LINES_MAX).unwrap_or(i64::MAX))
    .bind(agent.unwrap_or_default().to_owned())
    .fetch_all(&mut *connection)
    .await?
    .iter()
    .map(|row| {
        let kind = rows::text(row, "kind")?;
        Ok(Line {
            id: rows::number(row, "id")?,
            mailbox: mailbox.to_owned(),
            agent: agent.map(str::to_owned),
            kind: Kind::from_word(&kind).ok_or_else(|| rows::bad("kind", kind))?,
            case: rows::case_key(row, "case_key")?,
            reference: rows::number(row, "reference")?,
            generation: rows::number(row, "generation")?,
            owner: rows::maybe_text(row, "owner")?,
            at_ms: rows::number(row, "at")?,
            detail: rows::text(row, "detail")?,
        })
    })
    .collect()
}

/// A digest has named them.
///
/// # Errors
/// The database's.
pub async fn named(
    connection: &mut AnyConnection,
    (mailbox, agent): (&str, Option<&str>),
    last: i64,
    at_ms: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE digest SET named_at = $1
         WHERE mailbox = $2 AND coalesce(agent, '') = $4 AND named_at IS NULL AND id <= $3",
    )
    .bind(at_ms)
    .bind(mailbox.to_owned())
    .bind(last)
    .bind(agent.unwrap_or_default().to_owned())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

impl Store {
    /// What is due by now, oldest first, with the id of its event.
    ///
    /// # Errors
    /// The database's.
    pub async fn due(&self, now_ms: i64, limit: i64) -> sqlx::Result<Vec<(String, Due)>> {
        sqlx::query("SELECT id, kind, mailbox, case_key, agent FROM agenda WHERE at <= $1 ORDER BY at, id LIMIT $2")
            .bind(now_ms)
            .bind(limit)
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(|row| {
                let kind = rows::text(row, "kind")?;
                let case = rows::maybe_number(row, "case_key")?.map(CaseKey::from_i64);
                let due = match (kind.as_str(), case) {
                    ("overload", _) => Due::Overload {
                        mailbox: rows::text(row, "mailbox")?,
                        agent: rows::maybe_text(row, "agent")?.unwrap_or_default(),
                    },
                    ("digest", _) => Due::Digest { mailbox: rows::text(row, "mailbox")? },
                    ("spam_ends", Some(case)) => Due::SpamEnds(case),
                    ("breaker", _) => Due::Breaker,
                    ("wakes", Some(case)) => Due::Wakes(case),
                    ("probe", _) => Due::Probe { mailbox: rows::text(row, "mailbox")? },
                    ("probe_ends", Some(case)) => Due::ProbeEnds(case),
                    ("back", _) => Due::Back(rows::maybe_text(row, "agent")?.unwrap_or_default()),
                    _ => return Err(rows::bad("kind", kind)),
                };
                Ok((rows::text(row, "id")?, due))
            })
            .collect()
    }

    /// When the next thing is due, milliseconds.
    ///
    /// # Errors
    /// The database's.
    pub async fn next_time(&self) -> sqlx::Result<Option<i64>> {
        let row = sqlx::query("SELECT min(at) AS at FROM agenda").fetch_one(self.reader()).await?;
        rows::maybe_number(&row, "at")
    }

    /// Is the breaker of acknowledgements open (R51)?
    ///
    /// # Errors
    /// The database's.
    pub async fn breaker_is_open(&self) -> sqlx::Result<bool> {
        let mut connection = self.reader().acquire().await?;
        breaker_is_open(&mut connection).await
    }
}
