//! R12, R15, R40 to R49: what agents order by words at the top of a reply, and from the command line.

use yesreply::desk::What;
use yesreply::desk::case::{Direction, Priority, Status};
use yesreply::desk::operator::Order;

use crate::desk::{Desk, one_to, to};
use crate::letter::{Draft, Letter};

const JANE: &str = "Jane Doe <jane@customer.example>";
const MAX: &str = "Max <max@customer.example>";
const ANNA: &str = "Anna Agentson <anna@agents.example>";
const BOB: &str = "Bob <bob@agents.example>";

/// A case of Jane's: Anna's and Bob's relays.
async fn opened(desk: &mut Desk) -> (Letter, Letter) {
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    (one_to(&sent, "anna@agents.example").clone(), one_to(&sent, "bob@agents.example").clone())
}

fn texts(sent: &[crate::desk::Sent], recipient: &str) -> String {
    to(sent, recipient).iter().map(|l| l.text()).collect::<Vec<_>>().join("\n=====\n")
}

#[tokio::test]
async fn r41_take_assign_release_and_who_hears_of_it() {
    let mut desk = Desk::new().await;
    let (annas, bobs) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("#take")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty(), "commands alone send nothing");
    assert!(texts(&sent, "anna@agents.example").contains("Case #1001 is yours"));
    let told = one_to(&sent, "bob@agents.example");
    assert!(told.text().contains("Anna took case #1001"), "{}", told.text());
    assert_eq!(told.field("References").split_whitespace().next(), bobs.field("References").split_whitespace().next());
    let case = desk.case().await.listed.case;
    assert_eq!((case.owner.as_deref(), case.status), (Some("anna"), Status::Open));

    desk.gets(ANNA, &annas.reply("#assign BOB")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "bob@agents.example").clone();
    assert!(relay.text().contains("Anna gave you this case"), "{}", relay.text());
    assert!(relay.text().contains("Where is it?"), "the history comes along");
    assert_eq!(desk.case().await.listed.case.owner.as_deref(), Some("bob"));
    desk.gets(BOB, &relay.reply("It is on its way.")).await;
    assert_eq!(one_to(&desk.sends().await, "jane@customer.example").text().trim(), "It is on its way.");

    desk.gets(BOB, &relay.reply("#release")).await;
    assert!(texts(&desk.sends().await, "anna@agents.example").contains("Bob released this case"));
    assert_eq!(desk.case().await.listed.case.owner, None);
}

#[tokio::test]
async fn a_hand_over_shows_what_was_said_with_it() {
    for (words, shown) in
        [("#note\n#assign bob\nShe called twice.", "She called twice."), ("#assign bob\nBob looks.", "Bob looks.")]
    {
        let mut desk = Desk::new().await;
        let (annas, _) = opened(&mut desk).await;
        desk.gets(ANNA, &annas.reply(words)).await;
        let sent = desk.sends().await;
        let relay = to(&sent, "bob@agents.example").into_iter().find(|l| l.text().contains("gave you this case"));
        let relay = relay.expect("the case").text();
        assert!(relay.contains(shown) && relay.contains("Where is it?"), "{relay}");
        assert_eq!(texts(&sent, "jane@customer.example").contains(shown), !words.contains("#note"), "{words}");
    }
}

#[tokio::test]
async fn r41_who_took_it_is_told_once_and_the_first_answer_takes() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("Tomorrow.")).await;
    let sent = desk.sends().await;
    assert!(texts(&sent, "bob@agents.example").contains("Anna took case #1001"));
    assert!(to(&sent, "anna@agents.example").is_empty());
    desk.gets(ANNA, &annas.reply("Or on Friday.")).await;
    assert!(to(&desk.sends().await, "bob@agents.example").is_empty());
}

#[tokio::test]
async fn r41_status_tags_priority_and_subject() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    for (order, status) in [("#wait", Status::Waiting), ("#reopen", Status::Open), ("#close", Status::Closed)] {
        desk.gets(ANNA, &annas.reply(order)).await;
        assert_eq!(desk.case().await.listed.case.status, status, "{order}");
    }
    desk.gets(ANNA, &annas.reply("#reopen\n#tag refund #VIP\n#priority high\n#subject Lost parcel")).await;
    desk.gets(ANNA, &annas.reply("#untag vip")).await;
    let case = desk.case().await.listed.case;
    assert_eq!(case.handling.tags, ["refund"]);
    assert_eq!((case.handling.priority, case.subject.as_str()), (Priority::High, "Lost parcel"));
    desk.sends().await;
    desk.gets(ANNA, &annas.reply("#status")).await;
    let sent = desk.sends().await;
    let told = texts(&sent, "anna@agents.example");
    assert!(told.contains("priority high") && told.contains("tags refund"), "{told}");
    desk.gets(ANNA, &annas.reply("#untag nothing")).await;
    assert!(texts(&desk.sends().await, "anna@agents.example").contains("has no tag nothing"));
}

#[tokio::test]
async fn r45_subject_is_changed_by_the_word_alone() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("#subject Your new lamp\nIt is here.")).await;
    let answer = one_to(&desk.sends().await, "jane@customer.example").clone();
    assert_eq!((answer.subject().as_str(), answer.text().trim()), ("Your new lamp", "It is here."));
    desk.gets(JANE, &answer.reply("Fine.")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    assert!(relay.subject().contains("Your new lamp"), "{}", relay.subject());
}

#[tokio::test]
async fn r42_snooze_comes_back_by_itself_unless_the_customer_writes() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("#take\n#snooze 3d")).await;
    assert!(texts(&desk.sends().await, "anna@agents.example").contains("comes back on"));
    assert_eq!(desk.case().await.listed.case.status, Status::Waiting);
    desk.hours_later(71).await;
    assert!(desk.sends().await.is_empty());
    desk.hours_later(73).await;
    let sent = desk.sends().await;
    assert!(texts(&sent, "anna@agents.example").contains("put aside until now"));
    assert!(to(&sent, "bob@agents.example").is_empty());
    assert_eq!(desk.case().await.listed.case.status, Status::Open);

    desk.gets(ANNA, &annas.reply("#snooze 2h")).await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Re: Parcel [#1001]", "Hello?")).await;
    desk.sends().await;
    desk.gets(ANNA, &annas.reply("#close")).await;
    desk.sends().await;
    desk.hours_later(3).await;
    assert!(desk.sends().await.is_empty(), "the customer woke it");
    assert_eq!(desk.case().await.listed.case.status, Status::Closed);
}

#[tokio::test]
async fn r34_spam_by_word_is_in_the_digest() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("#spam")).await;
    desk.sends().await;
    assert_eq!(desk.case().await.listed.case.status, Status::Spam);
    desk.hours_later(48).await;
    assert!(texts(&desk.sends().await, "bob@agents.example").contains("Parcel"));
}

#[tokio::test]
async fn r15_an_operator_merges_in_nobodys_name() {
    let mut desk = Desk::new().await;
    opened(&mut desk).await;
    desk.gets(MAX, &Draft::new("support@shop.example", "Broken lamp", "Mine is broken.")).await;
    let merge = Order::new(1002, None, "#merge 1001");
    assert_eq!(desk.ordered(What::Ordered(Box::new(merge))).await, "handled");
    assert_eq!(desk.cases().await[1].listed.merged_into, Some(1001));
}

#[tokio::test]
async fn r15_a_merge_joins_the_work_and_an_undo_gives_each_back() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(MAX, &Draft::new("support@shop.example", "Broken lamp", "Mine is broken.")).await;
    let sent = desk.sends().await;
    let of_max = one_to(&sent, "anna@agents.example").clone();
    let acknowledged = one_to(&sent, "max@customer.example").clone();
    desk.gets(ANNA, &of_max.reply("#merge 9999")).await;
    assert!(texts(&desk.sends().await, "anna@agents.example").contains("There is no case #9999"));
    desk.gets(ANNA, &of_max.reply("#merge 1001")).await;
    assert!(texts(&desk.sends().await, "anna@agents.example").contains("Case #1002 is part of case #1001 now"));
    let cases = desk.cases().await;
    assert_eq!(cases[1].listed.merged_into, Some(1001));
    assert_eq!(cases[0].entries.iter().filter(|(_, e)| e.direction == Direction::Inbound).count(), 2);

    // mail to the merged case's old address lands in the surviving one
    desk.gets(MAX, &acknowledged.reply("And it hums.")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    assert!(relay.subject().contains("[#1001]") && relay.text().contains("And it hums."), "{}", relay.text());
    // an answer goes to the party whose mail its relay carried
    desk.gets(ANNA, &relay.reply("A new one comes.")).await;
    let sent = desk.sends().await;
    assert_eq!(one_to(&sent, "max@customer.example").text().trim(), "A new one comes.");
    assert!(to(&sent, "jane@customer.example").is_empty());
    desk.gets(ANNA, &annas.reply("Tomorrow, Jane.")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "max@customer.example").is_empty());
    assert_eq!(one_to(&sent, "jane@customer.example").text().trim(), "Tomorrow, Jane.");
    // to all parties only by #all, each in a mail of their own
    desk.gets(ANNA, &relay.reply("#all\nWe close at five.")).await;
    let sent = desk.sends().await;
    for (one, other) in [("jane@customer.example", "max@"), ("max@customer.example", "jane@")] {
        let letter = one_to(&sent, one);
        assert_eq!(letter.text().trim(), "We close at five.");
        assert!(!letter.everything().contains(other), "{one} sees {other}");
    }

    desk.gets(ANNA, &of_max.reply("#undo")).await;
    assert!(texts(&desk.sends().await, "anna@agents.example").contains("a case of its own again"));
    let cases = desk.cases().await;
    assert_eq!(cases[1].listed.merged_into, None);
    let theirs = |n: usize, who: &str| {
        cases[n].entries.iter().filter(|(_, e)| e.direction == Direction::Inbound).all(|(_, e)| e.from.starts_with(who))
    };
    assert!(theirs(0, "jane") && theirs(1, "max"), "each mail is back: {:#?}", cases[1].entries.len());
    assert_eq!(cases[1].entries.iter().filter(|(_, e)| e.direction == Direction::Inbound).count(), 2);
    desk.gets(MAX, &acknowledged.reply("Still humming.")).await;
    assert!(one_to(&desk.sends().await, "anna@agents.example").subject().contains("[#1002]"));
}

#[tokio::test]
async fn r15_a_wrong_mail_gets_a_case_of_its_own_and_undo_joins_it_again() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("#wrong")).await;
    assert!(texts(&desk.sends().await, "anna@agents.example").contains("only mail of this case"));
    desk.gets(JANE, &Draft::new("support@shop.example", "Re: Parcel [#1001]", "By the way, my lamp broke.")).await;
    let second = one_to(&desk.sends().await, "anna@agents.example").clone();
    desk.gets(ANNA, &second.reply("#wrong")).await;
    let sent = desk.sends().await;
    let relay = to(&sent, "anna@agents.example").into_iter().find(|l| l.subject().contains("[#1002]")).cloned();
    let relay = relay.expect("the mail in its own case");
    assert!(relay.text().contains("my lamp broke"), "{}", relay.text());
    desk.gets(ANNA, &relay.reply("We send a new lamp.")).await;
    assert_eq!(one_to(&desk.sends().await, "jane@customer.example").text().trim(), "We send a new lamp.");
    let cases = desk.cases().await;
    assert_eq!(
        (cases[0].entries.len(), cases[1].listed.case.customer.address.to_string()),
        (cases[0].entries.iter().filter(|(_, e)| !e.text.contains("lamp")).count(), "jane@customer.example".to_owned())
    );
    desk.gets(ANNA, &annas.reply("#undo")).await;
    desk.sends().await;
    let cases = desk.cases().await;
    assert_eq!(cases[1].listed.merged_into, Some(1001));
    assert!(cases[0].entries.iter().any(|(_, e)| e.text.contains("my lamp broke")));
}

#[tokio::test]
async fn r15_who_is_asked_beside_the_case_sees_those_words_alone() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("#ask courier@fast.example\nWhere is parcel 4711?")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty());
    let question = one_to(&sent, "courier@fast.example").clone();
    assert_eq!(question.text().trim(), "Where is parcel 4711?");
    for hidden in ["jane", "Where is it?", "Parcel"] {
        assert!(!question.everything().contains(hidden), "{hidden}");
    }
    desk.gets("Carl <courier@fast.example>", &question.reply("In the van.")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty(), "never to the customer");
    let relay = one_to(&sent, "anna@agents.example").clone();
    assert!(
        relay.text().contains("In the van.") && relay.text().contains("<courier@fast.example>"),
        "{}",
        relay.text()
    );
    desk.gets(ANNA, &relay.reply("Thank you.")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty());
    assert_eq!(one_to(&sent, "courier@fast.example").text().trim(), "Thank you.");
    desk.gets(ANNA, &annas.reply("It is in the van.")).await;
    let sent = desk.sends().await;
    assert_eq!(one_to(&sent, "jane@customer.example").text().trim(), "It is in the van.");
    assert!(to(&sent, "courier@fast.example").is_empty());
    desk.gets(ANNA, &annas.reply("#all\nDone.")).await;
    assert!(to(&desk.sends().await, "courier@fast.example").is_empty());
}

#[tokio::test]
async fn r48_the_second_of_two_answers_is_held_and_shown_with_the_first() {
    let mut desk = Desk::new().await;
    let (annas, bobs) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("It comes tomorrow.")).await;
    desk.sends().await;
    desk.gets(BOB, &bobs.reply("#tag parcel\nIt was lost, sorry.")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty(), "held");
    let back = to(&sent, "bob@agents.example").into_iter().find(|l| l.text().contains("lost, sorry")).cloned();
    let back = back.expect("the words come back");
    assert!(back.text().contains("It comes tomorrow.") && back.text().contains("#send"), "{}", back.text());
    desk.gets(BOB, &back.reply("#send")).await;
    assert_eq!(one_to(&desk.sends().await, "jane@customer.example").text().trim(), "It was lost, sorry.");
    // one's own earlier answer is no surprise
    desk.gets(ANNA, &annas.reply("Call us if it does not come.")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty(), "Bob's answer was not seen by Anna");
}

#[tokio::test]
async fn r48_a_later_mail_of_the_customer_holds_where_it_is_configured() {
    for (setting, held) in [("", false), ("[desk]\ncollision = \"mails\"\n", true)] {
        let mut desk = Desk::with(setting).await;
        let (annas, _) = opened(&mut desk).await;
        desk.gets(JANE, &Draft::new("support@shop.example", "Re: Parcel [#1001]", "Never mind, it came.")).await;
        desk.sends().await;
        desk.gets(ANNA, &annas.reply("We look for it.")).await;
        let sent = desk.sends().await;
        assert_eq!(to(&sent, "jane@customer.example").is_empty(), held, "{setting}");
        assert_eq!(texts(&sent, "anna@agents.example").contains("Never mind, it came."), held, "{setting}");
    }
}

#[tokio::test]
async fn an_answer_waits_and_is_called_back() {
    let mut desk = Desk::with("[desk]\nhold = \"1h\"\n").await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("Tomrrow.")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty(), "it waits");
    let offer = one_to(&sent, "anna@agents.example").clone();
    assert!(offer.text().contains("#cancel calls it back"), "{}", offer.text());
    assert!(offer.html().contains("body=%23cancel"), "{}", offer.html());
    // the link makes a mail without In-Reply-To
    desk.gets(ANNA, &Draft::new(&offer.reply_to(), "Re: [#1001] Parcel", "#cancel")).await;
    assert!(texts(&desk.sends().await, "anna@agents.example").contains("was called back"));
    desk.hours_later(2).await;
    assert!(to(&desk.sends().await, "jane@customer.example").is_empty());
    assert_eq!(desk.case().await.listed.case.status, Status::Open);
    desk.gets(ANNA, &annas.reply("#cancel")).await;
    assert!(texts(&desk.sends().await, "anna@agents.example").contains("cannot be called back"));
    desk.gets(ANNA, &annas.reply("Tomorrow.")).await;
    desk.hours_later(2).await;
    assert_eq!(one_to(&desk.sends().await, "jane@customer.example").text().trim(), "Tomorrow.");
}

#[tokio::test]
async fn who_is_away_hands_over_and_hears_of_it_when_back() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("#away 5d\nI ask the courier.")).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example").clone();
    assert!(texts(&sent, "anna@agents.example").contains("You are away until"));
    desk.gets(JANE, &answer.reply("And?")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "anna@agents.example").is_empty());
    let relay = one_to(&sent, "bob@agents.example").clone();
    assert!(relay.text().contains("Anna, whose case it is, is away until"), "{}", relay.text());
    assert!(relay.text().contains("I ask the courier."), "the whole history");
    desk.gets(BOB, &relay.reply("He has it.")).await;
    assert_eq!(one_to(&desk.sends().await, "jane@customer.example").text().trim(), "He has it.");
    assert_eq!(desk.case().await.listed.case.owner.as_deref(), Some("anna"), "the case stays hers");
    desk.hours_later(121).await;
    let back = texts(&desk.sends().await, "anna@agents.example");
    assert!(back.contains("While you were away") && back.contains("#1001"), "{back}");
}

#[tokio::test]
async fn r54_a_vacation_reply_makes_away_until_the_agent_writes() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("#take")).await;
    desk.sends().await;
    let status = desk.case().await.listed.case.status;
    let vacation = annas.reply("I am on holiday.").field("Auto-Submitted", "auto-replied");
    desk.gets(ANNA, &vacation).await;
    let sent = desk.sends().await;
    assert!(texts(&sent, "bob@agents.example").contains("Anna, whose case it is, is away"));
    let case = desk.case().await.listed.case;
    assert_eq!((case.status, case.owner.as_deref()), (status, Some("anna")), "R54");
    desk.gets(JANE, &Draft::new("support@shop.example", "Re: Parcel [#1001]", "Hello?")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "anna@agents.example").is_empty() && to(&sent, "bob@agents.example").len() == 1);
    desk.gets(ANNA, &annas.reply("I am here.")).await;
    assert!(texts(&desk.sends().await, "anna@agents.example").contains("While you were away"));
    desk.gets(JANE, &Draft::new("support@shop.example", "Re: Parcel [#1001]", "Good.")).await;
    assert_eq!(to(&desk.sends().await, "anna@agents.example").len(), 1);
}

#[tokio::test]
async fn a_strangers_vacation_reply_makes_nobody_away() {
    let mut desk = Desk::trusting().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("I am away.").field("Auto-Submitted", "auto-replied")).await;
    desk.sends().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Lamp", "New one.")).await;
    assert_eq!(to(&desk.sends().await, "anna@agents.example").len(), 1);
}

#[tokio::test]
async fn cases_go_out_in_turn_or_to_whom_has_fewest() {
    let mut desk = Desk::with("[desk]\nassignment = \"round-robin\"\n").await;
    let mut owners = Vec::new();
    for n in 0..4 {
        desk.gets(&format!("C <c{n}@customer.example>"), &Draft::new("support@shop.example", "Hi", "Hello.")).await;
        let sent = desk.sends().await;
        let told = ["anna", "bob"].map(|a| to(&sent, &format!("{a}@agents.example")).len());
        assert_eq!(told.iter().sum::<usize>(), 1, "one of them gets it");
        owners.extend(desk.cases().await.last().and_then(|c| c.listed.case.owner.clone()));
    }
    assert_eq!(owners, ["anna", "bob", "anna", "bob"]);
    let mut desk = Desk::with("[desk]\nassignment = \"least-loaded\"\n").await;
    for n in 0..3 {
        desk.gets(&format!("C <c{n}@customer.example>"), &Draft::new("support@shop.example", "Hi", "Hello.")).await;
        let sent = desk.sends().await;
        if n == 0 {
            let relay = one_to(&sent, "anna@agents.example").clone();
            desk.gets(ANNA, &relay.reply("#assign bob")).await;
            desk.sends().await;
        }
    }
    let owners: Vec<_> = desk.cases().await.into_iter().filter_map(|c| c.listed.case.owner).collect();
    assert_eq!(owners, ["bob", "anna", "bob"], "with as many, whoever got one longest ago");
}

#[tokio::test]
async fn r40_a_colleague_in_copy_watches_and_hears_notes() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("Tomorrow.").field("Cc", "Bob <bob@agents.example>")).await;
    desk.sends().await;
    assert_eq!(desk.case().await.listed.case.handling.watchers, ["bob"]);
    desk.gets(ANNA, &annas.reply("#note\nShe is a regular.")).await;
    let sent = desk.sends().await;
    assert!(texts(&sent, "bob@agents.example").contains("She is a regular."));
    assert!(to(&sent, "jane@customer.example").is_empty());
    desk.gets(JANE, &Draft::new("support@shop.example", "Re: Parcel [#1001]", "Thanks.")).await;
    let sent = desk.sends().await;
    assert_eq!((to(&sent, "anna@agents.example").len(), to(&sent, "bob@agents.example").len()), (1, 1));
}

#[tokio::test]
async fn r92_history_and_help_come_back() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("#history\n#help")).await;
    let told = texts(&desk.sends().await, "anna@agents.example");
    assert!(told.contains("Where is it?") && told.contains("#snooze"), "{told}");
}

#[tokio::test]
async fn r23_an_agent_writes_first_through_their_door() {
    let mut desk = Desk::new().await;
    desk.welcomes("anna").await;
    let welcome = one_to(&desk.sends().await, "anna@agents.example").clone();
    let first = Draft::new(&welcome.reply_to(), "Your order", "#to jane@customer.example\n#tag order\nIt is ready.");
    desk.gets(ANNA, &first).await;
    let sent = desk.sends().await;
    let letter = one_to(&sent, "jane@customer.example").clone();
    assert_eq!((letter.subject().as_str(), letter.text().trim()), ("A message from Shop Support", "It is ready."));
    assert_eq!(letter.field("In-Reply-To"), "");
    assert!(letter.field("From").contains("Anna at Shop Support"), "{}", letter.field("From"));
    assert!(!letter.everything().contains("agents.example"));
    let case = desk.case().await.listed.case;
    assert_eq!((case.owner.as_deref(), case.status), (Some("anna"), Status::Waiting));
    assert_eq!(case.handling.tags, ["order"]);
    desk.gets(JANE, &letter.reply("I come today.")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    assert!(relay.text().contains("I come today."));
    desk.gets(ANNA, &relay.reply("Fine.")).await;
    assert_eq!(one_to(&desk.sends().await, "jane@customer.example").subject(), "Re: A message from Shop Support");
}

#[tokio::test]
async fn r45_the_subject_of_an_agents_first_mail_stays_inside() {
    for (words, subject) in [
        ("It is ready.", "A message from Shop Support"),
        ("#subject Your order\nIt is ready.", "Your order"),
        ("Ihre Bestellung liegt seit gestern bei uns im Laden bereit.", "Eine Nachricht von Shop Support"),
    ] {
        let mut desk = Desk::new().await;
        desk.welcomes("anna").await;
        let door = one_to(&desk.sends().await, "anna@agents.example").reply_to();
        let draft =
            Draft::new(&door, "ESCALATION: the one who never pays", &format!("#to jane@customer.example\n{words}"));
        desk.gets(ANNA, &draft).await;
        let sent = desk.sends().await;
        let letter = one_to(&sent, "jane@customer.example");
        assert_eq!(letter.subject(), subject, "{words}");
        assert!(!letter.everything().contains("never pays"), "{words}");
        assert_eq!(desk.case().await.listed.case.subject, subject, "no later mail brings it out either");
    }
}

#[tokio::test]
async fn r23_a_conversation_that_a_colleague_goes_on_with() {
    let mut desk = Desk::new().await;
    desk.welcomes("anna").await;
    let welcome = one_to(&desk.sends().await, "anna@agents.example").clone();
    let words = "#to jane@customer.example\n#assign bob\nIt is ready.";
    desk.gets(ANNA, &Draft::new(&welcome.reply_to(), "Your order", words)).await;
    let relay = one_to(&desk.sends().await, "bob@agents.example").clone();
    assert!(relay.text().contains("It is ready."), "{}", relay.text());
    desk.gets(BOB, &relay.reply("Until six.")).await;
    assert_eq!(one_to(&desk.sends().await, "jane@customer.example").text().trim(), "Until six.");
}

#[tokio::test]
async fn r23_to_on_the_plain_address_needs_a_verdict() {
    let mut desk = Desk::trusting().await;
    let draft = Draft::new("support@shop.example", "Order", "#to jane@customer.example\n#subject Your order\nReady.");
    desk.gets(ANNA, &draft).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty());
    assert!(texts(&sent, "anna@agents.example").contains("Nothing proves that this mail is yours"));
    assert!(desk.cases().await.is_empty(), "no case in the agent's name");
    desk.gets_passed(ANNA, &draft).await;
    assert_eq!(one_to(&desk.sends().await, "jane@customer.example").subject(), "Your order");
    let mut desk = Desk::trusting().await;
    desk.gets_passed(ANNA, &Draft::new("support@shop.example", "x", "#to bob@agents.example\nHello.")).await;
    assert!(to(&desk.sends().await, "bob@agents.example").is_empty());
    assert!(desk.cases().await.is_empty());
}

#[tokio::test]
async fn templates_and_the_companys_signature() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("template.refund.txt"), "Hello {{ customer }},\n\nyou get it back.")
        .expect("write");
    let letters = format!("[letters]\nfolder = \"{}\"\n", folder.path().display());
    let mut desk = Desk::support_with("signature = \"Shop Support, Main Street 1\"", &letters).await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("#template refnd\nx")).await;
    assert!(texts(&desk.sends().await, "anna@agents.example").contains("there are refund"));
    desk.gets(ANNA, &annas.reply("#template Refund\nRegards, Anna")).await;
    let text = one_to(&desk.sends().await, "jane@customer.example").text();
    let order =
        ["Hello Jane Doe,", "you get it back.", "Regards, Anna", "Shop Support, Main Street 1"].map(|w| text.find(w));
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{text}");
    assert_eq!(text.matches("Main Street 1").count(), 1);
    desk.gets(ANNA, &annas.reply("Bye\n\nShop Support, Main Street 1")).await;
    assert_eq!(one_to(&desk.sends().await, "jane@customer.example").text().matches("Main Street 1").count(), 1);
}

#[tokio::test]
async fn r41_contradicting_or_impossible_words_stop_everything() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    for (words, reason) in [
        ("#close\n#wait\nBye.", "contradict"),
        ("#assign carl\nBye.", "there are anna, bob"),
        ("#snooze yesterday\nBye.", "is no time"),
        ("#to max@customer.example\nBye.", "starts a conversation"),
        ("#clsoe\nBye.", "did you mean #close"),
        ("Bye.\n#close", "below your text"),
    ] {
        desk.gets(ANNA, &annas.reply(words)).await;
        let sent = desk.sends().await;
        assert!(to(&sent, "jane@customer.example").is_empty(), "{words}");
        let told = texts(&sent, "anna@agents.example");
        assert!(told.contains(reason) && told.contains("Bye."), "{words}: {told}");
        assert_eq!(desk.case().await.listed.case.status, Status::New, "{words}: nothing by halves");
    }
}

#[tokio::test]
async fn an_operator_says_it_from_the_command_line() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    let anna = desk.config.policy.agents.get("anna").cloned();
    let order = |agent, words: &str| What::Ordered(Box::new(Order::new(1001, agent, words)));
    assert_eq!(desk.ordered(order(None, "#assign bob")).await, "handled");
    assert_eq!(desk.case().await.listed.case.owner.as_deref(), Some("bob"));
    assert_eq!(desk.ordered(order(None, "#assign nobody")).await, "held");
    desk.sends().await;
    assert_eq!(desk.ordered(order(anna.as_ref(), "On its way.")).await, "handled");
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example");
    assert_eq!(answer.text().trim(), "On its way.");
    assert!(answer.field("From").contains("Anna at Shop Support"));
    assert!(to(&sent, "anna@agents.example").is_empty(), "whoever orders reads it there");
    assert_eq!(desk.ordered(What::Presence { agent: "bob".to_owned(), away: Some(None) }).await, "handled");
    desk.gets(JANE, &Draft::new("support@shop.example", "Re: Parcel [#1001]", "Thanks.")).await;
    assert_eq!(to(&desk.sends().await, "bob@agents.example").len(), 0);
    drop(annas);
}

#[tokio::test]
async fn letters_follow_the_customers_language() {
    let trusted = "language = \"nl\"";
    for (words, expected) in [
        (
            "Guten Tag, mein Paket ist noch nicht angekommen. Können Sie bitte nachsehen, wo es ist?",
            "eine Nachricht von Ihrer Adresse",
        ),
        ("Hello, my parcel has not arrived yet. Could you please look where it is?", "a message from your address"),
        ("4711?", "een bericht van uw adres"),
    ] {
        let mut desk = Desk::support(trusted).await;
        desk.gets(JANE, &Draft::new("support@shop.example", "4711", words)).await;
        let sent = desk.sends().await;
        let letter = one_to(&sent, "jane@customer.example");
        assert!(letter.text().contains(expected) && letter.html().contains(expected), "{}", letter.text());
        assert!(letter.subject().contains("[#1001]"));
    }
}
