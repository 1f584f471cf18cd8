//! Sets of requests over HTTP: what a capability for them reaches.
//!
//! A request is a method, an origin, and whether it ends at an address that the public can't reach although its host is
//! a name. The latter is what makes a name under somebody else's control dangerous, so it needs a word of its own.

use crate::origin::{Origin, OriginError, OriginPattern};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The word at the end of a place that lets its names lead to addresses that the public can't reach.
const PRIVATE: &str = "private";

/// The methods that can be asked for. No `CONNECT` and no `TRACE`: these make a server pass bytes on, or give secrets back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
}

/// A set of methods. Text form: `GET,HEAD` in the order of [`Method`], or `*` for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Methods(u8);

/// Methods at an origin, or at the origins below one. Text form: `GET,POST https://*.example.org private`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpPlace {
    origins: OriginPattern,
    private: bool,
    methods: Methods,
}

/// A set of requests: every one, or those at some places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HttpScope(Places);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Places {
    /// Every request.
    Any,
    /// Those at these places, none of which repeats what another says.
    At(BTreeSet<HttpPlace>),
}

/// Why a text is no place of HTTP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpPlaceError {
    /// A method is none that can be asked for.
    #[error(
        "`{method}` is not a method that can be used; `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS` and `*` are"
    )]
    Method {
        /// What was written, neutralised.
        method: String,
    },
    /// The origin is none.
    #[error("its origin can't be used")]
    Origin(#[from] OriginError),
    /// Something else follows.
    #[error("after the origin stands `{word}`, where only `{PRIVATE}` may stand")]
    Word {
        /// What was written, neutralised.
        word: String,
    },
    /// One request is wanted, and this is many.
    #[error("one method and one origin are wanted, without `*` and `{PRIVATE}`")]
    NotOne,
}

/// What a set allows at one origin: methods, and those of them that may also end at a private address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Allowed {
    methods: Methods,
    private: Methods,
}

impl Method {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 7] = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];

    /// Its name in a request.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// The method of that name; capitals matter.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

impl Methods {
    /// Every method.
    pub const ALL: Self = Self((1 << Method::ALL.len()) - 1);
    /// Those that only read.
    pub const READING: Self = Self(1 << Method::Get as u8 | 1 << Method::Head as u8);

    fn parse(text: &str) -> Result<Self, HttpPlaceError> {
        if text == "*" {
            return Ok(Self::ALL);
        }
        let unknown = |method: &str| HttpPlaceError::Method { method: palisade_model::neutral::line(method, 40) };
        text.split(',').try_fold(Self::default(), |all, name| {
            let method = Method::from_name(name).ok_or_else(|| unknown(name))?;
            Ok(all.or(Self::from(method)))
        })
    }

    /// Says whether a method is among them.
    #[must_use]
    pub const fn contains(self, method: Method) -> bool {
        self.0 & (1 << method as u8) != 0
    }

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn covers(self, other: Self) -> bool {
        other.without(self).is_empty()
    }
}

impl From<Method> for Methods {
    fn from(method: Method) -> Self {
        Self(1 << method as u8)
    }
}

impl HttpPlace {
    /// All methods at an origin, wherever its host leads: what a config means that names it.
    #[must_use]
    pub const fn named(origin: Origin) -> Self {
        Self { origins: OriginPattern::One(origin), private: true, methods: Methods::ALL }
    }

    /// Reads `[METHOD[,METHOD]… ]ORIGIN[ private]`; where no method is written, `unwritten` are meant.
    ///
    /// # Errors
    /// When a method or the origin is none, or something follows that is not the word `private`.
    pub(crate) fn parse(text: &str, unwritten: Methods) -> Result<Self, HttpPlaceError> {
        let (methods, rest) = match text.split_once(' ') {
            Some((first, rest)) if !first.contains("://") => (Methods::parse(first)?, rest),
            _ => (unwritten, text),
        };
        let (origins, private) = match rest.split_once(' ') {
            None => (rest, false),
            Some((origins, PRIVATE)) => (origins, true),
            Some((_, word)) => {
                return Err(HttpPlaceError::Word { word: palisade_model::neutral::line(word, 40) });
            }
        };
        Ok(Self { origins: OriginPattern::parse(origins)?, private, methods })
    }

    /// Reads the text form, which names its methods; none if it is none.
    pub(crate) fn of_stored(text: &str) -> Option<Self> {
        Self::parse(text, Methods::default()).ok().filter(|place| !place.methods.is_empty())
    }

    /// The one request that is meant, where it is one.
    pub(crate) fn one(self) -> Result<(Method, Origin), HttpPlaceError> {
        let mut methods = Method::ALL.into_iter().filter(|method| self.methods.contains(*method));
        match (methods.next(), methods.next(), self.origins, self.private) {
            (Some(method), None, OriginPattern::One(origin), false) => Ok((method, origin)),
            _ => Err(HttpPlaceError::NotOne),
        }
    }

    /// Says whether a request is among those here.
    #[must_use]
    pub fn contains(&self, method: Method, origin: &Origin, private: bool) -> bool {
        self.methods.contains(method) && (self.private || !private) && self.origins.contains(origin)
    }

    /// Says whether all requests of `other` are among those here.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.methods.covers(other.methods) && (self.private || !other.private) && self.origins.covers(&other.origins)
    }

    /// The origins.
    #[must_use]
    pub const fn origins(&self) -> &OriginPattern {
        &self.origins
    }

    /// How much of a request is as it is here, the host before all else, and the first comparison that fails, in words.
    pub(crate) fn near_miss(&self, method: Method, origin: &Origin, private: bool) -> (u8, String) {
        let here = self.origins.origin();
        let compared = [
            (
                self.origins.holds_host(origin.host()),
                format!("the host `{}`, not `{}`", self.origins.host(), origin.host()),
            ),
            (here.scheme() == origin.scheme(), format!("`{}`, not `{}`", here.scheme().name(), origin.scheme().name())),
            (here.port() == origin.port(), format!("port {}, not {}", here.port(), origin.port())),
            (self.methods.contains(method), format!("{}, not {}", self.methods, method.name())),
            (
                self.private || !private,
                format!("public addresses: `{self} {PRIVATE}` would be for others, where its host leads to one"),
            ),
        ];
        let rank = compared.iter().zip([8, 4, 2, 1, 1]).filter(|((same, _), _)| *same).map(|(_, weight)| weight).sum();
        let failed = compared.into_iter().find(|(same, _)| !same).map(|(_, words)| words);
        (rank, failed.unwrap_or_default())
    }
}

impl Allowed {
    fn of(place: &HttpPlace) -> Self {
        Self { methods: place.methods, private: if place.private { place.methods } else { Methods::default() } }
    }

    const fn or(self, other: Self) -> Self {
        Self { methods: self.methods.or(other.methods), private: self.private.or(other.private) }
    }

    const fn and(self, other: Self) -> Self {
        Self { methods: self.methods.and(other.methods), private: self.private.and(other.private) }
    }

    const fn covers(self, other: Self) -> bool {
        self.methods.covers(other.methods) && self.private.covers(other.private)
    }
}

impl HttpScope {
    /// No request at all.
    #[must_use]
    pub const fn none() -> Self {
        Self(Places::At(BTreeSet::new()))
    }

    /// Every request.
    #[must_use]
    pub const fn any() -> Self {
        Self(Places::Any)
    }

    /// The requests at `places`.
    #[must_use]
    pub fn at(places: impl IntoIterator<Item = HttpPlace>) -> Self {
        let mut all: BTreeMap<OriginPattern, Allowed> = BTreeMap::new();
        for place in places {
            let allowed = all.entry(place.origins.clone()).or_default();
            *allowed = allowed.or(Allowed::of(&place));
        }
        Self::of(&all)
    }

    /// In the one form that a set has: an origin says what it allows beyond the wildcard that holds it, and what may be
    /// private is not said to be public too.
    fn of(all: &BTreeMap<OriginPattern, Allowed>) -> Self {
        let mut places = BTreeSet::new();
        for (origins, allowed) in all {
            let above = match origins {
                OriginPattern::One(origin) => OriginPattern::above(origin),
                OriginPattern::Below(_) => None,
            };
            let above = above.and_then(|above| all.get(&above)).copied().unwrap_or_default();
            let private = allowed.private.without(above.private);
            let public = allowed.methods.without(above.methods).without(private);
            for (methods, private) in [(private, true), (public, false)] {
                if !methods.is_empty() {
                    places.insert(HttpPlace { origins: origins.clone(), private, methods });
                }
            }
        }
        Self(Places::At(places))
    }

    /// Says whether a request is in the set; `private` = its host is a name, and leads to an address that the public
    /// can't reach.
    #[must_use]
    pub fn contains(&self, method: Method, origin: &Origin, private: bool) -> bool {
        match &self.0 {
            Places::Any => true,
            Places::At(places) => places.iter().any(|place| place.contains(method, origin, private)),
        }
    }

    /// Says whether every request of `other` is in this set.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Places::Any, _) => true,
            (Places::At(_), Places::Any) => false,
            (Places::At(_), Places::At(places)) => {
                places.iter().all(|place| self.allowed(&place.origins).covers(Allowed::of(place)))
            }
        }
    }

    /// Says whether no request in the set is meant to change something: `GET`, `HEAD` and `OPTIONS` are not.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        let harmless = Methods::READING.or(Methods::from(Method::Options));
        self.places().is_some_and(|places| places.iter().all(|place| harmless.covers(place.methods)))
    }

    /// Says whether all requests of the set go to one origin.
    #[must_use]
    pub fn is_one_origin(&self) -> bool {
        let mut origins = self.places().into_iter().flatten().map(HttpPlace::origins);
        match origins.next() {
            Some(first @ OriginPattern::One(_)) => origins.all(|origin| origin == first),
            _ => false,
        }
    }

    /// The requests that are in both sets.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (Places::Any, _) => other.clone(),
            (_, Places::Any) => self.clone(),
            (Places::At(ours), Places::At(theirs)) => {
                let origins: BTreeSet<_> = ours.iter().chain(theirs).map(|place| place.origins.clone()).collect();
                let both = origins.into_iter().map(|origins| {
                    let allowed = self.allowed(&origins).and(other.allowed(&origins));
                    (origins, allowed)
                });
                Self::of(&both.collect())
            }
        }
    }

    /// The places, in order; none if every request is in the set.
    #[must_use]
    pub const fn places(&self) -> Option<&BTreeSet<HttpPlace>> {
        match &self.0 {
            Places::Any => None,
            Places::At(places) => Some(places),
        }
    }

    /// What is allowed at all of these origins.
    fn allowed(&self, origins: &OriginPattern) -> Allowed {
        let holding = self.places().into_iter().flatten().filter(|place| place.origins.covers(origins));
        holding.map(Allowed::of).fold(Allowed::default(), Allowed::or)
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("*");
        }
        let names: Vec<_> = Method::ALL.into_iter().filter(|method| self.contains(*method)).map(Method::name).collect();
        f.write_str(&names.join(","))
    }
}

impl fmt::Display for HttpPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.methods, self.origins)?;
        if self.private { write!(f, " {PRIVATE}") } else { Ok(()) }
    }
}

impl Serialize for HttpPlace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HttpPlace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::of_stored(&text).ok_or_else(|| serde::de::Error::custom("no place of HTTP in its stored form"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(text: &str) -> HttpPlace {
        HttpPlace::parse(text, Methods::READING).unwrap()
    }

    fn scope(texts: &[&str]) -> HttpScope {
        HttpScope::at(texts.iter().map(|text| place(text)))
    }

    fn shown(scope: &HttpScope) -> Vec<String> {
        scope.places().unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_place_is_methods_an_origin_and_a_word() {
        let check = |text: &str, expected: &str| assert_eq!(place(text).to_string(), expected, "{text}");
        check("https://a.b", "GET,HEAD https://a.b");
        check("POST,GET https://A.b:443", "GET,POST https://a.b");
        check("* https://*.b.org:8443 private", "* https://*.b.org:8443 private");
        check("https://a.b private", "GET,HEAD https://a.b private");
    }

    #[test]
    fn what_is_no_place_is_refused() {
        let check = |text: &str, expected: &str| {
            let error = palisade_model::causes(&HttpPlace::parse(text, Methods::READING).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("get https://a.b", "`get` is not a method that can be used");
        check("GET,CONNECT https://a.b", "`CONNECT` is not a method");
        check("GET, https://a.b", "`` is not a method");
        check("GET  https://a.b", "after the origin stands `https://a.b`");
        check("https://a.b/c", "an origin has no path");
        check("https://a.b public", "after the origin stands `public`");
        check("https://a.b private private", "after the origin stands `private private`");
        check("", "it begins with neither");
        check("*", "it begins with neither");
        assert!(serde_json::from_str::<HttpPlace>(r#""https://a.b""#).is_err(), "the stored form names its methods");
    }

    #[test]
    fn what_only_reads_is_known_by_its_methods() {
        assert!(HttpScope::none().only_reads() && scope(&["https://a.b", "OPTIONS https://c.d"]).only_reads());
        assert!(!HttpScope::any().only_reads() && !scope(&["https://a.b", "GET,PUT https://c.d"]).only_reads());
    }

    #[test]
    fn one_origin_is_one_whatever_is_asked_of_it() {
        let check = |texts: &[&str], expected| assert_eq!(scope(texts).is_one_origin(), expected, "{texts:?}");
        check(&["https://a.b", "POST https://a.b private"], true);
        check(&["https://a.b", "https://a.b:8443"], false);
        check(&["https://*.a.b"], false);
        check(&[], false);
        assert!(!HttpScope::any().is_one_origin());
    }

    #[test]
    fn one_request_is_asked_about() {
        let one = |text: &str| HttpPlace::parse(text, Method::Get.into()).unwrap().one();
        assert_eq!(one("https://a.b").unwrap().0, Method::Get);
        assert_eq!(one("PUT https://a.b").unwrap().0, Method::Put);
        for many in ["GET,PUT https://a.b", "* https://a.b", "https://*.b.org", "https://a.b private"] {
            assert_eq!(one(many), Err(HttpPlaceError::NotOne), "{many}");
        }
    }

    #[test]
    fn a_set_says_nothing_twice() {
        assert_eq!(shown(&scope(&["GET https://a.b.c", "PUT https://a.b.c"])), ["GET,PUT https://a.b.c"]);
        let covered = scope(&["GET,PUT https://*.b.c", "GET https://a.b.c", "POST https://a.b.c"]);
        assert_eq!(shown(&covered), ["POST https://a.b.c", "GET,PUT https://*.b.c"]);
        let private = scope(&["GET,PUT https://a.b", "GET https://a.b private"]);
        assert_eq!(shown(&private), ["PUT https://a.b", "GET https://a.b private"]);
    }

    #[test]
    fn the_near_miss_is_the_first_comparison_that_fails() {
        let check = |place: &str, request: &str, private: bool, expected: &str| {
            let (method, origin) = self::place(request).one().unwrap();
            assert_eq!(self::place(place).near_miss(method, &origin, private).1, expected, "{place} {request}");
        };
        check("GET https://a.b", "GET https://c.b", false, "the host `a.b`, not `c.b`");
        check("GET https://*.a.b", "GET https://x.y.a.b", false, "the host `*.a.b`, not `x.y.a.b`");
        check("GET https://a.b", "GET http://a.b", false, "`https`, not `http`");
        check("GET https://*.a.b", "GET https://x.a.b:8443", false, "port 443, not 8443");
        check("GET https://a.b", "POST https://a.b", false, "GET, not POST");
        let words = "public addresses: `GET https://a.b private` would be for others, where its host leads to one";
        check("GET https://a.b", "GET https://a.b", true, words);
    }

    /// Every request of a small world.
    fn world() -> Vec<(Method, Origin, bool)> {
        let hosts = ["x.b.org", "y.b.org", "b.org", "a.x.b.org", "10.0.0.1"];
        let origins = hosts.iter().flat_map(|host| [format!("https://{host}"), format!("http://{host}:443")]);
        let origins: Vec<_> = origins.map(|text| Origin::parse(&text).unwrap()).collect();
        let each = |origin: &Origin| {
            [Method::Get, Method::Put].map(|method| [false, true].map(|private| (method, origin.clone(), private)))
        };
        origins.iter().flat_map(each).flatten().collect()
    }

    /// What the words say, by comparing texts, without any algebra.
    fn naive(texts: &[String], request: &(Method, Origin, bool)) -> bool {
        let (method, origin, private) = request;
        let full = |origin: &Origin| format!("{}://{}:{}", origin.scheme().name(), origin.host(), origin.port());
        texts.iter().any(|text| {
            let words: Vec<&str> = text.split(' ').collect();
            let (scheme, host) = words[1].split_once("://").unwrap();
            let fits = |name: &str| full(origin) == format!("{scheme}://{name}:443");
            let host_fits = match host.trim_end_matches(":443").strip_prefix('*') {
                None => fits(host.trim_end_matches(":443")),
                Some(rest) => ["x", "y", "a"].iter().any(|label| fits(&format!("{label}{rest}"))),
            };
            host_fits && words[0].split(',').any(|name| name == method.name()) && (!private || words.len() == 3)
        })
    }

    fn some_places() -> impl Strategy<Value = Vec<String>> {
        let methods = proptest::sample::select(vec!["GET", "PUT", "GET,PUT"]);
        let origins = proptest::sample::select(vec![
            "https://x.b.org",
            "https://*.b.org",
            "https://*.x.b.org",
            "https://b.org",
            "http://*.b.org:443",
            "http://y.b.org:443",
            "https://10.0.0.1",
        ]);
        let place = (methods, origins, proptest::sample::select(vec!["", " private"]))
            .prop_map(|(methods, origins, word)| format!("{methods} {origins}{word}"));
        proptest::collection::vec(place, 0..4)
    }

    fn set(texts: &[String]) -> HttpScope {
        HttpScope::at(texts.iter().map(|text| place(text)))
    }

    proptest! {
        #[test]
        fn a_scope_is_what_its_words_say(texts in some_places()) {
            let scope = set(&texts);
            for request in world() {
                let (method, origin, private) = &request;
                prop_assert_eq!(scope.contains(*method, origin, *private), naive(&texts, &request), "{:?} in {:?}", request, texts);
            }
            let stored = serde_json::to_string(&scope).unwrap();
            prop_assert_eq!(serde_json::from_str::<HttpScope>(&stored).unwrap(), scope);
        }

        #[test]
        fn covers_and_meet_agree_with_membership(a in some_places(), b in some_places(), c in some_places()) {
            let (a, b, c) = (set(&a), set(&b), set(&c));
            let both = a.meet(&b);
            let holds = |scope: &HttpScope, (method, origin, private): &(Method, Origin, bool)| scope.contains(*method, origin, *private);
            for request in world() {
                prop_assert_eq!(holds(&both, &request), holds(&a, &request) && holds(&b, &request), "{:?}", request);
            }
            // The world has no more than two of the hosts that a wildcard holds, so inclusion in it says less.
            if a.covers(&b) {
                prop_assert!(world().iter().all(|request| !holds(&b, request) || holds(&a, request)));
            }
            // A lattice: the meet is below both, the largest such, and does not depend on order or grouping.
            prop_assert!(a.covers(&both) && b.covers(&both));
            prop_assert!(!(a.covers(&c) && b.covers(&c)) || both.covers(&c));
            prop_assert_eq!(a.covers(&b), both == b);
            prop_assert_eq!(&both, &b.meet(&a));
            prop_assert_eq!(a.meet(&b.meet(&c)), both.meet(&c));
            prop_assert_eq!(&a.meet(&a), &a);
            prop_assert_eq!(&a.meet(&HttpScope::any()), &a);
            prop_assert_eq!(a.meet(&HttpScope::none()), HttpScope::none());
            prop_assert!(HttpScope::any().covers(&a) && a.covers(&HttpScope::none()));
            // An order: what covers each other is the same, and what covers goes on covering.
            prop_assert!(a.covers(&a));
            prop_assert_eq!(a.covers(&b) && b.covers(&a), a == b);
            prop_assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c));
        }
    }
}
