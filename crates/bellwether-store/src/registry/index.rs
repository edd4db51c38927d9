//! What the registry knows of one model: its versions, which of them serves, and how that came about. Pure: no disk.

use std::collections::BTreeMap;

use bellwether_core::time::Timestamp;

use super::error::{ChangeError, LookupError, Near};
use super::label::Labels;
use super::log::{Change, Deed};
use super::name::{AliasName, ModelName, Version};
use super::reference::Pick;
use crate::bundle::Sha256;

/// Most promotions remembered; the oldest are forgotten.
const HISTORY_LEN_MAX: usize = 1000;

/// Most characters of a reason and of who gives it.
pub(super) const REASON_CHARS_MAX: usize = 500;

/// Most aliases of one model.
const ALIASES_MAX: usize = 1000;

/// One published version.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number.
    pub version: Version,
    /// When it was published.
    pub created_at: Timestamp,
    /// Checksum of the whole bundle file.
    pub sha256: Sha256,
    /// Size of the bundle file.
    pub bytes: u64,
    /// What whoever published it said about it: architecture, channels, threshold, metrics …
    pub summary: serde_json::Value,
    /// What people say of it: tags, a note, whether it is pinned, who signed it.
    pub labels: Labels,
}

/// How a version became champion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// As the first version of its model.
    Published,
    /// It was promoted.
    Promoted,
    /// The champion after it was rolled back.
    RolledBack,
}

/// Who changes the champion, and why. Empty where nobody says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Because {
    /// Who.
    pub by: String,
    /// Why, in words.
    pub reason: String,
}

/// One change of champion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// The champion from then on.
    pub version: Version,
    /// When.
    pub at: Timestamp,
    /// How.
    pub action: Action,
    /// Who did it, and why.
    pub because: Because,
}

/// An alias moved from one version to another; to the same where nothing had to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// What it named before.
    pub from: Version,
    /// What it names now.
    pub to: Version,
}

/// One model of the registry. It always has a champion, hence at least one version.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    pub(super) name: ModelName,
    /// Highest number ever given, so that the number of a removed version is not given again.
    pub(super) last_version: Version,
    /// By rising version.
    pub(super) versions: Vec<Entry>,
    pub(super) champion: Version,
    /// All aliases but `champion`.
    pub(super) aliases: BTreeMap<AliasName, Version>,
    /// Oldest first.
    pub(super) history: Vec<Promotion>,
    /// All other changes, oldest first.
    pub(super) log: Vec<Change>,
}

impl Because {
    pub(super) fn check(&self) -> Result<(), ChangeError> {
        let n_chars = self.reason.chars().count().max(self.by.chars().count());
        if n_chars <= REASON_CHARS_MAX {
            Ok(())
        } else {
            let n_chars_max = REASON_CHARS_MAX;
            Err(ChangeError::LongReason { n_chars, n_chars_max })
        }
    }
}

impl Index {
    /// A model of one version, its champion.
    pub(super) fn first(name: ModelName, entry: Entry, now: Timestamp) -> Self {
        let version = entry.version;
        let published = Promotion {
            version,
            at: now,
            action: Action::Published,
            because: Because::default(),
        };
        Self {
            name,
            last_version: version,
            versions: vec![entry],
            champion: version,
            aliases: BTreeMap::new(),
            history: vec![published],
            log: Vec::new(),
        }
    }

    /// The model's name.
    pub fn name(&self) -> &ModelName {
        &self.name
    }

    /// The version that serves.
    pub fn champion(&self) -> Version {
        self.champion
    }

    /// All versions, oldest first.
    pub fn versions(&self) -> &[Entry] {
        &self.versions
    }

    /// All aliases, `champion` first, the others by name.
    pub fn aliases(&self) -> impl Iterator<Item = (AliasName, Version)> {
        let others = self
            .aliases
            .iter()
            .map(|(alias, &version)| (alias.clone(), version));
        std::iter::once((AliasName::champion(), self.champion)).chain(others)
    }

    /// The aliases that name this version.
    pub fn aliases_of(&self, version: Version) -> Vec<AliasName> {
        self.aliases()
            .filter(|&(_, named)| named == version)
            .map(|(alias, _)| alias)
            .collect()
    }

    /// The last changes of champion (1000 at most), oldest first.
    pub fn history(&self) -> &[Promotion] {
        &self.history
    }

    /// The last changes of all else (1000 at most), oldest first.
    pub fn log(&self) -> &[Change] {
        &self.log
    }

    /// The version that `pick` means.
    ///
    /// # Errors
    /// Where there is none, naming what there is.
    pub fn find(&self, pick: &Pick) -> Result<&Entry, LookupError> {
        let version = match pick {
            Pick::Version(version) => *version,
            Pick::Alias(alias) if alias.is_champion() => self.champion,
            Pick::Alias(alias) => *self.aliases.get(alias).ok_or_else(|| LookupError::UnknownAlias {
                name: self.name.clone(),
                alias: alias.clone(),
                near: Near::among(alias.as_str(), self.aliases().map(|(alias, _)| alias.to_string())),
            })?,
        };
        self.entry(version).ok_or_else(|| LookupError::UnknownVersion {
            name: self.name.clone(),
            version,
            near: Near::versions(version, self.versions.iter().map(|entry| entry.version)),
        })
    }

    pub(super) fn entry(&self, version: Version) -> Option<&Entry> {
        let idx = self
            .versions
            .binary_search_by_key(&version, |entry| entry.version)
            .ok()?;
        self.versions.get(idx)
    }

    /// Adds a version, numbered higher than all before. The champion stays.
    pub(super) fn add(&mut self, entry: Entry) {
        assert!(entry.version > self.last_version, "numbers of versions only rise");
        self.last_version = entry.version;
        self.versions.push(entry);
    }

    /// Makes the picked version champion.
    pub(super) fn promote(
        &mut self,
        pick: &Pick,
        because: &Because,
        now: Timestamp,
    ) -> Result<Moved, ChangeError> {
        because.check()?;
        let to = self.find(pick)?.version;
        if to == self.champion {
            return Ok(Moved { from: to, to });
        }
        Ok(self.crown(to, now, Action::Promoted, because))
    }

    /// Makes the champion before this one champion again.
    pub(super) fn rollback(&mut self, because: &Because, now: Timestamp) -> Result<Moved, ChangeError> {
        because.check()?;
        let to = self
            .earlier_champion()
            .ok_or_else(|| ChangeError::NoEarlierChampion {
                name: self.name.clone(),
                champion: self.champion,
            })?;
        Ok(self.crown(to, now, Action::RolledBack, because))
    }

    fn crown(&mut self, version: Version, at: Timestamp, action: Action, because: &Because) -> Moved {
        let from = std::mem::replace(&mut self.champion, version);
        self.history.push(Promotion {
            version,
            at,
            action,
            because: because.clone(),
        });
        let n_forgotten = self.history.len().saturating_sub(HISTORY_LEN_MAX);
        self.history.drain(..n_forgotten);
        Moved { from, to: version }
    }

    /// The champion to which a rollback leads: promotions pile up, a rollback takes from the pile all that came
    /// after its target. So two rollbacks in a row go back two promotions, not back and forth. Removed versions are
    /// passed over.
    pub(super) fn earlier_champion(&self) -> Option<Version> {
        let mut pile: Vec<Version> = Vec::new();
        for promotion in &self.history {
            let target = match promotion.action {
                Action::RolledBack => pile.iter().rposition(|&version| version == promotion.version),
                Action::Published | Action::Promoted => None,
            };
            match target {
                Some(idx) => pile.truncate(idx + 1),
                None => pile.push(promotion.version),
            }
        }
        pile.into_iter()
            .rev()
            .find(|&version| version != self.champion && self.entry(version).is_some())
    }

    /// Lets `alias` name the picked version; gives what it named before.
    pub(super) fn set_alias(
        &mut self,
        alias: &AliasName,
        pick: &Pick,
        because: &Because,
        now: Timestamp,
    ) -> Result<Option<Version>, ChangeError> {
        because.check()?;
        if alias.is_champion() {
            return Err(ChangeError::ChampionIsPromoted);
        }
        let version = self.find(pick)?.version;
        if self.aliases.len() >= ALIASES_MAX && !self.aliases.contains_key(alias) {
            return Err(ChangeError::TooManyAliases {
                name: self.name.clone(),
                n_max: ALIASES_MAX,
            });
        }
        let before = self.aliases.insert(alias.clone(), version);
        if before != Some(version) {
            let detail = alias.to_string();
            self.note_down(version, Deed::Aliased, detail, because, now);
        }
        Ok(before)
    }

    /// Forgets `alias`; gives what it named.
    pub(super) fn drop_alias(
        &mut self,
        alias: &AliasName,
        because: &Because,
        now: Timestamp,
    ) -> Result<Version, ChangeError> {
        because.check()?;
        if alias.is_champion() {
            return Err(ChangeError::ChampionIsPromoted);
        }
        let version = self.find(&Pick::Alias(alias.clone()))?.version;
        self.aliases.remove(alias);
        let detail = alias.to_string();
        self.note_down(version, Deed::Unaliased, detail, because, now);
        Ok(version)
    }

    /// Forgets a version that neither an alias nor a pin holds.
    pub(super) fn remove(
        &mut self,
        version: Version,
        because: &Because,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        because.check()?;
        let entry = self.find(&Pick::Version(version))?;
        let (is_pinned, sha256) = (entry.labels.is_pinned, entry.sha256);
        let aliases = self.aliases_of(version);
        if !aliases.is_empty() {
            return Err(ChangeError::InUse {
                name: self.name.clone(),
                version,
                aliases,
            });
        }
        if is_pinned {
            return Err(ChangeError::Pinned {
                name: self.name.clone(),
                version,
            });
        }
        self.versions.retain(|entry| entry.version != version);
        // Which content it was can still be told.
        self.note_down(version, Deed::Removed, format!("sha256 {sha256}"), because, now);
        Ok(())
    }

    /// Adds a change to the log; the oldest are forgotten.
    pub(super) fn note_down(
        &mut self,
        version: Version,
        deed: Deed,
        detail: String,
        because: &Because,
        at: Timestamp,
    ) {
        self.log.push(Change {
            version,
            at,
            deed,
            detail,
            because: because.clone(),
        });
        let n_forgotten = self.log.len().saturating_sub(HISTORY_LEN_MAX);
        self.log.drain(..n_forgotten);
    }
}

#[cfg(test)]
mod tests;
