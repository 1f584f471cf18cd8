//! Takes secrets out of what servers answer, before a guest sees it: a server may send back what it was sent.
//!
//! What is looked for is each secret as it is and as it stands in a URL, in a JSON text and in base64. Other forms, and parts
//! of a secret, are not found: what is granted to an origin is in its hands.

use super::secrets::placeholder;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hyper::body::{Body, Bytes, Frame};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue};
use palisade_net::Key;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use wasmtime_wasi_http::Error;
use zeroize::Zeroizing;

/// What is looked for, and what is put in its place.
pub(super) struct Patterns {
    all: Vec<(Zeroizing<Vec<u8>>, String)>,
    /// The bytes with which one of them begins.
    first: [bool; 256],
    /// Bytes of the longest.
    longest: usize,
}

impl Patterns {
    /// All forms of these secrets; none if there are no secrets.
    pub(super) fn of(secrets: &[(String, Key)]) -> Option<Arc<Self>> {
        let mut patterns = Self { all: Vec::new(), first: [false; 256], longest: 0 };
        for (name, key) in secrets {
            forms(key.reveal()).into_iter().for_each(|form| patterns.add(form, placeholder(name)));
        }
        (!patterns.all.is_empty()).then(|| Arc::new(patterns))
    }

    fn add(&mut self, form: Zeroizing<Vec<u8>>, instead: String) {
        if let Some(first) = form.first().and_then(|byte| self.first.get_mut(usize::from(*byte)))
            && !self.all.iter().any(|(known, _)| *known == form)
        {
            *first = true;
            self.longest = self.longest.max(form.len());
            self.all.push((form, instead));
        }
    }

    /// The text without secrets, and how much of it is done: where it goes on, as much is left as the longest could need.
    /// Leaving only what could be the beginning of a secret would tell a guest which guesses are right, letter by letter.
    fn scrub(&self, text: &[u8], ends: bool) -> (Vec<u8>, usize) {
        let end = if ends { text.len() } else { text.len().saturating_sub(self.longest.saturating_sub(1)) };
        let (mut clean, mut done) = (Vec::with_capacity(end), 0);
        while let Some(before) = text.get(done..end).filter(|before| !before.is_empty()) {
            let begins = |byte: &u8| self.first.get(usize::from(*byte)).is_some_and(|begins| *begins);
            let plain = before.iter().position(begins).unwrap_or(before.len());
            clean.extend(before.iter().take(plain));
            done += plain;
            let Some(rest) = text.get(done..).filter(|_| done < end) else { break };
            let found = self.all.iter().filter(|(form, _)| rest.starts_with(form)).max_by_key(|(form, _)| form.len());
            match found {
                Some((form, instead)) => {
                    clean.extend_from_slice(instead.as_bytes());
                    done += form.len();
                }
                None => {
                    clean.extend(rest.first());
                    done += rest.len().min(1);
                }
            }
        }
        (clean, done)
    }

    /// The headers of an answer without secrets, and without its length, which they may change.
    pub(super) fn headers(&self, mut headers: HeaderMap) -> HeaderMap {
        headers.remove(CONTENT_LENGTH);
        for value in headers.values_mut() {
            let (clean, _) = self.scrub(value.as_bytes(), true);
            // Placeholders are text that a header may hold.
            *value = HeaderValue::from_bytes(&clean).unwrap_or_else(|_| HeaderValue::from_static(""));
        }
        headers
    }
}

/// Asks a server for what can be looked through.
pub(super) fn ask_plainly(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

/// Refuses an answer that is compressed all the same.
pub(super) fn check_plain(headers: &HeaderMap) -> Result<(), Error> {
    let coded =
        headers.get_all(CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if coded { Err(Error::HttpResponseContentCoding(None)) } else { Ok(()) }
}

/// The forms of a secret, itself first.
fn forms(secret: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let in_json = Zeroizing::new(secret.replace('\\', "\\\\").replace('"', "\\\""));
    let texts = [secret, in_json.as_str()].map(|text| Zeroizing::new(text.as_bytes().to_vec()));
    let mut forms: Vec<_> = texts.into_iter().chain([in_url(secret, false), in_url(secret, true)]).collect();
    for before in 0..3 {
        forms.extend(
            [STANDARD_NO_PAD, URL_SAFE_NO_PAD].map(|engine| in_base64(secret, before, |text| engine.encode(text))),
        );
    }
    forms
}

/// As it stands in a URL, with all encoded that may be.
fn in_url(secret: &str, lower: bool) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(String::with_capacity(3 * secret.len()));
    for byte in secret.bytes() {
        // Writing to a String can't fail.
        let _ = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => write!(text, "{}", char::from(byte)),
            _ if lower => write!(text, "%{byte:02x}"),
            _ => write!(text, "%{byte:02X}"),
        };
    }
    Zeroizing::new(text.as_bytes().to_vec())
}

/// As it stands in base64 behind that many other bytes of a group of three: the letters that follow from it alone.
fn in_base64(secret: &str, before: usize, encode: impl Fn(&[u8]) -> String) -> Zeroizing<Vec<u8>> {
    let bytes = Zeroizing::new([&[0].repeat(before), secret.as_bytes()].concat());
    let encoded = Zeroizing::new(encode(&bytes));
    // A letter is six bits: the first ones hold some of what stands before, the last one some of what comes after.
    let from = (8 * before).div_ceil(6);
    let to = 8 * bytes.len() / 6;
    Zeroizing::new(encoded.as_bytes().get(from..to).unwrap_or_default().to_vec())
}

/// The body of an answer, looked through as it comes.
pub(super) struct Scrubbed<B> {
    inner: B,
    patterns: Arc<Patterns>,
    /// What is not looked through yet.
    held: Zeroizing<Vec<u8>>,
    /// What comes next, before anything more is read.
    ready: VecDeque<Frame<Bytes>>,
    ended: bool,
}

impl<B> Scrubbed<B> {
    pub(super) fn new(inner: B, patterns: Arc<Patterns>) -> Self {
        Self { inner, patterns, held: Zeroizing::default(), ready: VecDeque::new(), ended: false }
    }

    fn take(&mut self, more: &[u8], ends: bool) {
        self.held.extend_from_slice(more);
        let (clean, done) = self.patterns.scrub(&self.held, ends);
        self.held = Zeroizing::new(self.held.split_off(done));
        if !clean.is_empty() {
            self.ready.push_back(Frame::data(clean.into()));
        }
    }
}

impl<B: Body<Data = Bytes, Error = Error> + Unpin> Body for Scrubbed<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)).transpose()? {
                None => {
                    self.ended = true;
                    self.take(&[], true);
                }
                Some(frame) => match frame.into_data() {
                    Ok(data) => self.take(&data, false),
                    Err(frame) => {
                        self.take(&[], true);
                        let trailers = frame.into_trailers().ok().map(|trailers| self.patterns.headers(trailers));
                        self.ready.extend(trailers.map(Frame::trailers));
                    }
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.held.is_empty() && (self.ended || self.inner.is_end_stream())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use palisade_model::llm::KeyPlace;
    use proptest::prelude::*;
    use std::path::Path;

    fn patterns(secrets: &[(&str, &str)]) -> Arc<Patterns> {
        let key = |text: &str| Key::read(&KeyPlace::Env(String::new()), Path::new("/"), |_| Some(text.into())).unwrap();
        let secrets: Vec<_> = secrets.iter().map(|(name, text)| ((*name).to_owned(), key(text))).collect();
        Patterns::of(&secrets).unwrap()
    }

    fn check(secret: &str, text: &str, expected: &str) {
        let patterns = patterns(&[("t", secret)]);
        let (clean, done) = patterns.scrub(text.as_bytes(), true);
        assert_eq!((String::from_utf8(clean).unwrap().as_str(), done), (expected, text.len()), "{text}");
    }

    #[test]
    fn a_secret_is_found_as_it_is_and_in_its_usual_forms() {
        let secret = "p+ss/w\"rd=";
        check(secret, "you sent p+ss/w\"rd=!", "you sent {{secret:t}}!");
        check(secret, r#"{"sent": "p+ss/w\"rd="}"#, r#"{"sent": "{{secret:t}}"}"#);
        check(secret, "?q=p%2Bss%2Fw%22rd%3D&", "?q={{secret:t}}&");
        check(secret, "?q=p%2bss%2fw%22rd%3d&", "?q={{secret:t}}&");
        check(secret, "p+ss/w\"rd", "p+ss/w\"rd");
        check(secret, "p+ss/w\"rd=p+ss/w\"rd=", "{{secret:t}}{{secret:t}}");
    }

    #[test]
    fn of_base64_no_letter_stays_that_tells_more_than_a_few_bits() {
        for secret in ["12345678", "123456789", "?>?>?>?>?>"] {
            for (before, behind) in [("", ""), ("u", ":x"), ("us", "y"), ("use", "\u{ff}\u{ff}")] {
                for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                    let text = engine.encode(format!("{before}{secret}{behind}"));
                    let (clean, _) = patterns(&[("t", secret)]).scrub(text.as_bytes(), true);
                    let clean = String::from_utf8(clean).unwrap();
                    let (left, right) = clean.split_once("{{secret:t}}").unwrap_or_else(|| panic!("{text}"));
                    // What is around it, and at most one letter on each side that holds bits of both.
                    assert!(left.len() <= (8 * before.len()).div_ceil(6), "{text} {clean}");
                    assert!(right.len() <= (8 * behind.len()).div_ceil(6) + 1, "{text} {clean}");
                }
            }
        }
    }

    #[test]
    fn of_two_that_begin_alike_the_longer_one_is_taken() {
        let patterns = patterns(&[("short", "12345678"), ("long", "12345678-90")]);
        let (clean, _) = patterns.scrub(b"12345678-90 12345678-9", true);
        assert_eq!(clean, b"{{secret:long}} {{secret:short}}-9");
    }

    #[test]
    fn headers_are_clean_and_say_no_length() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("10"));
        headers.insert("a", HeaderValue::from_static("Bearer 12345678"));
        headers.append("a", HeaderValue::from_bytes(b"\xff").unwrap());
        let clean = patterns(&[("t", "12345678")]).headers(headers);
        let values: Vec<_> = clean.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(values, [("a", b"Bearer {{secret:t}}".as_slice()), ("a", b"\xff")]);
    }

    #[test]
    fn what_is_compressed_is_refused() {
        let check = |codings: &[&'static str], plain: bool| {
            let mut headers = HeaderMap::new();
            for coding in codings {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(coding));
            }
            assert_eq!(check_plain(&headers).is_ok(), plain, "{codings:?}");
        };
        check(&[], true);
        check(&["Identity"], true);
        check(&["gzip"], false);
        check(&["identity", "br"], false);
        check(&["identity, gzip"], false);
    }

    struct Pieces(VecDeque<Frame<Bytes>>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }
    }

    /// What a guest gets of a body that comes in these pieces, with a trailer.
    fn received(patterns: &Arc<Patterns>, pieces: Vec<Vec<u8>>) -> (Vec<u8>, HeaderMap) {
        let mut trailers = HeaderMap::new();
        trailers.insert("checked", HeaderValue::from_static("aabaabaa"));
        let data = pieces.into_iter().map(|piece| Frame::data(Bytes::from(piece)));
        let body = Scrubbed::new(Pieces(data.chain([Frame::trailers(trailers)]).collect()), Arc::clone(patterns));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let whole = runtime.block_on(body.collect()).unwrap();
        let trailers = whole.trailers().cloned().unwrap();
        (whole.to_bytes().to_vec(), trailers)
    }

    #[test]
    fn where_a_body_is_cut_tells_nothing_of_a_secret() {
        let patterns = patterns(&[("t", "12345678")]);
        let sizes = |pieces: &[&str]| {
            let mut body = Scrubbed::new(Pieces(VecDeque::new()), Arc::clone(&patterns));
            let taken = pieces.iter().map(|piece| {
                body.take(piece.as_bytes(), false);
                body.ready.drain(..).filter_map(|frame| frame.into_data().ok()).map(|data| data.len()).sum::<usize>()
            });
            taken.collect::<Vec<_>>()
        };
        // Right and wrong guesses of how it begins.
        for right in ["1", "1234", "1234567"] {
            let wrong = "x".repeat(right.len());
            let padding = "-".repeat(40);
            let bodies = [right, wrong.as_str()].map(|guess| format!("{padding}{guess}"));
            let [right, wrong] = bodies.each_ref().map(|body| sizes(&[body, &padding, body]));
            assert_eq!(right, wrong);
        }
    }

    proptest! {
        #[test]
        fn however_a_body_is_cut_no_secret_gets_through(
            text in "[ab]{0,80}",
            cuts in proptest::collection::vec(0_usize..12, 0..40),
        ) {
            // Secrets that lie in each other and overlap with themselves.
            let secrets = [("one", "aabaabaa"), ("two", "aabaabaab"), ("three", "abababab")];
            let patterns = patterns(&secrets);
            let (whole, _) = patterns.scrub(text.as_bytes(), true);
            let (mut pieces, mut rest) = (Vec::new(), text.as_bytes());
            for cut in cuts {
                let (piece, behind) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece.to_vec());
                rest = behind;
            }
            pieces.push(rest.to_vec());
            let (received, trailers) = received(&patterns, pieces);
            prop_assert_eq!(&received, &whole);
            prop_assert_eq!(trailers["checked"].as_bytes(), b"{{secret:one}}");
            let received = String::from_utf8(received).unwrap();
            prop_assert!(secrets.iter().all(|(_, secret)| !received.contains(secret)), "{}", received);
            // Nothing else is changed.
            let back = secrets.iter().fold(received, |text, (name, secret)| text.replace(&placeholder(name), secret));
            prop_assert_eq!(back, text);
        }
    }
}
