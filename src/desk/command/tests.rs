use super::*;

/// A Wednesday.
const NOW_MS: i64 = 1_795_615_200_000;

fn read(words: &str) -> Leading {
    super::read(words, &Now { at_ms: NOW_MS, zone: jiff::tz::TimeZone::UTC })
}

fn commands(words: &str) -> Vec<Command> {
    match read(words) {
        Leading::Commands { commands, .. } => commands,
        Leading::Stopped { reason } => panic!("{reason}"),
    }
}

fn reason(words: &str) -> String {
    match read(words) {
        Leading::Commands { commands, .. } => panic!("{commands:?}"),
        Leading::Stopped { reason } => reason,
    }
}

#[test]
fn r41_words_are_found_however_a_client_writes_them() {
    for words in [
        "#note\nhello",
        "#NOTE\n\nhello",
        "* #Note \n",
        "\u{a0}“#note”\nx",
        "\n\n#note",
        "- #note\nx",
        "• #note",
        "＃note",
        "#\u{200b}note",
        "**#note**",
        "# note\nx".replace("# ", "#").as_str(),
    ] {
        assert_eq!(commands(words), [Command::Note], "{words:?}");
    }
    assert_eq!(commands("#note\n#close\nbye"), [Command::Note, Command::Close]);
}

#[test]
fn r41_other_hashes_are_text() {
    for words in ["Dear Jane,\n#1 is the left one", "##note is a word", "hello\n#hashtag", "# note"] {
        assert_eq!(commands(words), [], "{words:?}");
    }
}

#[test]
fn r41_what_cannot_be_done_stops_the_whole_reply() {
    assert!(reason("#clsoe\nbye").contains("#close"));
    assert!(reason("#asign ben").contains("#assign"));
    assert!(reason("bye\n#close").contains("below your text"));
    assert!(reason("#note to self").contains("takes nothing"));
    assert!(reason("#snooze 2020-01-01").contains("passed"));
    assert!(reason("#snooze").contains("needs a time"));
    assert!(reason("#merge").contains("number of a case"));
    assert!(reason("#merge 0").contains("number of a case"));
    assert!(reason("#priority soon").contains("low, normal or high"));
    assert!(reason("#tag").contains("needs a word"));
    assert!(reason("#assign").contains("needs a name"));
    assert!(reason("#subject").contains("needs words"));
}

#[test]
fn r41_contradicting_words_stop_the_whole_reply() {
    for words in [
        "#accept\n#reject",
        "#close\n#wait",
        "#close\n#snooze 3d",
        "#take\n#release",
        "#merge 1\n#split",
        "#note\n#send",
        "#note\n#all\nx",
        "#cc a@b.example\n#uncc a@b.example",
        "#tag a\n#untag a",
        "#away\n#back",
    ] {
        assert!(reason(words).contains("contradict") || reason(words).contains("takes it off"), "{words}");
    }
}

#[test]
fn r41_what_stands_after_a_word() {
    assert_eq!(commands("#tag Refund, #vip refund"), [Command::Tag(vec!["refund".into(), "vip".into()])]);
    assert_eq!(commands("#priority HIGH."), [Command::Priority(Priority::High)]);
    assert_eq!(commands("#merge #1042"), [Command::Merge(1042)]);
    assert_eq!(commands("#assign @Ben"), [Command::Assign("Ben".into())]);
    assert_eq!(commands("#subject Your lamp: the new one"), [Command::Subject("Your lamp: the new one".into())]);
    assert_eq!(commands("#snooze 3d"), [Command::Snooze(NOW_MS + 3 * 86_400_000)]);
    assert_eq!(commands("#away"), [Command::Away(None)]);
}

#[test]
fn r41_addresses_are_found_however_a_client_writes_them() {
    let max = Address::parse("max@shop.example").unwrap_or_else(Address::unknown);
    for line in [
        "#cc max@shop.example",
        "#CC Max Meier <max@shop.example>.",
        "#cc max@shop.example<mailto:max@shop.example>",
        "#cc [max@shop.example](mailto:max@shop.example)",
    ] {
        assert_eq!(commands(line), [Command::Cc(vec![max.clone()])], "{line}");
    }
    assert!(reason("#cc").contains("needs an address"));
    assert!(reason("#cc Max").contains("needs an address"));
    assert!(reason("#cc a@b, max@@x").contains("no address"));
    let many: Vec<String> = (0..21).map(|n| format!("a{n}@shop.example")).collect();
    assert!(reason(&format!("#cc {}", many.join(" "))).contains("at most"));
}

#[test]
fn r33_every_settling_word_is_named_with_what_it_does() {
    for word in ["#accept", "#replace", "#customer", "#only", "#reject"] {
        assert!(settling_words().contains(word), "{word}");
        assert!(settling(&commands(word)).is_some(), "{word}");
    }
}

#[test]
fn a_doubled_hash_leaves_as_one() {
    assert_eq!(unescaped("##note is a word\nx"), "#note is a word\nx");
}
