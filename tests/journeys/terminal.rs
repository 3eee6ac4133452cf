//! Stock mail clients in a terminal, as agents use them.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::desk::Desk;
use crate::people::{Person, unique};

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

/// Where neomutt finds Anna's mailbox, and what else it is told.
fn neomutt_home(desk: &Desk, anna: &Person, settings: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a home");
    let (imap, smtp, address) = (desk.host.port("imap"), desk.host.port("smtp"), &anna.address);
    let rc = format!(
        "set realname=\"Anna Agentson\"\nset from=\"{address}\"\nset folder=\"imap://127.0.0.1:{imap}/\"\nset spoolfile=\"+INBOX\"\n\
         set imap_user=\"{address}\"\nset imap_pass=\"secret\"\nset ssl_force_tls=no\nset ssl_starttls=no\n\
         set smtp_url=\"smtp://127.0.0.1:{smtp}/\"\nset editor=\"{home}/editor\"\nset record=\"\"\nset move=no\nset confirmappend=no\n\
         set header_cache=\"\"\nset include=yes\nset reply_to=yes\nset fast_reply=yes\nset abort_unmodified=no\nset wait_key=no\nset user_agent=yes\nset hostname=\"anna-laptop.internal\"\n{settings}",
        home = home.path().display()
    );
    std::fs::write(home.path().join("rc"), rc).expect("write rc");
    home
}

/// An editor that is this script.
fn editor(home: &std::path::Path, script: &str) {
    let path = home.join("editor");
    std::fs::write(&path, script).expect("write editor");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode 755");
}

#[test]
fn an_agent_answers_in_neomutt() {
    let Some(mut desk) = Desk::new("neomutt") else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    jane.writes(&desk.address(), "Where is my parcel?", "It was due on Monday.");
    anna.gets("It was due on Monday.");

    let address = &anna.address;
    let home = neomutt_home(&desk, &anna, "");
    // an editor that puts the answer above the quote and leaves the rest as it is
    editor(
        home.path(),
        "#!/bin/sh\nsed -i '1,/^$/b; 0,/^On .* wrote:/s//It comes tomorrow, says neomutt.\\n\\n&/' \"$1\"\ngrep -q 'says neomutt' \"$1\" || printf 'It comes tomorrow, says neomutt.\\n\\n%s' \"$(cat \"$1\")\" > \"$1\"\n",
    );

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

/// Jane has written to Anna herself; Anna forwards it to the desk, in the text and as an attachment (R23).
fn forwarded_in_neomutt(story: &str, settings: &str) {
    let Some(mut desk) = Desk::new(story) else { return };
    desk.start();
    let (jane, anna, bob) = (desk.customer("Jane"), desk.agent("anna"), desk.agent("bob"));
    let first = jane.writes(&anna.address, "Lamp broken", "It came in two pieces.");
    anna.gets("It came in two pieces.");
    let home = neomutt_home(&desk, &anna, settings);
    // the note goes above what neomutt has put there
    editor(
        home.path(),
        "#!/bin/sh\n{ printf 'Who takes this one?\\n\\n'; cat \"$1\"; } > \"$1.new\" && mv \"$1.new\" \"$1\"\n",
    );
    let terminal = Terminal::run(&format!("HOME={0} neomutt -n -F {0}/rc", home.path().display()));
    terminal.shows("Lamp broken");
    terminal.types(&["f"]);
    terminal.shows("To:");
    terminal.types(&[&desk.address(), "Enter"]);
    terminal.shows("Security:");
    terminal.types(&["y"]);

    let relay = bob.gets("It came in two pieces.");
    let text = relay.text();
    for words in [format!("Your reply goes to Jane <{}>", jane.address), "Who takes this one?".to_owned()] {
        assert!(text.contains(&words), "no {words:?} in {text}");
    }
    desk.quiet();
    let case = desk.case("1001");
    assert_eq!(
        (case["customer"].as_str(), case["subject"].as_str()),
        (Some(jane.address.as_str()), Some("Lamp broken"))
    );
    let messages = case["messages"].as_array().expect("messages");
    let shown: Vec<(&str, &str)> = messages
        .iter()
        .map(|m| (m["direction"].as_str().unwrap_or_default(), m["text"].as_str().unwrap_or_default().trim()))
        .collect();
    assert_eq!(shown, [("inbound", "It came in two pieces."), ("note", "Who takes this one?")]);
    assert!(jane.mailbox().is_empty(), "a forward is not acknowledged");

    bob.sends(&relay.reply("A new one is on its way."));
    let answer = jane.gets("A new one is on its way.");
    assert_eq!(answer.subject(), "Re: Lamp broken");
    if settings.contains("mime_forward=yes") {
        assert_eq!(answer.field("In-Reply-To"), first, "the answer stands in the thread of Jane's own mail");
    }
    for secret in [anna.address.as_str(), "Agentson", "Who takes", "anna-laptop", "orwarded"] {
        assert!(!answer.everything().contains(secret), "the customer's mail holds {secret}:\n{answer:?}");
    }
    jane.sends(&answer.reply("Thank you."));
    bob.gets("Thank you.");
}

#[test]
fn an_agent_forwards_in_neomutt() {
    forwarded_in_neomutt("forward", "set mime_forward=no\n");
}

#[test]
fn an_agent_forwards_in_neomutt_as_an_attachment() {
    forwarded_in_neomutt("forward_attached", "set mime_forward=yes\n");
}

/// An editor that puts these words above what neomutt has put there.
fn writes_above(home: &std::path::Path, words: &str) {
    std::fs::write(home.join("words"), format!("{words}\n\n")).expect("write the words");
    editor(home, &format!("#!/bin/sh\ncat '{0}/words' \"$1\" > \"$1.new\" && mv \"$1.new\" \"$1\"\n", home.display()));
}

/// Opens neomutt on Anna's mailbox and answers the mail with this subject.
fn answers_in_neomutt(home: &std::path::Path, subject: &str) -> Terminal {
    let terminal = Terminal::run(&format!("HOME={0} neomutt -n -F {0}/rc", home.display()));
    terminal.shows(subject);
    terminal.types(&["Enter"]);
    terminal.shows("Your reply goes");
    terminal.types(&["r"]);
    terminal.shows("Security:");
    terminal.types(&["y"]);
    terminal
}

#[test]
fn an_agent_orders_in_neomutt() {
    let Some(mut desk) = Desk::new("neomutt_orders") else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    jane.writes(&desk.address(), "Where is my parcel?", "It was due on Monday.");
    anna.gets("It was due on Monday.");
    let home = neomutt_home(&desk, &anna, "");
    writes_above(home.path(), "#tag parcel\n#close\nIt was delivered this morning.");
    let _terminal = answers_in_neomutt(home.path(), "Where is my parcel?");
    let answer = jane.gets("delivered this morning");
    assert_eq!(answer.text().trim(), "It was delivered this morning.");
    desk.quiet();
    let case = desk.case("1001");
    assert_eq!((case["status"].as_str(), case["owner"].as_str()), (Some("closed"), Some("anna")));
    assert!(case["tags"].as_array().is_some_and(|tags| tags.iter().any(|t| t == "parcel")), "{case}");
}

#[test]
fn an_agent_answers_between_the_lines_in_neomutt() {
    let Some(mut desk) = Desk::new("neomutt_inline") else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    jane.writes(&desk.address(), "Two things", "Where is my parcel?\nWhat does it cost?");
    anna.gets("What does it cost?");
    let home = neomutt_home(&desk, &anna, "");
    editor(
        home.path(),
        "#!/bin/sh\nawk '{ print } /^> Where is my parcel/ { print \"\\nIn the van.\\n\" } \
         /^> What does it cost/ { print \"\\nNothing.\\n\" }' \"$1\" > \"$1.new\" && mv \"$1.new\" \"$1\"\n",
    );
    let _terminal = answers_in_neomutt(home.path(), "Two things");
    let answer = jane.gets("In the van.");
    let lines: Vec<String> = answer.text().lines().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect();
    assert_eq!(lines, ["> Where is my parcel?", "In the van.", "> What does it cost?", "Nothing."]);
    assert!(!answer.everything().contains(&anna.address));
}

#[test]
fn an_agent_writes_first_through_the_door_in_neomutt() {
    let Some(mut desk) = Desk::new("neomutt_door") else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    assert_eq!(desk.command(&["agent", "welcome", "anna"]).0, 0);
    let door = anna.receives(|letter| letter.reply_to().contains('+')).reply_to();
    let home = neomutt_home(&desk, &anna, "");
    writes_above(home.path(), &format!("#to {}\n#subject Your order\nYour order is ready.", jane.address));
    let terminal = Terminal::run(&format!("HOME={0} neomutt -n -F {0}/rc", home.path().display()));
    terminal.shows("Msgs:");
    terminal.types(&["m"]);
    terminal.shows("To:");
    terminal.types(&[&door, "Enter"]);
    terminal.shows("Subject:");
    terminal.types(&["For Jane", "Enter"]);
    terminal.shows("Security:");
    terminal.types(&["y"]);
    let letter = jane.gets("Your order is ready.");
    assert_eq!((letter.subject().as_str(), letter.text().trim()), ("Your order", "Your order is ready."));
    assert!(!letter.everything().contains(&anna.address));
    jane.sends(&letter.reply("I come today."));
    anna.gets("I come today.");
}

/// The relay's link, as a browser hands it to neomutt: the command counts, and the customer hears nothing.
#[test]
fn a_link_in_the_relay_opens_neomutt_and_closes_the_case() {
    let Some(mut desk) = Desk::new("neomutt_link") else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    jane.writes(&desk.address(), "Never mind", "It came.");
    let relay = anna.gets("It came.");
    desk.quiet();
    let before = jane.mailbox().len();
    let html = relay.html();
    let link = html.split('"').find(|part| part.starts_with("mailto:") && part.contains("%23close"));
    let link = link.expect("a link that closes").replace("&amp;", "&");
    let home = neomutt_home(&desk, &anna, "");
    editor(home.path(), "#!/bin/sh\nexit 0\n");
    let terminal = Terminal::run(&format!("HOME={0} neomutt -n -F {0}/rc '{link}'", home.path().display()));
    terminal.shows("Security:");
    terminal.types(&["y"]);
    desk.wait_for("the case to close", |desk| desk.case("1001")["status"] == "closed");
    desk.quiet();
    assert_eq!(jane.mailbox().len(), before, "nothing reaches the customer");
}

/// s-nail with the relay as its mailbox, told these lines.
fn s_nail(desk: &Desk, anna: &Person, relay: &crate::people::Letter, script: &str) {
    let home = tempfile::tempdir().expect("a home");
    let mbox = home.path().join("mbox");
    let mut text = b"From support Mon Jan  5 10:00:00 2026\n".to_vec();
    text.extend(String::from_utf8_lossy(&relay.raw).replace("\r\n", "\n").into_bytes());
    text.extend(b"\n");
    std::fs::write(&mbox, text).expect("write mbox");
    let smtp = desk.host.port("smtp");
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
}

#[test]
fn an_agent_answers_in_s_nail() {
    let Some(mut desk) = Desk::new("s_nail") else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    jane.writes(&desk.address(), "Where is my parcel?", "It was due on Monday.");
    let relay = anna.gets("It was due on Monday.");
    s_nail(&desk, &anna, &relay, "set quote\nreply 1\nIt comes tomorrow, says s-nail.\n~.\nquit\n");
    let answer = jane.gets("says s-nail");
    assert!(!answer.everything().contains(&anna.address));
    desk.quiet();
    assert_eq!(desk.case("1001")["owner"], "anna");
}

/// As shipped it puts the quote first: words and commands stand below it.
#[test]
fn an_agent_orders_in_s_nail() {
    let Some(mut desk) = Desk::new("s_nail_orders") else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    jane.writes(&desk.address(), "Where is my parcel?", "It was due on Monday.");
    let relay = anna.gets("It was due on Monday.");
    s_nail(&desk, &anna, &relay, "set quote\nreply 1\n#close\nIt was delivered this morning.\n~.\nquit\n");
    assert_eq!(jane.gets("delivered this morning").text().trim(), "It was delivered this morning.");
    desk.quiet();
    assert_eq!(desk.case("1001")["status"], "closed");
}
