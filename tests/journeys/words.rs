//! A desk worked by words: agents in their mail clients, the operator on the command line, through real servers.

use crate::desk::Desk;
use crate::people::Draft;

#[test]
fn a_case_goes_from_hand_to_hand_and_the_customer_explains_nothing_twice() {
    let Some(desk) = Desk::new("hand_to_hand") else { return };
    let mut desk = desk.with("[desk]\nhold = \"2s\"\n");
    desk.start();
    let (jane, anna, bob) = (desk.customer("Jane"), desk.agent("anna"), desk.agent("bob"));
    jane.writes(&desk.address(), "Where is my parcel?", "It was due on Monday.");
    let relay = anna.gets("It was due on Monday.");
    bob.gets("It was due on Monday.");

    anna.sends(&relay.reply("#take\n#tag parcel"));
    anna.gets("Case #1001 is yours");
    bob.gets("took case #1001");
    assert_eq!((&desk.case("1001")["owner"], &desk.case("1001")["tags"][0]), (&"anna".into(), &"parcel".into()));

    // the link of a mail client: no In-Reply-To
    anna.sends(&Draft::new(&relay.reply_to(), &format!("Re: {}", relay.subject()), "#close\n"));
    anna.gets("Case #1001 is closed");

    let (code, told) = desk.command(&["case", "assign", "1001", "bob"]);
    assert_eq!(code, 0, "{told}");
    let relay = bob.gets("gave you this case");
    assert!(relay.text().contains("It was due on Monday."), "{}", relay.text());

    bob.sends(&relay.reply("It is lost, a new one comes."));
    let offer = bob.gets("calls it back");
    bob.sends(&offer.reply("#cancel"));
    bob.gets("was called back");
    bob.sends(&relay.reply("A new one comes tomorrow."));
    let answer = jane.gets("A new one comes tomorrow.");
    assert!(!jane.mailbox().iter().any(|l| l.text().contains("It is lost")), "it was called back");

    let (code, told) = desk.command(&["agent", "away", "bob", "--until", "3d"]);
    assert_eq!(code, 0, "{told}");
    jane.sends(&answer.reply("To which address?"));
    let relay = anna.gets("To which address?");
    assert!(
        relay.text().contains("is away until") && relay.text().contains("A new one comes tomorrow."),
        "{}",
        relay.text()
    );
    let (code, told) = desk.command(&["case", "reply", "1001", "--as", "anna", "To the one you gave us."]);
    assert_eq!(code, 0, "{told}");
    let answer = jane.gets("To the one you gave us.");
    assert!(!answer.everything().contains("agents."), "{}", answer.everything());
    let (code, told) = desk.command(&["case", "assign", "1001", "nobody"]);
    assert_eq!(code, 65, "{told}");
    desk.audit();
    desk.stop();
}

#[test]
fn an_agent_writes_first_merges_and_takes_it_back() {
    let Some(mut desk) = Desk::new("agent_first") else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let (code, _) = desk.command(&["agent", "welcome", "anna"]);
    assert_eq!(code, 0);
    let door = anna.gets("you answer for");
    let words = format!("#to {}\n#subject Your lamp\nIt is ready.", jane.address);
    anna.sends(&Draft::new(&door.reply_to(), "x", &words));
    let letter = jane.gets("It is ready.");
    assert_eq!((letter.subject().as_str(), letter.field("In-Reply-To").as_str()), ("Your lamp", ""));
    jane.sends(&letter.reply("I come today."));
    let relay = anna.gets("I come today.");
    jane.writes(&desk.address(), "One more thing", "Do you sell bulbs?");
    let other = anna.gets("Do you sell bulbs?");
    anna.sends(&other.reply("#merge 1001"));
    anna.gets("Case #1002 is part of case #1001 now");
    anna.sends(&other.reply("We do."));
    let answer = jane.gets("We do.");
    jane.sends(&answer.reply("Good."));
    assert!(anna.gets("Good.").subject().contains("[#1001]"));
    anna.sends(&relay.reply("#undo"));
    anna.gets("a case of its own again");
    assert_eq!(desk.case("1002")["merged_into"], serde_json::Value::Null);
    assert_eq!(desk.case("1002")["messages"][0]["text"], "Do you sell bulbs?");
    desk.audit();
    desk.stop();
}
