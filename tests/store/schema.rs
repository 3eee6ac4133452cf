//! Migrations: numbered alike, they make the same, they never change, and a newer schema is refused.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use sqlx::Row;
use yesreply::store::{OpenError, Store};

use crate::both;

fn files(database: &str) -> BTreeMap<String, String> {
    let folder = format!("{}/migrations/{database}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_dir(folder)
        .expect("the migrations")
        .flatten()
        .map(|e| {
            (e.file_name().to_string_lossy().into_owned(), std::fs::read_to_string(e.path()).expect("a migration"))
        })
        .collect()
}

#[test]
fn migrations_are_numbered_alike() {
    let names = |database: &str| files(database).into_keys().collect::<Vec<_>>();
    assert_eq!(names("sqlite"), names("postgres"));
}

/// Applied migrations never change: add a new file instead, and its sum here.
#[test]
fn applied_migrations_never_change() {
    let sums: Vec<String> = ["sqlite", "postgres"]
        .iter()
        .flat_map(|database| files(database).into_iter().map(move |(name, text)| (database, name, text)))
        .map(|(database, name, text)| {
            format!("{database}/{name} {}", data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes())))
        })
        .collect();
    let held = include_str!("migrations.sha256").lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(sums, held);
}

/// Columns by table, with what a reader may rely on.
async fn columns(store: &Store) -> BTreeMap<String, BTreeSet<String>> {
    let sql = if store.is_sqlite() {
        "SELECT m.name AS t, p.name AS c, p.type AS k, CASE WHEN p.\"notnull\" = 1 OR p.pk > 0 THEN 1 ELSE 0 END AS n
         FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table'"
    } else {
        "SELECT table_name::text AS t, column_name::text AS c, data_type::text AS k,
                CASE WHEN is_nullable = 'NO' THEN 1 ELSE 0 END AS n
         FROM information_schema.columns WHERE table_schema = 'public'"
    };
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in sqlx::query(sql).fetch_all(store.reader()).await.expect("the columns") {
        let (table, column, kind): (String, String, String) = (row.get("t"), row.get("c"), row.get("k"));
        // the search index is each database's own
        if table == "_sqlx_migrations" || table.starts_with("sqlite_") || table.starts_with("entry_words") {
            continue;
        }
        let required: i64 = row.try_get("n").unwrap_or_else(|_| i64::from(row.get::<i32, _>("n")));
        let kind = match kind.to_lowercase().as_str() {
            "integer" | "bigint" => "number",
            "blob" | "bytea" => "bytes",
            "text" => "text",
            other => panic!("{table}.{column} is {other}: BIGINT, TEXT and BLOB or BYTEA are allowed"),
        };
        tables.entry(table).or_default().insert(format!("{column} {kind} {required}"));
    }
    tables
}

async fn indexes(store: &Store) -> BTreeSet<String> {
    let sql = if store.is_sqlite() {
        "SELECT name AS i FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND name NOT LIKE 'entry_words%'"
    } else {
        "SELECT indexname::text AS i FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%_pkey' AND indexname NOT LIKE '%_key' AND indexname NOT LIKE 'entry_words%'"
    };
    let rows = sqlx::query(sql).fetch_all(store.reader()).await.expect("the indexes");
    rows.iter().map(|row| row.get::<String, _>("i")).collect()
}

#[tokio::test]
async fn both_databases_hold_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let stores = both("both_databases_hold_the_same", folder.path()).await;
    let mut made = Vec::new();
    for (url, store) in &stores {
        made.push((url, columns(store).await, indexes(store).await));
    }
    for pair in made.windows(2) {
        if let [(_, columns, indexes), (other, others, others_indexes)] = pair {
            assert_eq!(columns, others, "{other}");
            assert_eq!(indexes, others_indexes, "{other}");
        }
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for (url, store) in both("a_newer_schema_is_refused", folder.path()).await {
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     SELECT 9999, 'from the future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
        let mut transaction = store.begin().await.expect("begin");
        sqlx::query(newer).execute(&mut *transaction).await.expect("insert");
        transaction.commit().await.expect("commit");
        store.close().await;
        let refused = Store::open(&url).await.err();
        assert!(matches!(refused, Some(OpenError::Newer(_))), "{url}: {refused:?}");
    }
}

#[tokio::test]
async fn sqlite_syncs_every_commit() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&format!("sqlite:{}/desk.db", folder.path().display())).await.expect("a store");
    let mut transaction = store.begin().await.expect("begin");
    for (pragma, expected) in [("synchronous", 2i64), ("foreign_keys", 1)] {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA {pragma}")))
            .fetch_one(&mut *transaction)
            .await
            .expect("a pragma");
        assert_eq!(row.get::<i64, _>(0), expected, "{pragma}");
    }
    let row = sqlx::query("PRAGMA journal_mode").fetch_one(&mut *transaction).await.expect("a pragma");
    assert_eq!(row.get::<String, _>(0), "wal");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(folder.path().join("desk.db")).expect("a file").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}
