//! Notices: banners that a provider writes on top of mail from outside, and of which nobody told us (R44).
//!
//! Decides   which block on top of a mail looks like such a notice: whether it is one, mail of other authors tells, who
//!           would not all write the same.
//! Never     takes a block that is all that its author wrote, or that no empty line or element of its own sets apart; a
//!           greeting, a letter that many people sign, a sentence with somebody's "I" in it. In doubt it is words.

use std::ops::Range;

use super::lines::Line;
use crate::mail::html;
use crate::mail::text::fold;

/// Words of a notice: fewer are a greeting, more are a letter.
const WORDS: Range<usize> = 8..121;
/// Octets of a mail within which its notice ends.
const TOP_BYTES: usize = 4_096;

/// How words begin with which a notice says where a mail is from; of these and of the next two it has one each.
const OUTSIDE: [&str; 16] = [
    "external",
    "outside",
    "extern",
    "extérieur",
    "exterieur",
    "externo",
    "externa",
    "esterno",
    "esterna",
    "außerhalb",
    "ausserhalb",
    "buiten",
    "fuera",
    "exterior",
    "zewnątrz",
    "utanför",
];
/// What it speaks of.
const MAIL: [&str; 18] = [
    "mail",
    "email",
    "message",
    "sender",
    "nachricht",
    "absender",
    "bericht",
    "afzender",
    "courriel",
    "expéditeur",
    "expediteur",
    "correo",
    "mensaje",
    "remitente",
    "messaggio",
    "mittente",
    "mensagem",
    "avsändare",
];
/// What its reader is to mind.
const CARE: [&str; 34] = [
    "caution",
    "warning",
    "careful",
    "click",
    "attachment",
    "trust",
    "recognize",
    "recognise",
    "verify",
    "suspicious",
    "phishing",
    "vorsicht",
    "achtung",
    "klick",
    "anhäng",
    "anhang",
    "vertrau",
    "pas op",
    "klik",
    "bijlage",
    "voorzichtig",
    "vertrouw",
    "attention",
    "prudence",
    "cliquez",
    "pièce",
    "cuidado",
    "precaución",
    "enlace",
    "adjunto",
    "attenzione",
    "allegat",
    "atenção",
    "anexo",
];
/// A word of the first kind and one of the second stand no further apart than this.
const BETWEEN_MAX: usize = 5;
/// Words that people say of themselves.
const OF_ONESELF: [&str; 23] = [
    "we", "wir", "wij", "nous", "nosotros", "i", "my", "me", "mine", "ich", "mein", "meine", "meinem", "mir", "mich",
    "ik", "mijn", "je", "mon", "ma", "yo", "mi", "meu",
];

/// The lines of the block on top that looks like a notice. In HTML a line is an element, and may be one by itself.
pub(super) fn on_top(lines: &[Line], is_html: bool) -> Option<Range<usize>> {
    let first = lines.iter().position(|line| !line.text.trim().is_empty())?;
    let end = lines.iter().skip(first).position(|line| line.text.trim().is_empty()).map(|n| first.saturating_add(n));
    let element = is_html.then(|| first..first.saturating_add(1));
    let paragraph = end.map(|end| first..end);
    element.into_iter().chain(paragraph).find(|block| {
        let own = lines.get(block.clone()).unwrap_or_default();
        let below = lines.get(block.end..).unwrap_or_default();
        own.iter().all(|line| line.depth == 0)
            && below.iter().any(|line| line.depth == 0 && line.text.chars().any(char::is_alphanumeric))
            && looks_like_one(&words(own))
    })
}

/// The words of these lines, as they compare.
pub(super) fn words(lines: &[Line]) -> Vec<String> {
    let text = |line: &Line| fold(&line.text).to_lowercase();
    let split = |text: String| {
        text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    lines.iter().map(text).flat_map(split).collect()
}

fn looks_like_one(words: &[String]) -> bool {
    let at = |stems: &[&str]| -> Vec<usize> {
        let begins = |word: &String| stems.iter().any(|stem| word.starts_with(stem));
        words.iter().enumerate().filter(|(_, word)| begins(word)).map(|(at, _)| at).collect()
    };
    let (outside, mail) = (at(&OUTSIDE), at(&MAIL));
    let says_where = outside.iter().any(|here| mail.iter().any(|there| here.abs_diff(*there) <= BETWEEN_MAX));
    WORDS.contains(&words.len())
        && says_where
        && !at(&CARE).is_empty()
        && !words.iter().any(|word| OF_ONESELF.contains(&word.as_str()))
}

/// The words of what looks like a notice on top of this mail, as they compare.
#[must_use]
pub fn of(text: &str, html: Option<&str>) -> Option<String> {
    let top = |whole: &str| whole.get(..whole.floor_char_boundary(TOP_BYTES)).unwrap_or_default().to_lowercase();
    let may = |top: &str| OUTSIDE.iter().any(|stem| top.contains(stem));
    // most mail says nothing of the kind, and is not read twice
    if !may(&top(text)) {
        return None;
    }
    let body = html.and_then(html::parse).filter(|body| body.lines().iter().any(|l| !l.text.is_empty()));
    let (lines, is_html) = match &body {
        Some(body) => (super::html_lines(body), true),
        None => (super::plain_lines(text), false),
    };
    let block = on_top(&lines, is_html)?;
    Some(words(lines.get(block)?).join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::{Known, read_agent, read_customer};
    use super::*;

    const NOTICES: [&str; 6] = [
        "CAUTION: This email originated from outside of the organization. Do not click links or open attachments unless you recognize the sender and know the content is safe.",
        "[EXTERNAL] This message comes from a sender outside of Shop Ltd. Please verify before you click.",
        "ACHTUNG: Diese E-Mail kommt von einem externen Absender. Bitte öffnen Sie Anhänge und Links nur, wenn Sie dem Absender vertrauen.",
        "LET OP: deze e-mail komt van buiten de organisatie. Klik niet op links en open geen bijlagen.",
        "ATTENTION : ce courriel provient de l'extérieur. Ne cliquez sur aucun lien si vous ne connaissez pas l'expéditeur.",
        "CUIDADO: este correo procede de fuera de la organización. No abra enlaces ni archivos adjuntos.",
    ];

    #[test]
    fn r44_notices_are_known_by_their_looks_in_text_and_in_html() {
        for notice in NOTICES {
            let text = format!("{notice}\n\nHello,\nwhere is it?");
            let found = of(&text, None).unwrap_or_default();
            assert!(found.split(' ').count() >= 8, "{notice}");
            let html = format!(
                "<html><body><div style=\"background:#ffc\">{notice}</div><div>Hello,</div><p>where is it?</p></body></html>"
            );
            assert_eq!(of(&text, Some(&html)), Some(found), "the same in HTML: {notice}");
        }
    }

    #[test]
    fn r44_what_people_write_is_no_notice() {
        for words in [
            "Hi,",
            "Hello team,",
            "Dear Shop Support, hope this mail finds you well and safe in these times.",
            "We urge you to stop the sale of fur outside of Europe. Attached is the mail that we all sign with trust.\u{a0}I sign it.",
            "I got an email from an external sender that told me to click a link. Is it yours?",
            "Stop the sale of lamps outside of Europe, all who sign this mail trust in your good sense and wait.",
            "Please click the attachment of my email, the outside is broken.",
            "External hard disk, order 4711, does not work.",
        ] {
            assert_eq!(of(&format!("{words}\n\nAnd more of it below."), None), None, "{words}");
        }
        let notice = NOTICES[0];
        assert_eq!(of(notice, None), None, "all that there is");
        assert_eq!(of(&format!("{notice}\n\n> quoted alone"), None), None, "all that they wrote");
        assert_eq!(of(&format!("{notice}\nwhere is it?"), None), None, "not set apart from words");
        assert_eq!(of(&format!("Hello,\n\n{notice}\n\nwhere is it?"), None), None, "not on top");
        assert_eq!(of(&format!("> {notice}\n\nwhere is it?"), None), None, "quoted");
    }

    #[test]
    fn r44_a_notice_is_cut_only_where_it_is_known_and_commands_below_it_count() {
        let notice = NOTICES[0];
        let text = format!("{notice}\n\n#note\nCall her back.");
        let html = format!("<div>{notice}</div><div>#note</div><div>Call her back.</div>");
        for html in [None, Some(html.as_str())] {
            let kept = read_customer(&text, html, &Known::default());
            assert!(kept.words.starts_with("CAUTION"), "{kept:?}");
            let words = of(&text, html).unwrap_or_default();
            let known = Known { notice: Some(&words), ..Known::default() };
            for read in [read_customer(&text, html, &known), read_agent(&text, html, &known)] {
                assert_eq!(read.words, "#note\nCall her back.");
                assert!(read.words_html.is_none_or(|html| !html.contains("CAUTION")));
            }
            let other = read_customer("Hello,\n\nwhere is it?", None, &known);
            assert_eq!(other.words, "Hello,\n\nwhere is it?", "nothing else is taken");
            let unknown = format!("{}\n\nwhere is it?", NOTICES[1]);
            assert_eq!(read_customer(&unknown, None, &known).words, unknown, "nor is another notice");
        }
    }
}
