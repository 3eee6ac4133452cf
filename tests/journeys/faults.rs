//! Kills.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::desk::Desk;
use crate::people::unique;

#[test]
fn sigkill_in_the_middle_of_200_messages() {
    let Some(desk) = Desk::new("sigkill") else { return };
    let mut desk = desk.with("[limits]\ncases_per_address = \"off\"\nrelays_per_agent = \"off\"\n");
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let feeder = {
        let (port, to, from, sender) = (desk.host.port("smtp"), desk.address(), jane.from(), jane.address.clone());
        std::thread::spawn(move || {
            for number in 0..200 {
                let mail = format!(
                    "From: {from}\r\nTo: {to}\r\nSubject: storm {number}\r\nMessage-ID: <{}@storm.example>\r\n\
                     Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n\r\nWords of mail {number}.\r\n",
                    unique()
                );
                crate::people::hand_over(port, &sender, &[&to], mail.as_bytes());
            }
        })
    };
    for wait in [700, 1_100, 900] {
        std::thread::sleep(Duration::from_millis(wait));
        desk.kill();
        desk.launch();
    }
    feeder.join().expect("all mails");
    desk.wait_for("200 cases", |desk| desk.cases().len() >= 200);
    desk.quiet();
    let mut subjects: BTreeMap<String, usize> = BTreeMap::new();
    for case in desk.cases() {
        *subjects.entry(case["subject"].to_string()).or_default() += 1;
    }
    assert_eq!(subjects.len(), 200);
    assert!(subjects.values().all(|n| *n == 1), "a case twice: {subjects:?}");
    let mut ids: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    let relays = anna.mailbox();
    for relay in &relays {
        let bytes = relay.raw.clone();
        let start = bytes.windows(6).position(|w| w == b"From: ").unwrap_or_default();
        ids.entry(relay.message_id()).or_default().push(bytes[start..].to_vec());
    }
    assert_eq!(ids.len(), 200, "each case is relayed");
    assert!(ids.values().all(|copies| copies.windows(2).all(|w| w[0] == w[1])), "a second copy has the same bytes");
    assert!(
        relays.len() <= 203,
        "{} relays: a kill may repeat only what was between the relay's 250 and the commit",
        relays.len()
    );
    assert_eq!(desk.audit()["stored"], 200);
    desk.stop();
}
