//! Mail clients: what they make of a relay when an agent presses reply.

use crate::dice::Dice;
use crate::eyes::Secrets;
use crate::letter::{Draft, Letter};

const WORDS: [&str; 40] = [
    "parcel",
    "refund",
    "invoice",
    "Tuesday",
    "warehouse",
    "colleague",
    "please",
    "tomorrow",
    "address",
    "number",
    "before",
    "after",
    "delivery",
    "broken",
    "blue",
    "jacket",
    "returns",
    "label",
    "printed",
    "waiting",
    "friend",
    "street",
    "courier",
    "weather",
    "station",
    "garden",
    "morning",
    "several",
    "careful",
    "payment",
    "arrived",
    "closed",
    "opened",
    "damaged",
    "replacement",
    "shipping",
    "Grüße",
    "größer",
    "naïve",
    "café",
];

/// Attributions as clients write them.
const ATTRIBUTIONS: [&str; 9] = [
    "On Mon, Nov 23, 2026 at 10:12 AM NAME <ADDRESS> wrote:",
    "Am 23.11.2026 um 10:12 schrieb NAME <ADDRESS>:",
    "Le lun. 23 nov. 2026 à 10:12, NAME <ADDRESS> a écrit :",
    "El lun, 23 nov 2026 a las 10:12, NAME (<ADDRESS>) escribió:",
    "Op ma 23 nov. 2026 om 10:12 schreef NAME <ADDRESS>:",
    "Il giorno lun 23 nov 2026 alle ore 10:12 NAME <ADDRESS> ha scritto:",
    "Den mån 23 nov. 2026 kl 10:12 skrev NAME <ADDRESS>:",
    "2026年11月23日(月) 10:12 NAME <ADDRESS>:",
    "pon., 23 lis 2026 o 10:12 NAME <ADDRESS> napisał(a):",
];

/// The clients whose replies are as ordinary as can be.
const ORDINARY: [&str; 8] =
    ["top, quoted", "no quote", "Gmail", "Apple Mail", "Thunderbird", "alternative", "base64", "quoted-printable"];

pub fn is_ordinary(client: &str) -> bool {
    ORDINARY.contains(&client)
}

/// Some sentences.
pub fn sentence(dice: &mut Dice, most: usize) -> String {
    let mut sentences = Vec::new();
    for _ in 0..=dice.below(most) {
        let words: Vec<&str> = (0..5 + dice.below(12)).map(|_| dice.of(&WORDS)).collect();
        sentences.push(format!("{}.", words.join(" ")));
    }
    sentences.join(if dice.one_in(2) { "\n\n" } else { " " })
}

/// A customer's first mail.
pub fn letter(dice: &mut Dice, address: &str, words: &str) -> Draft {
    let words_of_subject: Vec<&str> = (0..1 + dice.below(14)).map(|_| dice.of(&WORDS[..30])).collect();
    let subject = words_of_subject.join(" ");
    if dice.one_in(3) {
        let html =
            format!("<html><body><p>{}</p><p>Kind regards<br>Jane</p></body></html>", words.replace("\n\n", "</p><p>"));
        return Draft::new(address, &subject, &html).field("Content-Type", "text/html; charset=utf-8");
    }
    Draft::new(address, &subject, &format!("{words}\n\nKind regards\nJane"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn quoted(text: &str, mark: &str) -> String {
    text.lines().map(|l| format!("{mark}{l}\n")).collect()
}

/// Lines broken at this width; the pieces after the first bear the mark only if `all`.
fn wrapped(text: &str, width: usize, mark: &str, all: bool) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut length = 0;
        out.push_str(mark);
        for word in line.split(' ') {
            if length + word.len() > width && length > 0 {
                out.push('\n');
                if all {
                    out.push_str(mark);
                }
                length = 0;
            }
            out.push_str(word);
            out.push(' ');
            length += word.len() + 1;
        }
        out.push('\n');
    }
    out
}

fn attribution(dice: &mut Dice, relay: &Letter) -> String {
    dice.of(&ATTRIBUTIONS).replace("NAME", "Jane Doe via Shop Support").replace("ADDRESS", &relay.reply_to())
}

fn header_block(relay: &Letter, bold: bool) -> String {
    let (open, close) = if bold { ("<b>", "</b>") } else { ("", "") };
    format!(
        "{open}From:{close} Jane Doe via Shop Support <{}>\n{open}Sent:{close} Monday, November 23, 2026 10:12 AM\n{open}To:{close} Anna <anna@agents.example>\n{open}Subject:{close} {}\n",
        relay.reply_to(),
        relay.subject()
    )
}

/// A reply of some client to this relay. Returns the client's name.
#[expect(clippy::too_many_lines, reason = "an arm for each client")]
pub fn reply(dice: &mut Dice, relay: &Letter, answer: &str, secrets: &Secrets) -> (&'static str, Draft) {
    let base = relay.reply("");
    let text = relay.text();
    let html = relay.html();
    let by = attribution(dice, relay);
    let paragraphs = format!("<div>{}</div>", escaped(answer).replace("\n\n", "</div><div><br></div><div>"));
    let plain = |body: String| Draft { body, ..base.clone() };
    let rich = |body: String| Draft { body, ..base.clone() }.field("Content-Type", "text/html; charset=utf-8");
    match dice.below(27) {
        0 => ("top, quoted", plain(format!("{answer}\n\n{by}\n{}", quoted(&text, "> ")))),
        1 => ("no quote", plain(answer.to_owned())),
        2 => (
            "Gmail",
            rich(format!(
                "<div dir=\"ltr\">{paragraphs}</div><br><div class=\"gmail_quote\"><div dir=\"ltr\" class=\"gmail_attr\">{}<br></div><blockquote class=\"gmail_quote\" style=\"margin:0 0 0 .8ex\">{html}</blockquote></div>",
                escaped(&by)
            )),
        ),
        3 => (
            "Apple Mail",
            rich(format!(
                "<html><body>{paragraphs}<br><div><blockquote type=\"cite\"><div>{}</div><br>{html}</blockquote></div></body></html>",
                escaped(&by)
            )),
        ),
        4 => (
            "Thunderbird",
            rich(format!(
                "<p>{}</p><div class=\"moz-cite-prefix\">{}<br></div><blockquote type=\"cite\" cite=\"mid:x\">{html}</blockquote>",
                escaped(answer).replace("\n\n", "</p><p>"),
                escaped(&by)
            )),
        ),
        5 => {
            let quoted = quoted(&text, "> ");
            let body = format!(
                "--b1\nContent-Type: text/plain; charset=utf-8\n\n{answer}\n\n{by}\n{quoted}\n--b1\nContent-Type: text/html; charset=utf-8\n\n{paragraphs}<div>{}</div><blockquote>{html}</blockquote>\n--b1--",
                escaped(&by)
            );
            ("alternative", Draft { body, ..base }.field("Content-Type", "multipart/alternative; boundary=b1"))
        }
        6 => {
            let body = format!("{answer}\r\n\r\n{by}\r\n{}", quoted(&text, "> "));
            let body = data_encoding::BASE64_MIME.encode(body.as_bytes()).replace("\r\n", "\n");
            let draft = Draft { body, ..base }.field("Content-Type", "text/plain; charset=utf-8");
            ("base64", draft.field("Content-Transfer-Encoding", "base64"))
        }
        7 => {
            let body = format!("{answer}\n\n{by}\n{}", quoted(&text, "> "));
            let draft =
                Draft { body: quoted_printable(&body), ..base }.field("Content-Type", "text/plain; charset=utf-8");
            ("quoted-printable", draft.field("Content-Transfer-Encoding", "quoted-printable"))
        }
        8 => ("wrapped", plain(format!("{answer}\n\n{by}\n{}", wrapped(&text, 40 + dice.below(40), "> ", true)))),
        9 => {
            ("wrapped badly", plain(format!("{answer}\n\n{by}\n{}", wrapped(&text, 40 + dice.below(40), "> ", false))))
        }
        10 => (
            "Outlook text",
            plain(format!("{answer}\n\n-----Original Message-----\n{}\n{text}", header_block(relay, false))),
        ),
        11 => (
            "Outlook HTML",
            rich(format!(
                "<div class=\"WordSection1\"><p class=\"MsoNormal\">{}</p><div style=\"border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in\"><p class=\"MsoNormal\">{}</p></div>{html}</div>",
                escaped(answer),
                header_block(relay, true).replace('\n', "<br>")
            )),
        ),
        12 => ("bottom", plain(format!("{by}\n{}\n{answer}\n", quoted(&text, "> ")))),
        13 => {
            let lines: Vec<&str> = text.lines().collect();
            let at = dice.below(lines.len());
            let (above, below) = lines.split_at(at);
            (
                "inline",
                plain(format!(
                    "{by}\n{}\n{answer}\n\n{}",
                    quoted(&above.join("\n"), "> "),
                    quoted(&below.join("\n"), "> ")
                )),
            )
        }
        14 => {
            let inner = String::from_utf8_lossy(&relay.raw).replace("\r\n", "\n");
            let body = format!(
                "--b1\nContent-Type: text/plain; charset=utf-8\n\n{answer}\n--b1\nContent-Type: message/rfc822\nContent-Disposition: attachment\n\n{inner}\n--b1--"
            );
            ("forward as attachment", Draft { body, ..base }.field("Content-Type", "multipart/mixed; boundary=b1"))
        }
        15 => {
            let flowed = quoted(&text, "> ").replace(". ", ".  \n> ");
            let draft = plain(format!("{answer}\n\n{by}\n{flowed}"));
            ("flowed", draft.field("Content-Type", "text/plain; charset=utf-8; format=flowed; delsp=no"))
        }
        16 => (
            "other marks",
            plain(format!("{answer}\n\n{by}\n{}", quoted(&text, dice.of(&["| ", ": ", "JD> ", "» ", ">>> ", "\t"])))),
        ),
        17 => ("no marks", plain(format!("{answer}\n\n{by}\n\n{text}"))),
        18 => ("nothing but text below", plain(format!("{answer}\n\n{text}"))),
        19 => (
            "text as HTML",
            rich(format!(
                "{}<br><br>{}<br>{}",
                escaped(answer).replace('\n', "<br>"),
                escaped(&by),
                escaped(&quoted(&text, "> ")).replace(' ', "&nbsp;").replace('\n', "<br>")
            )),
        ),
        20 => (
            "pre",
            rich(format!("<pre>{}\n\n{}\n{}</pre>", escaped(answer), escaped(&by), escaped(&quoted(&text, "> ")))),
        ),
        21 => {
            let hidden = secrets.notes.first().cloned().unwrap_or_else(|| "anna@agents.example".to_owned());
            (
                "hidden",
                rich(format!(
                    "{paragraphs}<div style=\"display:none\">{}</div><!-- {hidden} --><p style=\"mso-hide:all;font-size:0\">{}</p>",
                    escaped(&hidden),
                    escaped(&hidden)
                )),
            )
        }
        22 => (
            "signature",
            plain(format!(
                "{answer}\n\n-- \nAnna Agentson | anna@agents.example\nShop\n\n{by}\n{}",
                quoted(&text, "> ")
            )),
        ),
        23 => {
            let by = escaped(&by);
            (
                "inline HTML",
                rich(format!(
                    "<div>{by}</div><blockquote>{html}</blockquote><div>{}</div><blockquote>{}</blockquote>",
                    escaped(answer),
                    escaped(&text).replace('\n', "<br>")
                )),
            )
        }
        24 => ("quoted twice", plain(format!("{answer}\n\n{by}\n> {by}\n{}", quoted(&quoted(&text, "> "), "> ")))),
        25 => {
            let odd: String =
                text.chars().flat_map(|c| if c == 'e' { vec!['e', '\u{200b}'] } else { vec![c] }).collect();
            ("no-width", plain(format!("{answer}\n\n{by}\n\n{odd}")))
        }
        _ => {
            let links = format!(
                "<a href=\"mailto:{}?body={}\">reply</a>",
                relay.reply_to().replace('@', "%40"),
                "anna%40agents.example"
            );
            ("link", rich(format!("{paragraphs}<p>{links}</p>")))
        }
    }
}

fn quoted_printable(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut length = 0;
        for byte in line.bytes() {
            let piece = if byte.is_ascii_graphic() && byte != b'=' || byte == b' ' {
                char::from(byte).to_string()
            } else {
                format!("={byte:02X}")
            };
            if length + piece.len() > 72 {
                out.push_str("=\n");
                length = 0;
            }
            length += piece.len();
            out.push_str(&piece);
        }
        if out.ends_with(' ') {
            out.pop();
            out.push_str("=20");
        }
        out.push('\n');
    }
    out
}
