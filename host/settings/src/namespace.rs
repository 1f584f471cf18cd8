//! `[[namespace]]`: whose signature the components of a namespace need.

use crate::table::Reader;
use palisade_audit::VerifyingKey;
use palisade_model::ComponentId;
use palisade_model::id::Namespace;
use toml::de::DeTable;

const OF: &str = "[[namespace]]";

/// Who owns a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The namespace.
    pub namespace: Namespace,
    /// The key that signs its components.
    pub key: VerifyingKey,
    /// The line on which the table begins.
    pub line: usize,
}

pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> Vec<Owner> {
    let mut owners: Vec<Owner> = Vec::new();
    for (table, at) in r.sections(file, "namespace") {
        r.check_keys(OF, table, &["name", "key"]);
        let (name, key) = (r.needed_text(OF, table, &at, "name"), r.needed_text(OF, table, &at, "key"));
        let namespace = name.and_then(|name| {
            let place = name.span.start..name.span.end;
            let wrong = match name.value.parse::<Namespace>() {
                Err(error) => format!("`name` of {OF}: {error}"),
                Ok(own) if own.looks_like(ComponentId::FIRST_PARTY) => {
                    format!(
                        "`{}` is Palisade's own, or looks like it: what comes with Palisade has its version",
                        name.value
                    )
                }
                Ok(own) => match owners.iter().find(|owner| owner.namespace.looks_like(own.as_str())) {
                    None => return Some(own),
                    Some(owner) => format!("`{}` has an owner already, on line {}", name.value, owner.line),
                },
            };
            r.wrong(place, wrong, None);
            None
        });
        let key = key.and_then(|written| {
            let key = written.value.parse::<VerifyingKey>();
            key.map_err(|error| {
                let help = "`palisade approvals key NAME --out FILE` makes one, and prints its part that is no secret";
                r.wrong(written.span.start..written.span.end, format!("`key` of {OF}: {error}"), Some(help.to_owned()));
            })
            .ok()
        });
        if let (Some(namespace), Some(key)) = (namespace, key) {
            owners.push(Owner { namespace, key, line: r.line(&at) });
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use crate::file::tests::{check, read_text};
    use palisade_audit::SigningKey;
    use palisade_model::ComponentId;

    fn table(name: &str, seed: u8) -> String {
        let key = SigningKey::from_seed(name, [seed; 32]).unwrap().verifying();
        format!("[[namespace]]\nname = \"{name}\"\nkey = \"{key}\"\n")
    }

    #[test]
    fn a_namespace_has_the_owner_that_the_operator_names_and_so_have_those_that_look_like_it() {
        let file = read_text(&format!("{}{}", table("acme-corp", 1), table("shop", 2))).unwrap();
        let owner = |id: &str| {
            let owner = file.owner_of(&id.parse::<ComponentId>().unwrap());
            owner.map(|owner| (owner.namespace.as_str(), owner.key.name(), owner.line))
        };
        assert_eq!(owner("acme-corp:pii"), Some(("acme-corp", "acme-corp", 1)));
        assert_eq!(owner("acme_corp:pii"), owner("acme-corp:pii"));
        assert_eq!(owner("acrne-corp:pii"), owner("acme-corp:pii"));
        assert_eq!(owner("shop:pii"), Some(("shop", "shop", 4)));
        assert_eq!((owner("acme:pii"), owner("shops:pii"), owner("pii:shop")), (None, None, None));
    }

    #[test]
    fn what_is_wrong_with_an_owner_is_told_at_its_place() {
        check(
            "[namespace]\nname = \"a\"\n",
            &["1:1: `namespace` may stand there more than once: write `[[namespace]]`"],
        );
        check("[[namespace]]\n", &["1:1: [[namespace]] needs a `name`", "1:1: [[namespace]] needs a `key`"]);
        check(
            "[[namespace]]\nname = \"Acme\"\nkey = \"acme\"\nkeys = 1\n",
            &[
                "2:8: `name` of [[namespace]]: `A` is not allowed in this name",
                "3:7: `key` of [[namespace]]: it is no Ed25519 key of a signed note: it has not three parts (`palisade approvals key NAME --out FILE` makes one, and prints its part that is no secret)",
                "4:1: [[namespace]] has no `keys` (did you mean `key`?)",
            ],
        );
        check(
            &format!("{}{}{}", table("a-b", 1), table("a_b", 2), table("pa1isade", 3)),
            &[
                "5:8: `a_b` has an owner already, on line 1",
                "8:8: `pa1isade` is Palisade's own, or looks like it: what comes with Palisade has its version",
            ],
        );
    }
}
