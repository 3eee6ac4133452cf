//! The database of a test: SQLite in its folder, or one of its own on the PostgreSQL that `YESREPLY_POSTGRES` names.

use std::path::Path;

use sqlx::{AnyConnection, Connection};

/// The URL for a test in this folder; the same folder has the same database.
pub async fn url(folder: &Path) -> String {
    match std::env::var("YESREPLY_POSTGRES") {
        Ok(server) => postgres(&server, folder).await,
        Err(_) => format!("sqlite:{}/desk.db", folder.display()),
    }
}

/// A database of this folder's own on a PostgreSQL.
pub async fn postgres(server: &str, folder: &Path) -> String {
    let name: String =
        folder.display().to_string().to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let url = format!("{server}/{name}");
    let marker = folder.join("database");
    if !marker.exists() {
        sqlx::any::install_default_drivers();
        let mut connection =
            AnyConnection::connect(&format!("{server}/postgres")).await.expect("connect to PostgreSQL");
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{name}\""));
        sqlx::query(create).execute(&mut connection).await.expect("create a database");
        std::fs::write(marker, &url).expect("write");
    }
    url
}
