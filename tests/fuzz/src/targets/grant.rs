//! What `--allow` says and what configs name: paths and origins in normal form, capabilities in their order, and what they hold.

use palisade_authority::{Capability, Grant, Method, Origin, PathScope, ScopedPath, Use, WorkingFolder};
use palisade_model::neutral::is_hidden;
use std::net::IpAddr;

/// The first line is a path and a URL, the next two are grants.
pub(crate) fn run(bytes: &[u8]) {
    let folder = WorkingFolder::new(b"/home/ann/work").expect("a folder");
    let mut lines = bytes.splitn(3, |&byte| byte == b'\n');
    let path = lines.next().and_then(|line| ScopedPath::parse(&folder, line).ok());
    if let Some(path) = &path {
        check_path(&folder, path);
    }
    let url = bytes.split(|&byte| byte == b'\n').next().and_then(|line| std::str::from_utf8(line).ok());
    let origin = url.and_then(|url| Origin::of_url(url).ok());
    if let Some(origin) = &origin {
        check_origin(origin);
    }
    let uses = uses(path.as_ref(), origin.as_ref());
    let grants: Vec<Grant> = lines.filter_map(|line| Grant::parse(&folder, line).ok()).collect();
    for a in &grants {
        assert!(!a.stated().contains(is_hidden), "{:?}", a.stated());
        let stored = serde_json::to_string(a.capability()).expect("a capability can be stored");
        assert_eq!(serde_json::from_str::<Capability>(&stored).ok().as_ref(), Some(a.capability()), "{stored}");
        for b in &grants {
            check_order(a.capability(), b.capability(), &uses);
        }
    }
}

/// A path that was read has no part that means another one, and reads the same when it is written or stored.
fn check_path(folder: &WorkingFolder, path: &ScopedPath) {
    for segment in path.segments() {
        assert!(!segment.is_empty() && segment != b"." && segment != b"..", "{path:?}");
        assert!(!segment.contains(&b'/') && !segment.contains(&0), "{path:?}");
    }
    assert!(!path.to_string().contains(is_hidden), "{path:?}");
    assert_eq!(ScopedPath::parse(folder, &path.to_bytes()).as_ref(), Ok(path), "written and read it is another");
    let stored = serde_json::to_string(path).expect("a path can be stored");
    assert_eq!(serde_json::from_str::<ScopedPath>(&stored).ok().as_ref(), Some(path), "{stored}");
    assert!(path.is_within(path));
    assert!(PathScope::any().covers(&PathScope::below([path.clone()])));
}

/// The origin of a URL is written in one way, which holds nothing that could be read in two.
fn check_origin(origin: &Origin) {
    let text = origin.to_string();
    assert_eq!(Origin::parse(&text).as_ref(), Ok(origin), "written and read it is another");
    assert_eq!(Origin::of_url(&format!("{text}/path?query#fragment")).as_ref(), Ok(origin));
    assert!(text.is_ascii() && !text.contains(['@', '\\', '*', ' ', '%']), "{text}");
}

/// What could be asked for there.
fn uses(path: Option<&ScopedPath>, origin: Option<&Origin>) -> Vec<Use> {
    let files = path.into_iter().flat_map(|path| {
        let (path, database) = (path.clone(), path.clone());
        [Use::FsRead { path }, Use::Sql { database }]
    });
    let inside = IpAddr::from([10, 0, 0, 1]);
    let requests = origin.into_iter().flat_map(|origin| {
        [(Method::Get, None), (Method::Put, None), (Method::Get, Some(inside))].map(|(method, private)| Use::Http {
            method,
            origin: origin.clone(),
            private,
        })
    });
    files.chain(requests).collect()
}

/// `covers` is an order, `meet` its lower bound, and both mean what the sets of uses mean that they allow.
fn check_order(a: &Capability, b: &Capability, uses: &[Use]) {
    let meet = a.meet(b);
    assert_eq!(meet, b.meet(a), "the order of a meet matters");
    assert_eq!(meet.is_some(), a.power() == b.power());
    assert_eq!(a.covers(b), meet.as_ref() == Some(b), "{a:?} {b:?}");
    let Some(meet) = meet else { return };
    assert!(a.covers(&meet) && b.covers(&meet), "{meet:?} is more than {a:?} or {b:?}");
    for asked in uses {
        let (by_a, by_b) = (a.allows(asked), b.allows(asked));
        assert_eq!(meet.allows(asked), by_a && by_b, "{asked:?} by {a:?} and {b:?}");
        assert!(!a.covers(b) || !by_b || by_a, "{a:?} covers {b:?} but not {asked:?}");
    }
}
