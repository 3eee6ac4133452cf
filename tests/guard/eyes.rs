//! Eyes of the test's own: they know what is secret, and read a mail in their own way.

use mail_parser::{Message, MessageParser, PartType};

use crate::dice::Dice;
use crate::letter::Letter;

/// Fields that a customer's mail may have.
const FIELDS: [&str; 16] = [
    "from",
    "to",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "x-yesreply-case",
    "auto-submitted",
    "x-auto-response-suppress",
    "thread-topic",
    "thread-index",
];

/// What only relays say.
const INTERNAL: [&str; 9] = [
    "anna@agents.example",
    "bob@agents.example",
    "below this line nothing is sent",
    "your reply goes to",
    "history of case",
    "colleagues only",
    "the first to answer owns it",
    "owner: ",
    "customer: jane",
];

/// What must not reach the customer of one case.
#[derive(Debug, Default)]
pub struct Secrets {
    words: Vec<String>,
    pub notes: Vec<String>,
}

impl Secrets {
    /// A relay's own addresses and ids are secret.
    pub fn relay(&mut self, relay: &Letter) {
        let local = relay.reply_to().split('@').next().expect("a local part").to_lowercase();
        let token = local.rsplit('+').next().expect("a token").to_owned();
        let id = relay.message_id().trim_start_matches('<').split('.').next().expect("a token").to_lowercase();
        self.words.extend([token, id]);
    }

    fn word(&mut self, dice: &mut Dice) -> String {
        let word = format!("zq{:010x}", dice.next() & 0xff_ffff_ffff);
        self.words.push(word.clone());
        word
    }

    /// A note with words that stand nowhere else.
    pub fn note(&mut self, dice: &mut Dice) -> String {
        let (a, b, c) = (self.word(dice), self.word(dice), self.word(dice));
        let note = match dice.below(3) {
            0 => format!("{a} says she lies about {b} and {c} knows."),
            1 => format!(
                "Ask {a} first.\n\nThe manager {b} pays nothing more, {c} decided it long ago, and that is that."
            ),
            _ => format!("{a} {b} {c}"),
        };
        self.notes.push(note.clone());
        note
    }

    pub fn words_of_another(&mut self, dice: &mut Dice) -> String {
        let (a, b) = (self.word(dice), self.word(dice));
        format!("Here is somebody else: my password is {a} and the account that it opens is {b}, please keep it.")
    }

    /// Everything secret that can be found in a mail.
    pub fn leaks(&self, letter: &Letter) -> Vec<String> {
        let message = MessageParser::new().parse(&letter.raw).expect("a mail");
        let mut all = String::from_utf8_lossy(&letter.raw).into_owned();
        texts(&message, &mut all, 0);
        let lower = all.to_lowercase();
        let decoded = percent_decoded(&lower);
        let bare: String = without_tags(&decoded).chars().filter(|c| !matches!(c, '\u{200b}' | '\u{ad}')).collect();
        let folded = bare.replace('>', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        let mut found: Vec<String> = self
            .words
            .iter()
            .map(String::as_str)
            .chain(INTERNAL)
            .filter(|secret| [&lower, &decoded, &bare, &folded].iter().any(|text| text.contains(*secret)))
            .map(str::to_owned)
            .collect();
        for (name, _) in message.headers_raw() {
            if !FIELDS.contains(&name.to_lowercase().as_str()) {
                found.push(format!("field {name}"));
            }
        }
        found
    }
}

fn texts(message: &Message<'_>, all: &mut String, depth: usize) {
    for part in &message.parts {
        all.push('\n');
        match &part.body {
            PartType::Message(inner) if depth < 5 => texts(inner, all, depth + 1),
            _ => all.push_str(&String::from_utf8_lossy(part.contents())),
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(code) if code.is_ascii() => {
                out.push(char::from(code));
                rest = &rest[at + 3..];
            }
            _ => {
                out.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    out + rest
}

fn without_tags(html: &str) -> String {
    let mut out = String::new();
    for piece in html.split('<') {
        out.push_str(piece.split_once('>').map_or(piece, |(_, rest)| rest));
    }
    out.replace("&nbsp;", " ").replace("&#64;", "@").replace("&gt;", ">").replace("&quot;", "\"")
}
