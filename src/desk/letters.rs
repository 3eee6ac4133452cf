//! Every text that the desk writes.
//!
//! Decides   which words stand round what people wrote, as text and as HTML.
//! Follows   templates of minijinja: built in, or an operator's; people's words are data, never template source.
//! Never     fails: an operator's letter that cannot be rendered gives way to the built-in one.

mod translated;

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::{AutoEscape, Environment, Value, context};

use crate::mail::reply::MARKER;

use translated::TRANSLATED;

/// A letter as text and as HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Text body.
    pub text: String,
    /// HTML body.
    pub html: String,
}

/// The letters there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letter {
    /// Acknowledgement with the customer's own words (R51).
    Acknowledge,
    /// Acknowledgement without a word of anybody (R51).
    AcknowledgeConstant,
    /// An agent's answer to a customer.
    Answer,
    /// A customer's mail to an agent.
    Relay,
    /// A line to an agent: what was done.
    Confirm,
    /// An agent's own words back, with the reason why nothing was sent.
    Returned,
    /// A delivery failed.
    Failure,
    /// Old mail was taken in (R91).
    Summary,
    /// Old cases that nobody was told of (R90).
    Untold,
    /// An agent is welcomed (R23).
    Welcome,
    /// What was put aside (R34).
    Digest,
    /// What was not relayed one by one (R60).
    Overload,
    /// The words that a customer can answer with, below an application's mail.
    Actions,
    /// What a customer chose was passed on, or what the application says to it.
    PassedOn,
    /// To the owner of an application: nothing goes to an address any more, or somebody complained (R64).
    Report,
    /// A probe failed, or passes again (R95).
    Probe,
}

impl Letter {
    fn name(self) -> &'static str {
        match self {
            Letter::Acknowledge => "acknowledge",
            Letter::AcknowledgeConstant => "acknowledge_constant",
            Letter::Answer => "answer",
            Letter::Relay => "relay",
            Letter::Confirm => "confirm",
            Letter::Returned => "returned",
            Letter::Failure => "failure",
            Letter::Summary => "summary",
            Letter::Untold => "untold",
            Letter::Welcome => "welcome",
            Letter::Digest => "digest",
            Letter::Overload => "overload",
            Letter::Actions => "actions",
            Letter::PassedOn => "passed_on",
            Letter::Report => "report",
            Letter::Probe => "probe",
        }
    }
}

/// File name and content of the letters in the binary.
const BUILTIN: [(&str, &str); 35] = [
    ("acknowledge.txt", include_str!("../../config/letters/acknowledge.txt")),
    ("acknowledge.html", include_str!("../../config/letters/acknowledge.html")),
    ("acknowledge_constant.subject", include_str!("../../config/letters/acknowledge_constant.subject")),
    ("acknowledge_constant.txt", include_str!("../../config/letters/acknowledge_constant.txt")),
    ("acknowledge_constant.html", include_str!("../../config/letters/acknowledge_constant.html")),
    ("first_mail.subject", include_str!("../../config/letters/first_mail.subject")),
    ("answer.txt", include_str!("../../config/letters/answer.txt")),
    ("answer.html", include_str!("../../config/letters/answer.html")),
    ("relay.txt", include_str!("../../config/letters/relay.txt")),
    ("relay.html", include_str!("../../config/letters/relay.html")),
    ("confirm.txt", include_str!("../../config/letters/confirm.txt")),
    ("confirm.html", include_str!("../../config/letters/confirm.html")),
    ("returned.txt", include_str!("../../config/letters/returned.txt")),
    ("returned.html", include_str!("../../config/letters/returned.html")),
    ("failure.txt", include_str!("../../config/letters/failure.txt")),
    ("failure.html", include_str!("../../config/letters/failure.html")),
    ("just_reply.txt", include_str!("../../config/letters/just_reply.txt")),
    ("summary.txt", include_str!("../../config/letters/summary.txt")),
    ("summary.html", include_str!("../../config/letters/summary.html")),
    ("untold.txt", include_str!("../../config/letters/untold.txt")),
    ("untold.html", include_str!("../../config/letters/untold.html")),
    ("welcome.txt", include_str!("../../config/letters/welcome.txt")),
    ("welcome.html", include_str!("../../config/letters/welcome.html")),
    ("digest.txt", include_str!("../../config/letters/digest.txt")),
    ("digest.html", include_str!("../../config/letters/digest.html")),
    ("overload.txt", include_str!("../../config/letters/overload.txt")),
    ("overload.html", include_str!("../../config/letters/overload.html")),
    ("actions.txt", include_str!("../../config/letters/actions.txt")),
    ("actions.html", include_str!("../../config/letters/actions.html")),
    ("passed_on.txt", include_str!("../../config/letters/passed_on.txt")),
    ("passed_on.html", include_str!("../../config/letters/passed_on.html")),
    ("report.txt", include_str!("../../config/letters/report.txt")),
    ("report.html", include_str!("../../config/letters/report.html")),
    ("probe.txt", include_str!("../../config/letters/probe.txt")),
    ("probe.html", include_str!("../../config/letters/probe.html")),
];

/// Steps that a letter may take; a loop in an operator's template ends here.
const FUEL: u64 = 2_000_000;

/// The letters, compiled.
#[derive(Debug, Clone)]
pub struct Letters {
    builtin: Arc<Environment<'static>>,
    own: Arc<Environment<'static>>,
}

impl Letters {
    /// The letters in the binary.
    #[must_use]
    pub fn builtin() -> Self {
        let mut builtin = environment();
        for (name, source) in BUILTIN.into_iter().chain(TRANSLATED) {
            // A built-in letter that does not compile is found by the test below.
            let _ = builtin.add_template(name, source);
        }
        Letters { builtin: Arc::new(builtin), own: Arc::new(environment()) }
    }

    /// The built-in letters, some of them replaced by an operator's files (name of file → content).
    ///
    /// # Errors
    /// Names the file that is no letter, or whose template does not compile, and why.
    pub fn with_folder_files(files: BTreeMap<String, String>) -> Result<Self, String> {
        let mut own = environment();
        for (name, source) in files {
            if template_name(&name).is_none() && !BUILTIN.iter().chain(&TRANSLATED).any(|(known, _)| *known == name) {
                let known: Vec<&str> = BUILTIN.iter().map(|(known, _)| *known).collect();
                return Err(format!(
                    "letter {name}: no letter has this name; letters are {}, and template.NAME.txt for #template",
                    known.join(", ")
                ));
            }
            own.add_template_owned(name.clone(), source).map_err(|e| format!("letter {name}: {e}"))?;
        }
        Ok(Letters { own: Arc::new(own), ..Self::builtin() })
    }

    /// Renders every letter with a sample; one sentence for each operator's letter that fails.
    #[must_use]
    pub fn check_samples(&self) -> Vec<String> {
        let sample = sample();
        self.own
            .templates()
            .filter_map(|(name, template)| template.render(&sample).err().map(|e| format!("letter {name}: {e}")))
            .collect()
    }

    /// Names of the operator's texts for `#template`: files `template.NAME.txt` in the folder.
    #[must_use]
    pub fn template_names(&self) -> Vec<String> {
        let names = self.own.templates().filter_map(|(file, _)| template_name(file).map(str::to_owned));
        names.collect()
    }

    /// One of them, with its values; empty if there is none.
    #[must_use]
    pub fn template(&self, name: &str, values: &Value) -> String {
        let file = self
            .own
            .templates()
            .map(|(file, _)| file)
            .find(|f| template_name(f).is_some_and(|n| n.eq_ignore_ascii_case(name)));
        file.map(|file| self.one(file, values)).unwrap_or_default()
    }

    /// A letter with its values.
    #[must_use]
    pub fn write(&self, letter: Letter, values: &Value) -> Written {
        Written {
            text: self.one(&format!("{}.txt", letter.name()), values),
            html: self.one(&format!("{}.html", letter.name()), values),
        }
    }

    /// A letter to a customer in this language, as far as there is one (RFC 5646).
    #[must_use]
    pub fn write_in(&self, language: &str, letter: Letter, values: &Value) -> Written {
        Written {
            text: self.one_in(language, letter.name(), "txt", values),
            html: self.one_in(language, letter.name(), "html", values),
        }
    }

    /// What stands where an application told not to answer (R70).
    #[must_use]
    pub fn just_reply(&self, language: &str) -> String {
        self.one_in(language, "just_reply", "txt", &context! {}).trim().to_owned()
    }

    /// Subject of the constant acknowledgement.
    #[must_use]
    pub fn constant_subject(&self, language: &str, reference: i64) -> String {
        self.one_in(language, "acknowledge_constant", "subject", &context! { reference }).trim().to_owned()
    }

    /// Subject of an agent's first mail that names none (R45).
    #[must_use]
    pub fn first_subject(&self, language: &str, desk: &str) -> String {
        self.one_in(language, "first_mail", "subject", &context! { desk }).trim().to_owned()
    }

    /// The operator's letter in this language, else the operator's; the built-in one in this language, else in English.
    fn one_in(&self, language: &str, name: &str, kind: &str, values: &Value) -> String {
        let names = [format!("{name}.{language}.{kind}"), format!("{name}.{kind}")];
        let tried = [&self.own, &self.builtin].into_iter().flat_map(|all| names.iter().map(move |name| (all, name)));
        let mut found = tried.filter_map(|(all, name)| all.get_template(name).ok()?.render(values).ok());
        found.next().unwrap_or_default()
    }

    fn one(&self, name: &str, values: &Value) -> String {
        [&self.own, &self.builtin]
            .into_iter()
            .find_map(|environment| environment.get_template(name).ok()?.render(values).ok())
            .unwrap_or_default()
    }
}

/// `refund` of `template.refund.txt`
fn template_name(file: &str) -> Option<&str> {
    file.strip_prefix("template.")?.strip_suffix(".txt").filter(|name| !name.is_empty())
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(
        |name| {
            if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
        },
    );
    environment.set_fuel(Some(FUEL));
    environment.add_global("marker", MARKER);
    environment
}

fn sample() -> Value {
    context! {
        reference => 1001, desk => "Shop Support", quoted => "> Hello", words => "Hello", words_html => "<p>Hello</p>",
        customer => "Jane", agent => "Anna", subject => "Lamp", signature => "Shop Support", seen => "Ben: hello",
        offers => ["cancel"], lines => ["a line"],
        does => "Your reply goes to Jane", warnings => ["careful"], attachments => ["a.pdf"], marker => "marker",
        facts => [context! { label => "From", value => "Jane" }],
        history => [context! { at => "2026-01-01 10:00", who => "Jane", text => "Hello" }],
        tokened => "support@shop.example", subject_encoded => "x",
        context => [context! { label => "order", value => "123" }],
        line => "done", name => "Anna", reason => "A reason.", remedy => "A remedy.", recipient => "jane@mail.example",
        actions => [context! { word => "cancel", label => "Cancel the whole order", link => "mailto:support@shop.example" }],
        answer => "", label => "Cancel the whole order", word => "cancel", application => "shop",
        diagnostic => "550 no such user", status => "5.1.1", count => 3, more => 1,
        held => [context! { reference => 1001, at => "2026-01-01 10:00", detail => "a reason" }],
        spam => [context! { reference => 1002, at => "2026-01-01 10:00", detail => "x@mail.example: Win" }],
        cases => [context! {
            reference => 1004, at => "2026-01-01 10:00", detail => "z@mail.example: Lamp", owner => "anna",
            tokened => "support@shop.example", subject_encoded => "x",
        }],
        limit => [context! { reference => 1003, at => "2026-01-01 10:00", detail => "y@mail.example: Again" }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Letter; 16] = [
        Letter::Acknowledge,
        Letter::AcknowledgeConstant,
        Letter::Answer,
        Letter::Relay,
        Letter::Confirm,
        Letter::Returned,
        Letter::Failure,
        Letter::Summary,
        Letter::Untold,
        Letter::Welcome,
        Letter::Digest,
        Letter::Overload,
        Letter::Actions,
        Letter::PassedOn,
        Letter::Report,
        Letter::Probe,
    ];

    #[test]
    fn every_letter_renders_as_text_and_as_html() {
        let letters = Letters::builtin();
        for letter in ALL {
            let written = letters.write(letter, &sample());
            assert!(!written.text.trim().is_empty(), "{letter:?}");
            assert!(written.html.contains('<'), "{letter:?}");
        }
        assert_eq!(letters.constant_subject("en", 1001), "We have your message [#1001]");
    }

    #[test]
    fn letters_to_customers_come_in_their_language() {
        let letters = Letters::builtin();
        for language in crate::mail::language::LANGUAGES {
            for letter in [Letter::Acknowledge, Letter::AcknowledgeConstant] {
                let written = letters.write_in(language, letter, &sample());
                assert!(written.text.contains("1001") && written.html.contains("1001"), "{language} {letter:?}");
                let english = letters.write(letter, &sample());
                assert_eq!(written == english, language == "en", "{language} {letter:?}");
            }
            assert!(letters.constant_subject(language, 1001).contains("[#1001]"), "{language}");
            assert!(!letters.just_reply(language).is_empty(), "{language}");
            let first = letters.first_subject(language, "Shop Support");
            assert!(first.ends_with(" Shop Support"), "{language}");
            assert_eq!(first == "A message from Shop Support", language == "en", "{language}");
        }
        assert_eq!(letters.just_reply("pl"), letters.just_reply("en"));
        let files = BTreeMap::from([("just_reply.txt".to_owned(), "Write back.".to_owned())]);
        let own = Letters::with_folder_files(files).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(own.just_reply("de"), "Write back.", "an operator's words go before ours in any language");
    }

    #[test]
    fn peoples_words_are_data() {
        let letters = Letters::builtin();
        let words = "{{ 7*7 }} <script>alert(1)</script>";
        let written = letters.write(Letter::Confirm, &context! { line => words, words => words });
        assert!(written.text.contains("{{ 7*7 }}"));
        assert!(!written.html.contains("<script>"));
    }

    #[test]
    fn an_operators_broken_letter_gives_way_to_the_built_in_one() {
        let files = BTreeMap::from([("confirm.txt".to_owned(), "{{ line.no.such.thing }}".to_owned())]);
        let letters = Letters::with_folder_files(files).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(letters.check_samples().len(), 1);
        let written = letters.write(Letter::Confirm, &context! { line => "done" });
        assert!(written.text.contains("done"));
    }

    #[test]
    fn an_unknown_letter_is_refused_by_name() {
        let files = BTreeMap::from([("aknowledge.txt".to_owned(), String::new())]);
        assert!(Letters::with_folder_files(files).is_err_and(|e| e.contains("aknowledge.txt")));
    }
}
