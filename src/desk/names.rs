//! Names that look like what they are not.
//!
//! Decides   whether the agents are warned of a name: letters of two alphabets in one word, or a name that looks like
//!           an agent's or the desk's and is another.
//! Follows   UTS #39 sections 4 and 5 (skeletons, mixed scripts); reliability T14.
//! Never     doubts a name for its alphabet: a word in one alphabet is honest, several words may have several, and
//!           Chinese, Japanese and Korean stand with Latin letters in one word.

use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::{MixedScript, skeleton};

use crate::mail::text::fold;

use super::policy::Policy;

/// What is odd about a name, in words, if anything is.
#[must_use]
pub fn doubt(policy: &Policy, name: &str) -> Option<String> {
    // what is written in ASCII can be read as it stands
    if name.is_ascii() {
        return None;
    }
    let agents = policy.agents.values().flat_map(|a| [a.display_name.as_str(), a.public_name.as_str()]);
    let ours = agents.chain(policy.mailboxes.values().map(|m| m.display_name.as_str()));
    if let Some(like) = ours.filter(|ours| !ours.is_empty()).find(|ours| is_like(name, ours)) {
        return Some(format!("the name {name} looks like {like} and is written with other letters"));
    }
    let word = name.split(|c: char| !c.is_alphabetic()).find(|word| is_mixed(word))?;
    Some(format!("in the name {name}, {word} is written with letters of more than one alphabet"))
}

fn is_like(name: &str, ours: &str) -> bool {
    let looks = |text: &str| skeleton(&fold(text)).collect::<String>();
    let [name_lower, ours_lower] = [name, ours].map(|text| fold(text).to_lowercase());
    name_lower != ours_lower && (looks(name) == looks(ours) || looks(&name_lower) == looks(&ours_lower))
}

fn is_mixed(word: &str) -> bool {
    let of_the_far_east = |c: char| {
        let set = AugmentedScriptSet::for_char(c);
        !set.is_all() && (set.hanb || set.jpan || set.kore)
    };
    let rest: String = word.chars().filter(|c| !of_the_far_east(*c)).collect();
    !rest.as_str().is_single_script()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_two_alphabets_are_mixed_and_honest_ones_are_not() {
        // a Cyrillic A in a Latin word, a Latin a in a Cyrillic one, a Greek omicron
        for name in ["Аnna", "Ивaн", "Bοb"] {
            assert!(is_mixed(name), "{name}");
        }
        for name in [
            "Иван",
            "Ольга",
            "Γιώργος",
            "Αθηνά",
            "山田太郎",
            "やまだ",
            "ヤマダー",
            "김철수",
            "T시장",
            "Aさん",
            "José",
            "Łukasz",
            "Đặng",
            "יעל",
            "محمد",
            "प्रिया",
            "สมชาย",
            "Հայկ",
            "ნინო",
            "Ærø",
            "O’Neill",
        ] {
            for word in name.split(|c: char| !c.is_alphabetic()) {
                assert!(!is_mixed(word), "{name}");
            }
        }
    }

    #[test]
    fn a_name_that_is_the_same_is_not_like_it() {
        assert!(is_like("Аnna", "Anna"), "a Cyrillic A");
        assert!(is_like("Ａｎｎａ", "Anna"), "letters of full width");
        for name in ["Anna", "ANNA", "Ánna", "Анна", "Hanna"] {
            assert!(!is_like(name, "Anna"), "{name}");
        }
    }
}
