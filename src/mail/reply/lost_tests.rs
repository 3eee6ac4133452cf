//! Tests that no customer's word is lost: letters in which something looks like a quote, a frame or a signature, and
//! is none; and quotes as few clients write them.

use super::*;

fn words(text: &str) -> String {
    read_customer(text, None, &Known::default()).words
}

/// Every line that does not begin with `|` is the author's, in whatever is written round it.
fn none_lost(text: &str) {
    let mail = text.replace('|', "");
    let kept = words(&mail);
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('|')) {
        assert!(kept.lines().any(|k| k.trim() == line), "{line:?} is lost from {mail:?}: {kept:?}");
    }
}

#[test]
fn what_only_sounds_like_a_phone_is_kept() {
    for line in [
        "Sent by post on Monday.",
        "Sent by mail on Monday",
        "Sent via DHL yesterday.",
        "Sent from our warehouse in Hamburg.",
        "Sent from my bank account yesterday",
        "Sent with the invoice 4711",
        "Von meinem Konto abgebucht am 3. März.",
        "Von meinem Handy aus erreichen Sie mich immer.",
        "Von meiner Frau habe ich nichts gehört.",
        "Gesendet von Hermes am Dienstag",
        "Gesendet mit der Post",
        "Envoyé par la poste lundi dernier.",
        "Envoyé avec le colis 4711",
        "Enviado por correo el lunes",
        "Enviado con la factura",
        "Inviato da Milano lunedì",
        "Verzonden met PostNL op maandag",
        "Verstuurd via de post",
        "Skickat med posten i måndags",
        "Sendt med posten mandag",
        "Lähetetty eilen postissa.",
        "Wysłano z magazynu w poniedziałek",
        "Odesláno z pobočky v pondělí",
        "Отправлено с курьером в понедельник",
        "Elküldve tegnap.",
        "Telefonumdan ulaşabilirsiniz",
        "iPhone ist kaputt",
        "Galaxy S24, 256 GB",
        "从我的账户扣款",
        "내 주문번호는 4711",
    ] {
        none_lost(&format!("Hello,\n\n{line}\n"));
        none_lost(&format!("Hello,\n{line}\n\n|On 24 Nov 2026, at 10:00, Anna wrote:\n|> When was it sent?\n"));
    }
}

#[test]
fn a_ruler_parts_words_from_words() {
    for text in [
        "Two things:\n\n---\n\nMy order has not come, and nobody knows where it is.\n\nAnd the lamp is broken.",
        "My order\n---\n3 apples\n2 pears\n1 melon",
        "As you wish.\n\n---\n[1] https://shop.example/order/4711",
        "Please send:\n\n----\n- 3 apples\n- 2 pears",
        "Please send:\n\n---\n1. apples\n2. pears",
    ] {
        none_lost(text);
    }
    let disclaimer = "#close\n\n---\nAnna\nThis mail is for you alone and holds what nobody else may read.";
    assert_eq!(read_agent(disclaimer, None, &Known::default()).words, "#close");
    for text in ["It came.\n\n---\nJane Doe\nBakery of the Moon\n+49 221 4711", "It came.\n---\nJane"] {
        assert_eq!(words(text), "It came.", "{text}");
    }
}

#[test]
fn what_people_say_of_their_own_letters_is_no_frame() {
    for text in [
        "Hello,\nOn 24.11.2026 10:00 I wrote:\nplease cancel my order.\nNobody answered.",
        "Hallo,\nam 24.11.2026 um 10:00 schrieb ich:\nbitte stornieren.\nKeine Antwort.",
        "Hallo,\nop 24-11-2026 om 10:00 schreef ik:\ngraag annuleren.",
        "Hej,\nden 24.11.2026 kl. 10:00 skrev jag:\navboka.",
        "Hello,\nOn 24.11.2026 your colleague wrote:\nyou get your money back.\nWhere is it?",
        "Guten Tag,\n\nam 24.11.2026 schrieb Ihr Kollege:\n\nSie bekommen Ihr Geld.\n\nWo ist es?",
    ] {
        none_lost(text);
    }
    // somebody whose name ends so is somebody else
    assert_eq!(words("Yes.\n\nOn 24 Nov 2026, at 10:00, Joseph Doe III wrote:\n\nIs it?"), "Yes.");
}

#[test]
fn answers_in_a_marked_quote_are_kept_whatever_frames_it() {
    for text in [
        "Hi,\n\n|-----Original Message-----\n|From: Anna <help@shop.example>\n|Sent: Tuesday\n\n|> Did it come?\nNo.\n|> And the lamp?\nBroken.",
        "Hi,\n\n|On Tue, 24 Nov 2026 at 10:00, Anna <help@shop.example> wrote:\n\n|[...]\n|> Did it come?\n\nNo, it did not.",
        "Hi,\n\n|Am 24.11.2026 um 10:00 schrieb Anna:\n|<snip>\n|> Kam es?\nNein.",
        "Hi,\n\n|On 24 Nov 2026 at 10:00, Anna wrote:\n\n|A> Did it come?\n\n|>> It left on Monday.\n\n|A> And the lamp?\n\nBroken.",
        "|Anna wrote:\n\n| > Did it come?\n| > On Mon, 23 Nov 2026 at 10:00, Jane <jane@mail.example> wrote:\n| > > Where is it?\n\nNo.\n\n| > And the lamp?\n\nBroken.",
        "|  >> Did it come?\n|  >> And the lamp?\n\nNo. Broken.",
    ] {
        none_lost(text);
    }
    // a mark of one line may be the author's, an answer in small letters too
    none_lost("Look here:\n > this is my mark\nand so on");
    none_lost(
        "|> Would you like to have the red one or the blue one, both of which are here?\nthe blue one\n|> And where shall we send it, to your home or to the shop?\nmy home",
    );
}

#[test]
fn a_mail_that_is_none_of_ours_is_kept_where_ours_are_known() {
    let mail = |quote: &str| {
        format!(
            "This came today:\n\nFrom: Post <post@mail.example>\nSent: Tuesday\nTo: Jane\nSubject: Parcel\n\n{quote}\n"
        )
    };
    let shared = ["Hello Jane, it left the house on Monday.\nAnna"];
    let known = Known { shared: &shared, ..Known::default() };
    let pasted = mail("Nobody was at home, and so your parcel goes back.");
    assert_eq!(read_customer(&pasted, None, &known).words, pasted.trim_end());
    assert_eq!(read_customer(&pasted, None, &Known::default()).words, "This came today:");
    let ours =
        read_customer(&mail("Hello Jane, it left the house on Monday.\nAnna\nOne more line"), None, &known).words;
    assert_eq!(ours, "This came today:");
}

#[test]
fn quotes_with_other_marks_are_quotes() {
    for quote in [
        " > Hello Jane,\n > it left the house.",
        "A> Hello Jane,\nA> it left the house.",
        "  AS>> Hello Jane,\n  AS>> it left the house.",
        " > Hello Jane,\n >\n > > Where is it?\n >\n > It left the house.",
    ] {
        let text = format!("Thank you!\n\nOn 24 Nov 2026, at 10:00, Anna wrote:\n\n{quote}\n");
        assert_eq!(words(&text), "Thank you!", "{text}");
    }
    let chosen = "Please choose:\n > red\n > blue";
    assert_eq!(read_agent(chosen, None, &Known::default()).words, chosen);
    let indented = "> Hello\n\nYes:\n\n >     four blanks\n >     and four\n\nNo.";
    assert_eq!(words(indented), indented);
}

#[test]
fn what_stood_before_is_announced_by_a_title() {
    for title in
        ["*Previous Replies*", "Vorherige Nachrichten", "Message history:", "Réponses précédentes", "以前の返信"]
    {
        assert_eq!(words(&format!("It came.\n\n---\n{title}\n\nDid the lamp come?\n\nAnna")), "It came.", "{title}");
        none_lost(&format!("It came.\n\n{title}\n\nDid the lamp come?\n\nAnna"));
    }
}

#[test]
fn a_ruler_that_is_glued_to_an_attribution_is_none_of_the_words() {
    let text = "It came--- On Tue, 24 Nov 2026 at 10:00, Anna <help@shop.example> wrote:\n> Did it?";
    assert_eq!(words(text), "It came");
}

#[test]
fn an_attribution_is_one_wherever_it_is_broken() {
    let mut wrong = Vec::new();
    for frame in [
        "On Tue, Nov 24, 2026 at 10:00 AM Anna Shop <help@shop.example> wrote:",
        "Am Di., 24. Nov. 2026 um 10:00 Uhr schrieb Anna Shop <help@shop.example>:",
        "Anna Shop <help@shop.example> schrieb am Di., 24. Nov. 2026 um 10:00 Uhr:",
        "Le mar. 24 nov. 2026 à 10:00, Anna Shop <help@shop.example> a écrit :",
        "El mar, 24 nov 2026 a las 10:00, Anna Shop (<help@shop.example>) escribió:",
        "Il giorno mar 24 nov 2026 alle ore 10:00 Anna Shop <help@shop.example> ha scritto:",
        "Op di 24 nov 2026 om 10:00 schreef Anna Shop <help@shop.example>:",
        "Em ter., 24 de nov. de 2026 às 10:00, Anna Shop <help@shop.example> escreveu:",
        "wt., 24 lis 2026 o 10:00 Anna Shop <help@shop.example> napisał(a):",
        "Den tis 24 nov. 2026 kl 10:00 skrev Anna Shop <help@shop.example>:",
        "ti 24. marrask. 2026 klo 10.00 Anna Shop (help@shop.example) kirjoitti:",
        "út 24. 11. 2026 v 10:00 odesílatel Anna Shop <help@shop.example> napsal:",
        "вт, 24 нояб. 2026 г. в 10:00, Anna Shop <help@shop.example>:",
        "24 Kas 2026 Sal 10:00 tarihinde Anna Shop <help@shop.example> şunu yazdı:",
        "2026年11月24日(火) 10:00 Anna Shop <help@shop.example> のメール:",
    ] {
        // clients break lines that are long
        let breaks = frame.match_indices(' ').map(|(at, _)| at).filter(|at| *at > 20);
        for at in breaks.chain([frame.len()]) {
            let (first, rest) = frame.split_at(at);
            let lines = format!("{first}\n{}", rest.trim_start()).trim_end().to_owned();
            for (gap, quote) in [("\n", "> Hello"), ("\n\n", "> Hello"), ("\n\n", "Hello")] {
                let text = format!("Thank you!\nNothing came.{gap}{lines}\n\n{quote}\n");
                let got = words(&text);
                if got != "Thank you!\nNothing came." {
                    wrong.push(format!("{text:?}: {got:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
