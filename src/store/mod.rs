//! Memory: one SQL for SQLite and PostgreSQL.
//!
//! Decides   nothing. Loads what a decision may see ([`load`]), writes what it decided ([`commit`]).
//! Follows   BIGINT, TEXT and BLOB/BYTEA columns only, `$1` placeholders, DDL in `migrations/`, numbered alike.
//! Never     commits by itself inside `load` and `commit`: the transaction is the caller's (flow).

pub mod agenda;
pub mod bodies;
pub mod budgets;
pub mod calls;
pub mod care;
pub mod cases;
pub mod commit;
pub mod copies;
pub mod cursors;
pub mod events;
pub mod gauges;
pub mod handling;
pub mod insert;
pub mod keeping;
pub mod load;
pub mod notices;
pub mod notifications;
pub mod outbox;
pub mod pending;
pub mod people;
pub mod probes;
pub mod quarantine;
pub mod rows;
pub mod search;
pub mod shelf;
pub mod sole;
pub mod types;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, AnyPool, Connection, Executor, Transaction};

use crate::failpoint;

/// Readers beside the one writer.
const READERS_MAX: u32 = 4;

/// Pages that each connection to SQLite keeps, KiB; the system's own cache holds the rest.
const CACHE_KIB: u32 = 4_096;

/// How long a writer waits for somebody else's lock, milliseconds.
const BUSY_TIMEOUT_MS: u32 = 90_000;
/// How long the one writer is waited for, which may wait for such a lock.
const ACQUIRE_SQLITE: Duration = Duration::from_secs(120);
/// How long a server that is away is waited for: sqlx tries it again after twice the time each time, so a longer wait would
/// notice its return late.
const ACQUIRE_POSTGRES: Duration = Duration::from_secs(5);

/// A larger file is not read as a whole at each start.
const SOUND_BYTES_MAX: i64 = 1 << 30;
/// What an operator is told of a damaged file.
const DAMAGED: &str = "the file is damaged and nothing was changed in it: put it aside and restore a backup; mail that \
                       came since is still on the IMAP server";

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
        let first = async {
            let mut first = AnyConnection::connect_with(&options).await?;
            if sqlite {
                first.execute(sqlx::AssertSqlSafe(pragmas())).await?;
            }
            first.close().await
        };
        first.await.map_err(|error| opened(error, &shown))?;
        let pool = |connections: u32| {
            AnyPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(if sqlite { ACQUIRE_SQLITE } else { ACQUIRE_POSTGRES })
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

    /// Opens a database that is there, as it is: nothing is created, migrated or written. `None` if there is none yet, or
    /// if its schema is another release's.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_unchanged(url: &str) -> Result<Option<Self>, OpenError> {
        sqlx::any::install_default_drivers();
        let sqlite = url.starts_with("sqlite:");
        let shown = shown(url);
        let path = Self::sqlite_path(url);
        let url = match &path {
            Some(path) if !path.exists() => return Ok(None),
            Some(path) => {
                is_ours(path)?;
                format!("sqlite://{}?mode=ro", path.display())
            }
            None => url.to_owned(),
        };
        let options = AnyConnectOptions::from_str(&url).with_context(|| format!("database {shown}"))?;
        if !sqlite {
            // a pool tries again for as long as it may; what cannot be opened at all is said at once
            let first = AnyConnection::connect_with(&options).await.map_err(|error| opened(error, &shown))?;
            first.close().await.map_err(|error| opened(error, &shown))?;
        }
        let pool = AnyPoolOptions::new()
            .max_connections(READERS_MAX)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    let set = if sqlite {
                        format!("PRAGMA query_only = ON; PRAGMA busy_timeout = {BUSY_TIMEOUT_MS};")
                    } else {
                        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY".to_owned()
                    };
                    connection.execute(sqlx::AssertSqlSafe(set)).await?;
                    Ok(())
                })
            })
            .connect_with(options)
            .await
            .with_context(|| format!("open database {shown}"))?;
        let store = Store { writer: pool.clone(), reader: pool, sqlite };
        Ok(store.has_our_schema().await.then_some(store))
    }

    async fn has_our_schema(&self) -> bool {
        let ours = self.migrator().iter().map(|m| m.version).max();
        let row = sqlx::query("SELECT MAX(version) AS n FROM _sqlx_migrations").fetch_one(&self.reader).await;
        row.ok().and_then(|row| rows::number(&row, "n").ok()) == ours
    }

    /// The file of an embedded database; `None` for PostgreSQL.
    #[must_use]
    pub fn sqlite_path(url: &str) -> Option<PathBuf> {
        let path = url.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
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

    fn migrator(&self) -> sqlx::migrate::Migrator {
        if self.sqlite { sqlx::migrate!("migrations/sqlite") } else { sqlx::migrate!("migrations/postgres") }
    }

    async fn migrate(&self, shown: &str) -> Result<(), OpenError> {
        match self.migrator().run(&self.writer).await {
            Ok(()) => Ok(()),
            Err(sqlx::migrate::MigrateError::VersionMissing(_)) => Err(OpenError::Newer(shown.to_owned())),
            Err(error) => Err(OpenError::Other(anyhow::Error::new(error).context(format!("migrate database {shown}")))),
        }
    }

    /// Reads all of an embedded database, unless it is too large to do so at each start: is the file sound?
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub async fn is_sound(&self) -> anyhow::Result<()> {
        if !self.sqlite {
            return Ok(());
        }
        let size = "SELECT page_count * page_size AS n FROM pragma_page_count(), pragma_page_size()";
        let size = sqlx::query(size).fetch_one(&self.reader).await.and_then(|row| rows::number(&row, "n"));
        if size.as_ref().is_ok_and(|bytes| *bytes > SOUND_BYTES_MAX) {
            return Ok(());
        }
        let found = sqlx::query("PRAGMA quick_check(1)").fetch_one(&self.reader).await;
        let words = size.and(found).and_then(|row| rows::text(&row, "quick_check")).unwrap_or_else(|e| e.to_string());
        if words == "ok" { Ok(()) } else { Err(anyhow::anyhow!("{words}").context(DAMAGED)) }
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

/// Says what to do about a file that is damaged.
fn opened(error: sqlx::Error, shown: &str) -> anyhow::Error {
    let code = error.as_database_error().and_then(|e| e.code().map(|code| code.into_owned()));
    let damaged = matches!(code.as_deref(), Some("11" | "26"));
    let error = anyhow::Error::new(error);
    let error = if damaged { error.context(DAMAGED) } else { error };
    error.context(format!("open database {shown}"))
}

fn pragmas() -> String {
    let synchronous = if failpoint::fault("synchronous_normal") { "NORMAL" } else { "FULL" };
    format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; \
         PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}; PRAGMA cache_size = -{CACHE_KIB}; PRAGMA temp_store = MEMORY;"
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

/// Refuses another user's file (exit 77).
fn is_ours(path: &Path) -> Result<(), OpenError> {
    use std::os::unix::fs::MetadataExt;
    let uid = |path: &Path| std::fs::metadata(path).map(|m| m.uid());
    let owner = uid(path).with_context(|| format!("database {}", path.display()))?;
    if owner == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err(OpenError::Foreign(path.display().to_string()))
    }
}

/// Makes the file with mode 0600 if it is not there; refuses to open another user's (exit 77).
fn prepare_file(url: &str) -> Result<String, OpenError> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = Store::sqlite_path(url).unwrap_or_default();
    let shown = path.display().to_string();
    if path.exists() {
        is_ours(&path)?;
    } else {
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path).with_context(|| {
            format!("create database {shown} (does the folder {} exist, and may we write there?)", parent.display())
        })?;
    }
    Ok(format!("sqlite://{shown}?mode=rwc"))
}
