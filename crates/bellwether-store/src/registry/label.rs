//! What people say of a version: tags, a note, a pin, signatures. Changing them leaves the bundle as it is.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bellwether_core::time::Timestamp;

use super::error::ChangeError;
use super::index::{Because, Entry, Index};
use super::log::Deed;
use super::name::{NameError, Version};
use super::reference::Pick;
use crate::signature::Signature;

/// Most tags of one version.
const TAGS_MAX: usize = 50;

/// Most signatures of one version.
const SIGNATURES_MAX: usize = 20;

/// Most characters of the value of a tag.
const TAG_CHARS_MAX: usize = 500;

/// Most characters of a note.
const NOTE_CHARS_MAX: usize = 5000;

/// What people say of a version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    /// Values by key.
    pub tags: BTreeMap<TagKey, String>,
    /// In words; empty where nobody wrote one.
    pub note: String,
    /// Whether it stays until it is let go, whatever a rule says.
    pub is_pinned: bool,
    /// By whom its bundle was signed.
    pub signatures: Vec<Signature>,
}

/// The key of a tag: as an alias is written, and dots may stand in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagKey(String);

impl TagKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TagKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TagKey {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
        let is_key = (1..=63).contains(&text.len())
            && text.bytes().all(is_inner)
            && text.starts_with(|first: char| first.is_ascii_lowercase());
        if is_key {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Tag {
                got: text.chars().take(80).collect(),
            })
        }
    }
}

/// A change of what people say of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Label {
    /// Sets a tag.
    Tag(TagKey, String),
    /// Takes a tag off; one that is not there is no error.
    Untag(TagKey),
    /// Writes the note; an empty one takes it away.
    Note(String),
    /// Pins the version: it cannot be removed, and no rule removes it.
    Pin,
    /// Lets it go.
    Unpin,
    /// Adds a signature, or replaces the one by the same key.
    Sign(Signature),
}

impl Index {
    /// Makes one change of what people say of the picked version.
    pub(super) fn label(
        &mut self,
        pick: &Pick,
        label: &Label,
        because: &Because,
        now: Timestamp,
    ) -> Result<Version, ChangeError> {
        because.check()?;
        let version = self.find(pick)?.version;
        let Some(entry) = self.versions.iter_mut().find(|entry| entry.version == version) else {
            return Ok(version);
        };
        let before = entry.labels.clone();
        let (deed, detail) = apply(entry, label)?;
        if entry.labels != before {
            self.note_down(version, deed, detail, because, now);
        }
        Ok(version)
    }
}

fn apply(entry: &mut Entry, label: &Label) -> Result<(Deed, String), ChangeError> {
    let labels = &mut entry.labels;
    Ok(match label {
        Label::Tag(key, value) => {
            bounded("a tag's value", value, TAG_CHARS_MAX)?;
            if labels.tags.len() >= TAGS_MAX && !labels.tags.contains_key(key) {
                return Err(many("tags", TAGS_MAX));
            }
            labels.tags.insert(key.clone(), value.clone());
            (Deed::Tagged, format!("{key}={value}"))
        }
        Label::Untag(key) => {
            labels.tags.remove(key);
            (Deed::Untagged, key.to_string())
        }
        Label::Note(text) => {
            bounded("a note", text, NOTE_CHARS_MAX)?;
            labels.note.clone_from(text);
            (Deed::Noted, String::new())
        }
        Label::Pin => {
            labels.is_pinned = true;
            (Deed::Pinned, String::new())
        }
        Label::Unpin => {
            labels.is_pinned = false;
            (Deed::Unpinned, String::new())
        }
        Label::Sign(signature) => {
            let others = labels
                .signatures
                .iter()
                .filter(|of| of.key != signature.key)
                .count();
            if others >= SIGNATURES_MAX {
                return Err(many("signatures", SIGNATURES_MAX));
            }
            labels.signatures.retain(|of| of.key != signature.key);
            labels.signatures.push(signature.clone());
            (Deed::Signed, format!("key {}", signature.key.id()))
        }
    })
}

fn bounded(what: &'static str, text: &str, n_chars_max: usize) -> Result<(), ChangeError> {
    let n_chars = text.chars().count();
    if n_chars <= n_chars_max {
        Ok(())
    } else {
        Err(ChangeError::LongLabel {
            what,
            n_chars,
            n_chars_max,
        })
    }
}

fn many(what: &'static str, n_max: usize) -> ChangeError {
    ChangeError::ManyLabels { what, n_max }
}
