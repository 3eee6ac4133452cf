//! What receivers make of our mail: signatures, and the records of the sending domain.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

use mail_auth::hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator};
use yesreply::mail::dkim::Signer;

use crate::desk::Desk;
use crate::dns::dns;
use crate::people::{Draft, Letter};

/// Keys of the desk's domain in its folder, the config that names them, and the records that publish them.
fn keys(desk: &Desk) -> (String, BTreeMap<String, String>) {
    let (mut config, mut records) = (String::new(), BTreeMap::new());
    for algorithm in ["rsa", "ed25519"] {
        let path = desk.folder().join(format!("{algorithm}.pem"));
        let done = Command::new("openssl")
            .args(["genpkey", "-algorithm", algorithm, "-out"])
            .arg(&path)
            .output()
            .expect("openssl");
        assert!(done.status.success(), "{done:?}");
        let done = Command::new("chmod").arg("600").arg(&path).status().expect("chmod");
        assert!(done.success());
        let (domain, path) = (&desk.domain, path.display());
        config.push_str(&format!(
            "[dkim.{algorithm}]\ndomain = \"{domain}\"\nselector = \"{algorithm}\"\nkey = {{ file = \"{path}\" }}\n"
        ));
        let pem = std::fs::read_to_string(path.to_string()).expect("read the key");
        let signer = Signer::new(domain, algorithm, &pem).expect("a key");
        records.insert(signer.record_name(), signer.record());
    }
    (config, records)
}

/// The domains whose signature of this mail holds, as a receiver sees them.
fn signed_by(letter: &Letter, server: SocketAddr) -> Vec<String> {
    let mut raw = String::from_utf8_lossy(&letter.raw).replace("\r\n", "\n").replace('\n', "\r\n").into_bytes();
    if !raw.ends_with(b"\r\n") {
        raw.extend(b"\r\n");
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut name_server.connections {
            connection.port = server.port();
        }
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
        let resolver = MessageAuthenticator::new(config, ResolverOpts::default()).expect("a resolver");
        let message = AuthenticatedMessage::parse(&raw).expect("a mail");
        let outputs = resolver.verify_dkim(&message).await;
        outputs
            .iter()
            .inspect(|o| assert_eq!(*o.result(), DkimResult::Pass, "{letter:?}"))
            .filter_map(|o| o.signature().map(|s| format!("{}@{}", s.s, s.d)))
            .collect()
    })
}

#[test]
fn signatures_hold_after_the_way_through_the_relay() {
    let Some(desk) = Desk::new("signatures_hold") else { return };
    let (config, records) = keys(&desk);
    let server = dns(records);
    let both = [format!("rsa@{}", desk.domain), format!("ed25519@{}", desk.domain)];
    let mut desk = desk.with(&config);
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let question = Draft::new(&desk.address(), "Größe", ".\n. Wörter mit Punkt.\n\n\nFrom the beginning   \n");
    jane.sends(&question);
    let relay = anna.gets("Wörter mit Punkt.");
    anna.sends(&relay.reply("Grüße.\n.\n..zwei Punkte\n\n"));
    for letter in [relay, jane.gets("[#1001]"), jane.gets("zwei Punkte")] {
        let mut found = signed_by(&letter, server);
        found.sort();
        let mut wanted = both.clone();
        wanted.sort();
        assert_eq!(found, wanted, "{letter:?}");
    }
}

#[test]
fn check_online_reads_the_records_of_the_domain() {
    let Some(desk) = Desk::new("check_records") else { return };
    let (config, mut records) = keys(&desk);
    let domain = desk.domain.clone();
    records.insert(domain.clone(), "v=spf1 ip4:127.0.0.1 -all".to_owned());
    records.insert(format!("_dmarc.{domain}"), "v=DMARC1; p=reject; adkim=s".to_owned());
    let mut bad = records.clone();
    bad.remove(&format!("rsa._domainkey.{domain}"));
    bad.remove(&format!("_dmarc.{domain}"));
    let resolver = |server: SocketAddr| format!("[security]\nresolver = \"{server}\"\n");
    let desk = desk.with(&config).with(&resolver(dns(records)));
    let (code, text) = desk.command(&["check", "--online"]);
    assert_eq!(code, 0, "{text}");
    for words in ["will align by DKIM and by SPF (p=reject)", "and From at", "speaks for From"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let Some(mut desk) = Desk::new("check_records") else { return };
    desk.domain = domain.clone();
    let (config, _) = keys(&desk);
    let desk = desk.with(&config).with(&resolver(dns(bad)));
    let (code, text) = desk.command(&["check", "--online"]);
    assert_eq!(code, 69, "{text}");
    for words in [
        format!(
            "error: mailbox.support.dkim: we sign with a key that the DNS does not have: rsa._domainkey.{domain}; add"
        ),
        format!("add _dmarc.{domain} TXT"),
    ] {
        assert!(text.contains(&words), "{words}: {text}");
    }
}
