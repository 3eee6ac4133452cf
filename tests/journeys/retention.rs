//! An operator holds, exports and erases a case (R80).

use std::os::unix::fs::PermissionsExt;

use crate::desk::Desk;

#[test]
fn a_case_is_held_exported_and_erased() {
    let Some(mut desk) = Desk::new("a_case_is_held_exported_and_erased") else { return };
    desk.start();
    let (anna, jane) = (desk.agent("anna"), desk.customer("Jane"));
    jane.writes(&desk.address(), "Where is my parcel?", "It was due on Monday.");
    anna.sends(&anna.gets("It was due on Monday.").reply("It lies at your neighbour's."));
    let answer = jane.gets("It lies at your neighbour's.");
    desk.quiet();

    assert_eq!(desk.json(&["case", "hold", "1001"])["on_hold"], true);
    assert_eq!(desk.case("1001")["on_hold"], true);
    assert_eq!(desk.command(&["case", "erase", "1001", "--yes"]).0, 65, "it is on hold");

    let folder = desk.folder().join("export");
    let path = folder.to_str().expect("a path");
    assert_eq!(desk.json(&["case", "export", "1001", path])["mails"], 3, "her mail, the acknowledgement, the answer");
    assert_eq!(std::fs::metadata(&folder).expect("a folder").permissions().mode() & 0o777, 0o700);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect(name);
    let case: serde_json::Value = serde_json::from_str(&read("case.json")).expect("JSON");
    assert_eq!(case["messages"][0]["text"], "It was due on Monday.");
    assert!(read("001-in.eml").contains("It was due on Monday."));
    assert!(read("003-out.eml").contains("It lies at your neighbour's."));
    assert_eq!(desk.command(&["case", "export", "1001", path]).0, 69, "the folder is there already");

    assert_eq!(desk.json(&["case", "hold", "1001", "--off"])["on_hold"], false);
    assert_eq!(desk.command(&["case", "erase", "1001"]).0, 64, "not without --yes");
    assert_eq!(desk.json(&["case", "erase", "1001", "--yes"])["erased"], true);
    assert_eq!(desk.command(&["case", "show", "1001"]).0, 65);
    desk.audit();

    // what was erased is not taken in again, and a reply to it is a new case
    jane.sends(&answer.reply("It does not."));
    anna.gets("It does not.");
    desk.quiet();
    assert_eq!(desk.cases().len(), 1);
    desk.stop();
}
