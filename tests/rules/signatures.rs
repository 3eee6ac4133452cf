//! R31 with no server trusted: our own look at signatures, against a DNS server of the test's.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use data_encoding::BASE64;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;
use tokio::net::UdpSocket;

use crate::desk::{Desk, one_to, to};
use crate::dns::dns;
use crate::letter::{Draft, unique};

const JANE: &str = "Jane Doe <jane@customer.example>";
const ANNA: &str = "Anna <anna@agents.example>";

/// A key, and the DNS records of domains that publish it; `dmarc`: with a record that asks for strict alignment.
fn published(domains: &[&str], strict: &[&str]) -> (Vec<u8>, BTreeMap<String, String>) {
    let pkcs8 = Ed25519Key::generate_pkcs8().expect("a key");
    let key = Ed25519Key::from_pkcs8_der(&pkcs8).expect("a key").public_key();
    let mut records = BTreeMap::new();
    for domain in domains {
        let record = format!("v=DKIM1; k=ed25519; p={}", BASE64.encode(&key));
        records.insert(format!("s._domainkey.{domain}"), record);
    }
    for domain in strict {
        records.insert(format!("_dmarc.{domain}"), "v=DMARC1; p=reject; adkim=s".to_owned());
    }
    (pkcs8, records)
}

fn signed(pkcs8: &[u8], domain: &str, raw: &str) -> String {
    let key = Ed25519Key::from_pkcs8_der(pkcs8).expect("a key");
    let signer = DkimSigner::from_key(key).domain(domain).selector("s").headers(["From", "To", "Subject"]);
    format!("{}{raw}", signer.sign(raw.as_bytes()).expect("a signature").to_header())
}

async fn desk(resolver: SocketAddr, require: &str) -> Desk {
    Desk::with(&format!("[security]\nverify = \"dkim\"\nresolver = \"{resolver}\"\n{require}")).await
}

#[tokio::test]
async fn r31_a_good_aligned_signature_is_a_pass() {
    let (key, records) = published(&["customer.example", "mail.customer.example", "other.example"], &[]);
    let (_, strict) = published(&[], &["customer.example"]);
    let mail =
        |words: &str| Draft::new("support@shop.example", "Parcel", words).bytes(JANE, &format!("{}@x", unique()));
    let good = signed(&key, "customer.example", &mail("Where is it?"));
    let below = signed(&key, "mail.customer.example", &mail("Where is it?"));
    let whole = mail("Where is it?");
    let signer = DkimSigner::from_key(Ed25519Key::from_pkcs8_der(&key).expect("a key"))
        .domain("customer.example")
        .selector("s")
        .headers(["From", "To", "Subject"])
        .body_length(true);
    let in_part = format!("{}{whole}", signer.sign(whole.as_bytes()).expect("a signature").to_header());
    for (way, raw, strictly, passes) in [
        ("signed by its domain", good.clone(), false, true),
        ("signed by its domain, strict", good.clone(), true, true),
        ("signed by its organisation", below.clone(), false, true),
        ("signed by its organisation, strict", below, true, false),
        ("signed by another", signed(&key, "other.example", &mail("Where is it?")), false, false),
        ("unsigned", mail("Where is it?"), false, false),
        ("changed below", good.replace("Where is it?", "Send money!!"), false, false),
        ("changed above", good.replace("Subject: Parcel", "Subject: Refund"), false, false),
        ("another From added", good.replacen("From:", "From: Eve <eve@other.example>\r\nFrom:", 1), false, false),
        ("signed in part, and added to", format!("{in_part}Send money!\r\n"), false, false),
    ] {
        let mut records = records.clone();
        if strictly {
            records.extend(strict.clone());
        }
        let mut desk = desk(dns(records), "").await;
        desk.arrives("support", raw.as_bytes()).await;
        let sent = desk.sends().await;
        let echoed = to(&sent, "jane@customer.example").iter().any(|l| l.everything().contains("Where is it?"));
        assert_eq!(echoed, passes, "{way}: only what passed is echoed");
    }
}

#[tokio::test]
async fn r31_an_agent_whose_signature_was_seen_is_asked_for_one() {
    let (key, records) = published(&["agents.example"], &[]);
    let mut desk = desk(dns(records), "").await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    let raw = relay.reply("Signed.").bytes(ANNA, "a@agents.example");
    desk.arrives("support", signed(&key, "agents.example", &raw).as_bytes()).await;
    assert_eq!(to(&desk.sends().await, "jane@customer.example").len(), 1);
    desk.gets(ANNA, &relay.reply("Unsigned.")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty());
    assert!(one_to(&sent, "anna@agents.example").text().contains("no DKIM signature"));
}

#[tokio::test]
async fn r31_a_dead_dns_holds_and_never_stops_intake() {
    let (key, _) = published(&["agents.example"], &[]);
    let silent = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let mut desk = desk(silent.local_addr().expect("an address"), "require_auth = \"agents\"\n").await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    let raw = relay.reply("Signed.").bytes(ANNA, "a@agents.example");
    let begun = std::time::Instant::now();
    desk.arrives("support", signed(&key, "agents.example", &raw).as_bytes()).await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", begun.elapsed());
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty());
    assert!(one_to(&sent, "anna@agents.example").text().contains("did not pass"));
}
