//! Tests of reply reading by client and language: `tests/data/frames/LANGUAGE.txt` (`others.txt` for many more) holds
//! what each client puts between the author's words and a quote, `tests/data/phones.txt` what is written under a letter.

use super::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
const LANGUAGES: [&str; 19] = [
    "cs", "da", "de", "en", "es", "fi", "fr", "it", "ja", "ko", "nl", "no", "others", "pl", "pt", "ru", "sv", "tr",
    "zh",
];

/// Name and lines of each frame.
fn frames_of(language: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(format!("{DATA}/frames/{language}.txt")).expect("frames of a language");
    let named = format!("\n{text}");
    let frames: Vec<(String, String)> = named
        .split("\n# ")
        .skip(1)
        .map(|piece| piece.split_once('\n').expect("a name and lines"))
        .map(|(name, lines)| (format!("{language}, {name}"), lines.trim_matches('\n').to_owned()))
        .collect();
    assert!(frames.len() >= 7, "{language} has {} frames", frames.len());
    frames
}

fn all_frames() -> Vec<(String, String)> {
    LANGUAGES.iter().flat_map(|l| frames_of(l)).collect()
}

/// What goes wrong, all of it at once.
fn check(failures: &mut Vec<String>, what: &str, got: &Reading, words: &str) {
    if got.words != words || !got.doubtful.is_empty() {
        failures.push(format!("{what}: {:?}, in doubt {:?}", got.words, got.doubtful));
    }
}

fn none(failures: &[String]) {
    assert!(failures.is_empty(), "{} wrong:\n{}", failures.len(), failures.join("\n"));
}

const QUOTE: &str = "> Hello Jane, it left the house\n> on Monday.\n>\n> Anna";

#[test]
fn answers_above_a_marked_quote_in_many_languages() {
    let mut failures = Vec::new();
    for (name, frame) in all_frames() {
        for gap in ["\n\n", "\n"] {
            let text = format!("Thank you!\nNothing came, though.{gap}{frame}\n\n{QUOTE}\n");
            let words = "Thank you!\nNothing came, though.";
            check(&mut failures, &format!("{name}, customer"), &read_customer(&text, None, &Known::default()), words);
            let shared = ["Hello Jane, it left the house\non Monday.\n\nAnna"];
            let known = Known { shared: &shared, ..Known::default() };
            check(&mut failures, &format!("{name}, agent"), &read_agent(&text, None, &known), words);
        }
    }
    none(&failures);
}

#[test]
fn answers_above_an_unmarked_quote_in_many_languages() {
    let mut failures = Vec::new();
    for (name, frame) in all_frames().into_iter().filter(|(_, frame)| !frame.starts_with('>')) {
        for gap in ["\n\n", "\n"] {
            let text = format!(
                "Thank you!\nNothing came, though.{gap}{frame}\n\nHello Jane, it left the house\non Monday.\n\nAnna\n"
            );
            let words = "Thank you!\nNothing came, though.";
            check(&mut failures, &name, &read_customer(&text, None, &Known::default()), words);
        }
    }
    none(&failures);
}

#[test]
fn answers_below_a_quote_in_many_languages() {
    let mut failures = Vec::new();
    for (name, frame) in all_frames() {
        let text = format!("{frame}\n{QUOTE}\n\nThank you!\nNothing came, though.\n");
        let known = ["Hello Jane, it left the house\non Monday.\n\nAnna"];
        let known = Known { shared: &known, ..Known::default() };
        let words = "Thank you!\nNothing came, though.";
        check(&mut failures, &name, &read_customer(&text, None, &known), words);
        check(&mut failures, &format!("{name}, unknown"), &read_customer(&text, None, &Known::default()), words);
    }
    none(&failures);
}

#[test]
fn interleaved_answers_stay_with_their_lines_in_many_languages() {
    let mut failures = Vec::new();
    for (name, frame) in all_frames().into_iter().filter(|(_, frame)| !frame.starts_with('>')) {
        let text = format!("{frame}\n\n> Did it come?\nNo.\n> Shall we send another one?\nYes, please.\n");
        let words = "> Did it come?\nNo.\n> Shall we send another one?\nYes, please.";
        let shared = ["Did it come?\nShall we send another one?"];
        let known = Known { shared: &shared, ..Known::default() };
        check(&mut failures, &name, &read_customer(&text, None, &known), words);
    }
    none(&failures);
}

#[test]
fn answers_in_html_in_many_languages() {
    let mut failures = Vec::new();
    for (name, frame) in all_frames().into_iter().filter(|(_, frame)| !frame.starts_with('>')) {
        let frame = frame.replace('<', "&lt;").replace('>', "&gt;").replace('\n', "<br>\n");
        let quoted = format!(
            "<html><body><div>Thank you!</div><div><br></div><div>{frame}</div><blockquote><div>Hello Jane</div></blockquote></body></html>"
        );
        let ruled = format!(
            "<p>Thank you!</p><hr tabindex=\"-1\"><div id=\"divRplyFwdMsg\"><font face=\"Calibri\">{frame}<br></font></div><div><p>Hello Jane,</p><p>it left the house.</p></div>"
        );
        for page in [quoted, ruled] {
            let got = read_customer("", Some(&page), &Known::default());
            check(&mut failures, &name, &got, "Thank you!");
            let html = got.words_html.unwrap_or_default();
            if !html.contains("Thank you!") || html.contains("Hello") || html.contains("shop.example") {
                failures.push(format!("{name}: {html}"));
            }
        }
    }
    none(&failures);
}

#[test]
fn what_phones_write_is_a_signature() {
    let mut failures = Vec::new();
    let lines = std::fs::read_to_string(format!("{DATA}/phones.txt")).expect("lines of phones");
    for line in lines.lines().filter(|l| !l.is_empty()) {
        for text in [
            format!("Thank you!\n\n{line}\n"),
            format!("Thank you!\n\n{line}\n\nOn 24 Nov 2026, Anna wrote:\n{QUOTE}\n"),
        ] {
            let got = read_customer(&text, None, &Known::default());
            check(&mut failures, line, &got, "Thank you!");
            if got.signature != line {
                failures.push(format!("{line}: signature {:?}", got.signature));
            }
        }
    }
    none(&failures);
}
