//! Capabilities, grants and the one function that decides.
//!
//! An [`Authority`] starts from what the operator grants and only shrinks: [`Authority::meet`] is the one way to derive
//! another, and a [`Deny`] of the operator's beats all of it. [`authorise`] is the one maker of a [`Decision`]. This crate does no IO: whether a path exists, or leads
//! elsewhere by a symbolic link, is the business of whoever opens it; the path that was really reached must be asked
//! about, not the one that was written.

mod asked;
mod authorise;
mod authority;
mod capability;
mod deny;
mod flow;
mod grant;
mod http;
mod index;
mod key_file;
mod name;
mod origin;
mod path;
mod place;
mod quote;
mod scope;
mod secret;

pub use asked::Use;
pub use authorise::{Decision, GUEST_DENIAL, Reason, authorise};
pub use authority::{Authority, Bound, BoundKind, NamedByConfig, Rule};
pub use capability::Capability;
pub use deny::Deny;
pub use flow::{Flow, FlowRule, Flows, Labels, SENSITIVE, Sink, is_outward};
pub use grant::Grant;
pub use http::{HttpPlace, HttpPlaceError, HttpScope, Method, Methods};
pub use key_file::is_key_file_name;
pub use name::{NameError, NameScope};
pub use origin::{Host, Origin, OriginError, OriginPattern, Scheme};
pub use path::{Anchor, PathError, ScopedPath, WorkingFolder};
pub use place::{NamedError, ParseCapabilityError, Place};
pub use scope::PathScope;
pub use secret::{SecretPlace, SecretPlaceError, SecretScope};
