//! The worst of the catalogue (docs/threats.md) through real Postfix and Dovecot: what the attacker, the customer, the
//! agent and the store hold afterwards.

use crate::desk::Desk;
use crate::people::{Draft, Letter, Person};

/// Jane's case: what Jane got, and what Anna got.
fn opened(desk: &Desk, jane: &Person, anna: &Person) -> (Letter, Letter) {
    jane.writes(&desk.address(), "Parcel", "Where is it?");
    (jane.receives(|l| l.subject().contains("[#1001]")), anna.receives(|l| l.text().contains("Where is it?")))
}

fn holds(person: &Person, words: &str) -> bool {
    person.mailbox().iter().any(|l| l.everything().contains(words))
}

#[test]
fn attackers_with_tokens_ids_and_tags_get_nothing() {
    let Some(mut desk) = Desk::new("attack_identity") else { return };
    let (jane, eve, anna) = (desk.customer("Jane"), desk.customer("Eve"), desk.agent("anna"));
    desk.start();
    let (acknowledged, relay) = opened(&desk, &jane, &anna);
    let forged = acknowledged.reply_to().replace("support+c", "support+c0");
    let forged: String =
        forged.chars().take(forged.find('@').expect("an address") - 1).collect::<String>() + "@" + &desk.domain;
    // a forged MAC, a guessed id, a tag, a leaked token, a spoofed agent with the customer's token, the agent's token
    eve.sends(&Draft::new(&forged, "Re: Parcel", "zqx-mac"));
    eve.sends(&Draft::new(&desk.address(), "Parcel", "zqx-id").field("References", "<1001@shop.example>"));
    eve.sends(&Draft::new(&desk.address(), "[#1001] Parcel", "zqx-tag"));
    eve.sends(&acknowledged.reply("zqx-leaked"));
    let spoofed = acknowledged.reply("zqx-spoofed").bytes(&anna.from(), "spoofed@elsewhere.example");
    eve.sends_raw(&spoofed, &[&acknowledged.reply_to()]);
    eve.sends(&relay.reply("zqx-agents-token"));
    eve.sends(&acknowledged.reply("zqx-told").field("Cc", &eve.address));
    anna.receives(|l| l.text().contains("zqx-told"));
    anna.receives(|l| l.text().contains("zqx-agents-token"));
    desk.quiet();
    for attack in ["mac", "id", "tag", "leaked", "spoofed", "agents-token", "told"] {
        assert!(!holds(&jane, &format!("zqx-{attack}")), "{attack} reached the customer");
    }
    for secret in ["Where is it?", &relay.reply_to(), &anna.address] {
        assert!(!holds(&eve, secret), "the attacker holds {secret}");
    }
    let case = desk.case("1001");
    let messages = case["messages"].as_array().expect("messages");
    assert!(messages.iter().all(|m| m["direction"] != "outbound" || m["standing"] == "system"), "{case:#}");
    desk.audit();
    desk.stop();
}

#[test]
fn sign_up_codes_and_copies_stay_with_the_agents() {
    let Some(mut desk) = Desk::new("attack_signup") else { return };
    let (jane, slack, evil, anna) =
        (desk.customer("Jane"), desk.customer("Slack"), desk.customer("Evil"), desk.agent("anna"));
    desk.start();
    let (acknowledged, relay) = opened(&desk, &jane, &anna);
    slack.sends(&Draft::new(&acknowledged.reply_to(), "Your code", "Your code is 493-221."));
    jane.sends(&acknowledged.reply("Copy to a friend.").field("Cc", &evil.address));
    let code = anna.receives(|l| l.text().contains("493-221"));
    assert!(code.text().contains("Careful:"), "{}", code.text());
    anna.sends(&relay.reply("It comes tomorrow."));
    jane.receives(|l| l.text().contains("It comes tomorrow."));
    desk.quiet();
    assert!(!holds(&jane, "493-221"));
    assert!(evil.mailbox().is_empty() || !holds(&evil, "It comes tomorrow."), "a copy never makes a recipient");
    desk.audit();
    desk.stop();
}

#[test]
fn injected_fields_and_hidden_notes_never_leave() {
    let Some(desk) = Desk::new("attack_injection") else { return };
    let (jane, eve, anna, bob) = (desk.customer("Jane"), desk.customer("Eve"), desk.agent("anna"), desk.agent("bob"));
    let mut desk = desk.with("[acknowledge]\necho = \"everyone\"\n");
    desk.start();
    let poison = format!("=?utf-8?q?x=0D=0ABcc=3A_{}?=", eve.address.replace('@', "=40"));
    let mail = Draft::new(&desk.address(), &poison, "Where is it?")
        .bytes(&format!("{poison} <{}>", jane.address), "poison@customer.example");
    jane.sends_raw(&mail, &[&desk.address()]);
    jane.receives(|l| l.text().contains("Where is it?"));
    let annas = anna.receives(|l| l.text().contains("Where is it?"));
    let bobs = bob.receives(|l| l.text().contains("Where is it?"));
    bob.sends(&bobs.reply("#note\nShe has been lying to us since the spring."));
    bob.receives(|l| l.text().contains("Kept as a note"));
    let hidden = "<p>It comes.</p><div style=\"display:none\">She has been lying to us since the spring.</div><a href=\"mailto:ADDRESS\">me</a>";
    let hidden = hidden.replace("ADDRESS", &anna.address.replace('@', "%40"));
    anna.sends(&Draft { body: hidden, ..annas.reply("") }.field("Content-Type", "text/html"));
    anna.receives(|l| l.text().contains("private address"));
    let signed = Draft { body: format!("It comes tomorrow.\n\nAnna | {}\n", anna.address), ..annas.reply("") };
    anna.sends(&signed);
    jane.receives(|l| l.text().contains("It comes tomorrow."));
    anna.receives(|l| l.text().contains("private address stood in your text"));
    desk.quiet();
    for secret in ["lying", &anna.address, &anna.address.replace('@', "%40"), &annas.reply_to()] {
        assert!(!holds(&jane, secret), "{secret} left");
    }
    assert!(eve.mailbox().is_empty(), "an injected Bcc got a mail");
    desk.audit();
    desk.stop();
}

#[test]
fn a_storm_of_automatic_mail_settles() {
    let Some(desk) = Desk::new("attack_storm") else { return };
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let mut desk = desk;
    desk.start();
    let (acknowledged, relay) = opened(&desk, &jane, &anna);
    let mut answered = 0;
    // both sides answer whatever they get, and say nothing of being machines
    let mut last = (acknowledged, relay);
    for round in 0..6 {
        jane.sends(&last.0.reply(&format!("I am away, round {round}.")));
        anna.sends(
            &Draft { body: format!("I am away too, round {round}."), ..last.1.reply("") }.subject("Not here today"),
        );
        let got = anna.receives(|l| l.text().contains(&format!("I am away, round {round}.")));
        last.1 = got;
        answered += 1;
    }
    desk.quiet();
    let jane_got = jane.mailbox().len();
    eprintln!("{answered} rounds of a vacation storm: Jane has {jane_got} mails, Anna {}", anna.mailbox().len());
    assert!(jane_got <= 1 + 1, "Jane has {jane_got} mails");
    desk.audit();
    desk.stop();
}

#[test]
fn spam_in_its_folder_is_kept_from_everybody_and_comes_back() {
    let Some(desk) = Desk::new("attack_spam") else { return };
    let mut desk = desk.with("[desk]\ndigest = \"3s\"\n");
    let (spammer, anna) = (desk.customer("Prize"), desk.agent("anna"));
    desk.start();
    let mail =
        Draft::new(&desk.address(), "You won a prize", "Click here.").bytes(&spammer.from(), "spam@prizes.example");
    desk.host.save(&desk.address(), "Junk", &mail);
    desk.wait_for("a case in status spam", |desk| desk.cases().iter().any(|c| c["status"] == "spam"));
    let digest = anna.receives(|l| l.text().contains("You won a prize"));
    assert!(digest.text().contains("#1001"), "{}", digest.text());
    let (code, _) = desk.command(&["case", "reopen", "1001"]);
    assert_eq!(code, 0);
    anna.receives(|l| l.text().contains("Click here."));
    desk.quiet();
    assert!(spammer.mailbox().is_empty());
    desk.audit();
    desk.stop();
}

#[test]
fn bombs_are_survived_in_bounded_memory() {
    let Some(mut desk) = Desk::new("attack_bombs") else { return };
    let (eve, jane, anna) = (desk.customer("Eve"), desk.customer("Jane"), desk.agent("anna"));
    desk.start();
    let head = |n: u32| {
        format!(
            "From: {}\r\nTo: {}\r\nSubject: bomb {n}\r\nMessage-ID: <bomb{n}@e.example>\r\n",
            eve.from(),
            desk.address()
        )
    };
    let bombs = [
        format!("{}{}", head(1), "Content-Type: message/rfc822\r\n\r\n".repeat(20_000)),
        format!(
            "{}Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
            head(2),
            "--b\r\n\r\nx\r\n".repeat(200_000)
        ),
        format!("{}Content-Type: text/html\r\n\r\n{}\r\n", head(3), "<div>\r\n".repeat(200_000)),
        format!("{}\r\n{}\r\n", head(4), "> > > > x\r\n".repeat(200_000)),
    ];
    for bomb in &bombs {
        eve.sends_raw(bomb, &[&desk.address()]);
    }
    jane.writes(&desk.address(), "Parcel", "An ordinary mail.");
    desk.wait_for("all mails", |desk| desk.json(&["audit"])["stored"] == 5);
    anna.receives(|l| l.text().contains("An ordinary mail."));
    let peak = desk.peak_memory_kib();
    eprintln!("peak memory with {} bombs: {peak} KiB", bombs.len());
    assert!(peak < 512 * 1024, "{peak} KiB");
    desk.audit();
    desk.stop();
}

#[test]
fn logs_hold_no_control_characters_and_no_secrets() {
    let Some(mut desk) = Desk::new("attack_logs") else { return };
    let (eve, anna) = (desk.customer("Eve"), desk.agent("anna"));
    desk.start();
    let mail =
        Draft::new(&desk.address(), "=?utf-8?q?x=0ANov_21_sshd=3A_Accepted_password=1B[31m?=", "secret-body-words")
            .bytes(&format!("\"=?utf-8?q?=1B]0;evil=07?=\" <{}>", eve.address), "log@e.example");
    eve.sends_raw(&mail, &[&desk.address()]);
    anna.receives(|l| l.text().contains("secret-body-words"));
    desk.quiet();
    let log = desk.log();
    assert!(log.lines().all(|l| !l.chars().any(|c| c.is_control() && c != '\t')), "control characters in the log");
    for secret in ["sshd", "secret-body-words", "\"secret\"", "1111111111111111"] {
        assert!(!log.contains(secret), "{secret} in the log:\n{log}");
    }
    let (_, shown) = desk.command(&["case", "show", "1001"]);
    assert!(shown.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'), "{shown:?}");
    desk.stop();
}
