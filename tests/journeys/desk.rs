//! A desk of one story: its config, its daemon, its command line.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::people::Person;
use crate::stack::Host;

/// A desk with a domain of its own.
pub struct Desk {
    pub host: Host,
    pub domain: String,
    folder: TempDir,
    database: String,
    extra: String,
    agents: Vec<(String, String)>,
    mailboxes: Vec<String>,
    imap_port: u16,
    smtp_port: u16,
    connections: u32,
    /// The relay speaks no TLS and wants no login.
    plain_relay: bool,
    environment: Vec<(String, String)>,
    patience: Duration,
    child: Option<Child>,
}

impl Desk {
    /// A desk with mailbox `support` and agents Anna and Bob, on the shared mail host.
    pub fn new(story: &str) -> Option<Self> {
        Some(Desk::on(Host::shared(story)?, story))
    }

    pub fn on(host: Host, story: &str) -> Self {
        let domain = format!("{}-{}.example", story.replace('_', "-"), &crate::people::unique()[..6]);
        let (imap_port, smtp_port) = (host.port("imaps"), host.port("submission"));
        let folder = tempfile::tempdir().expect("a folder");
        let database = tokio::runtime::Runtime::new().expect("a runtime").block_on(crate::database::url(folder.path()));
        let mut desk = Desk {
            host,
            domain,
            folder,
            database,
            extra: String::new(),
            agents: Vec::new(),
            mailboxes: vec!["support".to_owned()],
            imap_port,
            smtp_port,
            connections: 4,
            plain_relay: false,
            environment: Vec::new(),
            patience: Duration::from_secs(60),
            child: None,
        };
        std::fs::create_dir(desk.folder.path().join("failpoints")).expect("a folder");
        desk.agents = ["anna", "bob"].map(|name| (name.to_owned(), format!("{name}@agents.{}", desk.domain))).to_vec();
        desk
    }

    pub fn without_agents(mut self) -> Self {
        self.agents.clear();
        self
    }

    pub fn with_agent(&mut self, name: &str) {
        self.agents.push((name.to_owned(), format!("{name}@agents.{}", self.domain)));
    }

    /// From the next start on.
    pub fn without_agent(&mut self, name: &str) {
        self.agents.retain(|(agent, _)| agent != name);
    }

    /// Another database than the one it was made with.
    pub fn use_database(&mut self, url: &str) {
        self.database = url.to_owned();
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    pub fn is_postgres(&self) -> bool {
        self.database.starts_with("postgres:")
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Has the daemon not ended?
    pub fn is_running(&self) -> bool {
        self.child.as_ref().is_some_and(|c| {
            std::path::Path::new(&format!("/proc/{}/fd", c.id())).read_dir().is_ok_and(|mut d| d.next().is_some())
        })
    }

    /// Further sections of the config.
    pub fn with(mut self, extra: &str) -> Self {
        self.extra.push_str(extra);
        self
    }

    /// Other further sections, from the next start on.
    pub fn instead(&mut self, extra: &str) {
        extra.clone_into(&mut self.extra);
    }

    pub fn with_mailbox(mut self, name: &str) -> Self {
        self.mailboxes.push(name.to_owned());
        self
    }

    /// One mail at a time.
    pub fn with_one_connection(mut self) -> Self {
        self.connections = 1;
        self
    }

    /// The daemon dies at the nth visit of this place.
    pub fn arm(&self, place: &str, visit: u32) {
        std::fs::write(self.folder.path().join("failpoints").join(place), visit.to_string()).expect("arm");
    }

    /// The exit code of a daemon that has ended by itself.
    pub fn dies_with(&mut self) -> i32 {
        self.child.take().expect("a daemon").wait().expect("its end").code().expect("a code")
    }

    /// Waits until the daemon has died by itself.
    pub fn dies(&mut self) {
        let mut child = self.child.take().expect("a daemon");
        let begun = Instant::now();
        while child.try_wait().expect("its state").is_none() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the daemon does not die; the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until something has happened; `false` if the daemon has died before.
    pub fn lives_until(&mut self, mut happened: impl FnMut(&Desk) -> bool) -> bool {
        let begun = Instant::now();
        while !happened(self) {
            if self.child.as_mut().expect("a daemon").try_wait().expect("its state").is_some() {
                self.child = None;
                return false;
            }
            assert!(begun.elapsed() < self.patience, "it does not happen; the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }

    /// Mail with these words panics or aborts at the place, until there are none.
    pub fn poison(&self, place: &str, words: &str) {
        std::fs::write(self.folder.path().join("failpoints").join(place), words).expect("arm");
    }

    /// A variable of the daemon's environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// How long it is waited for what must happen.
    pub fn patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// A relay in plain text on this port; `None`: that of the mail host.
    pub fn relay(&mut self, plain: Option<u16>) {
        self.plain_relay = plain.is_some();
        self.smtp_port = plain.unwrap_or_else(|| self.host.port("submission"));
    }

    pub fn imap_through(mut self, port: u16) -> Self {
        self.imap_port = port;
        self
    }

    pub fn smtp_through(mut self, port: u16) -> Self {
        self.smtp_port = port;
        self
    }

    pub fn address(&self) -> String {
        self.address_of("support")
    }

    pub fn address_of(&self, mailbox: &str) -> String {
        format!("{mailbox}@{}", self.domain)
    }

    pub fn agent(&self, name: &str) -> Person {
        let title = format!("{}{} Agentson", name[..1].to_uppercase(), &name[1..]);
        Person::new(&self.host, &title, &format!("{name}@agents.{}", self.domain))
    }

    pub fn customer(&self, name: &str) -> Person {
        Person::new(&self.host, name, &format!("{}@customer.{}", name.to_lowercase(), self.domain))
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("yesreply.toml")
    }

    /// The most memory that the daemon ever had resident, KiB.
    pub fn peak_memory_kib(&self) -> u64 {
        let id = self.child.as_ref().expect("a daemon").id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("its status");
        let line = status.lines().find(|l| l.starts_with("VmHWM:")).expect("VmHWM");
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn write_config(&self) {
        let folder = self.folder.path().display();
        let ca = self.host.folder.join("tls/ca.pem");
        let ca = ca.display();
        let key = self.folder.path().join("token.key");
        if !key.exists() {
            std::fs::write(&key, "11".repeat(32)).expect("write the key");
        }
        let database = &self.database;
        let mut text =
            format!("[database]\nurl = \"{database}\"\n[token]\nkey = {{ file = \"{folder}/token.key\" }}\n");
        for mailbox in &self.mailboxes {
            let (imap, smtp, connections, address) =
                (self.imap_port, self.smtp_port, self.connections, self.address_of(mailbox));
            let tls = if self.plain_relay {
                "tls = \"none\", auth = false".to_owned()
            } else {
                format!("tls = \"starttls\", ca = \"{ca}\"")
            };
            text.push_str(&format!(
                "[mailbox.{mailbox}]\naddress = \"{address}\"\nname = \"Shop Support\"\npassword = \"secret\"\n\
                 imap = {{ host = \"localhost\", port = {imap}, tls = \"implicit\", ca = \"{ca}\" }}\n\
                 smtp = {{ host = \"localhost\", port = {smtp}, {tls}, connections = {connections} }}\n"
            ));
        }
        for (name, address) in &self.agents {
            let title = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
            text.push_str(&format!("[agent.{name}]\nname = \"{title}\"\naddress = \"{address}\"\n"));
        }
        text.push_str(&self.extra);
        std::fs::write(self.config(), text).expect("write the config");
        for file in [self.config(), key] {
            let done = Command::new("chmod").arg("600").arg(file).status().expect("chmod");
            assert!(done.success());
        }
    }

    /// Starts the daemon and waits until intake stands.
    pub fn start(&mut self) {
        let connected = self.log().matches("intake is connected").count() + self.mailboxes.len();
        self.launch();
        self.wait_for("the daemon's intake", |desk| desk.log().matches("intake is connected").count() >= connected);
    }

    /// Starts the daemon.
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "the daemon runs already");
        self.write_config();
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("open the log");
        let child = Command::new(env!("CARGO_BIN_EXE_yesreply"))
            .arg("--config")
            .arg(self.config())
            .arg("serve")
            .env("RUST_LOG", "info,sqlx=warn")
            .env("YESREPLY_FAILPOINTS", self.folder.path().join("failpoints"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("start yesreply");
        self.child = Some(child);
    }

    /// SIGTERM: must end with exit 0 within ten seconds.
    pub fn stop(&mut self) {
        let mut child = self.child.take().expect("a daemon");
        let begun = Instant::now();
        let done = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().expect("kill");
        assert!(done.success());
        let status = child.wait().expect("its end");
        assert!(status.success(), "yesreply ended with {status}:\n{}", self.log());
        assert!(begun.elapsed() < Duration::from_secs(10), "the stop took {:?}", begun.elapsed());
        self.names_nobody();
    }

    /// No line above debug has a full address of anybody outside, or words of a mail (all that stories write begin so).
    fn names_nobody(&self) {
        let log = self.log();
        for secret in ["@customer.", "@agents.", "@refused.", "Words "] {
            let found = log.lines().find(|line| line.contains(secret) && !line.contains("…@"));
            assert_eq!(found, None, "the log says {secret}");
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("a daemon");
        child.kill().expect("kill");
        child.wait().expect("its end");
    }

    /// A command; returns exit code and stdout.
    pub fn command(&self, arguments: &[&str]) -> (i32, String) {
        if !self.config().exists() {
            self.write_config();
        }
        let done = Command::new(env!("CARGO_BIN_EXE_yesreply"))
            .arg("--config")
            .arg(self.config())
            .args(arguments)
            .output()
            .expect("run yesreply");
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        if !done.status.success() {
            eprintln!("yesreply {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        }
        (done.status.code().unwrap_or(-1), text)
    }

    /// A command with `--json`.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let (code, text) = self.command(&all);
        assert_eq!(code, 0, "yesreply {arguments:?} ended with {code}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("yesreply {arguments:?}: {e}: {text}"))
    }

    pub fn cases(&self) -> Vec<Value> {
        self.json(&["case", "list", "--limit", "100000"]).as_array().expect("a list").clone()
    }

    pub fn case(&self, reference: &str) -> Value {
        self.json(&["case", "show", reference])
    }

    pub fn wait_for(&self, what: &str, mut happened: impl FnMut(&Desk) -> bool) {
        let begun = Instant::now();
        while !happened(self) {
            assert!(begun.elapsed() < self.patience, "waited in vain for {what}; the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Until nothing waits in the outbox.
    pub fn quiet(&self) {
        self.wait_for("an empty outbox", |desk| {
            let rows = desk.json(&["outbox", "list", "--limit", "100000"]);
            rows.as_array().expect("a list").iter().all(|r| r["state"] == "failed" || r["state"] == "held")
        });
    }

    /// Every stored message has its one outcome.
    pub fn audit(&self) -> Value {
        let sums = self.json(&["audit"]);
        assert_eq!(sums["difference"], 0, "{sums}");
        sums
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- log of {}\n{}", self.domain, self.log());
        }
    }
}
