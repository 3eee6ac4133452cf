use std::process::Command;

use super::*;

fn signer(domain: &str) -> Signer {
    let done = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519"]).output().expect("run openssl");
    Signer::new(domain, "s", &String::from_utf8_lossy(&done.stdout)).expect("a key")
}

fn records(texts: &[&str]) -> Records {
    Ok(texts.iter().map(|t| (*t).to_owned()).collect())
}

fn found<'a>(spf: &[&str], dmarc: &[&str], keys: Vec<(&'a Signer, Records)>) -> Found<'a> {
    Found {
        author: "shop.example",
        envelope: "shop.example",
        reply: "shop.example",
        relay: "mx.provider.example",
        spf: records(spf),
        dmarc: records(dmarc),
        inherited: false,
        keys,
    }
}

fn about(found: &Found<'_>, about: &str) -> Said {
    said(found).into_iter().find(|s| s.about == about).expect("a sentence")
}

#[test]
fn what_is_missing_is_named_with_the_record_to_add() {
    let signer = signer("shop.example");
    let nothing = found(&["google-site-verification=x"], &[], vec![(&signer, records(&[]))]);
    let spf = about(&nothing, "spf");
    assert_eq!(
        spf.remedy,
        "add shop.example TXT \"v=spf1 a:mx.provider.example -all\", or what mx.provider.example tells you to"
    );
    let dkim = about(&nothing, "dkim");
    assert!(
        dkim.fails && dkim.remedy == format!("add s._domainkey.shop.example TXT \"{}\"", signer.record()),
        "{dkim:?}"
    );
    let dmarc = about(&nothing, "dmarc");
    assert!(dmarc.remedy.starts_with("add _dmarc.shop.example TXT \"v=DMARC1; p=none;"), "{dmarc:?}");
}

#[test]
fn from_aligns_by_key_or_by_spf() {
    let (own, below) = (signer("shop.example"), signer("shop.example"));
    let published = |s: &Signer| Ok(vec![s.record()]);
    let all = found(&["v=spf1 mx -all"], &["v=DMARC1; p=reject"], vec![(&own, published(&own))]);
    assert!(said(&all).iter().all(|s| !s.fails && s.remedy.is_empty()), "{:#?}", said(&all));
    assert_eq!(about(&all, "dmarc").words, "From at shop.example will align by DKIM and by SPF (p=reject)");
    let spf = found(&["v=spf1 mx -all"], &["v=DMARC1; p=reject"], Vec::new());
    assert!(about(&spf, "dmarc").words.contains("by SPF alone"));
    let strict = Found {
        author: "mail.shop.example",
        ..found(&["v=spf1 mx -all"], &["v=DMARC1; p=reject; adkim=s; aspf=s"], vec![(&below, published(&below))])
    };
    let dmarc = about(&strict, "dmarc");
    assert!(dmarc.fails && dmarc.words.contains("neither"), "{dmarc:?}");
    let relaxed = Found { dmarc: records(&["v=DMARC1; p=reject"]), ..strict };
    assert!(about(&relaxed, "dmarc").words.contains("by DKIM and by SPF"));
}

#[test]
fn an_organisations_record_has_a_word_for_the_domains_below() {
    let other = signer("other.example");
    let asked = |record: &str, inherited: bool| {
        let keys = vec![(&other, Ok(vec![other.record()]))];
        let below =
            Found { author: "mail.shop.example", envelope: "other.example", inherited, ..found(&[], &[record], keys) };
        let said = about(&below, "dmarc");
        (said.fails, said.words.rsplit('(').next().unwrap_or_default().trim_end_matches(')').to_owned())
    };
    for (record, inherited, fails, words) in [
        ("v=DMARC1; p=reject; sp=none", true, false, "sp=none"),
        ("v=DMARC1; p=none; sp=Quarantine", true, true, "sp=quarantine"),
        ("v=DMARC1; p=reject", true, true, "p=reject"),
        ("v=DMARC1; p=reject; sp=none", false, true, "p=reject"),
        ("v=DMARC1", true, false, "p=none"),
    ] {
        assert_eq!(asked(record, inherited), (fails, words.to_owned()), "{record} {inherited}");
    }
}

#[test]
fn what_does_not_count_is_said() {
    let (ours, other) = (signer("shop.example"), signer("shop.example"));
    let two =
        found(&["v=spf1 mx -all", "v=spf1 a -all"], &["v=DMARC1; p=none"], vec![(&ours, Ok(vec![other.record()]))]);
    assert!(about(&two, "spf").fails && about(&two, "spf").words.contains("2 SPF records"));
    assert!(about(&two, "dkim").fails && about(&two, "dkim").words.contains("another key"));
    let away = Found {
        envelope: "replies.example",
        reply: "replies.example",
        ..found(&["v=spf1 mx -all", "v=spf10 no"], &[], Vec::new())
    };
    assert!(about(&away, "spf").words.contains("does not speak for From"));
    assert!(about(&away, "reply_to").words.contains("another organisation"));
    let silent =
        Found { spf: Err("no answer".to_owned()), dmarc: Err("no answer".to_owned()), ..found(&[], &[], Vec::new()) };
    assert!(said(&silent).iter().all(|s| !s.fails), "silence is nobody's fault: {:#?}", said(&silent));
}
