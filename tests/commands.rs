//! The command line: exit codes, bad input, what is written and what is not.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails, with the reason")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_yesreply"))
        .arg("--config")
        .arg(folder.join("yesreply.toml"))
        .args(arguments)
        .output()
        .expect("run yesreply")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const GOOD: &str = r#"
[database]
url = "sqlite:FOLDER/desk.db"
[token]
key = { file = "FOLDER/token.key" }
[mailbox.support]
address = "support@shop.example"
password = { file = "FOLDER/pass" }
imap = { host = "localhost", port = 1, tls = "none" }
smtp = { host = "localhost", port = 1, tls = "none" }
[agent.anna]
name = "Anna"
address = "anna@agents.example"
"#;

fn desk(config: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let files = [
        ("yesreply.toml", config.replace("FOLDER", &folder.path().display().to_string())),
        ("token.key", "22".repeat(32)),
        ("pass", "secret\n".to_owned()),
    ];
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).expect("write");
        std::fs::set_permissions(folder.path().join(name), PermissionsExt::from_mode(0o600)).expect("mode 600");
    }
    folder
}

/// A process that holds passwords and keys leaves no core.
#[test]
fn the_daemon_keeps_its_memory_to_itself() {
    let folder = desk(GOOD);
    let mut child = Command::new(env!("CARGO_BIN_EXE_yesreply"))
        .arg("--config")
        .arg(folder.path().join("yesreply.toml"))
        .arg("serve")
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("run yesreply");
    let process = std::path::PathBuf::from(format!("/proc/{}", child.id()));
    let limited = || std::fs::read_to_string(process.join("limits")).unwrap_or_default();
    let no_core = |text: &str| {
        text.lines().any(|l| l.starts_with("Max core file size") && l.split_whitespace().nth(4) == Some("0"))
    };
    let begun = std::time::Instant::now();
    while !no_core(&limited()) && begun.elapsed() < std::time::Duration::from_secs(20) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let limits = limited();
    child.kill().expect("kill");
    child.wait().expect("its end");
    assert!(no_core(&limits), "{limits}");
}

#[test]
fn usage_errors_are_64_and_help_is_0() {
    let folder = desk(GOOD);
    for arguments in [&["nonsense"][..], &["case"], &["case", "show"], &["outbox", "retry"], &["serve", "--fast"], &[]]
    {
        assert_eq!(code(&run(folder.path(), arguments)), 64, "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["case", "--help"], &["--version"]] {
        assert_eq!(code(&run(folder.path(), arguments)), 0, "{arguments:?}");
    }
}

#[test]
fn init_writes_a_config_that_check_reads_and_never_overwrites() {
    let folder = tempfile::tempdir().expect("a folder");
    let done = run(folder.path(), &["init"]);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    for file in ["yesreply.toml", "token.key"] {
        let mode = std::fs::metadata(folder.path().join(file)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let key = std::fs::read_to_string(folder.path().join("token.key")).expect("a key");
    assert_eq!(key.trim().len(), 64);
    let again = run(folder.path(), &["init"]);
    assert_eq!(code(&again), 64);
    assert_eq!(std::fs::read_to_string(folder.path().join("token.key")).expect("a key"), key);
    // what is left to do is named
    let check = run(folder.path(), &["check"]);
    assert_eq!(code(&check), 78);
    assert!(stdout(&check).contains("mailbox.support.password"), "{}", stdout(&check));
}

#[test]
fn check_needs_no_network_and_no_database() {
    let folder = desk(GOOD);
    let done = run(folder.path(), &["check"]);
    assert_eq!(code(&done), 0, "{}{}", stdout(&done), stderr(&done));
    assert!(stdout(&done).contains("trusted_authserv_id"), "{}", stdout(&done));
    assert!(!folder.path().join("desk.db").exists());
    let findings: Value = serde_json::from_str(&stdout(&run(folder.path(), &["check", "--json"]))).expect("JSON");
    let finding = &findings[0];
    for field in ["level", "key", "message", "file", "hint"] {
        assert!(finding.get(field).is_some(), "{finding}");
    }
}

#[test]
fn check_online_says_what_cannot_be_reached() {
    let folder = desk(GOOD);
    let done = run(folder.path(), &["check", "--online"]);
    assert_eq!(code(&done), 69, "{}", stdout(&done));
    for key in ["mailbox.support.imap", "mailbox.support.smtp"] {
        assert!(stdout(&done).contains(key), "{}", stdout(&done));
    }
}

#[test]
fn a_bad_config_is_78_and_names_everything_at_once() {
    for (change, with, names) in [
        ("port = 1", "prot = 1", &["mailbox.support.imap.prot", "mailbox.support.smtp.prot", "port"][..]),
        (
            "tls = \"none\"",
            "tls = \"sometimes\"",
            &["mailbox.support.imap.tls", "mailbox.support.smtp.tls", "\"implicit\", \"starttls\", \"none\""],
        ),
        ("host = \"localhost\"", "host = \"mail.example\"", &["mailbox.support.imap.tls", "insecure"]),
        ("support@shop.example", "nonsense", &["mailbox.support.address"]),
        ("support@shop.example", &format!("{}@shop.example", "s".repeat(40)), &["mailbox.support.reply_address", "64"]),
        ("anna@agents.example", "support@shop.example", &["agent.anna.address"]),
        ("[agent.anna]", "[intake]\npoll = \"soon\"\n[agent.anna]", &["intake.poll", "soon"]),
        ("[agent.anna]", "[letters]\nfolder = \"/nonexistent\"\n[agent.anna]", &["letters.folder", "/nonexistent"]),
        ("[agent.anna]", "[agnet.anna]", &["agnet"]),
        (
            "[agent.anna]",
            "[application.shop]\nmailbox = \"support\"\ntrust = \"loopback\"\nwebhook = \"http://shop.example/\"\n[agent.anna]",
            &["application.shop.webhook", "in the clear", "application.shop.secret", "openssl rand"],
        ),
        (
            "[agent.anna]",
            "[application.shop]\nmailbox = \"support\"\ntrust = \"loopback\"\nwebhook = \"https://u:p@shop.example/\"\n\
             secret = \"short\"\nreport_to = \"owner\"\n[agent.anna]",
            &["application.shop.webhook", "is no URL", "application.shop.report_to"],
        ),
        (
            "[agent.anna]",
            "[application.shop]\nmailbox = \"support\"\ntrust = \"loopback\"\nactions_timeout = \"5m\"\n[agent.anna]",
            &["application.shop.actions_timeout", "command = "],
        ),
        ("FOLDER/token.key", "FOLDER/nothing", &["token.key", "nothing"]),
        ("FOLDER/pass", "FOLDER/nothing", &["mailbox.support.password", "nothing"]),
    ] {
        let folder = desk(&GOOD.replace(change, with));
        let check = run(folder.path(), &["check"]);
        assert_eq!(code(&check), 78, "{with}: {}", stdout(&check));
        let serve = run(folder.path(), &["serve"]);
        assert_eq!(code(&serve), 78, "{with}");
        for text in [stdout(&check), stderr(&serve)] {
            for name in names {
                assert!(text.contains(name), "{name} is not named:\n{text}");
            }
            assert!(text.contains("yesreply.toml"), "the file is named:\n{text}");
        }
    }
}

#[test]
fn check_says_that_a_server_of_databases_is_not_there_and_goes_on() {
    let folder = desk(&GOOD.replace("sqlite:FOLDER/desk.db", "postgres://desk@127.0.0.1:1/desk"));
    let check = run(folder.path(), &["check"]);
    assert_eq!(code(&check), 0, "{}{}", stdout(&check), stderr(&check));
    assert!(stdout(&check).contains("note: database.url: it cannot be read now"), "{}", stdout(&check));
    assert!(stdout(&check).contains("the config can be used"), "{}", stdout(&check));
}

#[test]
fn secrets_that_others_can_read_are_refused() {
    for file in ["token.key", "pass"] {
        let folder = desk(GOOD);
        std::fs::set_permissions(folder.path().join(file), PermissionsExt::from_mode(0o644)).expect("mode 644");
        let check = run(folder.path(), &["check"]);
        assert_eq!(code(&check), 78);
        assert!(stdout(&check).contains(file), "{}", stdout(&check));
    }
    let folder = desk(&GOOD.replace("{ file = \"FOLDER/pass\" }", "\"plain-and-secret\""));
    std::fs::set_permissions(folder.path().join("yesreply.toml"), PermissionsExt::from_mode(0o640)).expect("mode 640");
    let check = run(folder.path(), &["check"]);
    assert_eq!(code(&check), 78);
    assert!(!stdout(&check).contains("plain-and-secret"), "a secret is never printed");
    for (url, refused) in [
        ("postgres://desk:plain-and-secret@localhost/desk", true),
        ("postgres://desk@localhost/desk?sslmode=require&password=plain-and-secret", true),
        ("postgres://desk@localhost:5432/desk", false),
        ("postgres://localhost:5432/desk", false),
    ] {
        let folder = desk(&GOOD.replace("sqlite:FOLDER/desk.db", url));
        let check = run(folder.path(), &["check"]);
        assert_eq!(code(&check), 0, "{url}: only we can read it");
        assert!(!stdout(&check).contains("plain-and-secret"), "a secret is never printed");
        let mode = PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(folder.path().join("yesreply.toml"), mode).expect("mode 644");
        let check = run(folder.path(), &["check"]);
        assert_eq!(code(&check), if refused { 78 } else { 0 }, "{url}: {}", stdout(&check));
        assert!(!stdout(&check).contains("plain-and-secret"), "a secret is never printed");
    }
}

#[tokio::test]
async fn a_newer_schema_is_78() {
    let folder = desk(GOOD);
    assert_eq!(code(&run(folder.path(), &["case", "list"])), 0);
    let url = format!("sqlite:{}/desk.db", folder.path().display());
    let store = yesreply::store::Store::open(&url).await.expect("the store");
    let mut transaction = store.begin().await.expect("begin");
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 SELECT 9999, 'from the future', success, checksum, 0 FROM _sqlx_migrations LIMIT 1";
    sqlx::query(newer).execute(&mut *transaction).await.expect("insert");
    transaction.commit().await.expect("commit");
    store.close().await;
    for command in [&["serve"][..], &["case", "list"], &["audit"]] {
        let done = run(folder.path(), command);
        assert_eq!(code(&done), 78, "{command:?}: {}", stderr(&done));
        assert!(stderr(&done).contains("newer"), "{command:?}: {}", stderr(&done));
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let folder = desk(GOOD);
    let done = Command::new(env!("CARGO_BIN_EXE_yesreply"))
        .arg("--config")
        .arg(folder.path().join("yesreply.toml"))
        .arg("check")
        .env("YESREPLY__INTAKE__POLL", "never")
        .output()
        .expect("run");
    assert_eq!(code(&done), 78);
    assert!(stdout(&done).contains("intake.poll"), "{}", stdout(&done));
    // a list is written with commas
    let listed = Command::new(env!("CARGO_BIN_EXE_yesreply"))
        .arg("--config")
        .arg(folder.path().join("yesreply.toml"))
        .args(["check", "--json"])
        .env("YESREPLY__SECURITY__TRUSTED_AUTHSERV_ID", "mx.shop.example, mx2.shop.example")
        .output()
        .expect("run");
    assert!(!stdout(&listed).contains("trusted authserv-id"), "{}{}", stdout(&listed), stderr(&listed));
    assert_ne!(code(&listed), 78, "{}", stderr(&listed));
}

#[test]
fn lists_of_an_empty_desk() {
    let folder = desk(GOOD);
    for arguments in [&["case", "list"][..], &["outbox", "list"], &["quarantine", "list"], &["calls", "list"]] {
        let mut all = arguments.to_vec();
        all.push("--json");
        let done = run(folder.path(), &all);
        assert_eq!((code(&done), stdout(&done).trim()), (0, "[]"), "{arguments:?}: {}", stderr(&done));
        assert_eq!(code(&run(folder.path(), arguments)), 0);
    }
    assert_eq!(code(&run(folder.path(), &["case", "show", "1001"])), 65);
    assert_eq!(code(&run(folder.path(), &["outbox", "cancel", "7"])), 65);
    assert_eq!(code(&run(folder.path(), &["quarantine", "show", "7"])), 65);
    for verb in ["retry", "cancel"] {
        assert_eq!(code(&run(folder.path(), &["calls", verb, "7"])), 65);
    }
    assert_eq!(code(&run(folder.path(), &["audit"])), 0);
    let mailboxes: Value =
        serde_json::from_str(&stdout(&run(folder.path(), &["mailbox", "list", "--json"]))).expect("JSON");
    assert_eq!(mailboxes[0]["agents"][0], "anna");
}

#[test]
fn explain_reads_a_mail_and_changes_nothing() {
    let folder = desk(GOOD);
    let mail = folder.path().join("mail.eml");
    let text = "From: Jane <jane@customer.example>\r\nTo: support@shop.example\r\nSubject: Hello\r\nMessage-ID: <1@customer.example>\r\n\r\nNew words.\r\n\r\n> quoted\r\n";
    std::fs::write(&mail, text).expect("write");
    let done = run(folder.path(), &["explain", &mail.display().to_string(), &mail.display().to_string()]);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    assert_eq!(stdout(&done).lines().count(), 2, "one object a line");
    let object: Value = serde_json::from_str(stdout(&done).lines().next().expect("a line")).expect("JSON");
    assert_eq!(object["kind"], "personal");
    assert_eq!(object["from"], "jane@customer.example");
    assert_eq!(object["message_id"], "<1@customer.example>");
    assert_eq!(object["route"]["rule"], "R10");
    assert_eq!(object["route"]["case"], Value::Null);
    assert!(object["text"].as_str().is_some_and(|t| t.contains("New words.") && !t.contains("quoted")), "{object}");
    assert!(!folder.path().join("desk.db").exists(), "it changes nothing");
    assert_eq!(code(&run(folder.path(), &["explain", "/nonexistent"])), 65);
}

#[test]
fn explain_and_check_leave_a_database_as_it_is() {
    let folder = desk(GOOD);
    let file = folder.path().join("desk.db");
    let mail = folder.path().join("mail.eml");
    std::fs::write(&mail, "From: Jane <jane@customer.example>\r\nTo: support@shop.example\r\n\r\nHello.\r\n")
        .expect("write");
    let look = |what: &str| {
        let before = std::fs::read(&file).expect("a database");
        let done = run(folder.path(), &["--json", "explain", &mail.display().to_string()]);
        assert_eq!(code(&done), 0, "{what}: {}", stderr(&done));
        let object: Value = serde_json::from_str(&stdout(&done)).expect("JSON");
        assert_eq!(object["route"]["rule"], "R10", "{what}");
        assert_eq!(code(&run(folder.path(), &["check"])), 0, "{what}");
        assert_eq!(std::fs::read(&file).expect("a database"), before, "{what}");
    };
    // one that was never migrated stands for one of an older release
    std::fs::write(&file, "").expect("write");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("mode 600");
    look("an older release's");
    assert_eq!(code(&run(folder.path(), &["case", "list"])), 0);
    look("this release's");
}

#[test]
fn explain_reads_many_and_standard_input() {
    use std::io::Write;
    let folder = desk(GOOD);
    let mail = folder.path().join("mail.eml");
    std::fs::write(&mail, "From: Jane <jane@customer.example>\r\nSubject: one\r\n\r\nHello.\r\n").expect("write");
    let path = mail.display().to_string();
    let done = run(folder.path(), &["explain", &path, "/nonexistent", &path]);
    assert_eq!((code(&done), stdout(&done).lines().count()), (65, 2), "{}", stderr(&done));
    assert!(stderr(&done).contains("/nonexistent"), "{}", stderr(&done));
    // without a config mail is read all the same
    let mut child = Command::new(env!("CARGO_BIN_EXE_yesreply"))
        .args(["explain", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("run yesreply");
    child.stdin.take().expect("a pipe").write_all(b"From: a@b.example\r\nSubject: two\r\n\r\nHi.\r\n").expect("write");
    let done = child.wait_with_output().expect("its output");
    let object: Value = serde_json::from_str(&stdout(&done)).expect("JSON");
    assert_eq!((code(&done), object["file"].as_str(), object["subject"].as_str()), (0, Some("-"), Some("two")));
    for key in [
        "file",
        "kind",
        "from",
        "from_name",
        "to",
        "cc",
        "subject",
        "message_id",
        "in_reply_to",
        "references",
        "text",
        "body",
        "quoted",
        "signature",
        "attachments",
        "report",
        "tokens",
        "route",
        "defects",
    ] {
        assert!(object.get(key).is_some(), "{key}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = desk(GOOD);
    let command = format!(
        "{} --config {}/yesreply.toml --help | head -c 1 > /dev/null; exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_yesreply"),
        folder.path().display()
    );
    let done = Command::new("bash").arg("-c").arg(command).output().expect("run bash");
    assert_eq!(code(&done), 0, "{}", stderr(&done));
}

#[test]
fn a_database_that_cannot_be_opened_is_69() {
    let folder = desk(&GOOD.replace("sqlite:FOLDER/desk.db", "sqlite:/nonexistent/desk.db"));
    let done = run(folder.path(), &["case", "list"]);
    assert_eq!(code(&done), 69, "{}", stderr(&done));
    assert!(stderr(&done).contains("/nonexistent"), "{}", stderr(&done));
}
