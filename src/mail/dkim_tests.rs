use std::process::Command;

use super::*;

const MAIL: &str = "From: Shop <support@shop.example>\r\nTo: jane@customer.example\r\nSubject: Hello\r\n\r\nWords.\r\n";

fn key(algorithm: &[&str]) -> String {
    let done = Command::new("openssl").arg("genpkey").args(algorithm).output().expect("run openssl");
    String::from_utf8(done.stdout).expect("PEM")
}

fn edwards() -> String {
    key(&["-algorithm", "ed25519"])
}

fn text(signers: &[Signer], mail: &str) -> String {
    String::from_utf8(signed(signers, mail.into(), 1_700_000_000).expect("signed")).expect("UTF-8")
}

#[test]
fn a_mail_is_signed_alike_at_each_attempt() {
    let rsa = Signer::new("shop.example", "r", &key(&["-algorithm", "rsa"])).expect("a key");
    let signers = [rsa, Signer::new("Shop.Example", "e", &edwards()).expect("a key")];
    let once = text(&signers, MAIL);
    assert_eq!(once, text(&signers, MAIL));
    assert_eq!(once.matches("DKIM-Signature:").count(), 2);
    assert!(once.contains("a=rsa-sha256; s=r; d=shop.example") && once.contains("a=ed25519-sha256; s=e;"), "{once}");
    assert!(once.contains("t=1700000000") && once.ends_with(MAIL), "{once}");
}

#[test]
fn every_field_is_named_once_more_than_it_is_there() {
    let signed = text(&[Signer::new("shop.example", "e", &edwards()).expect("a key")], MAIL);
    let names: String = signed.split("h=").nth(1).expect("h=").split(';').next().expect("its end").to_owned();
    let names: Vec<&str> = names.split(':').map(str::trim).collect();
    for field in FIELDS {
        let there = usize::from(MAIL.contains(&format!("{field}: ")));
        assert_eq!(names.iter().filter(|n| **n == field).count(), there + 1, "{field}: {names:?}");
    }
}

#[test]
fn a_key_signs_for_its_domain_and_those_below_it() {
    let signers = [Signer::new("shop.example", "e", &edwards()).expect("a key")];
    for (author, signs) in [
        ("support@shop.example", true),
        ("support@mail.SHOP.example", true),
        ("support@workshop.example", false),
        ("support@other.example", false),
        ("support@example", false),
        ("a@shop.example, b@shop.example", false),
        ("undisclosed", false),
    ] {
        let mail = format!("From: {author}\r\nSubject: Hello\r\n\r\nWords.\r\n");
        assert_eq!(text(&signers, &mail).contains("DKIM-Signature"), signs, "{author}");
    }
    assert_eq!(text(&[], MAIL), MAIL);
}

#[test]
fn a_bad_key_is_named_and_not_shown() {
    for pem in ["", "secret", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"] {
        let reason = Signer::new("shop.example", "e", pem).expect_err("no key");
        assert!(reason.contains("Ed25519") && !reason.contains("c2Vj"), "{reason}");
    }
}

#[test]
fn the_record_is_what_openssl_publishes() {
    for algorithm in [vec!["-algorithm", "rsa"], vec!["-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:4096"]] {
        let folder = tempfile::tempdir().expect("a folder");
        let (pem, path) = (key(&algorithm), folder.path().join("key.pem"));
        std::fs::write(&path, &pem).expect("write");
        let der = Command::new("openssl").args(["pkey", "-pubout", "-outform", "DER", "-in"]).arg(&path).output();
        let signer = Signer::new("shop.example", "r", &pem).expect("a key");
        assert_eq!(signer.public_key(), BASE64.encode(&der.expect("run openssl").stdout));
    }
}

#[test]
fn a_long_record_is_written_in_strings_that_a_zone_takes() {
    let long = Signer::new("shop.example", "r", &key(&["-algorithm", "rsa"])).expect("a key");
    let strings: Vec<String> = long.zone_strings().trim_matches('"').split("\" \"").map(str::to_owned).collect();
    assert!(strings.len() == 2 && strings.iter().all(|s| s.len() <= 255), "{strings:?}");
    assert_eq!(strings.concat(), long.record());
    let short = Signer::new("shop.example", "e", &edwards()).expect("a key");
    assert_eq!(short.zone_strings(), format!("\"{}\"", short.record()));
}
