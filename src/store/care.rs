//! Which runs of the daemon ended by themselves, and at which mails the process did not survive.
//!
//! Promises   a mail is named here in a commit of its own before it is read with care; an attempt counts once a run, and once in
//!            a while: whoever kills us again and again hits the same mail by chance.
//! Never      touches the mark of a run that is not its own, except at a start, when the caller holds the right to be
//!            the only daemon of the database.

use sqlx::AnyConnection;

use super::Store;
use super::rows;

/// Mails handed in that are remembered as deadly.
const DEADLY_MAX: i64 = 1_000;

/// A run of the daemon.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its name, which no other run has.
    pub id: String,
    /// The release that runs.
    pub version: String,
}

/// What a run finds when it begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The last run did not end by itself.
    pub unclean: bool,
    /// Events, whose ids begin with the wanted words, at which the process ended so often that they are not to be read.
    pub deadly: Vec<String>,
}

impl Store {
    /// A run begins: what earlier ones left is seen, and its own mark set. Attempts of other releases, or older than
    /// `since_ms`, are forgotten.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin_run(&self, run: &Run, now_ms: i64, since_ms: i64, deadly: (i64, &str)) -> sqlx::Result<Found> {
        let mut transaction = self.begin().await?;
        let left = sqlx::query("DELETE FROM runs").execute(&mut *transaction).await?.rows_affected();
        sqlx::query("INSERT INTO runs (run, started_at) VALUES ($1, $2)")
            .bind(run.id.clone())
            .bind(now_ms)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM readings WHERE version <> $1 OR at < $2 OR event_id IN (SELECT id FROM events)")
            .bind(run.version.clone())
            .bind(since_ms)
            .execute(&mut *transaction)
            .await?;
        let (attempts, beginning) = deadly;
        let deadly = read_often(&mut transaction, attempts, beginning).await?;
        transaction.commit().await?;
        Ok(Found { unclean: left > 0, deadly })
    }

    /// A run ends by itself: what it had in hand was not the end of it.
    ///
    /// # Errors
    /// The database's.
    pub async fn end_run(&self, run: &Run, attempts_max: i64) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM runs WHERE run = $1").bind(run.id.clone()).execute(&mut *transaction).await?;
        sqlx::query("DELETE FROM readings WHERE run = $1 AND attempts < $2")
            .bind(run.id.clone())
            .bind(attempts_max)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// A mail is about to be read. Returns in how many runs that was begun, this one included; runs that begin it within
    /// `apart_ms` of the last one that counted are one with it.
    ///
    /// # Errors
    /// The database's; then it is not to be read.
    pub async fn begin_reading(&self, run: &Run, event_id: &str, now_ms: i64, apart_ms: i64) -> sqlx::Result<i64> {
        let mut transaction = self.begin().await?;
        let row = sqlx::query(
            "INSERT INTO readings (event_id, attempts, run, version, at) VALUES ($1, 1, $2, $3, $4)
             ON CONFLICT (event_id) DO UPDATE SET
                 attempts = readings.attempts
                     + CASE WHEN readings.run = excluded.run OR readings.at > excluded.at - $5 THEN 0 ELSE 1 END,
                 at = CASE WHEN readings.run = excluded.run OR readings.at > excluded.at - $5
                      THEN readings.at ELSE excluded.at END,
                 run = excluded.run, version = excluded.version
             RETURNING attempts",
        )
        .bind(event_id.to_owned())
        .bind(run.id.clone())
        .bind(run.version.clone())
        .bind(now_ms)
        .bind(apart_ms)
        .fetch_one(&mut *transaction)
        .await?;
        let attempts = rows::number(&row, "attempts")?;
        transaction.commit().await?;
        Ok(attempts)
    }

    /// The process has survived it.
    ///
    /// # Errors
    /// The database's.
    pub async fn end_reading(&self, event_id: &str) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM readings WHERE event_id = $1")
            .bind(event_id.to_owned())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }
}

async fn read_often(connection: &mut AnyConnection, attempts: i64, beginning: &str) -> sqlx::Result<Vec<String>> {
    sqlx::query("SELECT event_id FROM readings WHERE attempts >= $1 AND event_id LIKE $2 ORDER BY at DESC LIMIT $3")
        .bind(attempts)
        .bind(format!("{beginning}%"))
        .bind(DEADLY_MAX)
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| rows::text(row, "event_id"))
        .collect()
}
