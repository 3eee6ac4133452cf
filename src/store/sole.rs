//! One daemon a database: a locked file beside an embedded one, an advisory lock of a connection on PostgreSQL.

use std::time::Duration;

use anyhow::Context;
use sqlx::{Any, Connection};

use super::{Store, rows};

/// The advisory lock's number.
const LOCK: i64 = 8_101_921;
/// How often the connection that holds the lock is asked if it lives.
const LOOK: Duration = Duration::from_secs(5);
/// The lock may be an old session's of our own, which the server has not noticed to be gone: so often it is asked again.
const REFUSED_MAX: u32 = 12;

/// The right to be the only daemon of a database; ends when dropped, or with the process.
#[derive(Debug)]
pub struct Sole {
    _file: Option<std::fs::File>,
    connection: Option<sqlx::pool::PoolConnection<Any>>,
}

impl Store {
    /// Makes this process the only daemon of the database, as long as the guard lives; `None` if there is one already.
    ///
    /// # Errors
    /// The database's, or the file system's.
    pub async fn sole(&self, url: &str) -> anyhow::Result<Option<Sole>> {
        let Some(path) = Self::sqlite_path(url) else {
            return self.advisory().await;
        };
        let mut name = path.into_os_string();
        name.push("-daemon");
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&name)
            .with_context(|| format!("open {}", name.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Sole { _file: Some(file), connection: None })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error).with_context(|| format!("lock {}", name.display())),
        }
    }

    async fn advisory(&self) -> anyhow::Result<Option<Sole>> {
        let mut connection = self.reader.acquire().await?;
        let row = sqlx::query("SELECT CASE WHEN pg_try_advisory_lock($1) THEN CAST(1 AS BIGINT) ELSE 0 END AS n")
            .bind(LOCK)
            .fetch_one(&mut *connection)
            .await?;
        let taken = rows::number(&row, "n")? == 1;
        Ok(taken.then_some(Sole { _file: None, connection: Some(connection) }))
    }

    /// Holds the right, and takes it again where the connection that held it was lost. Ends when another daemon has it.
    pub async fn keep_sole(&self, sole: Sole) {
        let mut refused = 0u32;
        let mut held = match sole {
            Sole { connection: Some(connection), .. } => Some(connection),
            file => {
                let () = std::future::pending().await;
                return drop(file);
            }
        };
        while refused < REFUSED_MAX {
            tokio::time::sleep(LOOK).await;
            if let Some(connection) = &mut held
                && connection.ping().await.is_ok()
            {
                continue;
            }
            held = None;
            match self.advisory().await {
                Ok(Some(again)) => {
                    tracing::warn!("the connection that made this the only daemon was lost and is made anew");
                    (held, refused) = (again.connection, 0);
                }
                Ok(None) => refused = refused.saturating_add(1),
                Err(error) => tracing::warn!(error = format!("{error:#}"), "the database cannot be reached"),
            }
        }
    }
}
