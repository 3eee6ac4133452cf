//! Servers that misbehave as no real one can be told to: short literals, lies, cuts at an exact place.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on fails, with the reason"
)]

#[cfg(feature = "failpoints")]
#[path = "../bite/mod.rs"]
mod bite;
mod http;
mod imap;
mod listen;
mod smtp;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use yesreply::config::file::Tls;
use yesreply::config::{Account, Config, Endpoint};
use yesreply::flow::Flow;
use yesreply::store::Store;

/// A desk in memory of this process: a store, the door, an account that points at the given ports.
struct Desk {
    flow: Arc<Flow>,
    config: Config,
    account: Account,
    _folder: TempDir,
}

impl Desk {
    async fn new(port: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("yesreply.toml");
        let text = format!(
            "[database]\nurl = \"sqlite:{0}/desk.db\"\n[token]\nkey = \"{1}\"\n\
             [mailbox.support]\naddress = \"support@shop.example\"\npassword = \"secret\"\n\
             imap = {{ host = \"localhost\", port = {port}, tls = \"none\" }}\n\
             smtp = {{ host = \"localhost\", port = {port}, tls = \"none\", auth = false }}\n\
             [agent.anna]\naddress = \"anna@agents.example\"\n\
             [outbox]\nretry_first = \"1s\"\nanswer_timeout = \"3s\"\n",
            folder.path().display(),
            "11".repeat(32)
        );
        std::fs::write(&path, text).expect("write");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("mode 600");
        let config = Config::load(&path).unwrap_or_else(|findings| panic!("{findings:#?}"));
        let store = Store::open(&config.file.database.url).await.expect("a store");
        let flow = Flow::start(store, Arc::new(config.policy.clone()));
        let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port, tls: Tls::None, ca: None::<PathBuf> };
        let mut account = config.accounts["support"].clone();
        account.imap = endpoint.clone();
        account.smtp = endpoint;
        Desk { flow, config, account, _folder: folder }
    }
}

/// Waits until something has happened.
async fn eventually(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if happened().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain for {what}");
}
