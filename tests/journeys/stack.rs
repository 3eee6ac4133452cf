//! The mail host of `deploy/mailhost`, as stories see it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running Dovecot and Postfix.
pub struct Host {
    pub folder: PathBuf,
    ports: BTreeMap<String, u16>,
    own: Option<Child>,
}

impl Host {
    /// The one that all stories share; `None` says that this story cannot run here.
    pub fn shared(story: &str) -> Option<Self> {
        match std::env::var_os("YESREPLY_MAILHOST") {
            Some(folder) => Some(Host::at(PathBuf::from(folder), None)),
            None if std::env::var_os("YESREPLY_TESTS_REQUIRE").is_some() => {
                panic!("{story}: YESREPLY_MAILHOST is not set, and here no story may be skipped")
            }
            None => {
                let line = format!(
                    "SKIPPED {story}: it needs a mail host; run tests/run, or deploy/mailhost FOLDER and set YESREPLY_MAILHOST=FOLDER"
                );
                // past the test runner, which would keep it to itself
                writeln!(std::io::stderr(), "{line}").expect("write");
                None
            }
        }
    }

    /// A private one, for stories that stop and start servers.
    pub fn private(folder: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/mailhost");
        let own = Command::new(script)
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("start deploy/mailhost");
        let begun = Instant::now();
        while !folder.join("ports").exists() {
            assert!(begun.elapsed() < Duration::from_secs(60), "deploy/mailhost does not come up");
            std::thread::sleep(Duration::from_millis(50));
        }
        Host::at(folder.to_owned(), Some(own))
    }

    fn at(folder: PathBuf, own: Option<Child>) -> Self {
        let text = std::fs::read_to_string(folder.join("ports")).expect("read the ports of the mail host");
        let ports = text
            .lines()
            .filter_map(|l| l.split_once('='))
            .map(|(n, p)| (n.to_owned(), p.parse().expect("a port")))
            .collect();
        Host { folder, ports, own }
    }

    pub fn port(&self, name: &str) -> u16 {
        *self.ports.get(name).unwrap_or_else(|| panic!("the mail host has no port {name}"))
    }

    /// Where a mailbox lies.
    pub fn maildir(&self, address: &str) -> PathBuf {
        self.folder.join("mail").join(address)
    }

    /// Runs doveadm on this Dovecot.
    pub fn doveadm(&self, arguments: &[&str]) -> String {
        let done = Command::new("doveadm")
            .arg("-c")
            .arg(self.folder.join("dovecot/dovecot.conf"))
            .args(arguments)
            .output()
            .expect("run doveadm");
        assert!(done.status.success(), "doveadm {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Puts a mail into a folder, as a filter would.
    pub fn save(&self, address: &str, folder: &str, mail: &str) {
        let mut child = Command::new("doveadm")
            .arg("-c")
            .arg(self.folder.join("dovecot/dovecot.conf"))
            .args(["save", "-u", address, "-m", folder])
            .stdin(Stdio::piped())
            .spawn()
            .expect("run doveadm");
        child.stdin.take().expect("its stdin").write_all(mail.as_bytes()).expect("write");
        assert!(child.wait().expect("its end").success(), "doveadm save");
    }

    /// Stops Dovecot, as an upgrade would.
    pub fn stop_dovecot(&self) {
        self.doveadm(&["stop"]);
    }

    /// Starts it again.
    pub fn start_dovecot(&self) {
        let done = Command::new("dovecot")
            .arg("-c")
            .arg(self.folder.join("dovecot/dovecot.conf"))
            .status()
            .expect("start dovecot");
        assert!(done.success());
    }

    /// Refuses or takes recipients from now on: a line of Postfix's regexp table.
    pub fn recipients(&self, line: &str) {
        let mut file =
            std::fs::OpenOptions::new().append(true).open(self.folder.join("recipients")).expect("open recipients");
        writeln!(file, "{line}").expect("write recipients");
        self.reload_postfix();
    }

    /// Takes a line out again.
    pub fn forget_recipients(&self, line: &str) {
        let path = self.folder.join("recipients");
        let text = std::fs::read_to_string(&path).expect("read recipients");
        let rest: String = text.lines().filter(|l| *l != line).map(|l| format!("{l}\n")).collect();
        std::fs::write(path, rest).expect("write recipients");
        self.reload_postfix();
    }

    fn reload_postfix(&self) {
        let done = Command::new("postfix")
            .arg("-c")
            .arg(self.folder.join("postfix"))
            .arg("reload")
            .stderr(Stdio::null())
            .status();
        assert!(done.expect("run postfix").success());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut own) = self.own.take() {
            let _ =
                Command::new("doveadm").arg("-c").arg(self.folder.join("dovecot/dovecot.conf")).arg("stop").status();
            let _ = Command::new("kill").arg(own.id().to_string()).status();
            let _ = own.wait();
        }
    }
}
