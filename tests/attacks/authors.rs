//! Threats about authors, reply addresses, verdicts, agents' rights and Cc, each by its number.

use crate::desk::{Desk, Sent, one_to, passed, to};
use crate::letter::{Draft, Letter, unique};

const JANE: &str = "Jane Doe <jane@customer.example>";
const EVE: &str = "Eve <eve@attacker.example>";
const ANNA: &str = "Anna <anna@agents.example>";

/// What left to people who are no agents.
fn outside(sent: &[Sent]) -> Vec<&str> {
    sent.iter().map(|s| s.recipient.as_str()).filter(|r| !r.ends_with("@agents.example")).collect()
}

/// Jane's case, with Anna's relay and the answer that Jane got.
async fn answered(desk: &mut Desk) -> (Letter, Letter) {
    desk.gets_passed(JANE, &Draft::new("support@shop.example", "Parcel", "Where is my parcel with the blue ribbon?"))
        .await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    desk.gets_passed(ANNA, &relay.reply("The van comes tomorrow at nine.")).await;
    let answer = one_to(&desk.sends().await, "jane@customer.example").clone();
    (relay, answer)
}

/// A mail with trace fields above it.
async fn arrives(desk: &mut Desk, trace: &str, from: &str, draft: &Draft) {
    let raw = draft.bytes(from, &format!("{}@x.example", unique()));
    desk.arrives("support", format!("{trace}{raw}").as_bytes()).await;
}

#[tokio::test]
async fn t01_a_sign_up_mail_to_a_reply_address_goes_to_agents_alone_and_is_marked() {
    let mut desk = Desk::trusting().await;
    let (_, answer) = answered(&mut desk).await;
    for (words, answers) in
        [("Your code is 493-221, or https://chat.example/join?t=493221", true), ("Code 493-221.", false)]
    {
        let draft =
            if answers { answer.reply(words) } else { Draft::new(&answer.reply_to(), "Confirm your address", words) };
        desk.gets_passed("Chat <no-reply@chat.example>", &draft).await;
        let sent = desk.sends().await;
        assert!(
            sent.iter()
                .filter(|s| !s.recipient.ends_with("@agents.example"))
                .all(|s| !s.letter.everything().contains("493")),
            "{sent:?}"
        );
        assert!(to(&sent, "jane@customer.example").is_empty());
        let relay = to(&sent, "anna@agents.example");
        assert!(relay[0].text().contains("Careful"), "marked:\n{}", relay[0].text());
    }
}

#[tokio::test]
async fn t02_a_cc_never_reads_a_case() {
    let mut desk = Desk::trusting().await;
    let (relay, answer) = answered(&mut desk).await;
    desk.gets(JANE, &answer.reply("Please copy my colleague.").field("Cc", "evil@attacker.example")).await;
    let mut next = one_to(&desk.sends().await, "anna@agents.example").clone();
    assert!(next.text().contains("evil@attacker.example"), "a suggestion:\n{}", next.text());
    for words in ["#accept\nFirst.", "Second.", "Third."] {
        desk.gets_passed(ANNA, &next.reply(words)).await;
        let sent = desk.sends().await;
        assert_eq!(outside(&sent), ["jane@customer.example"], "{words}");
        assert!(!sent[0].letter.everything().contains("evil@"), "not even in a field");
        desk.gets_passed(JANE, &sent[0].letter.reply("Go on.").field("Cc", "evil@attacker.example")).await;
        next = one_to(&desk.sends().await, "anna@agents.example").clone();
    }
    assert_ne!(relay.message_id(), next.message_id());
}

#[tokio::test]
async fn t02_a_stranger_in_cc_who_asks_to_be_told_gets_nothing() {
    let mut desk = Desk::trusting().await;
    let (_, answer) = answered(&mut desk).await;
    let first = desk.gets_passed(JANE, &answer.reply("Hello.").field("Cc", "eve@attacker.example")).await;
    desk.sends().await;
    let asks =
        Draft::new("support@shop.example", "Re: Parcel", "What is the state of this?").field("In-Reply-To", &first);
    for draft in [asks, answer.reply("Tell me all of it.")] {
        desk.gets_passed(EVE, &draft).await;
        let sent = desk.sends().await;
        for letter in to(&sent, "eve@attacker.example") {
            let all = letter.everything();
            assert!(!all.contains("ribbon") && !all.contains("van comes"), "{all}");
        }
    }
}

#[tokio::test]
async fn t03_a_forged_from_of_a_customer_is_unverified_and_gets_nothing() {
    let mut desk = Desk::trusting().await;
    let (_, answer) = answered(&mut desk).await;
    for trace in ["", "Authentication-Results: mx.shop.example; dmarc=fail header.from=customer.example\r\n"] {
        for draft in [answer.reply("Refund to this IBAN."), Draft::new("support@shop.example", "Refund", "To my IBAN.")]
        {
            arrives(&mut desk, trace, JANE, &draft).await;
            let sent = desk.sends().await;
            assert_eq!(outside(&sent), Vec::<&str>::new(), "{trace}");
            let relays = to(&sent, "anna@agents.example");
            assert!(relays[0].text().starts_with("[ Your reply is held"), "{}", relays[0].text());
            desk.gets_passed(ANNA, &relays[0].reply("We do.")).await;
            assert_eq!(outside(&desk.sends().await), Vec::<&str>::new());
        }
    }
}

#[tokio::test]
async fn t04_nobody_speaks_as_an_agent() {
    let mut desk = Desk::trusting().await;
    let (relay, answer) = answered(&mut desk).await;
    let forged = format!("Received: from evil by relay.attacker.example\r\n{}", passed(ANNA));
    for (way, trace, from, draft) in [
        ("a leaked token", passed(EVE), EVE, relay.reply("Pay here.")),
        ("the customer with the agent's token", passed(JANE), JANE, relay.reply("Pay here.")),
        ("the agent's From without a verdict", String::new(), ANNA, relay.reply("Pay here.")),
        ("a forged verdict", forged, ANNA, relay.reply("Pay here.")),
        ("the agent's From with the customer's token", passed(ANNA), ANNA, answer.reply("Pay here.")),
        ("another Sender", passed(ANNA), ANNA, relay.reply("Pay here.").field("Sender", "eve@attacker.example")),
        (
            "two authors",
            passed(ANNA),
            "Anna <anna@agents.example>, Eve <eve@attacker.example>",
            relay.reply("Pay here."),
        ),
    ] {
        arrives(&mut desk, &trace, from, &draft).await;
        let sent = desk.sends().await;
        assert!(!outside(&sent).contains(&"jane@customer.example"), "{way}: {sent:?}");
        assert!(!outside(&sent).contains(&"eve@attacker.example"), "{way}: the attacker hears nothing");
        assert!(!to(&sent, "anna@agents.example").is_empty(), "{way}: Anna is told");
    }
    desk.gets_passed(ANNA, &relay.reply("Still me.")).await;
    assert_eq!(outside(&desk.sends().await), ["jane@customer.example"]);
}

#[tokio::test]
async fn t05_a_removed_agents_answer_is_held_and_shown_to_the_others() {
    let mut desk = Desk::trusting().await;
    let (relay, _) = answered(&mut desk).await;
    let mut desk = desk.without_anna().await;
    for words in ["Goodbye, Jane.", "#send", "#close", "#cc eve@attacker.example"] {
        desk.gets_passed(ANNA, &relay.reply(words)).await;
        let sent = desk.sends().await;
        assert!(sent.iter().all(|s| s.recipient == "bob@agents.example"), "{words}: {sent:?}");
        assert_eq!(sent.len(), 1, "{words}: Bob sees it");
    }
    assert_eq!(desk.case().await.listed.case.status.word(), "waiting", "its commands do not count");
}

#[tokio::test]
async fn t06_neither_numbers_nor_guessed_ids_nor_spoilt_tokens_open_a_case() {
    let mut desk = Desk::trusting().await;
    let (_, answer) = answered(&mut desk).await;
    let token = answer.reply_to();
    let spoilt = |at: usize| {
        let mut letters: Vec<char> = token.chars().collect();
        letters[at] = if letters[at] == '2' { '3' } else { '2' };
        letters.into_iter().collect::<String>()
    };
    let base = "support+c".len();
    let mut tries: Vec<Draft> =
        (0..40).step_by(3).map(|n| Draft::new(&spoilt(base + n), "Parcel", "Let me in.")).collect();
    let id = answer.message_id();
    let guessed = id.replacen(&id[30..33], if &id[30..33] == "222" { "333" } else { "222" }, 1);
    tries.push(Draft::new("support@shop.example", "Re: [#1001] Parcel", "Let me in.").field("References", &guessed));
    tries.push(Draft::new("support@shop.example", "[#1001]", "Let me in.").field("In-Reply-To", "<1001@shop.example>"));
    let count = tries.len();
    for draft in tries {
        desk.gets_passed(EVE, &draft).await;
    }
    let cases = desk.cases().await;
    assert_eq!(cases.len(), count + 1);
    assert!(cases[0].entries.iter().all(|(_, e)| e.from != "eve@attacker.example"));
}

#[tokio::test]
async fn t07_a_stolen_message_id_reaches_no_case_and_reopens_none() {
    let mut desk = Desk::trusting().await;
    let stolen = desk.gets_passed(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    desk.gets_passed(ANNA, &relay.reply("#close\nDone.")).await;
    desk.sends().await;
    let draft = || Draft::new("support@shop.example", "Re: Parcel", "And now?").field("In-Reply-To", &stolen);
    desk.gets_passed(EVE, &draft()).await;
    // nor does a party's name that does not pass
    arrives(&mut desk, "", JANE, &draft()).await;
    let cases = desk.cases().await;
    assert_eq!(cases.len(), 3, "each opens their own");
    assert_eq!(cases[0].listed.case.status.word(), "closed");
    assert!(
        outside(&desk.sends().await).iter().all(|r| *r == "eve@attacker.example"),
        "a constant acknowledgement at most"
    );
    desk.gets_passed(JANE, &draft()).await;
    assert_eq!(desk.cases().await[0].listed.case.status.word(), "open", "the party does");
}

#[tokio::test]
async fn t08_a_reply_address_in_other_hands_gives_nothing_away() {
    let mut desk = Desk::trusting().await;
    let (_, answer) = answered(&mut desk).await;
    desk.gets_passed(EVE, &answer.reply("I found this address.")).await;
    let sent = desk.sends().await;
    assert_eq!(outside(&sent), Vec::<&str>::new());
    let relay = one_to(&sent, "anna@agents.example");
    assert!(relay.text().contains("eve@attacker.example is nobody whom this case knows"), "{}", relay.text());
    desk.gets_passed(ANNA, &relay.reply("The parcel is at your door.")).await;
    assert_eq!(outside(&desk.sends().await), Vec::<&str>::new(), "held");
    // and it can be revoked
    desk.rotates(1001).await;
    desk.sends().await;
    desk.gets_passed(EVE, &answer.reply("Again.")).await;
    assert_eq!(desk.cases().await.len(), 2, "as if there were no token");
}

#[tokio::test]
async fn t11_fields_of_ours_in_a_strangers_mail_change_nothing() {
    let fields =
        ["X-Yesreply-Case", "X-Yesreply-Sender-Auth", "Thread-Topic", "X-Yesreply-Command", "X-Yesreply-Standing"];
    let mut texts = Vec::new();
    for hostile in [false, true] {
        let mut desk = Desk::trusting().await;
        let (relay, _) = answered(&mut desk).await;
        let mut draft = Draft::new("support@shop.example", "Hello", "Just this.");
        for name in fields.iter().filter(|_| hostile) {
            draft = draft.field(name, &relay.field("X-Yesreply-Case"));
        }
        desk.gets(EVE, &draft).await;
        assert_eq!(desk.cases().await.len(), 2);
        let mut round: Vec<(String, String)> =
            desk.sends().await.iter().map(|s| (s.recipient.clone(), s.letter.subject())).collect();
        round.sort();
        texts.push(round);
    }
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test]
async fn t12_forged_results_are_not_believed() {
    for (way, trace, standing) in [
        (
            "below a foreign Received",
            "Received: from e by relay.attacker.example\r\nAuthentication-Results: mx.shop.example; dmarc=pass header.from=customer.example\r\n",
            "unverified",
        ),
        (
            "our id in a comment",
            "Authentication-Results: evil.example (mx.shop.example); dmarc=pass header.from=customer.example\r\n",
            "unverified",
        ),
        (
            "our id quoted",
            "Authentication-Results: \"evil mx.shop.example\"; dmarc=pass header.from=customer.example\r\n",
            "unverified",
        ),
        (
            "fail on top, pass below",
            "Authentication-Results: mx.shop.example; dmarc=fail header.from=customer.example\r\nAuthentication-Results: mx.shop.example; dmarc=pass header.from=customer.example\r\n",
            "unverified",
        ),
        (
            "none on top, a login below",
            "Authentication-Results: mx.shop.example; dmarc=none\r\nAuthentication-Results: mx.shop.example; auth=pass smtp.auth=jane@customer.example\r\n",
            "unverified",
        ),
        (
            "another header.from",
            "Authentication-Results: mx.shop.example; dmarc=pass header.from=attacker.example\r\n",
            "unverified",
        ),
        (
            "folded in mid-value",
            "Authentication-Results: mx.shop.example;\r\n dmarc=none\r\n (dmarc=pass header.from=customer.example)\r\n",
            "unverified",
        ),
        ("Microsoft's mark where it is not trusted", "X-MS-Exchange-Organization-AuthAs: Internal\r\n", "unverified"),
        (
            "the genuine one",
            "Authentication-Results: mx.shop.example; dmarc=pass header.from=customer.example\r\n",
            "party",
        ),
    ] {
        let mut desk = Desk::trusting().await;
        let (_, answer) = answered(&mut desk).await;
        // she has passed before: what is not believed now makes her unverified
        desk.gets_passed(JANE, &answer.reply("I am Jane.")).await;
        arrives(&mut desk, trace, JANE, &answer.reply("Me again.")).await;
        let case = desk.case().await;
        assert_eq!(case.entries.last().map(|(_, e)| e.standing.word()), Some(standing), "{way}");
    }
}

#[tokio::test]
async fn t13_an_ambiguous_from_is_never_an_agent_and_shows_its_address() {
    for from in [
        "anna@agents.example\nFrom: eve@attacker.example",
        "eve@attacker.example\nFrom: anna@agents.example",
        "anna@agents.example, eve@attacker.example",
        "\"anna@agents.example\" <eve@attacker.example>",
        "eve@attacker.example (anna@agents.example)",
        "Staff: anna@agents.example, eve@attacker.example;",
        "=?utf-8?q?anna=40agents.example?= <eve@attacker.example>",
        "<anna@agents.example> <eve@attacker.example>",
        "anna@agents.example@attacker.example",
        "\"anna@agents.example\"@attacker.example",
    ] {
        let mut desk = Desk::trusting().await;
        let (relay, _) = answered(&mut desk).await;
        arrives(&mut desk, &passed(EVE), from, &relay.reply("Pay here.")).await;
        assert!(!outside(&desk.sends().await).contains(&"jane@customer.example"), "{from}");
        arrives(&mut desk, &passed(EVE), from, &Draft::new("support@shop.example", "Hello", "Hello.")).await;
        for letter in to(&desk.sends().await, "bob@agents.example") {
            let name = letter.field("From");
            assert!(!name.replace("support@shop.example", "").contains('@'), "no address as a name: {name}");
        }
    }
}

#[tokio::test]
async fn t14_look_alikes_of_an_agents_address_are_not_the_agent() {
    for (from, is_anna) in [
        ("Anna <ánna@agents.example>", false),
        ("Anna <аnna@agents.example>", false),
        ("Anna <anna@agents.example.attacker.example>", false),
        ("Anna <anna@xn--gents-esa.example>", false),
        ("Anna <anna@ágents.example>", false),
        ("Anna <anna+x@agents.example>", false),
        ("Anna <ANNA@AGENTS.example>", true),
    ] {
        let mut desk = Desk::trusting().await;
        let (relay, _) = answered(&mut desk).await;
        let domain = from.rsplit('@').next().expect("a domain").trim_end_matches('>');
        let trace = format!("Authentication-Results: mx.shop.example; dmarc=pass header.from={domain}\r\n");
        arrives(&mut desk, &trace, from, &relay.reply("Pay here.")).await;
        assert_eq!(outside(&desk.sends().await).len(), usize::from(is_anna), "{from}");
    }
}

#[tokio::test]
async fn t15_a_signed_mail_to_somebody_else_is_not_acknowledged_or_linked() {
    let mut desk = Desk::trusting().await;
    answered(&mut desk).await;
    let draft = Draft::new("somebody@else.example", "An offer", "Signed, and sent on by somebody.");
    desk.gets_passed(JANE, &draft).await;
    let sent = desk.sends().await;
    assert_eq!(outside(&sent), Vec::<&str>::new());
    assert_eq!(desk.cases().await.len(), 2, "no link");
    assert!(one_to(&sent, "bob@agents.example").text().contains("somebody@else.example"), "it says where it went");
}

#[tokio::test]
async fn t16_a_message_id_sent_in_advance_suppresses_nothing() {
    let mut desk = Desk::trusting().await;
    let draft = |words: &str| {
        Draft::new("support@shop.example", "Parcel", words).field("Message-ID", "<known@customer.example>")
    };
    desk.gets_passed(EVE, &draft("In advance.")).await;
    desk.gets_passed(JANE, &draft("The genuine one.")).await;
    let relays = desk.sends().await;
    assert!(to(&relays, "anna@agents.example").iter().any(|l| l.text().contains("The genuine one.")));
    assert_eq!(desk.cases().await.len(), 2);
}

#[tokio::test]
async fn t17_a_reply_to_in_mid_case_moves_nothing() {
    let mut desk = Desk::trusting().await;
    let (_, answer) = answered(&mut desk).await;
    desk.gets_passed(JANE, &answer.reply("Write there.").field("Reply-To", "eve@attacker.example")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    assert!(relay.text().contains("it asks for answers to eve@attacker.example"), "{}", relay.text());
    desk.gets_passed(ANNA, &relay.reply("Here.")).await;
    assert_eq!(outside(&desk.sends().await), ["jane@customer.example"]);
}

#[tokio::test]
async fn t18_one_of_three_marks_is_enough_and_none_is_a_new_case() {
    for kept in 0..8u8 {
        let mut desk = Desk::trusting().await;
        let (_, answer) = answered(&mut desk).await;
        let mut draft = answer.reply("Through what is left.");
        if kept & 1 == 0 {
            draft = draft.to("support@shop.example");
        }
        if kept & 2 == 0 {
            draft = draft.without("In-Reply-To");
        }
        if kept & 4 == 0 {
            draft = draft.without("References");
        }
        desk.gets_passed(JANE, &draft).await;
        assert_eq!(desk.cases().await.len(), if kept == 0 { 2 } else { 1 }, "{kept:03b}");
    }
}

#[tokio::test]
async fn t19_a_rewritten_message_id_threads_by_the_stable_one() {
    let mut desk = Desk::trusting().await;
    let (_, answer) = answered(&mut desk).await;
    let stable = answer.field("X-Yesreply-Case");
    let draft = Draft::new("support@shop.example", "Re: Parcel", "Thanks.")
        .field("In-Reply-To", "<0100018f@relay.example>")
        .field("References", &format!("{stable} <0100018f@relay.example>"));
    desk.gets_passed(JANE, &draft).await;
    assert_eq!(desk.cases().await.len(), 1);
}

#[tokio::test]
async fn t46_a_key_that_is_gone_opens_nothing_and_says_so() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    let (relay, receipt) =
        (one_to(&sent, "anna@agents.example").clone(), one_to(&sent, "jane@customer.example").clone());
    let (old, new) = ("1".repeat(64), "2".repeat(64));
    let rotated = format!("keys = [\"{new}\", \"{old}\"]");
    let mut desk = desk.reconfigured(&format!("key = \"{old}\""), &rotated).await;
    desk.gets(ANNA, &relay.reply("Under the new key.")).await;
    assert_eq!(outside(&desk.sends().await), ["jane@customer.example"], "old addresses work");
    let mut desk = desk.reconfigured(&old, &new).await;
    desk.gets(EVE, &receipt.reply("Let me in.")).await;
    desk.gets(ANNA, &relay.reply("Under a key that is gone.")).await;
    let sent = desk.sends().await;
    assert!(outside(&sent).iter().all(|r| *r == "eve@attacker.example"), "{sent:?}");
    assert!(to(&sent, "anna@agents.example").iter().any(|l| l.text().contains("does not hold any more")));
    assert_eq!(desk.cases().await.len(), 2, "Eve's own; none in Anna's name");
}
