//! Tests of the config: text in, findings out.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::desk::policy::{Probing, ReversePath};

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("yesreply-config-{name}-{}", std::process::id()));
        assert!(std::fs::create_dir_all(&folder).is_ok());
        let scratch = Scratch(folder);
        scratch.write("token.key", &"ab".repeat(32));
        scratch.write("pass", "secret\n");
        scratch
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        assert!(std::fs::write(&path, text).is_ok());
        assert!(std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).is_ok());
        path
    }

    fn load(&self, text: &str) -> Result<Config, Vec<Finding>> {
        let text = text.replace("DIR", &self.0.display().to_string());
        Config::load(&self.write("yesreply.toml", &text))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const GOOD: &str = r#"
[database]
url = "sqlite:DIR/db"
[token]
key = { file = "DIR/token.key" }
[mailbox.support]
address = "support@shop.example"
name = "Shop Support"
password = { file = "DIR/pass" }
imap = { host = "mail.shop.example" }
smtp = { host = "127.0.0.1", port = 2525, tls = "none" }
[agent.anna]
name = "Anna"
address = "anna@shop.example"
"#;

fn messages(result: Result<Config, Vec<Finding>>) -> Vec<String> {
    match result {
        Ok(config) => config.notes.iter().map(|f| format!("{}: {}", f.key, f.message)).collect(),
        Err(findings) => findings.iter().filter(|f| f.fails).map(|f| format!("{}: {}", f.key, f.message)).collect(),
    }
}

#[test]
fn the_smallest_useful_file() {
    let scratch = Scratch::new("good");
    let config = scratch.load(GOOD).unwrap_or_else(|f| panic!("{f:#?}"));
    let account = config.accounts.get("support").unwrap_or_else(|| panic!("no account"));
    assert_eq!((account.imap.port, account.user.as_str()), (993, "support@shop.example"));
    assert_eq!(
        config.policy.limits.ack_per_address,
        Some(crate::desk::policy::Budget { count: 1, window_ms: 86_400_000 })
    );
    assert!(config.notes.iter().any(|n| n.message.contains("nobody's words are echoed")));
    let probing = config.policy.mailboxes.get("support").map(|m| m.probe);
    assert_eq!(probing, Some(Probing { every_ms: None, within_ms: 300_000 }), "off by default");
    let probed = GOOD.replace("name = \"Shop Support\"", "probe = \"2m\"");
    let config = scratch.load(&probed).unwrap_or_else(|f| panic!("{f:#?}"));
    let probing = config.policy.mailboxes.get("support").map(|m| m.probe);
    assert_eq!(probing, Some(Probing { every_ms: Some(120_000), within_ms: 120_000 }), "ended before the next one");
}

#[test]
fn r5_r60_what_is_known_of_a_provider_holds_unless_the_config_says_otherwise() {
    let scratch = Scratch::new("provider");
    let of = |server: &str| {
        let text = GOOD.lines().map(|line| if line.starts_with("smtp") { server } else { line }).collect::<Vec<_>>();
        let config = scratch.load(&text.join("\n")).unwrap_or_else(|f| panic!("{f:#?}"));
        let mailbox = &config.policy.mailboxes["support"];
        let account = &config.accounts["support"];
        let named = config.notes.iter().any(|n| n.key == "mailbox.support.smtp");
        (
            account.per_minute,
            account.per_day,
            mailbox.reverse_path == ReversePath::Address,
            mailbox.null_reverse_path,
            named,
        )
    };
    let host = "smtp = { host = \"SMTP.office365.com\", port = 587, tls = \"starttls\"";
    assert_eq!(of(&format!("{host} }}")), (Some(30), Some(10_000), true, false, true));
    let own = format!("{host}, per_day = 500, reverse_path = \"token\", null_reverse_path = true }}");
    assert_eq!(of(&own), (Some(30), Some(500), false, true, true));
    assert_eq!(of("smtp = { host = \"smtp.gmail.com\" }"), (None, Some(2_000), true, false, true));
    assert_eq!(of("smtp = { host = \"mail.shop.example\" }"), (None, None, false, true, false));
}

#[test]
fn every_unknown_key_and_bad_value_is_named_at_once() {
    let scratch = Scratch::new("bad");
    let text = format!(
        "{GOOD}\nadress = \"x\"\n[intake]\npol = \"60s\"\n[limits]\nack_total = \"many\"\n[outbox]\nretry_for = \"5\"\n[acknowlege]\nenabled = true\n"
    );
    let found = messages(scratch.load(&text));
    for part in [
        "agent.anna.adress: unknown key",
        "intake.pol: unknown key",
        "ack_total",
        "retry_for",
        "acknowlege: unknown section",
    ] {
        assert!(found.iter().any(|m| m.contains(part)), "{part} in {found:#?}");
    }
}

#[test]
fn what_cannot_work_together_is_refused() {
    for (change, to, says) in [
        ("support@shop.example", "a-very-long-mailbox-name@shop.example", "64 are allowed"),
        ("anna@shop.example", "support@shop.example", "also stands in"),
        ("anna@shop.example", "support+x@shop.example", "an address of ours"),
        ("host = \"127.0.0.1\"", "host = \"mail.shop.example\"", "in the clear"),
        ("DIR/pass", "DIR/none", "No such file"),
        ("name = \"Shop Support\"", "probe = \"1s\"", "mailbox.support.probe: a mailbox is not probed so often"),
        ("name = \"Shop Support\"", "probe = \"15\"", "mailbox.support.probe: \"15\" is no duration"),
        (
            "name = \"Shop Support\"",
            "probe_within = \"2h\"",
            "mailbox.support.probe_within: a probe cannot be waited for",
        ),
        ("name = \"Anna\"", "mailboxes = [\"sales\"]", "no mailbox \"sales\""),
        ("name = \"Shop Support\"", "reply_address = \"{address}\"", "plain form"),
        ("url = \"sqlite:DIR/db\"", "", "missing configuration field"),
    ] {
        let scratch = Scratch::new("cross");
        let found = messages(scratch.load(&GOOD.replace(change, to)));
        assert!(found.iter().any(|m| m.contains(says)), "{says} in {found:#?}");
    }
}

#[test]
fn secrets_that_others_can_read_are_refused() {
    let scratch = Scratch::new("secret");
    let path = scratch.write("pass", "secret");
    assert!(std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).is_ok());
    assert!(messages(scratch.load(GOOD)).iter().any(|m| m.contains("chmod 600")));
}

#[test]
fn the_debug_form_of_a_config_holds_no_secret() {
    let scratch = Scratch::new("debug");
    let config =
        scratch.load(&GOOD.replace("{ file = \"DIR/pass\" }", "\"hunter2\"")).unwrap_or_else(|f| panic!("{f:#?}"));
    let debug = format!("{config:?}");
    assert!(!debug.contains("hunter2") && !debug.contains("abab"));
}
