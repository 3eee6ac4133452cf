//! Memory: one SQL for SQLite and PostgreSQL.
//!
//! Decides   nothing. Loads what a decision may see ([`load`]), writes what it decided ([`commit`]).
//! Follows   BIGINT, TEXT and BLOB/BYTEA columns only, `$1` placeholders, DDL in `migrations/`, numbered alike.
//! Never     commits by itself inside `load` and `commit`: the transaction is the caller's (flow).

pub mod budgets;
pub mod cases;
pub mod commit;
pub mod cursors;
pub mod events;
pub mod insert;
pub mod load;
pub mod outbox;
pub mod pending;
pub mod people;
pub mod quarantine;
pub mod rows;
pub mod search;
pub mod shelf;
pub mod types;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, AnyPool, Connection, Executor, Transaction};

/// Readers beside the one writer.
const READERS_MAX: u32 = 4;

/// How long a writer waits for somebody else's lock, milliseconds.
const BUSY_TIMEOUT_MS: u32 = 90_000;

/// Why the store cannot be opened, where the caller branches.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Made by a newer release.
    #[error("database {0}: its schema is newer than this program; run the release that made it, or a newer one")]
    Newer(String),
    /// Owned by another user.
    #[error("database {0}: run this as the user that owns it")]
    Foreign(String),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// The right to be the only daemon of a database; ends when dropped, or with the process.
#[derive(Debug)]
pub struct Sole {
    _file: Option<std::fs::File>,
    _connection: Option<sqlx::pool::PoolConnection<Any>>,
}

/// An open database: one writer, a few readers.
#[derive(Debug, Clone)]
pub struct Store {
    writer: AnyPool,
    reader: AnyPool,
    sqlite: bool,
}

impl Store {
    /// Opens, migrates.
    ///
    /// # Errors
    /// [`OpenError`]; the URL's password is never part of the text.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        let sqlite = url.starts_with("sqlite:");
        let shown = shown(url);
        if !sqlite && !url.starts_with("postgres:") && !url.starts_with("postgresql:") {
            return Err(anyhow::anyhow!("database.url: sqlite:… or postgres://… is allowed").into());
        }
        let url = if sqlite { prepare_file(url)? } else { url.to_owned() };
        let options = AnyConnectOptions::from_str(&url).with_context(|| format!("database {shown}"))?;
        // a pool tries again for as long as it may; what cannot be opened at all is said at once
        let mut first =
            AnyConnection::connect_with(&options).await.with_context(|| format!("open database {shown}"))?;
        if sqlite {
            let opened = first.execute(sqlx::AssertSqlSafe(pragmas())).await;
            opened.with_context(|| format!("open database {shown}"))?;
        }
        first.close().await.with_context(|| format!("open database {shown}"))?;
        let pool = |connections: u32| {
            AnyPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(std::time::Duration::from_secs(120))
                // a file does not go away like a server, and each look costs as much as a statement
                .test_before_acquire(!sqlite)
                // a COMMIT that fails on a full disk leaves the connection at a depth it never leaves again
                .before_acquire(|connection, _| {
                    Box::pin(async move {
                        if connection.is_in_transaction() {
                            // a rollback may still be on its way to the connection's thread
                            connection.ping().await?;
                        }
                        Ok(!connection.is_in_transaction())
                    })
                })
                .after_connect(move |connection, _| {
                    Box::pin(async move {
                        if sqlite {
                            connection.execute(sqlx::AssertSqlSafe(pragmas())).await?;
                        }
                        Ok(())
                    })
                })
        };
        let writer = pool(if sqlite { 1 } else { READERS_MAX })
            .connect_with(options.clone())
            .await
            .with_context(|| format!("open database {shown}"))?;
        let reader = if sqlite { pool(READERS_MAX).connect_lazy_with(options) } else { writer.clone() };
        let store = Store { writer, reader, sqlite };
        store.migrate(&shown).await?;
        Ok(store)
    }

    /// The file of an embedded database; `None` for PostgreSQL.
    #[must_use]
    pub fn sqlite_path(url: &str) -> Option<PathBuf> {
        let path = url.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
    }

    /// Makes this process the only daemon of the database, as long as the guard lives; `None` if there is one already.
    ///
    /// # Errors
    /// The database's, or the file system's.
    pub async fn sole(&self, url: &str) -> anyhow::Result<Option<Sole>> {
        if let Some(path) = Self::sqlite_path(url) {
            let mut name = path.into_os_string();
            name.push("-daemon");
            let file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&name)
                .with_context(|| format!("open {}", name.display()))?;
            return match file.try_lock() {
                Ok(()) => Ok(Some(Sole { _file: Some(file), _connection: None })),
                Err(std::fs::TryLockError::WouldBlock) => Ok(None),
                Err(std::fs::TryLockError::Error(error)) => {
                    Err(error).with_context(|| format!("lock {}", name.display()))
                }
            };
        }
        let mut connection = self.reader.acquire().await?;
        let row = sqlx::query("SELECT CASE WHEN pg_try_advisory_lock(8101921) THEN 1 ELSE 0 END AS n")
            .fetch_one(&mut *connection)
            .await?;
        let taken = rows::number(&row, "n").or_else(|_| sqlx::Row::try_get::<i32, _>(&row, "n").map(i64::from))? == 1;
        Ok(taken.then_some(Sole { _file: None, _connection: Some(connection) }))
    }

    /// An empty store that is in memory only and ends with the process.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_empty() -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        let pool = AnyPoolOptions::new()
            .max_connections(1)
            .connect("sqlite::memory:")
            .await
            .context("open a database in memory")?;
        let store = Store { writer: pool.clone(), reader: pool, sqlite: true };
        store.migrate("in memory").await?;
        Ok(store)
    }

    async fn migrate(&self, shown: &str) -> Result<(), OpenError> {
        let migrator =
            if self.sqlite { sqlx::migrate!("migrations/sqlite") } else { sqlx::migrate!("migrations/postgres") };
        match migrator.run(&self.writer).await {
            Ok(()) => Ok(()),
            Err(sqlx::migrate::MigrateError::VersionMissing(_)) => Err(OpenError::Newer(shown.to_owned())),
            Err(error) => Err(OpenError::Other(anyhow::Error::new(error).context(format!("migrate database {shown}")))),
        }
    }

    /// A write transaction. On SQLite it takes the write lock at once: a transaction that turns into a writer
    /// half-way fails without waiting.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(&self) -> sqlx::Result<Transaction<'static, Any>> {
        if self.sqlite { self.writer.begin_with("BEGIN IMMEDIATE").await } else { self.writer.begin().await }
    }

    /// For queries that change nothing.
    #[must_use]
    pub fn reader(&self) -> &AnyPool {
        &self.reader
    }

    /// Is it the embedded database?
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.sqlite
    }

    /// Closes all connections; on SQLite this folds the log into the file.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

fn pragmas() -> String {
    format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
         PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}; PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY;"
    )
}

/// The URL without user and password.
fn shown(url: &str) -> String {
    let bare = url.split('?').next().unwrap_or(url);
    match bare.rsplit_once('@') {
        Some((_, rest)) => format!("postgres://…@{rest}"),
        None => bare.to_owned(),
    }
}

/// Makes the file with mode 0600 if it is not there; refuses to open another user's (exit 77).
fn prepare_file(url: &str) -> Result<String, OpenError> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let path = Store::sqlite_path(url).unwrap_or_default();
    let shown = path.display().to_string();
    if let Ok(metadata) = std::fs::metadata(&path) {
        let me = std::fs::metadata("/proc/self").map(|m| m.uid()).unwrap_or_default();
        if metadata.uid() != me {
            return Err(OpenError::Foreign(shown));
        }
    } else {
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path).with_context(|| {
            format!("create database {shown} (does the folder {} exist, and may we write there?)", parent.display())
        })?;
    }
    Ok(format!("sqlite://{shown}?mode=rwc"))
}
