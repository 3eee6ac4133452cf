//! In which language people write.
//!
//! Decides   the language of words, among those in which the desk has letters.
//! Never     guesses: of few words, or where two languages are as likely, it says nothing.

use whatlang::{Detector, Lang};

/// Characters of the words that are looked at.
const CHARS_MAX: usize = 2_000;
/// Letters below which words say nothing.
const LETTERS_MIN: usize = 24;
/// How sure the detector must be, 0 to 1.
const CONFIDENCE_MIN: f64 = 0.5;

/// The languages of letters (RFC 5646), English first.
pub const LANGUAGES: [&str; 5] = ["en", "nl", "de", "fr", "es"];

/// Languages that are told apart; with all of the world's, a sentence of Dutch is as well Afrikaans.
const OF_EUROPE: [Lang; 19] = [
    Lang::Eng,
    Lang::Nld,
    Lang::Deu,
    Lang::Fra,
    Lang::Spa,
    Lang::Ita,
    Lang::Por,
    Lang::Pol,
    Lang::Ces,
    Lang::Swe,
    Lang::Dan,
    Lang::Nob,
    Lang::Fin,
    Lang::Hun,
    Lang::Tur,
    Lang::Ron,
    Lang::Rus,
    Lang::Ukr,
    Lang::Ell,
];

/// The language of these words; `None` where nobody can tell, or where the desk has no letters in it.
#[must_use]
pub fn of(words: &str) -> Option<&'static str> {
    let own: String = words.lines().filter(|l| !l.starts_with('>')).collect::<Vec<_>>().join("\n");
    let words: String = own.chars().take(CHARS_MAX).collect();
    if words.chars().filter(|c| c.is_alphabetic()).count() < LETTERS_MIN {
        return None;
    }
    let found = Detector::with_allowlist(OF_EUROPE.to_vec()).detect(&words)?;
    let language = match found.lang() {
        Lang::Eng => "en",
        Lang::Nld => "nl",
        Lang::Deu => "de",
        Lang::Fra => "fr",
        Lang::Spa => "es",
        _ => return None,
    };
    (found.confidence() >= CONFIDENCE_MIN).then_some(language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_or_two_are_enough() {
        for (words, language) in [
            ("Hello, my parcel has not arrived yet. Could you please look where it is?", "en"),
            ("Goedemiddag, mijn pakket is nog niet aangekomen. Kunt u kijken waar het is?", "nl"),
            ("Guten Tag, mein Paket ist noch nicht angekommen. Können Sie bitte nachsehen, wo es ist?", "de"),
            ("Bonjour, mon colis n'est pas encore arrivé. Pouvez-vous regarder où il se trouve ?", "fr"),
            (
                "Hola, hice un pedido la semana pasada y todavía no ha llegado. ¿Pueden mirar qué ha pasado? Muchas gracias.",
                "es",
            ),
        ] {
            assert_eq!(of(words), Some(language), "{words}");
        }
    }

    #[test]
    fn what_nobody_can_tell_is_nothing() {
        for words in [
            "",
            "ok",
            "4711 4712 4713",
            "> Guten Tag, mein Paket ist noch nicht angekommen.",
            "Dzień dobry, gdzie jest moja paczka? Czekam już tydzień.",
        ] {
            assert_eq!(of(words), None, "{words}");
        }
    }
}
