//! Secrets in the headers of a request: a guest writes `{{secret:NAME}}`, each is decided about, and the host fills in what
//! it stands for once nothing is left to decide. Anywhere else in a header or in a path it is refused.

use super::ErrorCode;
use crate::state::Host;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use palisade_authority::{Origin, SecretPlace, Use};
use palisade_model::manifest::Power;
use palisade_net::Key;
use zeroize::Zeroizing;

const BEGIN: &str = "{{secret:";
const END: &str = "}}";

/// What stands for a secret.
pub(super) fn placeholder(name: &str) -> String {
    format!("{BEGIN}{name}{END}")
}

/// A secret that a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    header: HeaderName,
    name: String,
}

impl Host {
    /// Decides about each secret that a request asks for.
    pub(super) fn secrets_of(
        &mut self,
        headers: &HeaderMap,
        path: &PathAndQuery,
        origin: &Origin,
    ) -> Result<Vec<Wanted>, ErrorCode> {
        let wanted = wanted(headers, path).map_err(|why| self.refuse(origin, why))?;
        for Wanted { header, name } in &wanted {
            let place = SecretPlace::sent(name, header.as_str(), origin.clone());
            let place = place.map_err(|error| self.refuse(origin, &error.to_string()))?;
            self.authorise(&Use::Secret { place }).map_err(|_denied| ErrorCode::HttpRequestDenied)?;
        }
        Ok(wanted)
    }

    /// Refuses what can't even be asked for; the guest is told what it is told of every denial.
    fn refuse(&mut self, origin: &Origin, why: &str) -> ErrorCode {
        self.deny(Power::Secret, &format!("a request to {origin}"), why);
        ErrorCode::HttpRequestDenied
    }
}

/// The secrets that a request asks for, each once; or what is wrong, for people.
fn wanted(headers: &HeaderMap, path: &PathAndQuery) -> Result<Vec<Wanted>, &'static str> {
    if path.as_str().contains(BEGIN) {
        return Err("the placeholder of a secret stands in its path: secrets are sent in headers alone");
    }
    let mut all = Vec::new();
    for (header, value) in headers {
        // What is no text holds none: the host would have to guess where it begins.
        let mut rest = value.to_str().unwrap_or_default();
        while let Some((_, after)) = rest.split_once(BEGIN) {
            let (name, after) = after.split_once(END).ok_or("a placeholder of a secret has no end")?;
            let one = Wanted { header: header.clone(), name: name.to_owned() };
            // Each time it stands there the host holds it once more.
            if all.contains(&one) {
                return Err("the same secret stands twice in one header");
            }
            all.push(one);
            rest = after;
        }
    }
    Ok(all)
}

/// Puts secrets in the place of their placeholders. Of one that is not there nothing is sent.
pub(super) fn fill(headers: &mut HeaderMap, wanted: &[Wanted], secrets: &[(String, Key)]) -> Result<(), ErrorCode> {
    for Wanted { header, name } in wanted {
        let (_, key) = secrets.iter().find(|(known, _)| known == name).ok_or(ErrorCode::HttpRequestDenied)?;
        let placeholder = placeholder(name);
        for (_, value) in headers.iter_mut().filter(|(known, _)| *known == header) {
            let Some(text) = value.to_str().ok().filter(|text| text.contains(&placeholder)) else { continue };
            let filled = Zeroizing::new(text.replace(&placeholder, key.reveal()));
            let mut filled = HeaderValue::from_str(&filled).map_err(|_| ErrorCode::HttpRequestDenied)?;
            filled.set_sensitive(true);
            *value = filled;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::llm::KeyPlace;
    use std::path::Path;

    const SECRET: &str = "s3cret-value";

    fn headers(all: &[(&str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        let all: Vec<(HeaderName, HeaderValue)> = all.iter().map(header).collect();
        all.into_iter().fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
    }

    fn key(text: &str) -> Key {
        Key::read(&KeyPlace::Env(String::new()), Path::new("/"), |_| Some(text.into())).unwrap()
    }

    fn check(all: &[(&str, &str)], path: &str, expected: Result<&[(&str, &str)], &str>) {
        let found = wanted(&headers(all), &path.parse().unwrap());
        let found = found.as_ref().map(|all| all.iter().map(|one| (one.header.as_str(), one.name.as_str())));
        match expected {
            Ok(expected) => assert_eq!(found.unwrap().collect::<Vec<_>>(), expected),
            Err(part) => assert!(found.err().is_some_and(|why| why.contains(part)), "{all:?} {path}"),
        }
    }

    #[test]
    fn placeholders_are_found_in_headers_and_refused_elsewhere() {
        check(&[("a", "Bearer {{secret:t}}"), ("b", "x")], "/", Ok(&[("a", "t")]));
        check(
            &[("a", "{{secret:t}}:{{secret:u}}"), ("b", "{{secret:t}}")],
            "/",
            Ok(&[("a", "t"), ("a", "u"), ("b", "t")]),
        );
        // What the names are is for the decision.
        check(&[("a", "{{secret: T }}"), ("b", "{{secret:}}")], "/", Ok(&[("a", " T "), ("b", "")]));
        check(&[("a", "{{secret}} {secret:t} {{ secret:t }}")], "/%7B%7Bsecret:t%7D%7D", Ok(&[]));
        check(&[("a", "{{secret:t")], "/", Err("no end"));
        check(&[("a", "{{secret:t}}{{secret:t}}")], "/", Err("twice"));
        check(&[("a", "{{secret:t}}"), ("a", "{{secret:t}}")], "/", Err("twice"));
        check(&[], "/x?y={{secret:t}}", Err("in its path"));
        check(&[("a", "{{secret:{{secret:t}}")], "/", Ok(&[("a", "{{secret:t")]));
    }

    #[test]
    fn what_is_decided_about_is_filled_in_and_nothing_else() {
        let mut headers = headers(&[("a", "Bearer {{secret:t}}"), ("b", "{{secret:t}}"), ("a", "x")]);
        let wanted = [Wanted { header: "a".parse().unwrap(), name: "t".to_owned() }];
        fill(&mut headers, &wanted, &[("t".to_owned(), key(SECRET))]).unwrap();
        let values: Vec<_> = headers.get_all("a").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(values, [format!("Bearer {SECRET}").as_str(), "x"]);
        assert_eq!(headers["b"], "{{secret:t}}");
        assert!(!format!("{headers:?}").contains(SECRET));
        let missing = fill(&mut headers, &wanted, &[("u".to_owned(), key(SECRET))]);
        assert!(matches!(missing, Err(ErrorCode::HttpRequestDenied)));
    }
}
