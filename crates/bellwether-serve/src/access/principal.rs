//! Who asks.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bellwether_core::time::Timestamp;
use bellwether_stream::problem::Problem;
use futures_util::future::BoxFuture;

use super::{Permission, Role};
use crate::error;

/// Name of the cookie of people who signed in. Where connections are encrypted it has a prefix by which browsers let
/// nobody set it but this very host.
pub(crate) fn cookie_name(is_encrypted: bool) -> &'static str {
    if is_encrypted {
        "__Host-bellwether-session"
    } else {
        "bellwether-session"
    }
}

/// Somebody who is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What they are called, for people. Keys may share a name: [`actor`](Self::actor) tells them apart.
    pub name: Arc<str>,
    /// The key they use; `None` where keys are not asked for.
    pub key_id: Option<Arc<str>>,
    /// What they may do,
    pub role: Role,
    /// and where set, only these of it.
    pub scopes: Option<Arc<[Permission]>>,
    /// From when on they are nobody any more; `None`: that does not come by itself.
    pub expires_at: Option<Timestamp>,
}

impl Principal {
    /// Whoever uses this machine, where keys are not asked for.
    pub fn local() -> Self {
        Self {
            name: "local".into(),
            key_id: None,
            role: Role::Admin,
            scopes: None,
            expires_at: None,
        }
    }

    /// Whoever came by the code of a first start.
    pub fn first_start() -> Self {
        Self {
            name: "first-start".into(),
            ..Self::local()
        }
    }

    /// Who it was, for the audit log: the name, and the id of the key, which is one key's alone.
    pub fn actor(&self) -> Arc<str> {
        match &self.key_id {
            Some(id) => format!("{} ({id})", self.name).into(),
            None => Arc::clone(&self.name),
        }
    }

    /// Whether their time is over at `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    /// Whether they may do that.
    pub fn may(&self, permission: Permission) -> bool {
        let in_scope = |scopes: &Arc<[Permission]>| scopes.contains(&permission);
        self.role.may(permission) && self.scopes.as_ref().is_none_or(in_scope)
    }

    /// All that they may do.
    pub fn permissions(&self) -> Vec<Permission> {
        let all = Permission::ALL.into_iter();
        all.filter(|permission| self.may(*permission)).collect()
    }
}

/// What a request shows of who sends it.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A key, from `Authorization: Bearer` or `X-API-Key`.
    Key(String),
    /// The cookie of somebody who signed in.
    Cookie(String),
    /// Nothing.
    None,
}

/// Without what is shown.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Cookie(_) => "Cookie",
            Self::None => "None",
        })
    }
}

impl Credentials {
    /// What the headers of a request hold. Headers count before the cookie of this name: a program that sends a key
    /// means it.
    pub fn of(headers: &HeaderMap, cookie: &str) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text(header::AUTHORIZATION.as_str()).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        if let Some(key) = bearer.or_else(|| text("x-api-key").map(str::trim)) {
            return Self::Key(key.to_owned());
        }
        let cookies = headers.get_all(header::COOKIE).iter();
        let mut pairs = cookies
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        match pairs.find(|(name, _)| *name == cookie) {
            Some((_, value)) => Self::Cookie(value.to_owned()),
            None => Self::None,
        }
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// No key was shown, or one that is not known, has expired or was revoked: nobody learns which.
    Unknown,
    /// Too many wrong keys from there: try again after so many seconds.
    TooOften(u32),
    /// Keys cannot be looked up now.
    Unavailable(String),
}

impl Denied {
    /// Why, for the audit; `None` where it is no fault of who asks.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Unknown => Some("no valid key"),
            Self::TooOften(_) => Some("too many wrong keys"),
            Self::Unavailable(_) => None,
        }
    }
}

/// Tells who somebody is.
pub trait Authenticator: Send + Sync + std::fmt::Debug {
    /// Who shows these credentials, from that address.
    fn authenticate(
        &self,
        credentials: Credentials,
        from: IpAddr,
    ) -> BoxFuture<'_, Result<Principal, Denied>>;

    /// Whether it asks for keys at all.
    fn asks_for_keys(&self) -> bool;

    /// A key was revoked in this process: from now on it lets nobody in, whatever is remembered of it.
    fn revoked(&self, key_id: &str);

    /// A key was made in this process.
    fn made(&self, _: &Principal) {}

    /// Whether there is no key in force that may make others.
    fn is_first_start(&self) -> BoxFuture<'_, Result<bool, Denied>> {
        Box::pin(std::future::ready(Ok(false)))
    }

    /// Waits until somebody who was let in would be so no more: for what goes on for long.
    fn over(&self, _: &Principal) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// The one who asks, for handlers: there in every route that is guarded.
#[derive(Debug, Clone)]
pub struct Caller(pub Principal);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Principal>().cloned();
        caller.map(Self).ok_or_else(error::not_signed_in)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Ok(parts.extensions.get::<Principal>().cloned().map(Self))
    }
}
