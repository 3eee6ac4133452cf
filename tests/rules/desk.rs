//! A desk without servers: mail goes in through the one door, and what the outbox holds comes out.

use std::sync::Arc;

use tempfile::TempDir;
use yesreply::config::Config;
use yesreply::desk::{Event, What};
use yesreply::flow::Flow;
use yesreply::flow::explain::{Explained, explain};
use yesreply::store::Store;
use yesreply::store::cases::{Filter, Whole};
use yesreply::store::types::{Claimed, Content, Cursor, FetchedMail, IntakeBatch, Settlement, Wanted};

use crate::database;
use crate::letter::{Draft, Letter, unique};

pub struct Desk {
    pub flow: Arc<Flow>,
    pub config: Config,
    folder: TempDir,
    uid: u32,
}

/// A mail of the outbox.
#[derive(Debug, Clone)]
pub struct Sent {
    pub id: i64,
    pub attempt: i64,
    pub recipient: String,
    pub reverse_path: Option<String>,
    pub letter: Letter,
}

/// Mailboxes `support` and `sales`, agents Anna and Bob.
const CONFIG: &str = r#"
[database]
url = "sqlite:FOLDER/desk.db"
[token]
key = "1111111111111111111111111111111111111111111111111111111111111111"
[mailbox.support]
address = "support@shop.example"
name = "Shop Support"
password = "secret"
imap = { host = "localhost" }
smtp = { host = "localhost" }
[mailbox.sales]
address = "sales@shop.example"
name = "Shop Sales"
password = "secret"
imap = { host = "localhost", port = 1993 }
smtp = { host = "localhost" }
[agent.anna]
name = "Anna"
address = "anna@agents.example"
[agent.bob]
name = "Bob"
address = "bob@agents.example"
"#;

impl Desk {
    pub async fn new() -> Self {
        Desk::with("").await
    }

    /// A desk whose provider writes Authentication-Results, and where agents must pass from the first.
    pub async fn trusting() -> Self {
        Desk::with("[security]\ntrusted_authserv_id = [\"mx.shop.example\"]\nrequire_auth = \"agents\"\n").await
    }

    /// The same, where an agent must pass once a mail of theirs has.
    pub async fn learning() -> Self {
        Desk::with("[security]\ntrusted_authserv_id = [\"mx.shop.example\"]\n").await
    }

    pub async fn with(extra: &str) -> Self {
        Desk::configured(&format!("{CONFIG}{extra}")).await
    }

    /// Other settings of mailbox `support`.
    pub async fn support(settings: &str) -> Self {
        Desk::support_with(settings, "").await
    }

    /// Settings of mailbox `support`, and further sections.
    pub async fn support_with(settings: &str, sections: &str) -> Self {
        let config = CONFIG.replace("name = \"Shop Support\"", &format!("name = \"Shop Support\"\n{settings}"));
        Desk::configured(&format!("{config}{sections}")).await
    }

    /// Another `smtp = { … }` of mailbox `support`.
    pub async fn smtp(line: &str) -> Self {
        let line = if line.is_empty() { "smtp = { host = \"localhost\" }" } else { line };
        Desk::configured(&CONFIG.replacen("smtp = { host = \"localhost\" }", line, 1)).await
    }

    /// Another `smtp = { … }`, and further sections.
    pub async fn smtp_with(line: &str, sections: &str) -> Self {
        let config = CONFIG.replacen("smtp = { host = \"localhost\" }", line, 1);
        Desk::configured(&format!("{config}{sections}")).await
    }

    /// Everything that was handed in, or came back, was so a day and a bit earlier.
    pub async fn a_day_passes(&self) {
        let mut transaction = self.flow.store().begin().await.expect("begin");
        for sql in [
            "UPDATE events SET at = at - $1",
            "UPDATE suppressions SET first_at = first_at - $1, last_at = last_at - $1",
        ] {
            sqlx::query(sql).bind(90_000_000i64).execute(&mut *transaction).await.expect("update");
        }
        transaction.commit().await.expect("commit");
    }

    /// What is kept no longer so many days from now goes: how many notifications are that?
    pub async fn days_later(&self, days: i64) -> usize {
        let at_ms = yesreply::clock::now_ms() + days * 24 * 3_600_000;
        self.flow.expire(at_ms).await.expect("what is kept no longer")
    }

    /// Cases from this number on were opened so long ago.
    pub async fn opened_days_ago(&self, days: i64, first: i64) {
        let mut transaction = self.flow.store().begin().await.expect("begin");
        sqlx::query("UPDATE cases SET opened_at = opened_at - $1 WHERE reference >= $2")
            .bind(days * 24 * 3_600_000)
            .bind(first)
            .execute(&mut *transaction)
            .await
            .expect("update");
        transaction.commit().await.expect("commit");
    }

    /// What a command says beside the desk.
    pub fn prints(&self, arguments: &[&str]) -> serde_json::Value {
        let config = self.folder.path().join("yesreply.toml");
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_yesreply"))
            .args(["--json", "--config"])
            .arg(config)
            .args(arguments)
            .output()
            .expect("run yesreply");
        let words = String::from_utf8_lossy(&done.stderr);
        serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {words}"))
    }

    /// Closed cases were closed so long ago.
    pub async fn closed_days_ago(&self, ms: i64) {
        let mut transaction = self.flow.store().begin().await.expect("begin");
        sqlx::query("UPDATE cases SET closed_at = closed_at - $1 WHERE closed_at IS NOT NULL")
            .bind(ms)
            .execute(&mut *transaction)
            .await
            .expect("update");
        transaction.commit().await.expect("commit");
    }

    pub async fn without_agents() -> Self {
        let (head, _) = CONFIG.split_once("[agent.anna]").expect("agents");
        Desk::configured(head).await
    }

    async fn configured(text: &str) -> Self {
        Desk::open(tempfile::tempdir().expect("a folder"), text).await
    }

    /// A desk whose store is in memory, where many cases are to be quick.
    pub async fn in_memory(extra: &str) -> Self {
        let mut desk = Desk::with(extra).await;
        let store = Store::open_empty().await.expect("the store");
        desk.flow = Flow::start(store, Arc::new(desk.config.policy.clone()));
        desk
    }

    async fn open(folder: TempDir, text: &str) -> Self {
        let path = folder.path().join("yesreply.toml");
        let text = text.replace("sqlite:FOLDER/desk.db", &database::url(folder.path()).await);
        std::fs::write(&path, text).expect("write the config");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("mode 600");
        let config = Config::load(&path).unwrap_or_else(|findings| panic!("{findings:#?}"));
        let store = Store::open(&config.file.database.url).await.expect("the store");
        let flow = Flow::start(store, Arc::new(config.policy.clone()));
        Desk { flow, config, folder, uid: 0 }
    }

    /// The same store with another config.
    pub async fn reconfigured(self, from: &str, to: &str) -> Self {
        drop(self.flow);
        let mut desk = Desk::open(self.folder, &CONFIG.replace(from, to)).await;
        desk.uid = self.uid;
        desk
    }

    /// The same store, trusting, and Anna is no agent any more.
    pub async fn without_anna(self) -> Self {
        let anna = "[agent.anna]\nname = \"Anna\"\naddress = \"anna@agents.example\"\n";
        let security = "[security]\ntrusted_authserv_id = [\"mx.shop.example\"]\nrequire_auth = \"agents\"\n";
        self.reconfigured(anna, security).await
    }

    /// An operator orders something; the outcome.
    pub async fn ordered(&self, what: What) -> String {
        let event = Event { id: format!("cli/{}", unique()), at_ms: yesreply::clock::now_ms(), what };
        self.flow.handle(vec![event]).await.expect("an order").remove(0).outcome.to_owned()
    }

    pub async fn welcomes(&self, agent: &str) -> String {
        self.ordered(What::Welcome { agent: agent.to_owned() }).await
    }

    pub async fn rotates(&self, reference: i64) -> String {
        self.ordered(What::RotateTokens { reference }).await
    }

    /// The same store with agents.
    pub async fn staffed(self) -> Self {
        drop(self.flow);
        let mut desk = Desk::open(self.folder, CONFIG).await;
        desk.uid = self.uid;
        desk.flow.staff().await.expect("relay what nobody was told of");
        desk
    }

    /// A mail arrives in a mailbox as these bytes.
    pub async fn arrives(&mut self, mailbox: &str, raw: &[u8]) {
        self.takes(mailbox, raw, false).await;
    }

    /// A mail arrives in the folder for spam of mailbox `support`.
    pub async fn arrives_in_junk(&mut self, raw: &[u8]) {
        self.uid += 1;
        let mut batch = self.batch("support", self.uid, raw, false);
        batch.cursor.folder = "Junk".to_owned();
        batch.junk = true;
        self.flow.intake(batch).await.expect("intake");
    }

    /// Somebody wrote from mailbox `support` itself: their client filed it in the folder for that.
    pub async fn is_sent(&mut self, raw: &[u8]) {
        self.uid += 1;
        let mut batch = self.batch("support", self.uid, raw, false);
        batch.cursor.folder = "Sent".to_owned();
        batch.sent = true;
        self.flow.intake(batch).await.expect("intake");
    }

    /// The same, and the server gives less of it than it announces.
    pub async fn is_sent_short(&mut self, raw: &[u8]) {
        self.uid += 1;
        let mut batch = self.batch("support", self.uid, raw, false);
        batch.cursor.folder = "Sent".to_owned();
        batch.sent = true;
        batch.mails[0].content = Content::Unread { bytes: raw.to_vec(), reason: "it is short".to_owned() };
        self.flow.intake(batch).await.expect("intake");
    }

    /// Everything that is due so many hours from now.
    pub async fn hours_later(&self, hours: i64) {
        let at_ms = yesreply::clock::now_ms() + hours * 3_600_000;
        while self.flow.due(at_ms, 50).await.expect("what is due") > 0 {}
        // what was queued then can be sent now
        let mut transaction = self.flow.store().begin().await.expect("begin");
        sqlx::query("UPDATE outbox SET next_attempt_at = 0").execute(&mut *transaction).await.expect("update");
        transaction.commit().await.expect("commit");
    }

    /// An old mail is taken in (R91).
    pub async fn takes(&mut self, mailbox: &str, raw: &[u8], old: bool) {
        self.uid += 1;
        let batch = self.batch(mailbox, self.uid, raw, old);
        self.flow.intake(batch).await.expect("intake");
    }

    /// Mails that lie in mailbox `support` come in one batch.
    pub async fn arrive_together(&mut self, mails: &[String]) {
        let mut batch = self.batch("support", self.uid, b"", false);
        batch.mails.clear();
        for raw in mails {
            self.uid += 1;
            batch.mails.extend(self.batch("support", self.uid, raw.as_bytes(), false).mails);
        }
        batch.cursor.uid_last = self.uid;
        self.flow.intake(batch).await.expect("intake");
    }

    pub fn cursor(&self, mailbox: &str, uid: u32) -> Cursor {
        Cursor {
            mailbox: mailbox.to_owned(),
            folder: "INBOX".to_owned(),
            uidvalidity: 1,
            generation: 0,
            uid_last: uid,
            uid_old: 0,
            taken_from_ms: 0,
            fresh_from_ms: 0,
            started_ms: 1,
            read_ms: 0,
        }
    }

    pub fn batch(&self, mailbox: &str, uid: u32, raw: &[u8], old: bool) -> IntakeBatch {
        IntakeBatch {
            cursor: self.cursor(mailbox, uid),
            moved_from: None,
            mails: vec![FetchedMail { uid, internal_date_ms: Some(1), old, content: Content::Whole(raw.to_vec()) }],
            gaps: Vec::new(),
            gaps_closed: Vec::new(),
            after: yesreply::store::types::After::Keep,
            junk: false,
            sent: false,
        }
    }

    /// Somebody writes: the mail lies in mailbox `support`. Returns its Message-ID.
    pub async fn gets(&mut self, from: &str, draft: &Draft) -> String {
        let id = format!("{}@writer.example", unique());
        self.arrives("support", draft.bytes(from, &id).as_bytes()).await;
        format!("<{id}>")
    }

    /// The same with a verdict of the provider's on top.
    pub async fn gets_passed(&mut self, from: &str, draft: &Draft) -> String {
        let id = format!("{}@writer.example", unique());
        let mail = draft.bytes(from, &id);
        self.arrives("support", format!("{}{mail}", passed(from)).as_bytes()).await;
        format!("<{id}>")
    }

    /// Everything that the outbox would send now; it counts as sent.
    pub async fn sends(&self) -> Vec<Sent> {
        let mut all = Vec::new();
        for mailbox in ["support", "sales"] {
            loop {
                let claimed = self.flow.claim(mailbox, 100, Wanted::Any, 60_000).await.expect("claim");
                if claimed.is_empty() {
                    break;
                }
                for row in claimed {
                    assert!(self.flow.data_started(row.id, row.attempt).await.expect("start"));
                    let settlement = Settlement::Sent { reply: "250 ok".to_owned() };
                    self.flow.settle(row.id, row.attempt, settlement).await.expect("settle");
                    all.push(self.sent(row).await);
                }
            }
        }
        all
    }

    /// Claims without sending.
    pub async fn claims(&self) -> Vec<Sent> {
        let mut all = Vec::new();
        for row in self.flow.claim("support", 100, Wanted::Any, 60_000).await.expect("claim") {
            all.push(self.sent(row).await);
        }
        all
    }

    async fn sent(&self, row: Claimed) -> Sent {
        let raw = self.flow.content(row.id).await.expect("the mail");
        Sent {
            id: row.id,
            attempt: row.attempt,
            recipient: row.recipient,
            reverse_path: row.reverse_path,
            letter: Letter { raw, path: std::path::PathBuf::new() },
        }
    }

    pub async fn cases(&self) -> Vec<Whole> {
        let listed = self.flow.store().cases(&Filter { limit: 1_000, ..Filter::default() }).await.expect("cases");
        let mut all = Vec::new();
        for case in listed.iter().rev() {
            all.push(self.flow.store().case(case.case.reference).await.expect("a case").expect("a case"));
        }
        all
    }

    pub async fn case(&self) -> Whole {
        let mut cases = self.cases().await;
        assert_eq!(cases.len(), 1, "one case");
        cases.remove(0)
    }

    pub async fn explains(&self, from: &str, draft: &Draft) -> Explained {
        let raw = draft.bytes(from, &format!("{}@writer.example", unique())).into_bytes();
        explain(self.flow.store(), &self.config.policy, "support", raw).await.expect("explain")
    }
}

/// The provider's word that a mail comes from where it says.
pub fn passed(from: &str) -> String {
    let domain = from.rsplit('@').next().expect("a domain").trim_end_matches('>');
    format!("Authentication-Results: mx.shop.example; dmarc=pass header.from={domain}\r\n")
}

/// What went to this address.
pub fn to<'a>(sent: &'a [Sent], address: &str) -> Vec<&'a Letter> {
    sent.iter().filter(|s| s.recipient == address).map(|s| &s.letter).collect()
}

/// The one mail that went to this address.
pub fn one_to<'a>(sent: &'a [Sent], address: &str) -> &'a Letter {
    let all = to(sent, address);
    assert_eq!(
        all.len(),
        1,
        "mails to {address}: {:#?}",
        sent.iter().map(|s| (&s.recipient, s.letter.subject())).collect::<Vec<_>>()
    );
    all[0]
}
