//! Stock mail clients in a terminal, as agents use them.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::desk::Desk;
use crate::people::unique;

/// A terminal with a program in it.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn run(command: &str) -> Self {
        let terminal = Terminal { socket: format!("yesreply-{}", unique()) };
        terminal.tmux(&["new-session", "-d", "-x", "120", "-y", "40", command]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let done = Command::new("tmux")
            .arg("-L")
            .arg(&self.socket)
            .arg("-f")
            .arg("/dev/null")
            .args(arguments)
            .output()
            .expect("run tmux");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    fn types(&self, keys: &[&str]) {
        let mut arguments = vec!["send-keys"];
        arguments.extend(keys);
        self.tmux(&arguments);
    }

    fn shows(&self, words: &str) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.tmux(&["capture-pane", "-p"]);
            if screen.contains(words) {
                return screen;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "the terminal never shows \"{words}\":\n{screen}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn an_agent_answers_in_neomutt() {
    let Some(mut desk) = Desk::new("neomutt") else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    jane.writes(&desk.address(), "Where is my parcel?", "It was due on Monday.");
    anna.gets("It was due on Monday.");

    let home = tempfile::tempdir().expect("a home");
    let (imap, smtp, address) = (desk.host.port("imap"), desk.host.port("smtp"), &anna.address);
    let rc = format!(
        "set realname=\"Anna Agentson\"\nset from=\"{address}\"\nset folder=\"imap://127.0.0.1:{imap}/\"\nset spoolfile=\"+INBOX\"\n\
         set imap_user=\"{address}\"\nset imap_pass=\"secret\"\nset ssl_force_tls=no\nset ssl_starttls=no\n\
         set smtp_url=\"smtp://127.0.0.1:{smtp}/\"\nset editor=\"{home}/editor\"\nset record=\"\"\nset move=no\nset confirmappend=no\n\
         set header_cache=\"\"\nset include=yes\nset reply_to=yes\nset fast_reply=yes\nset abort_unmodified=no\nset wait_key=no\nset user_agent=yes\nset hostname=\"anna-laptop.internal\"\n",
        home = home.path().display()
    );
    std::fs::write(home.path().join("rc"), rc).expect("write rc");
    // an editor that puts the answer above the quote and leaves the rest as it is
    std::fs::write(
        home.path().join("editor"),
        "#!/bin/sh\nsed -i '1,/^$/b; 0,/^On .* wrote:/s//It comes tomorrow, says neomutt.\\n\\n&/' \"$1\"\ngrep -q 'says neomutt' \"$1\" || printf 'It comes tomorrow, says neomutt.\\n\\n%s' \"$(cat \"$1\")\" > \"$1\"\n",
    )
    .expect("write editor");
    let done = Command::new("chmod").arg("755").arg(home.path().join("editor")).status().expect("chmod");
    assert!(done.success());

    let terminal = Terminal::run(&format!("HOME={0} neomutt -n -F {0}/rc", home.path().display()));
    terminal.shows("Where is my parcel?");
    terminal.types(&["Enter"]);
    terminal.shows("It was due on Monday.");
    terminal.types(&["r"]);
    terminal.shows("Security:");
    terminal.types(&["y"]);
    let answer = jane.gets("says neomutt");
    assert_eq!(answer.subject(), "Re: Where is my parcel?");
    let all = answer.everything();
    for secret in [
        address.as_str(),
        "Agentson",
        "NeoMutt",
        "anna-laptop",
        "Your reply goes",
        "Owner:",
        "[#1001]",
        "due on Monday",
    ] {
        assert!(!all.contains(secret), "the customer's mail holds {secret}:\n{all}");
    }
    desk.quiet();
    assert_eq!(desk.case("1001")["owner"], "anna");
}

#[test]
fn an_agent_answers_in_s_nail() {
    let Some(mut desk) = Desk::new("s_nail") else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    jane.writes(&desk.address(), "Where is my parcel?", "It was due on Monday.");
    let relay = anna.gets("It was due on Monday.");
    let home = tempfile::tempdir().expect("a home");
    let mbox = home.path().join("mbox");
    let mut text = b"From support Mon Jan  5 10:00:00 2026\n".to_vec();
    text.extend(String::from_utf8_lossy(&relay.raw).replace("\r\n", "\n").into_bytes());
    text.extend(b"\n");
    std::fs::write(&mbox, text).expect("write mbox");
    let smtp = desk.host.port("smtp");
    let script = "set quote\nreply 1\nIt comes tomorrow, says s-nail.\n~.\nquit\n";
    let mut child = Command::new("s-nail")
        .args(["-n", "-#", "-f"])
        .args([
            "-S",
            "v15-compat",
            "-S",
            &format!("mta=smtp://127.0.0.1:{smtp}"),
            "-S",
            "reply-to-honour",
            "-S",
            "smtp-auth=none",
            "-S",
            &format!("from={}", anna.from()),
        ])
        .arg(&mbox)
        .env("HOME", home.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("run s-nail");
    std::io::Write::write_all(&mut child.stdin.take().expect("stdin"), script.as_bytes()).expect("type");
    let done = child.wait_with_output().expect("its end");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let answer = jane.gets("says s-nail");
    assert!(!answer.everything().contains(&anna.address));
    desk.quiet();
    assert_eq!(desk.case("1001")["owner"], "anna");
}
