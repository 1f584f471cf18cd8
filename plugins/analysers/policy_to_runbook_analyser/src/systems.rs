//! The systems that a sentence names without any list: by the word that says what they are (`our booking database`), and by
//! a name that stands beside one or where something is said to be kept (`kept in Arthur`).

mod doers;
mod kinds;
mod names;
mod paper;

use crate::text::Sentence;
use crate::vocabulary::{FOR_US, GERMAN, NO_NAMES, OWNED, PLACES};
use crate::words::any;

/// Most words of a name, beside the word that says what it is.
const MAX_MORE: usize = 3;

/// A word of a sentence.
struct Word<'s> {
    text: &'s str,
    lower: String,
    /// Something ends with it: a comma or the like follows.
    ends: bool,
    /// It is a comma that follows.
    comma: bool,
    /// A quotation mark or a bracket stands before.
    opens: bool,
    /// A quotation mark does.
    quotes: bool,
    /// One stands behind.
    closes: bool,
}

impl Word<'_> {
    fn is(&self, words: &[&str]) -> bool {
        words.contains(&self.lower.as_str())
    }
}

/// What a sentence says of where things are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Where {
    /// Nothing that is known.
    Unsaid,
    /// Nothing, in a sentence that says what is so.
    Said,
    /// It says that something is kept or done.
    Kept,
    /// It stands where a policy says where things are kept.
    Listed,
}

/// What a sentence calls systems. `own` are the words, in lower case, by which the author is called: they alone name no system.
pub(crate) fn called(sentence: &Sentence, place: Where, own: &[String]) -> Vec<String> {
    let text = sentence.text.replace("« ", "«").replace(" »", "»");
    let words = words(&text);
    let is_german = words.iter().any(|word| word.is(GERMAN));
    let works_for_us = [&sentence.lower, &sentence.context, &sentence.intro].into_iter().any(|text| any(text, FOR_US));
    let mut found: Vec<String> = Vec::new();
    let mut add = |name: String| {
        // Of a name within another one the longer stays.
        if !name.is_empty() && !found.iter().any(|known| known.contains(&name)) {
            found.retain(|known| !name.contains(known));
            found.push(name);
        }
    };
    let mut past = 0;
    for at in 0..words.len() {
        if at < past {
            continue;
        }
        if let Some((first, end)) = kinds::kind(&words, at, place) {
            let is_owned = first.checked_sub(1).is_some_and(|before| words[before].is(OWNED));
            let (name, to) = names::with_name(&words, first, end, is_german);
            // German joins words to many that only look like systems.
            let is_said = place >= Where::Kept || place == Where::Said && (!is_german || kinds::is_in(&words, first));
            if is_said || is_owned || to > end || kinds::is_kept_itself(&words, first, end) {
                add(match kinds::adjective(&words, first).filter(|_| is_german) {
                    Some(adjective) => format!("{adjective} {name}"),
                    None => name,
                });
            }
            past = to;
        } else if let Some(end) = names::kept_in(&words, at, place, is_german)
            .or_else(|| names::introduced(&words, at, place))
            .or_else(|| names::holding(&words, at, place))
            .or_else(|| names::apposed(&words, at, place, is_german))
            .or_else(|| doers::put_to_use(&words, at).filter(|_| is_german))
            .or_else(|| doers::doing(&words, at, place, works_for_us).filter(|_| !is_german))
        {
            if !words[at..end].iter().all(|word| own.contains(&word.lower)) {
                add(joined(&words, at, end));
            }
            past = end;
            if let Some((first, last)) = names::and_another(&words, end, is_german) {
                add(joined(&words, first, last));
                past = last;
            }
        }
    }
    // What is in a cabinet is told by that.
    if found.is_empty() {
        found.extend(paper::on_paper(&words, place));
    }
    found
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words: Vec<Word<'_>> = Vec::new();
    for raw in text.split_whitespace() {
        if !raw.contains(char::is_alphanumeric) {
            // A dash ends something, too.
            words.last_mut().into_iter().for_each(|last| last.ends = true);
            continue;
        }
        let from_first = raw.trim_start_matches(|c: char| !c.is_alphanumeric());
        let text = from_first.trim_end_matches(|c: char| !c.is_alphanumeric());
        words.push(Word {
            text,
            lower: text.to_lowercase(),
            ends: from_first.ends_with([',', ';', ':', '.', ')', '–', '|', '”', '"', '“', '»', '?', '!']),
            comma: from_first.ends_with(','),
            opens: raw.starts_with(['(', '"', '“', '„', '«', '»']),
            quotes: raw.starts_with(['"', '“', '„', '«', '»']),
            closes: from_first.trim_end_matches([',', '.', ';', ':', ')']).ends_with(['"', '”', '“', '»', '«']),
        });
    }
    words
}

/// Whether a text names nothing but a place.
pub(crate) fn is_place(text: &str) -> bool {
    words(text).iter().all(|word| PLACES.contains(&word.text) || NO_NAMES.contains(&word.text))
}

fn joined(words: &[Word<'_>], from: usize, to: usize) -> String {
    words[from..to].iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::Where;
    use crate::text::sentences;

    fn called(text: &str, place: Where) -> Vec<String> {
        super::called(&sentences(None, text)[0], place, &[])
    }

    #[test]
    fn what_keeps_data_is_told_by_its_kind_and_by_the_name_beside_it() {
        for (text, expected) in [
            ("Accounts are kept on our core banking platform, Symitar.", "Symitar (core banking platform)"),
            ("They are in ClubRight, our membership system.", "ClubRight (membership system)"),
            ("Wir führen sie im Praxisverwaltungssystem MEDISTAR.", "Praxisverwaltungssystem MEDISTAR"),
            ("Die Daten laufen in das Portal von COREDINATE.", "Portal von COREDINATE"),
            ("Sie stehen in Ordnern.", "Ordner"),
            ("Il est tenu dans le logiciel Galette.", "logiciel Galette"),
            ("La cour a un enregistreur numérique.", "enregistreur numérique"),
            ("Everything is in a locked cabinet.", "locked cabinet"),
            ("Sie melden sich in der App „Meine Belege“ an.", "Meine Belege (App)"),
            ("Vous passez par le portail famille.", "portail famille"),
            ("Mail is answered from a shared inbox in Front.", "shared inbox in Front"),
            ("The register is in the Priority Services Register.", "Priority Services Register"),
            ("It runs on a server in the accounts office.", "server in the accounts office"),
            ("It goes through a program called StockHound.", "StockHound"),
            ("Calls are kept by our telephone provider, Blueface.", "Blueface"),
            ("Deeds are paper records.", "paper records"),
            ("We have a rent book.", "rent book"),
            ("They are written in a notebook that stays here.", "notebook"),
            ("Anrufe laufen über eine Telefonanlage.", "Telefonanlage"),
            ("Die Werte landen in einer InfluxDB.", "InfluxDB"),
            ("Die Seite wird bei Mittwald gehostet.", "Mittwald"),
            ("Les dossiers sont des dossiers papier.", "dossiers papier"),
            ("Der Bogen bleibt in einer Mappe im Spa.", "Mappe im Spa"),
            ("Buchungen führen wir im Hotelprogramm protel, das läuft.", "Hotelprogramm protel"),
            ("Briefe werden im Archivsystem d.3 abgelegt.", "Archivsystem d.3"),
            ("Die Fahrten werden bei Fahrio gespeichert.", "Fahrio"),
            ("Die Touren werden bei Wegwart gespeichert.", "Wegwart"),
            ("Gehostet wird der Shop bei der Nordlicht Hosting GmbH in Kiel.", "Nordlicht Hosting GmbH"),
            ("Das steht in einem verschlossenen Schrank.", "verschlossener Schrank"),
            ("Loan files from before 2017 are on paper.", "paper files"),
            ("Wir führen die Personalakten auf Papier.", "Personalakten auf Papier"),
            ("Les anciens dossiers sur papier sont conservés.", "dossiers sur papier"),
            ("Our ledgers are kept in a separate accounts package.", "accounts package"),
            ("Deeds are held in our strongroom.", "strongroom"),
            ("The router keeps a log of the addresses.", "log"),
            ("Wir führen sie im Händlerprogramm, das heißt WERBAS und läuft.", "WERBAS (Händlerprogramm)"),
            ("Sie nutzen die Kunden-App „simplr“.", "Kunden-App simplr"),
            (
                "Ils sont suivis dans le système de gestion de la bibliothèque, Koha.",
                "Koha (système de gestion de la bibliothèque)",
            ),
            ("Les copies sont archivées sous forme papier.", "copies papier"),
            ("Matomo est installé sur nos propres serveurs.", "propres serveurs"),
            ("Die Bilder werden auf einem Rekorder in der Pforte gespeichert.", "Rekorder in der Pforte"),
        ] {
            assert_eq!(called(text, Where::Kept), [expected], "{text}");
        }
    }

    #[test]
    fn a_name_behind_in_is_one_where_a_policy_says_that_something_is_kept() {
        assert_eq!(called("Tenancies are on Arthur.", Where::Listed), ["Arthur"]);
        assert_eq!(called("Tenancies are recorded in Arthur.", Where::Kept), ["Arthur"]);
        assert_eq!(called("Newsletter versenden wir mit Inxmail.", Where::Kept), ["Inxmail"]);
        assert!(called("Calls are answered by Ansa in Wrexham.", Where::Kept).iter().all(|name| name != "Wrexham"));
        assert_eq!(called("Wir führen Ihre Rechnungen in FibuNet.", Where::Kept), ["FibuNet"]);
        assert_eq!(called("Das wird im Hotelprogramm elektronisch verwaltet.", Where::Kept), ["Hotelprogramm"]);
        assert_eq!(called("Das läuft mit Domus 4000.", Where::Kept), ["Domus 4000"]);
        assert!(called("Tenancies are on Arthur.", Where::Unsaid).is_empty());
        for none in ["Das wird bei Bedarf gespeichert.", "Das wird bei Vertragsschluss verarbeitet."] {
            assert!(called(none, Where::Kept).is_empty(), "{none}");
        }
        for place in ["They are kept in Dublin.", "Sie liegen in Falkenstein.", "We keep them in the EU."] {
            assert!(called(place, Where::Listed).is_empty(), "{place}");
        }
    }

    #[test]
    fn what_begins_a_sentence_and_holds_something_is_one_where_a_policy_lists_them() {
        assert_eq!(called("Sage Micropay is used for payroll.", Where::Listed), ["Sage Micropay"]);
        assert_eq!(called("Workday holds your record.", Where::Listed), ["Workday"]);
        assert!(called("Workday holds your record.", Where::Kept).is_empty());
    }

    #[test]
    fn a_sentence_that_says_nothing_of_where_things_are_names_systems_by_their_kind() {
        assert_eq!(called("It shows in the customer portal.", Where::Said), ["customer portal"]);
        assert_eq!(called("Our emails come through BT.", Where::Said), ["BT"]);
        assert!(called("It is in your file.", Where::Said).is_empty());
        assert!(called("Die Geräte sind Hörsoftware.", Where::Said).is_empty());
    }

    #[test]
    fn what_somebody_sells_or_a_company_is_for_is_none() {
        assert!(called("Rotaweave provides the studios with software.", Where::Said).is_empty());
        assert!(called("Our firm sells cloud software.", Where::Kept).is_empty());
        assert_eq!(called("Mail is kept by FrontApp (support inbox).", Where::Kept), ["FrontApp"]);
        assert!(called("It is on a server of our own in Keswick.", Where::Listed).iter().all(|name| name != "Keswick"));
    }

    #[test]
    fn two_names_are_two_systems_and_what_is_no_name_is_none() {
        assert_eq!(called("Payments are taken by Worldpay and PayPal.", Where::Kept), ["Worldpay", "PayPal"]);
        assert_eq!(called("Nous utilisons Pennylane et Crisp.", Where::Said), ["Pennylane", "Crisp"]);
        assert_eq!(called("Help requests are stored in our Freshdesk.", Where::Kept), ["Freshdesk"]);
        assert_eq!(called("Die Seite wird bei der IONOS SE in Kiel gehostet.", Where::Kept), ["IONOS SE"]);
        assert!(called("We use “we” of the association.", Where::Said).is_empty());
        assert!(called("It is run by Driftless Apps LLC.", Where::Kept).iter().all(|name| name != "Driftless Apps"));
    }

    #[test]
    fn who_is_said_to_work_for_the_author_is_one_and_the_author_is_none() {
        for (text, expected) in [
            ("Texts are stored, and Sendbird powers chat.", "Sendbird"),
            ("Cards are handled by Adyen N.V., which processes payments.", "Adyen N.V"),
            ("The directory is hosted par la société Hivebrite.", "Hivebrite"),
            ("Nous confions nos envois au prestataire d'envoi de courriels Brevo.", "Brevo"),
            ("Le site dépose des cookies de mesure d'audience Matomo.", "Matomo"),
            ("Crash reports go to Bugtrap.", "Bugtrap"),
            ("Für Termine setzen wir Little Bird ein.", "Little Bird"),
            ("Our service providers are Wexcom (analytics).", "Wexcom"),
            ("X-rays are stored in the software that came with the scanner, Romexis.", "Romexis"),
            ("Sie liegen in der Warenwirtschaft unserer Häuser, IXOS von Pharmatechnik.", "IXOS"),
            ("Kopien werden im elektronischen Archiv d.velop documents abgelegt.", "Archiv d.velop documents"),
            ("The visitors' book is destroyed each year.", "visitors book"),
            ("Im Kundenportal sehen Sie Ihre Rechnungen.", "Kundenportal"),
            ("Une photo peut être publiée sur notre page Facebook.", "page Facebook"),
            ("Zur Reichweitenmessung nutzen wir Matomo auf einem Server.", "Matomo"),
            ("Mit Ihrer Einwilligung setzen wir zudem Matomo ein.", "Matomo"),
            ("Die Buchhaltung macht Frau Stolle mit DATEV.", "DATEV"),
            ("Les offres sont expédiées au moyen de Mailjet.", "Mailjet"),
            ("C'est le journal que nous expédions avec Brevo.", "Brevo"),
            ("We set cookies and, with your consent, those of Plausible.", "Plausible"),
            ("Some of our cookies let Plausible count visits.", "Plausible"),
        ] {
            let found = called(text, Where::Kept);
            assert!(found.iter().any(|name| name == expected), "{text}: {found:?}");
        }
        for text in [
            "Acme keeps your name.",
            "L'Atelier du Pont traite les données de ses salariés.",
            "Acme processes your data.",
            "Staff records are deleted.",
            "Parliament provides for that.",
            "Elle enregistre vos passages.",
            "Our service providers: Accountants, to prepare our accounts.",
            "Hosting providers work for us.",
            "Für die Pflege setzen wir Dienstleister ein.",
            "Dafür setzen wir Cookies ein.",
            "Hierfür setzen wir Künstliche Intelligenz ein.",
            "OVH est un hébergeur certifié HDS.",
            "Letters go to Revenue.",
            "Your order book is yours.",
            "Dafür nutzen wir KI.",
            "Für Werbung verwenden wir Videos.",
            "Sie registrieren sich mit E-Mail-Adresse.",
            "Nous travaillons avec Madame Durand.",
            "The board is told of it by Marion.",
        ] {
            assert_eq!(called(text, Where::Said), Vec::<String>::new(), "{text}");
        }
        assert_eq!(called("Email: Fastmail", Where::Listed), ["Fastmail"]);
        let own = ["acme".to_owned()];
        let sentence = &sentences(None, "Texts are stored, and Acme hosts them.")[0];
        assert!(super::called(sentence, Where::Kept, &own).is_empty());
    }

    #[test]
    fn documents_are_no_systems() {
        for text in [
            "More details are in our Cookie Policy.",
            "How long they are kept is set out in our Retention Schedule.",
            "That is set out in our Terms.",
            "It is stored as stated in our Staff Handbook.",
            "Näheres steht in unserer Datenschutzerklärung.",
            "Das wird mit den AGB gespeichert.",
            "Elles sont conservées selon notre Politique de confidentialité.",
            "Le détail figure dans notre Charte.",
            "Privacy Notice holds the details.",
        ] {
            for place in [Where::Said, Where::Kept, Where::Listed] {
                assert!(called(text, place).is_empty(), "{text}: {:?}", called(text, place));
            }
        }
    }

    #[test]
    fn any_words_end_in_names_or_none() {
        for text in [
            "the",
            "system",
            "our , system",
            "( system )",
            "’s system’s",
            "Ordnern",
            "in",
            "in A",
            ", our system",
            "le logiciel",
            "logiciel de",
            "system called",
            "server in",
            "server in the",
            "kept in the in the",
            "data centre",
        ] {
            for place in [Where::Unsaid, Where::Said, Where::Kept, Where::Listed] {
                let _ = called(text, place);
            }
        }
    }
}
