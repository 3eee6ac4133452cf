//! The store on both databases: what migrations make, what a restart finds, what two senders get.
//!
//! PostgreSQL is the one that `YESREPLY_POSTGRES` names; `tests/run` starts it. Without it the PostgreSQL half says
//! loudly that it was skipped.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails, with the reason")]

#[expect(dead_code, reason = "the rules choose one database, the store has both")]
#[path = "../database/mod.rs"]
mod database;

mod memory;
mod schema;

use std::io::Write;
use std::path::Path;

use yesreply::store::Store;

/// Both databases, each with the URL of a fresh store in a folder of its own.
async fn both(test: &str, folder: &Path) -> Vec<(String, Store)> {
    let mut urls = vec![format!("sqlite:{}/desk.db", folder.display())];
    match std::env::var("YESREPLY_POSTGRES") {
        Ok(server) => urls.push(database::postgres(&server, folder).await),
        Err(_) => skipped(test),
    }
    let mut stores = Vec::new();
    for url in urls {
        let store = Store::open(&url).await.unwrap_or_else(|e| panic!("{url}: {e}"));
        stores.push((url, store));
    }
    stores
}

fn skipped(test: &str) {
    assert!(
        std::env::var_os("YESREPLY_TESTS_REQUIRE").is_none(),
        "{test}: YESREPLY_POSTGRES is not set, and here no test may be skipped"
    );
    let line = format!(
        "SKIPPED the PostgreSQL half of {test}: run tests/run, or tests/postgres FOLDER and set YESREPLY_POSTGRES to FOLDER/url's content"
    );
    // past the test runner, which would keep it to itself
    writeln!(std::io::stderr(), "{line}").expect("write");
}
