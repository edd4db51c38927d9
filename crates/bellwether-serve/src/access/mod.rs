//! Who may do what: one table of roles and permissions, denied by default.
//!
//! A [`Role`] is a set of [`Permission`]s; a key has a role, and may be limited to some permissions of it (its scopes).
//! Every route says which permission it takes ([`guard`], or [`open`]), in the router and in the OpenAPI document alike.

mod attempts;
mod audit_looks;
mod denials;
mod guard;
mod issue;
mod key;
mod principal;
mod rates;
mod sign_in;
mod standing;
mod verifier;
#[cfg(test)]
mod whole_life;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use audit_looks::AuditLooks;
pub use denials::Denials;
pub use guard::{PERMISSION_FIELD, guard, open};
pub(crate) use guard::{Sender, address, is_safe, named_operations, operations_of};
pub use issue::{IssueError, KeyRequest};
pub use key::{DamagedHash, Key};
pub(crate) use principal::cookie_name;
pub use principal::{Authenticator, Caller, Credentials, Denied, Principal};
pub use rates::Rates;
pub(crate) use sign_in::GOOD_FOR;
pub use sign_in::{Everybody, KeyStanding, Keyed, SignIns};
pub use verifier::Verifier;
pub(crate) use verifier::principal;

/// What a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Look at devices, events, models, drift and figures.
    Read,
    /// Send samples.
    Ingest,
    /// Have samples judged that are not kept.
    Detect,
    /// Acknowledge alerts, and say what they were.
    Decide,
    /// Train models.
    Train,
    /// Say which model version judges.
    Publish,
    /// Change the configuration.
    Configure,
    /// Make and revoke keys.
    Keys,
    /// Read who changed what.
    Audit,
}

/// A set of permissions with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Works with alerts, and sends samples.
    Operator,
    /// Looks after models.
    Engineer,
    /// Does everything.
    Admin,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::Ingest,
        Self::Detect,
        Self::Decide,
        Self::Train,
        Self::Publish,
        Self::Configure,
        Self::Keys,
        Self::Audit,
    ];

    /// Its name, as keys and the document write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Ingest => "ingest",
            Self::Detect => "detect",
            Self::Decide => "decide",
            Self::Train => "train",
            Self::Publish => "publish",
            Self::Configure => "configure",
            Self::Keys => "keys",
            Self::Audit => "audit",
        }
    }

    /// Whether it is for making changes that are put in force and written down: such a change must not end half-way.
    /// Samples are not among them: each is durable or not, and whoever sends it is told which.
    pub(crate) fn changes(self) -> bool {
        match self {
            Self::Decide | Self::Train | Self::Publish | Self::Configure | Self::Keys => true,
            Self::Read | Self::Ingest | Self::Detect | Self::Audit => false,
        }
    }

    /// The permission of that name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.word() == word)
    }
}

impl Role {
    /// All of them, the weakest first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Engineer, Self::Admin];

    /// The table: what each role may do.
    pub fn permissions(self) -> &'static [Permission] {
        use Permission::*;
        match self {
            Self::Viewer => &[Read],
            Self::Operator => &[Read, Ingest, Detect, Decide],
            Self::Engineer => &[Read, Ingest, Detect, Decide, Train, Publish],
            Self::Admin => &Permission::ALL,
        }
    }

    /// Whether it may do that.
    pub fn may(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Engineer => "engineer",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stronger_role_may_all_that_a_weaker_one_may() {
        for pair in Role::ALL.windows(2) {
            let [weak, strong] = pair else { unreachable!() };
            assert!(
                weak.permissions()
                    .iter()
                    .all(|permission| strong.may(*permission))
            );
            assert!(strong.permissions().len() > weak.permissions().len());
        }
        assert!(
            Permission::ALL
                .iter()
                .all(|permission| Role::Admin.may(*permission))
        );
        for permission in Permission::ALL {
            assert_eq!(Permission::from_word(permission.word()), Some(permission));
        }
    }
}
