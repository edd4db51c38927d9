//! Who asks.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bellwether_stream::problem::Problem;
use futures_util::future::BoxFuture;

use super::{Permission, Role};
use crate::error;

/// Name of the cookie of people who signed in.
pub(crate) const COOKIE: &str = "bellwether-session";

/// Somebody who is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What they are called, in the audit log and for people.
    pub name: Arc<str>,
    /// The key they use; `None` where keys are not asked for.
    pub key_id: Option<Arc<str>>,
    /// What they may do,
    pub role: Role,
    /// and where set, only these of it.
    pub scopes: Option<Arc<[Permission]>>,
}

impl Principal {
    /// Whoever uses this machine, where keys are not asked for.
    pub fn local() -> Self {
        Self {
            name: "local".into(),
            key_id: None,
            role: Role::Admin,
            scopes: None,
        }
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A key, from `Authorization: Bearer` or `X-API-Key`.
    Key(String),
    /// The cookie of somebody who signed in.
    Cookie(String),
    /// Nothing.
    None,
}

impl Credentials {
    /// What the headers of a request hold. Headers count before cookies: a program that sends a key means it.
    pub fn of(headers: &HeaderMap) -> Self {
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
        match pairs.find(|(name, _)| *name == COOKIE) {
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
