//! What was done to a model beside changes of its champion, by whom and why.

use bellwether_core::time::Timestamp;

use super::index::Because;
use super::name::Version;

/// One change, as it is kept in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The version that it is about.
    pub version: Version,
    /// When.
    pub at: Timestamp,
    /// What was done.
    pub deed: Deed,
    /// To what: the alias, the key of the tag, the key that signed.
    pub detail: String,
    /// Who did it, and why.
    pub because: Because,
}

/// What can be done to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// An alias names it from then on.
    Aliased,
    /// An alias that named it is forgotten.
    Unaliased,
    /// A tag was set.
    Tagged,
    /// A tag was taken off.
    Untagged,
    /// Its note was written or emptied.
    Noted,
    /// It was pinned.
    Pinned,
    /// It was let go.
    Unpinned,
    /// It was signed.
    Signed,
    /// It was removed by its number.
    Removed,
    /// It was removed by the rule that keeps the newest.
    Pruned,
}

impl Deed {
    /// All of them, with their names in files and answers.
    pub(super) const NAMES: [(Self, &'static str); 10] = [
        (Self::Aliased, "aliased"),
        (Self::Unaliased, "unaliased"),
        (Self::Tagged, "tagged"),
        (Self::Untagged, "untagged"),
        (Self::Noted, "noted"),
        (Self::Pinned, "pinned"),
        (Self::Unpinned, "unpinned"),
        (Self::Signed, "signed"),
        (Self::Removed, "removed"),
        (Self::Pruned, "pruned"),
    ];

    /// The name in files and answers.
    pub fn name(self) -> &'static str {
        let of_self = Self::NAMES.iter().find(|(deed, _)| *deed == self);
        of_self.map_or("", |(_, name)| name)
    }
}
