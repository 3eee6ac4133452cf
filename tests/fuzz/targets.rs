//! What is fuzzed, and what must hold for any bytes: one function a target, for libFuzzer (`fuzz/`) and for the
//! mutator of `tests/fuzz/main.rs`.
//!
//! Each target asserts properties, not only that nothing panics. There is no room `edit`: what leaves is built new, so
//! the target `render` holds that no words of anybody add a field or a part to a mail.

use std::hash::{DefaultHasher, Hash, Hasher};

use yesreply::desk::policy::{Mailbox, Probing, RelayFrom, ReplyAddress, ReversePath};
use yesreply::desk::token::{CaseKey, Class, Found, PartyId, Place, Token, TokenKeys};
use yesreply::limits::{
    ADDRESSES_MAX, HTML_BYTES_MAX, PARTS_MAX, REFERENCES_MAX, REPORT_RECIPIENTS_MAX, TEXT_CHARS_MAX,
};
use yesreply::mail::read::read as read_mail;
use yesreply::mail::render::{Draft, render as render_draft, splice};
use yesreply::mail::reply::{Known, Reading, is_marker, read_agent, read_customer};
use yesreply::mail::{Address, Incoming, MessageId, NameAddr, forward as forwards, html as htmls, text};

/// A target: its name, and what it does with the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const ALL: [Target; 8] = [
    ("read", read),
    ("reply", reply),
    ("report", report),
    ("html", html),
    ("render", render),
    ("address", address),
    ("token", token),
    ("forward", forward),
];

/// Octets of an input that a target looks at.
const INPUT_BYTES_MAX: usize = 1_048_576;

/// The parser of mail may fail; reading catches that, and says so of the mail. Everybody else's panic is a finding.
pub fn expect_panics_of_the_parser() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.location().is_some_and(|at| at.file().contains("/mail-parser-")) {
            before(panic);
        }
    }));
}

fn pieces<const N: usize>(data: &[u8]) -> [String; N] {
    let mut split = data.splitn(N, |b| *b == 0);
    std::array::from_fn(|_| String::from_utf8_lossy(split.next().unwrap_or_default()).into_owned())
}

/// One clean line: nothing that ends a line or turns the direction of what follows.
fn assert_clean(words: &str, what: &str) {
    let bad = words.chars().find(|c| {
        c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    });
    assert!(bad.is_none(), "{what} holds {bad:?}: {words:?}");
}

/// Any bytes are a mail; what it says is bounded and clean; the same bytes say the same.
pub fn read(data: &[u8]) {
    let mail = read_mail(data);
    assert_clean(&mail.subject, "the subject");
    assert!(mail.subject.chars().count() <= 998, "the subject is too long");
    for person in mail.from.iter().chain(&mail.to).chain(&mail.cc).chain(&mail.reply_to).chain(&mail.sender) {
        assert_clean(&person.name, "a name");
        assert_clean(&person.address.to_string(), "an address");
    }
    for list in [&mail.from, &mail.to, &mail.cc, &mail.reply_to] {
        assert!(list.len() <= ADDRESSES_MAX, "{} addresses", list.len());
    }
    for ids in [&mail.in_reply_to, &mail.references] {
        assert!(ids.len() <= REFERENCES_MAX, "{} ids", ids.len());
        ids.iter().for_each(|id| assert_clean(id.as_str(), "an id"));
    }
    assert!(mail.text.len() <= TEXT_CHARS_MAX, "{} octets of text", mail.text.len());
    assert!(!mail.text.contains(['\r', '\0']), "the text has other line ends");
    assert!(mail.attachments.len() <= PARTS_MAX, "{} attachments", mail.attachments.len());
    for part in &mail.attachments {
        assert_clean(&part.name, "a file name");
        assert!(!part.name.contains(['/', '\\']), "a file name has a path: {:?}", part.name);
        assert_clean(&part.media_type, "a media type");
    }
    let again = read_mail(data);
    assert_eq!(fingerprint(&mail), fingerprint(&again), "the same bytes say something else");
}

fn fingerprint(mail: &Incoming) -> String {
    format!("{mail:?}")
}

/// Lines without quote marks and white space, for comparing: a mark of initials (`JD>`) gets a space behind it.
fn bare(line: &str) -> String {
    line.trim_start_matches(['>', ' ']).split_whitespace().collect()
}

/// Every line of `words` stands in the body, as a line or as a piece of one.
fn assert_made_of(words: &str, body: &str, what: &str) {
    let lines: std::collections::HashSet<String> = body.split('\n').map(bare).collect();
    for line in words.split('\n').map(bare).filter(|l| !l.is_empty()) {
        let held = lines.contains(&line) || lines.iter().any(|l| l.contains(&line));
        assert!(held, "{what} has a line that the body has not: {line:?}\n{body}");
    }
}

/// The lines of what is read of a mail, also as they are shown: its HTML, or its text where that has no words.
fn body_of(markup: Option<&str>, plain: &str) -> String {
    match markup.and_then(htmls::parse).filter(|b| b.lines().iter().any(|l| !l.text.is_empty())) {
        Some(body) => {
            let lines = body.lines().iter();
            let shown = lines.flat_map(|l| [Some(l.text.as_str()), l.emphasised.as_deref()]).flatten();
            shown.collect::<Vec<_>>().join("\n")
        }
        None => plain.to_owned(),
    }
}

/// New words are made of the body's lines, for customers and agents; the marker never leaves; the same twice.
pub fn reply(data: &[u8]) {
    let [plain, markup, ours, shared] = pieces::<4>(data.get(..INPUT_BYTES_MAX).unwrap_or(data));
    let plain = text::body(&plain);
    let markup = (!markup.is_empty()).then_some(markup.as_str());
    let (ours, shared) = ([ours.as_str()], [shared.as_str()]);
    let known = Known { ours: &ours, shared: &shared, ..Known::default() };
    let body = body_of(markup, &plain);
    for read in [read_customer as fn(&str, Option<&str>, &Known<'_>) -> Reading, read_agent] {
        let reading = read(&plain, markup, &known);
        assert_eq!(reading, read(&plain, markup, &known), "read twice, two readings");
        assert_made_of(&reading.words, &body, "the new words");
        assert_made_of(&reading.quoted, &body, "the quote");
        assert_made_of(&reading.signature, &body, "the signature");
        for lines in [0, 1, 3, usize::MAX] {
            let (rest, _) = reading.without_leading(lines);
            assert_made_of(&rest, &body, "the words below the commands");
        }
        let cleaned = reading.words_html.as_deref().map(htmls::clean).unwrap_or_default();
        assert_harmless(&cleaned);
    }
    let agent = read_agent(&plain, markup, &known);
    let marked = agent.words.lines().any(is_marker);
    assert!(!marked || !agent.doubtful.is_empty(), "the marker is in an agent's words: {}", agent.words);
}

/// A report names a bounded number of recipients, each once cleaned.
pub fn report(data: &[u8]) {
    let mail = read_mail(data);
    let Some(report) = mail.report else {
        return;
    };
    assert!(report.recipients.len() <= REPORT_RECIPIENTS_MAX, "{} recipients", report.recipients.len());
    for recipient in &report.recipients {
        assert_clean(recipient.recipient.as_deref().unwrap_or_default(), "a recipient");
        assert_clean(recipient.diagnostic.as_deref().unwrap_or_default(), "a diagnostic");
        let status = recipient.status.as_deref().unwrap_or("5.0.0");
        let shape: Vec<&str> = status.split('.').collect();
        let good = shape.len() == 3
            && shape.iter().all(|n| !n.is_empty() && n.len() <= 3 && n.bytes().all(|b| b.is_ascii_digit()));
        assert!(good, "status {status:?}");
    }
}

/// A tag of what a serialiser wrote: name, and attributes with their values.
type Tag = (String, Vec<(String, String)>);

/// The tags of HTML that a serialiser wrote: every `<` outside of quotes begins one.
fn tags(html: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let name: String = after.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        let mut inside = after.get(name.len()..).unwrap_or_default();
        let mut attributes = Vec::new();
        loop {
            inside = inside.trim_start();
            let key: String = inside.chars().take_while(|c| !matches!(c, '=' | '>' | ' ')).collect();
            inside = inside.get(key.len()..).unwrap_or_default();
            match inside.strip_prefix("=\"").and_then(|v| v.split_once('"')) {
                Some((value, after)) => {
                    attributes.push((key.to_ascii_lowercase(), value.to_owned()));
                    inside = after;
                }
                None if !key.is_empty() && inside.starts_with(' ') => {
                    attributes.push((key.to_ascii_lowercase(), String::new()))
                }
                None => break,
            }
        }
        found.push((name.to_ascii_lowercase(), attributes));
        rest = inside;
    }
    found
}

const FORBIDDEN_TAGS: [&str; 29] = [
    "script",
    "style",
    "iframe",
    "object",
    "embed",
    "applet",
    "form",
    "input",
    "button",
    "select",
    "textarea",
    "link",
    "meta",
    "base",
    "svg",
    "math",
    "video",
    "audio",
    "source",
    "track",
    "template",
    "noscript",
    "frame",
    "frameset",
    "title",
    "map",
    "area",
    "plaintext",
    "xmp",
];

fn assert_harmless(html: &str) {
    for (name, attributes) in tags(html) {
        assert!(!FORBIDDEN_TAGS.contains(&name.as_str()), "<{name}> in {html}");
        for (key, value) in attributes {
            let kept = !key.starts_with("on")
                && !["style", "id", "class", "srcset", "background", "action", "formaction", "srcdoc", "ping"]
                    .contains(&key.as_str());
            assert!(kept, "{key}={value} in {html}");
            // as browsers read it: line ends and tabs within are nothing, nor are controls around
            let scheme: String = value.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
            let scheme = scheme.trim_matches(|c: char| c <= ' ').to_ascii_lowercase();
            if key == "src" {
                assert!(scheme.starts_with("cid:"), "src={value} in {html}");
            }
            if key == "href" {
                let good = ["http:", "https:", "mailto:", "tel:", "cid:"].iter().any(|s| scheme.starts_with(s));
                assert!(good, "href={value} in {html}");
            }
        }
    }
}

/// Cleaned HTML holds nothing forbidden, and cleaning it again changes nothing; kept lines are lines that were there.
pub fn html(data: &[u8]) {
    let [markup, flags] = pieces::<2>(data.get(..INPUT_BYTES_MAX).unwrap_or(data));
    let cleaned = htmls::clean(&markup);
    assert_harmless(&cleaned);
    // what is cut into text at the limit grows beyond it
    if cleaned.len() < HTML_BYTES_MAX {
        assert_eq!(htmls::clean(&cleaned), cleaned, "cleaned twice");
    }
    let words = htmls::to_text(&markup);
    assert_eq!(words, htmls::to_text(&markup), "the same HTML, other words");
    assert_harmless(&htmls::from_text(&words));
    if let Some(body) = htmls::parse(&markup) {
        let flags = flags.as_bytes();
        let wanted = |i: usize| flags.get(i % flags.len().max(1)).is_some_and(|b| b & 1 == 1);
        let keep: Vec<bool> = (0..body.lines().len()).map(wanted).collect();
        for quotes in [0, 1] {
            assert_harmless(&htmls::clean(&body.keep_unquoted(&keep, quotes)));
        }
        let none = vec![false; body.lines().len()];
        assert_eq!(body.keep(&none), "", "nothing was to be kept");
    }
}

/// The id of a mail bears a MAC, and so do the boundaries that follow from it: no words can imitate them.
fn unguessable(data: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    format!("c{:016x}.x", hasher.finish())
}

/// Whatever stands in names, subjects and words: a mail that is built has its own fields and parts, and no others.
pub fn render(data: &[u8]) {
    let [name, subject, words, markup, file, media_type] = pieces::<6>(data.get(..INPUT_BYTES_MAX / 8).unwrap_or(data));
    let Some((us, you)) = Address::parse("support@shop.example").zip(Address::parse("jane@customer.example")) else {
        return;
    };
    let draft = Draft {
        from: NameAddr::new(&name, us),
        to: vec![NameAddr::new(&subject, you)],
        cc: Vec::new(),
        reply_to: None,
        subject: subject.clone(),
        message_id: MessageId::from_parts(&unguessable(data), "shop.example"),
        in_reply_to: None,
        references: Vec::new(),
        date_ms: 1_700_000_000_000,
        headers: vec![("Thread-Topic", name.clone())],
        text: words.clone(),
        html: markup,
        parts: vec![yesreply::mail::render::Part {
            name: file,
            media_type,
            content_id: None,
            inline: false,
            blob: "blob".to_owned(),
            size_bytes: 3,
        }],
    };
    let Ok(rendered) = render_draft(&draft) else {
        return;
    };
    assert_eq!(render_draft(&draft).as_ref(), Ok(&rendered), "rendered twice, two mails");
    let Some(whole) = splice(&rendered.bytes, &rendered.splices, |_| Some(b"YWJj".as_slice())) else {
        panic!("a part has no place");
    };
    let header = whole.windows(4).position(|w| w == b"\r\n\r\n").and_then(|end| whole.get(..end)).unwrap_or_default();
    for line in String::from_utf8_lossy(header).split("\r\n").filter(|l| !l.starts_with([' ', '\t'])) {
        let field = line.split(':').next().unwrap_or_default();
        let ours = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Thread-Topic"];
        assert!(ours.contains(&field), "field {field:?} in {}", String::from_utf8_lossy(header));
    }
    assert!(!whole.windows(2).any(|w| w == b"\n\n" || (w[1] == b'\n' && w[0] != b'\r')), "a bare line end");
    let mail = read_mail(&whole);
    // what looks like an encoded word must not be decoded by who reads it; a word longer than a line is cut
    let carried = text::header(&subject);
    if carried.split(' ').all(|word| word.len() <= 900) {
        assert_eq!(mail.subject, carried, "the subject changed");
    }
    assert_eq!(mail.from.len(), 1, "authors: {:?}", mail.from);
    assert_eq!(mail.to.len(), 1, "recipients: {:?}", mail.to);
    assert_eq!(mail.attachments.len(), 1, "attachments");
    // a mail without words in its text part is read from its HTML
    if !bare(&text::body(&words)).is_empty() {
        assert_eq!(bare(&mail.text), bare(&text::body(&words)), "the words changed");
    }
}

/// What is an address is one again when it is written, and is the same; so is an id.
pub fn address(data: &[u8]) {
    let [written, other] = pieces::<2>(data);
    if let Some(address) = Address::parse(&written) {
        let shown = address.to_string();
        assert_clean(&shown, "an address");
        assert_eq!(Address::parse(&shown).as_ref(), Some(&address), "{shown:?} is another address");
        assert!(address.same_exact_agent(&address));
        // letters may grow when they become small, beyond what an address may be long
        assert!(Address::parse(&address.key()).is_none_or(|a| a.key() == address.key()), "{shown:?}");
        assert!(address.domain().ends_with(address.organisational_domain()), "{shown:?}");
        assert!(shown.len() <= 320, "{shown:?}");
        let _ = (address.is_no_reply(), address.is_machine());
        if let Some(other) = Address::parse(&other) {
            assert_eq!(address.same_exact_agent(&other), other.same_exact_agent(&address), "{shown:?} {other}");
            assert!(!address.same_exact_agent(&other) || address.key() == other.key(), "{shown:?} {other}");
        }
        assert_clean(&NameAddr::new(&other, address).name, "a name");
    }
    if let Some(id) = MessageId::parse(&written) {
        assert_eq!(MessageId::parse(id.as_str()).as_ref(), Some(&id), "an id read again is another one");
        assert_eq!(MessageId::scan(id.as_str()), std::slice::from_ref(&id), "an id is not found in itself");
        assert_clean(id.as_str(), "an id");
    }
    for id in MessageId::scan(&written) {
        assert_eq!(MessageId::parse(id.as_str()).as_ref(), Some(&id), "a found id is none");
    }
}

/// Letters that a token may be written with, in the form in which it is minted.
fn canonical(token: &str) -> String {
    let lower = token.to_ascii_lowercase();
    let mut letters = lower.chars();
    let class: String = letters.by_ref().take(1).collect();
    let rest: String = letters
        .map(|c| match c {
            'i' | 'l' => '1',
            'o' => '0',
            other => other,
        })
        .collect();
    class + &rest
}

/// A token is good only if it is one that was minted here, letter for letter; in an address, in an id, and nowhere else.
pub fn token(data: &[u8]) {
    let keys = TokenKeys::new(vec![[7; 32], [9; 32]]);
    let stranger = TokenKeys::new(vec![[8; 32]]);
    let (head, rest) = data.split_at(data.len().min(13));
    let byte = |i: usize| head.get(i).copied().unwrap_or_default();
    let number = (1..9).fold(0u64, |n, i| (n << 8) | u64::from(byte(i)));
    let party = (9..13).fold(0u32, |n, i| (n << 8) | u32::from(byte(i))) & 0x3fff_ffff;
    let classes = [Class::Customer, Class::Agent, Class::Notification, Class::Bounce];
    let class = classes.get(usize::from(byte(0) % 4)).copied().unwrap_or(Class::Bounce);
    let token = Token { class, case: CaseKey(number), party: PartyId(party) };
    for (place, other) in [(Place::Address, Place::MessageId), (Place::MessageId, Place::Address)] {
        let minted = keys.mint(place, token);
        assert_eq!(keys.read(place, &minted), Some(Found::Good(token)), "minted and not good");
        assert_eq!(keys.read(place, &minted.to_ascii_uppercase()), Some(Found::Good(token)), "upper case");
        assert_eq!(keys.read(other, &minted), Some(Found::Forged), "good in the other place");
        assert_eq!(stranger.read(place, &minted), Some(Found::Forged), "good under another key");
        let mut letters = minted.clone().into_bytes();
        for change in rest.chunks_exact(2).take(8) {
            let [at, to] = change else { continue };
            let length = letters.len();
            if let Some(slot) = letters.get_mut(usize::from(*at) % length) {
                *slot = *to;
            }
        }
        for text in [String::from_utf8_lossy(&letters).into_owned(), String::from_utf8_lossy(rest).into_owned()] {
            if let Some(Found::Good(read)) = keys.read(place, &text) {
                let good =
                    [&keys, &TokenKeys::new(vec![[9; 32]])].iter().any(|k| k.mint(place, read) == canonical(&text));
                assert!(good, "{text:?} is good and was never minted");
            }
        }
    }
    let Some(mailbox) = mailbox() else { return };
    let written = String::from_utf8_lossy(rest);
    for text in [
        format!("support+{}@shop.example", keys.mint(Place::Address, token)),
        format!("support+{written}@shop.example"),
    ] {
        if let Some(address) = Address::parse(&text)
            && let Some(Found::Good(read)) = keys.read_address(&address, &[&mailbox])
        {
            assert!(
                canonical(address.local().get(8..).unwrap_or_default()).starts_with(&keys.mint(Place::Address, read)),
                "{text:?}"
            );
        }
    }
    if let Some(id) = MessageId::parse(&written) {
        let _ = keys.read_message_id(&id);
    }
}

fn mailbox() -> Option<Mailbox> {
    Some(Mailbox {
        name: "support".to_owned(),
        address: Address::parse("support@shop.example")?,
        display_name: "Shop Support".to_owned(),
        reply_address: ReplyAddress::Pattern {
            prefix: "support+".to_owned(),
            suffix: String::new(),
            domain: "shop.example".to_owned(),
        },
        reverse_path: ReversePath::Token,
        null_reverse_path: false,
        relay_from: RelayFrom::Mailbox,
        language: "en".to_owned(),
        signature: String::new(),
        time_zone: jiff::tz::TimeZone::UTC,
        probe: Probing { every_ms: None, within_ms: 60_000 },
    })
}

/// A forwarded mail is made of the lines of the mail that held it, and its author stands in it.
pub fn forward(data: &[u8]) {
    let data = data.get(..INPUT_BYTES_MAX).unwrap_or(data);
    let as_body =
        [b"From: anna@agents.example\r\nSubject: Fwd: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", data]
            .concat();
    for raw in [data, as_body.as_slice()] {
        let mail = read_mail(raw);
        let Some(found) = forwards::read(&mail) else {
            continue;
        };
        let again = forwards::read(&mail).map(|f| (f.note, f.attachment, fingerprint(&f.original)));
        let first = (found.note.clone(), found.attachment, fingerprint(&found.original));
        assert_eq!(again, Some(first), "the same mail, another forward");
        let body = body_of(mail.html.as_deref(), &mail.text);
        assert_made_of(&found.note, &body, "the note");
        match found.attachment {
            Some(index) => assert!(index < mail.attachments.len(), "attachment {index}"),
            None => {
                assert_made_of(&found.original.text, &body, "the original");
                let folded = body.to_lowercase();
                for author in &found.original.from {
                    let local = author.address.local().to_lowercase();
                    assert!(folded.contains(&local), "{} stands nowhere in {body}", author.address);
                }
            }
        }
        assert_clean(&found.original.subject, "the original's subject");
        assert!(!found.original.spam && found.original.trace.is_empty(), "a forwarded mail has a verdict");
        assert!(found.original.from.iter().all(|p| !p.address.local().is_empty()));
        assert_harmless(&htmls::clean(found.original.html.as_deref().unwrap_or_default()));
    }
}
