//! Replies as mail clients write them.
//!
//! `tests/data/replies/CLIENT.txt` says how a client writes: `key = value` lines, then `==== headers`, `==== text` and
//! `==== html` with `{words}`, `{below}`, `{quote}` and the relay's own fields to fill in.

use std::collections::BTreeMap;

use crate::letter::{Letter, unique};

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// Where the words of a reply stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Above,
    Below,
    /// Some above, and these below the lines of the customer's that they answer.
    Inline(&'static [(&'static str, &'static str)]),
}

/// How a client writes.
pub struct Client {
    pub name: String,
    how: BTreeMap<String, String>,
    headers: String,
    text: String,
    pub html: String,
}

impl Client {
    pub fn named(name: &str) -> Self {
        let path = format!("{}/tests/data/replies/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let file = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let section = |wanted: &str| {
            let mut all = file.split("==== ").skip(1).map(|s| s.split_once('\n').expect("a section"));
            all.find(|(title, _)| *title == wanted).map(|(_, body)| body.to_owned()).unwrap_or_default()
        };
        let pairs = file.split("==== ").next().unwrap_or_default().lines().filter_map(|l| l.split_once(" = "));
        let how = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Client { name: name.to_owned(), how, headers: section("headers"), text: section("text"), html: section("html") }
    }

    pub fn how(&self, key: &str) -> &str {
        self.how.get(key).map(String::as_str).unwrap_or_default()
    }

    pub fn does(&self, key: &str) -> bool {
        self.how(key) == "yes"
    }

    /// A line as this client's keyboard makes it.
    pub fn typed(&self, line: &str) -> String {
        if !self.does("smart") {
            return line.to_owned();
        }
        line.replace(" \"", " “").replace('"', "”").replace('\'', "’").replace("...", "…").replace(" - ", " – ")
    }

    fn line_of_text(&self, line: &str) -> String {
        let line = self.typed(line);
        let line = match line.strip_prefix("• ") {
            Some(item) => self.how("bullet").replace("{}", item),
            None => line,
        };
        let line = line.replace("[image]", self.how("image"));
        let mut parts = line.split("**");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for (n, part) in parts.enumerate() {
            out.push_str(self.how("bold").split("{}").nth(n % 2).unwrap_or_default());
            out.push_str(part);
        }
        self.how("alters")
            .split(' ')
            .filter_map(|p| p.split_once("->"))
            .fold(out, |out, (from, to)| out.replace(from, to))
    }

    fn words_text(&self, lines: &[&str]) -> String {
        let end = if self.does("double") { "\n\n" } else { "\n" };
        lines.iter().map(|l| self.line_of_text(l)).collect::<Vec<_>>().join(end)
    }

    fn words_html(&self, lines: &[&str], shape: &str) -> String {
        let mut out = String::new();
        for (n, line) in lines.iter().enumerate() {
            let escaped = escaped(&self.typed(line));
            let mut parts = escaped.split("**");
            let mut inner = parts.next().unwrap_or_default().to_owned();
            for (n, part) in parts.enumerate() {
                inner.push_str(if n % 2 == 0 { "<b>" } else { "</b>" });
                inner.push_str(part);
            }
            let inner = inner
                .replace("[image]", &format!("<img src=\"cid:{}\" alt=\"image.png\" width=\"1\">", self.how("cid")));
            let shaped = match inner.strip_prefix("• ") {
                Some(item) => self.how("item").replace("{}", item),
                None if line.is_empty() => self.how("empty").to_owned(),
                None if n == 0 && !self.how("first").is_empty() => self.how("first").replace("{}", &inner),
                None => shape.replace("{}", &inner),
            };
            out.push_str(&shaped);
            out.push('\n');
        }
        out.replace("</ul>\n<ul>", "\n")
    }

    /// The relay's text as this client quotes it.
    fn quote_text(&self, relay: &Letter, place: Place) -> String {
        let mark = self.how("mark");
        let mut out = Vec::new();
        for line in relay.text().trim_end().lines() {
            let marked = format!("{mark}{line}");
            out.push(if mark.trim_end() == mark { marked } else { marked.trim_end().to_owned() });
            if let Place::Inline(answers) = place
                && let Some((_, answer)) = answers.iter().find(|(target, _)| *target == line)
            {
                out.push(format!("\n{}\n", self.line_of_text(answer)));
            }
        }
        out.join("\n")
    }

    /// The relay's HTML as this client quotes it.
    fn quote_html(&self, relay: &Letter, place: Place) -> String {
        let html = relay.html();
        let inner =
            html.split_once("<body").and_then(|(_, rest)| rest.split_once('>')).map_or(html.as_str(), |(_, i)| i);
        let mut inner = inner.split("</body>").next().unwrap_or_default().to_owned();
        if let Place::Inline(answers) = place {
            for (target, answer) in answers {
                let said = self.words_html(&["", answer], self.how("line"));
                inner = inner.replacen(
                    &format!("{target}<br>"),
                    &format!("{target}<br>{}{said}{}", self.how("leaves_quote"), self.how("enters_quote")),
                    1,
                );
            }
        }
        for rewrite in ["rewrites", "rewrites_too"] {
            if let Some((from, to)) = self.how(rewrite).split_once(" -> ") {
                inner = inner.replace(from, to);
            }
        }
        inner
    }

    /// The whole reply.
    pub fn replies(&self, relay: &Letter, lines: &[&str], place: Place) -> Vec<u8> {
        let name = relay.field("From").split('<').next().unwrap_or_default().trim().trim_matches('"').to_owned();
        let fill = |template: &str, words: &str, quote: &str| {
            let (above, below) = if place == Place::Below { ("", words) } else { (words, "") };
            template
                .replace("{quote}", quote)
                .replace("{below}", below)
                .replace("{words}", above)
                .replace("{name}", &name)
                .replace("{address}", "support@shop.example")
                .replace("{tokened}", &relay.reply_to())
                .replace("{subject}", &relay.subject())
                .replace("{id}", relay.message_id().trim_matches(['<', '>']))
                .replace("{references}", format!("{} {}", relay.field("References"), relay.message_id()).trim())
                .replace("{unique}", &unique())
        };
        let text = fill(&self.text, &self.words_text(lines), &self.quote_text(relay, place));
        let html = fill(&self.html, &self.words_html(lines, self.how("line")), &self.quote_html(relay, place));
        let text = if self.does("flowed") { flowed(&text) } else { text };
        let html = if self.does("folded") { folded(&html) } else { html };
        let image = lines.iter().any(|l| l.contains("[image]"));
        let headers = fill(&self.headers, "", "");
        format!("{}\n{}", headers.trim_end(), self.body(&text, &html, image)).replace('\n', "\r\n").into_bytes()
    }

    /// Content-Type and what follows it.
    fn body(&self, text: &str, html: &str, image: bool) -> String {
        let boundary = |n: &str| self.how("boundary").replace("{}", n);
        let of_text = self.part(self.how("text_type"), text);
        if html.is_empty() {
            return of_text;
        }
        let of_html = self.part("text/html; charset=\"utf-8\"", html);
        if !image {
            return multipart("alternative", &boundary("1"), &[of_text, of_html]);
        }
        let cid = self.how("cid");
        let picture = format!(
            "Content-Type: image/png; name=\"image.png\"\nContent-Disposition: inline; filename=\"image.png\"\n\
             Content-Transfer-Encoding: base64\nContent-ID: <{cid}>\n\n{PNG}\n"
        );
        if self.does("related_outside") {
            let inside = multipart("alternative", &boundary("1"), &[of_text, of_html]);
            multipart("related", &boundary("2"), &[inside, picture])
        } else {
            let inside = multipart("related", &boundary("2"), &[of_html, picture]);
            multipart("alternative", &boundary("1"), &[of_text, inside])
        }
    }

    fn part(&self, kind: &str, content: &str) -> String {
        let encoding = self.how("encoding");
        let encoded = match encoding {
            "base64" => {
                let all = data_encoding::BASE64.encode(content.replace('\n', "\r\n").as_bytes());
                all.as_bytes().chunks(76).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n")
            }
            "quoted-printable" => content.lines().map(quoted_printable).collect::<Vec<_>>().join("\n"),
            _ => content.to_owned(),
        };
        format!("Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n{encoded}\n")
    }
}

fn multipart(kind: &str, boundary: &str, parts: &[String]) -> String {
    let parts: String = parts.iter().map(|p| format!("--{boundary}\n{p}\n")).collect();
    format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"\n\n{parts}--{boundary}--\n")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\u{a0}', "&nbsp;")
}

/// Quoted-printable, soft line ends and all.
fn quoted_printable(line: &str) -> String {
    let (mut out, mut width) = (String::new(), 0);
    let last = line.len().saturating_sub(1);
    for (at, byte) in line.bytes().enumerate() {
        let plain = (33..=126).contains(&byte) && byte != b'=' || byte == b' ' && at < last;
        let piece = if plain { char::from(byte).to_string() } else { format!("={byte:02X}") };
        if width + piece.len() > 75 {
            out.push_str("=\n");
            width = 0;
        }
        width += piece.len();
        out.push_str(&piece);
    }
    out
}

/// `format=flowed`: soft line ends and stuffed spaces.
fn flowed(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let marks: String = line.chars().take_while(|c| *c == '>').collect();
        let rest = line.strip_prefix(&marks).unwrap_or_default();
        let rest = if marks.is_empty() && (rest.starts_with(' ') || rest.starts_with("From ")) {
            format!(" {rest}")
        } else {
            rest.to_owned()
        };
        let mut width = 0;
        out.push_str(&marks);
        for word in rest.split_inclusive(' ') {
            if width + word.len() > 72 && width > 1 {
                out.push('\n');
                out.push_str(&marks);
                if !marks.is_empty() {
                    out.push(' ');
                }
                width = 0;
            }
            width += word.len();
            out.push_str(word);
        }
        out.push('\n');
    }
    out
}

/// Source lines of at most some 76 characters, as editors of HTML write them.
fn folded(html: &str) -> String {
    let mut out = String::new();
    for line in html.lines() {
        let mut width = 0;
        for word in line.split_inclusive(' ') {
            if width + word.len() > 76 && width > 0 {
                out.truncate(out.trim_end_matches(' ').len());
                out.push_str("\n  ");
                width = 2;
            }
            width += word.len();
            out.push_str(word);
        }
        out.push('\n');
    }
    out
}

/// The text that a person sees of HTML.
pub fn seen(html: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                out.push('\u{1}');
            }
            _ if !inside => out.push(c),
            _ => {}
        }
    }
    let out = out.replace('\u{1}', " ").replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">");
    words(&out.replace("&quot;", "\"").replace("&#39;", "'").replace("&#x27;", "'").replace("&amp;", "&"))
}

/// Words with one space between them, and none before a full stop, for tags stand as spaces; no bullets.
pub fn words(text: &str) -> String {
    let text = text.replace('\u{a0}', " ");
    let all = text.split_whitespace().filter(|word| !matches!(*word, "-" | "*" | "•" | "·"));
    let all = all.collect::<Vec<_>>().join(" ");
    [".", ",", ":", "?", "!"].iter().fold(all, |all, mark| all.replace(&format!(" {mark}"), mark))
}
