//! A PostgreSQL that ends connections, is started anew, and vanishes around a COMMIT.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::desk::Desk;
use crate::people::Person;
use crate::proxy::{CommitProxy, Cut};

/// A server of this story's own.
struct Server {
    folder: tempfile::TempDir,
    child: Child,
    pub url: String,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("yesreply-postgres").tempdir().expect("a folder");
        let done = Command::new("chmod").arg("755").arg(folder.path()).status().expect("chmod");
        assert!(done.success());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres");
        let child = Command::new(script)
            .arg(folder.path().join("server"))
            .stdout(Stdio::null())
            .spawn()
            .expect("start tests/postgres");
        let begun = Instant::now();
        let file = folder.path().join("server/url");
        while !file.exists() {
            assert!(begun.elapsed() < Duration::from_secs(60), "tests/postgres does not come up");
            std::thread::sleep(Duration::from_millis(50));
        }
        let url = std::fs::read_to_string(file).expect("the URL").trim().to_owned();
        Server { folder, child, url }
    }

    fn pg_ctl(&self, arguments: &[&str]) {
        let bin: PathBuf = std::fs::read_dir("/usr/lib/postgresql")
            .expect("PostgreSQL")
            .flatten()
            .map(|version| version.path().join("bin/pg_ctl"))
            .find(|path| path.exists())
            .expect("pg_ctl");
        let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("who we are")) == 0;
        let mut command = if root { Command::new("runuser") } else { Command::new(&bin) };
        if root {
            command.args(["-u", "postgres", "--"]).arg(&bin);
        }
        let done = command
            .arg("-D")
            .arg(self.folder.path().join("server/data"))
            .args(arguments)
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("run pg_ctl");
        assert!(done.success(), "pg_ctl {arguments:?}");
    }

    fn stop(&self) {
        self.pg_ctl(&["-m", "immediate", "-w", "stop"]);
    }

    fn restart(&self) {
        self.pg_ctl(&["-w", "-l", &self.folder.path().join("server/data/log").display().to_string(), "start"]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// A desk on the PostgreSQL of this run; `None` in a run on SQLite, where these stories have nothing to tell.
fn desk(story: &str) -> Option<Desk> {
    let desk = Desk::new(story)?;
    desk.is_postgres().then_some(desk)
}

/// Each of them has exactly one mail with each of these words.
fn got_each_once(people: &[&Person], words: &[String]) {
    for person in people {
        let letters = person.mailbox();
        let mut ids: BTreeMap<String, usize> = BTreeMap::new();
        for letter in &letters {
            *ids.entry(letter.message_id()).or_default() += 1;
        }
        assert!(ids.values().all(|copies| *copies == 1), "{} has a mail twice: {ids:?}", person.address);
        for word in words {
            let count = letters.iter().filter(|l| l.everything().contains(word.as_str())).count();
            assert_eq!(count, 1, "{} has {count} mails with {word}", person.address);
        }
    }
}

fn on_the_server<T>(url: &str, sql: &str, read: impl Fn(&sqlx::any::AnyRow) -> T) -> Vec<T> {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        sqlx::any::install_default_drivers();
        let mut connection =
            <sqlx::AnyConnection as sqlx::Connection>::connect(url).await.expect("connect to PostgreSQL");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.expect("a query");
        rows.iter().map(read).collect()
    })
}

#[test]
fn connections_that_the_server_ends() {
    let Some(desk) = desk("ended_connections") else { return };
    let mut desk = desk.with(crate::faults::NO_LIMITS);
    desk.start();
    let (jane, anna, bob) = (desk.customer("Jane"), desk.agent("anna"), desk.agent("bob"));
    let name = desk.database().rsplit('/').next().expect("a name").to_owned();
    let end_all = format!(
        "SELECT CAST(count(*) AS BIGINT) AS n FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = '{name}' AND pid <> pg_backend_pid()) ended"
    );
    let mut words = Vec::new();
    let mut ended = 0;
    for round in 0..6u64 {
        for _ in 0..4 {
            words.push(format!("Words {} of it.", words.len()));
            jane.writes(&desk.address(), &format!("mail {}", words.len()), words.last().expect("words"));
        }
        std::thread::sleep(Duration::from_millis(40 * round));
        ended += on_the_server(desk.database(), &end_all, |row| sqlx::Row::get::<i64, _>(row, "n")).iter().sum::<i64>();
    }
    assert!(ended >= 3, "{ended} connections were ended");
    desk.wait_for("all cases", |desk| desk.cases().len() == words.len());
    desk.quiet();
    got_each_once(&[&anna, &bob], &words);
    assert_eq!(jane.mailbox().len(), words.len());
    assert_eq!(desk.audit()["stored"], words.len());
    // the right to be the only daemon is held again
    desk.wait_for("the lock", |_| {
        let held = format!(
            "SELECT CAST(count(*) AS BIGINT) AS n FROM pg_locks JOIN pg_stat_activity USING (pid)
             WHERE locktype = 'advisory' AND datname = '{name}' AND objid = 8101921"
        );
        on_the_server(desk.database(), &held, |row| sqlx::Row::get::<i64, _>(row, "n")) == [1]
    });
    let (code, _) = desk.command(&["serve"]);
    assert_eq!(code, 75, "there is one daemon a database still");
    desk.stop();
}

#[test]
fn a_server_that_is_started_anew() {
    let Some(mut desk) = desk("restarted_server") else { return };
    let server = Server::start();
    desk.use_database(&format!("{}/postgres", server.url));
    desk.start();
    let (jane, anna, bob) = (desk.customer("Jane"), desk.agent("anna"), desk.agent("bob"));
    let mut words = Vec::new();
    for round in 0..3 {
        for moment in ["just before", "while it is down"] {
            words.push(format!("Words of {moment}, round {round}."));
            jane.writes(&desk.address(), &format!("{moment} {round}"), words.last().expect("words"));
            if moment == "just before" {
                server.stop();
            }
        }
        std::thread::sleep(Duration::from_secs(2));
        server.restart();
    }
    for word in &words {
        anna.gets(word);
        bob.gets(word);
    }
    desk.quiet();
    got_each_once(&[&anna, &bob], &words);
    assert_eq!(desk.cases().len(), words.len());
    assert_eq!(desk.audit()["stored"], words.len());
    desk.stop();
}

/// The nth COMMIT does not reach the server, or its answer does not reach us: nobody is told which.
#[test]
fn a_connection_cut_during_commit() {
    let Some(desk) = desk("cut_commit") else { return };
    let mut desk = desk.with(crate::faults::NO_LIMITS);
    let direct = desk.database().to_owned();
    let (head, name) = direct.rsplit_once('/').expect("a name");
    let port = head.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let proxy = CommitProxy::to(port);
    desk.use_database(&format!("postgres://desk@127.0.0.1:{}/{name}", proxy.port));
    desk.start();
    let (jane, anna, bob) = (desk.customer("Jane"), desk.agent("anna"), desk.agent("bob"));
    let mut words = Vec::new();
    let mut cuts = 0;
    for cut in [Cut::Before, Cut::After] {
        for nth in 1..=10 {
            words.push(format!("Words of {cut:?}, {nth}."));
            proxy.arm(cut, nth);
            jane.writes(&desk.address(), &format!("{cut:?} {nth}"), words.last().expect("words"));
            anna.gets(words.last().expect("words"));
            bob.gets(words.last().expect("words"));
            desk.wait_for("the cut", |_| proxy.has_cut());
            cuts += 1;
        }
    }
    desk.quiet();
    got_each_once(&[&anna, &bob], &words);
    assert_eq!(jane.mailbox().len(), words.len(), "each mail is acknowledged once");
    assert_eq!((desk.cases().len(), cuts), (words.len(), 20));
    assert_eq!(desk.audit()["stored"], words.len());
    desk.stop();
}
