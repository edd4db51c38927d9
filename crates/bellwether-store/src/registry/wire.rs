//! The file `index.json`: what an [`Index`] looks like on disk. Version 2 brought labels and the log; both can be left out, so
//! that one struct reads both versions.

use std::collections::BTreeMap;
use std::str::FromStr;

use bellwether_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::IndexProblem;
use super::index::{Action, Because, Entry, Index, Promotion};
use super::label::Labels;
use super::log::{Change, Deed};
use super::name::{AliasName, ModelName, Version};
use crate::signature::{Signature, SignatureText};

/// The format that we write.
const FORMAT_VERSION: u64 = 2;

/// Only what every format has.
#[derive(Deserialize)]
struct Head {
    format_version: u64,
}

/// A struct carries the version that brought it. Unknown keys are refused: rewriting the file would lose them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexV1 {
    format_version: u64,
    name: String,
    last_version: u32,
    /// By rising version.
    versions: Vec<EntryV1>,
    /// `champion` is one of them.
    aliases: BTreeMap<String, u32>,
    /// Oldest first.
    history: Vec<PromotionV1>,
    /// Oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    log: Vec<ChangeV2>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryV1 {
    version: u32,
    /// RFC 3339.
    created_at: String,
    sha256: String,
    bytes: u64,
    summary: serde_json::Value,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    note: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pinned: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    signatures: Vec<SignatureText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeV2 {
    version: u32,
    /// RFC 3339.
    at: String,
    action: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    by: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PromotionV1 {
    version: u32,
    /// RFC 3339.
    at: String,
    action: ActionV1,
    /// Empty where nobody said, and in indexes from before it was kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    by: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActionV1 {
    Published,
    Promoted,
    RolledBack,
}

/// The bytes of `index.json`.
pub(super) fn encode(index: &Index) -> Vec<u8> {
    let wire = IndexV1 {
        format_version: FORMAT_VERSION,
        name: index.name.to_string(),
        last_version: index.last_version.number(),
        versions: index.versions.iter().map(entry_to_wire).collect(),
        aliases: index
            .aliases()
            .map(|(alias, version)| (alias.to_string(), version.number()))
            .collect(),
        history: index.history.iter().map(promotion_to_wire).collect(),
        log: index.log.iter().map(change_to_wire).collect(),
    };
    let mut bytes =
        serde_json::to_vec_pretty(&wire).expect("text keys and plain values always have a JSON form");
    bytes.push(b'\n');
    bytes
}

fn entry_to_wire(entry: &Entry) -> EntryV1 {
    EntryV1 {
        version: entry.version.number(),
        created_at: entry.created_at.to_string(),
        sha256: entry.sha256.to_string(),
        bytes: entry.bytes,
        summary: entry.summary.clone(),
        tags: entry
            .labels
            .tags
            .iter()
            .map(|(key, value)| (key.to_string(), value.clone()))
            .collect(),
        note: entry.labels.note.clone(),
        pinned: entry.labels.is_pinned,
        signatures: entry.labels.signatures.iter().map(SignatureText::from).collect(),
    }
}

fn change_to_wire(change: &Change) -> ChangeV2 {
    ChangeV2 {
        version: change.version.number(),
        at: change.at.to_string(),
        action: change.deed.name().to_owned(),
        detail: change.detail.clone(),
        by: change.because.by.clone(),
        reason: change.because.reason.clone(),
    }
}

fn promotion_to_wire(promotion: &Promotion) -> PromotionV1 {
    PromotionV1 {
        version: promotion.version.number(),
        at: promotion.at.to_string(),
        action: match promotion.action {
            Action::Published => ActionV1::Published,
            Action::Promoted => ActionV1::Promoted,
            Action::RolledBack => ActionV1::RolledBack,
        },
        by: promotion.because.by.clone(),
        reason: promotion.because.reason.clone(),
    }
}

/// The index of the model `name` from the bytes of its `index.json`.
pub(super) fn decode(bytes: &[u8], name: &ModelName) -> Result<Index, IndexProblem> {
    let head: Head = serde_json::from_slice(bytes).map_err(IndexProblem::Json)?;
    if head.format_version > FORMAT_VERSION {
        return Err(IndexProblem::Newer {
            found: head.format_version,
            newest: FORMAT_VERSION,
        });
    }
    let wire: IndexV1 = serde_json::from_slice(bytes).map_err(IndexProblem::Json)?;
    let index = checked(wire).map_err(IndexProblem::Inconsistent)?;
    if index.name != *name {
        let text = format!("it says that it belongs to {}, not to {name}", index.name);
        return Err(IndexProblem::Inconsistent(text));
    }
    Ok(index)
}

/// The index, or what contradicts itself in it.
fn checked(wire: IndexV1) -> Result<Index, String> {
    let versions: Vec<Entry> = wire.versions.into_iter().map(entry).collect::<Result<_, _>>()?;
    let last_version = number(wire.last_version)?;
    if !versions.is_sorted_by(|a, b| a.version < b.version) {
        return Err("its versions do not rise".to_owned());
    }
    if versions.last().is_some_and(|last| last.version > last_version) {
        return Err(format!("it has versions above its last_version {last_version}"));
    }
    let mut aliases = BTreeMap::new();
    for (alias, version) in wire.aliases {
        let version = number(version)?;
        if !versions.iter().any(|entry| entry.version == version) {
            return Err(format!(
                "its alias {alias} names version {version}, which it has not"
            ));
        }
        aliases.insert(parsed::<AliasName>(&alias)?, version);
    }
    let champion = aliases
        .remove(&AliasName::champion())
        .ok_or("it has no champion")?;
    Ok(Index {
        name: parsed(&wire.name)?,
        last_version,
        versions,
        champion,
        aliases,
        history: wire
            .history
            .into_iter()
            .map(promotion)
            .collect::<Result<_, _>>()?,
        log: wire.log.into_iter().map(change).collect::<Result<_, _>>()?,
    })
}

fn entry(wire: EntryV1) -> Result<Entry, String> {
    Ok(Entry {
        version: number(wire.version)?,
        created_at: instant(&wire.created_at)?,
        sha256: parsed(&wire.sha256)?,
        bytes: wire.bytes,
        summary: wire.summary,
        labels: Labels {
            tags: wire
                .tags
                .into_iter()
                .map(|(key, value)| Ok((parsed(&key)?, value)))
                .collect::<Result<_, String>>()?,
            note: wire.note,
            is_pinned: wire.pinned,
            signatures: wire
                .signatures
                .iter()
                .map(|text| Signature::try_from(text).map_err(|error| error.to_string()))
                .collect::<Result<_, String>>()?,
        },
    })
}

fn change(wire: ChangeV2) -> Result<Change, String> {
    let deed = Deed::NAMES.iter().find(|(_, name)| *name == wire.action);
    let (deed, _) =
        deed.ok_or_else(|| format!("its log has the action {:?}, which there is not", wire.action))?;
    Ok(Change {
        version: number(wire.version)?,
        at: instant(&wire.at)?,
        deed: *deed,
        detail: wire.detail,
        because: Because {
            by: wire.by,
            reason: wire.reason,
        },
    })
}

fn promotion(wire: PromotionV1) -> Result<Promotion, String> {
    Ok(Promotion {
        version: number(wire.version)?,
        at: instant(&wire.at)?,
        action: match wire.action {
            ActionV1::Published => Action::Published,
            ActionV1::Promoted => Action::Promoted,
            ActionV1::RolledBack => Action::RolledBack,
        },
        because: Because {
            by: wire.by,
            reason: wire.reason,
        },
    })
}

fn number(number: u32) -> Result<Version, String> {
    Version::new(number).ok_or_else(|| "it has a version 0".to_owned())
}

fn instant(text: &str) -> Result<Timestamp, String> {
    let instant: jiff::Timestamp = parsed(text)?;
    let nanos = i64::try_from(instant.as_nanosecond()).map_err(|_| format!("{text} is out of range"))?;
    Ok(Timestamp::from_nanos(nanos))
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::label::Label;
    use super::*;
    use crate::bundle::Sha256;
    use crate::disk::tests::told;

    /// Kept for ever: written by format version 1.
    const GOLDEN_V1: &str = include_str!("../../tests/bundles/index-v1.json");

    /// Kept for ever: written by format version 2.
    const GOLDEN: &str = include_str!("../../tests/bundles/index-v2.json");

    /// What version 1 could say.
    fn plain() -> Index {
        let version = |number| Version::new(number).unwrap();
        let entry = |number, sha256| Entry {
            version: version(number),
            created_at: Timestamp::from_nanos(1_700_000_000_000_000_000 + i64::from(number)),
            sha256,
            bytes: 777,
            summary: serde_json::json!({ "architecture": "lstm-ae", "threshold": 0.25 }),
            labels: Labels::default(),
        };
        let pump = "pump".parse().unwrap();
        let mut index = Index::first(pump, entry(1, Sha256::of(b"1")), Timestamp::from_secs(1));
        index.add(entry(2, Sha256::of(b"2")));
        index.add(entry(3, Sha256::of(b"3")));
        let pick = |number| super::super::Pick::Version(version(number));
        let nobody = Because::default();
        index.promote(&pick(3), &nobody, Timestamp::from_secs(2)).unwrap();
        index.rollback(&nobody, Timestamp::from_secs(3)).unwrap();
        let at = Timestamp::from_secs(4);
        index.remove(version(3), &nobody, at).unwrap();
        index
            .set_alias(&"canary".parse().unwrap(), &pick(2), &nobody, at)
            .unwrap();
        index.log.clear();
        index
    }

    /// The same with all that version 2 can say.
    fn golden() -> Index {
        let mut index = plain();
        let anna = Because {
            by: "anna".to_owned(),
            reason: "the one of the audit".to_owned(),
        };
        let two = super::super::Pick::Version(Version::new(2).unwrap());
        let signature = crate::signature::SigningKey::from_seed([7; 32]).sign(&Sha256::of(b"2"));
        for (secs, label) in [
            Label::Tag("plant".parse().unwrap(), "north".to_owned()),
            Label::Note("Trained after the overhaul.".to_owned()),
            Label::Pin,
            Label::Sign(signature),
        ]
        .iter()
        .enumerate()
        {
            let at = Timestamp::from_secs(5 + secs as i64);
            index.label(&two, label, &anna, at).unwrap();
        }
        index
    }

    #[test]
    fn the_golden_index_opens_for_ever() {
        assert_eq!(decode(GOLDEN_V1.as_bytes(), &plain().name).unwrap(), plain());
        assert_eq!(decode(GOLDEN.as_bytes(), &golden().name).unwrap(), golden());
    }

    #[test]
    fn what_is_written_is_the_golden_index() {
        assert_eq!(String::from_utf8(encode(&golden())).unwrap(), GOLDEN);
    }

    #[test]
    fn who_promoted_and_why_is_kept() {
        let mut index = golden();
        let because = Because {
            by: "anna".to_owned(),
            reason: "fewer false alarms".to_owned(),
        };
        let pick = super::super::Pick::Version(Version::new(2).unwrap());
        index.promote(&pick, &because, Timestamp::from_secs(4)).unwrap();
        assert_eq!(decode(&encode(&index), &index.name).unwrap(), index);
        assert_eq!(index.history().last().unwrap().because, because);
        let long = Because {
            reason: "x".repeat(501),
            ..because
        };
        let error = index.rollback(&long, Timestamp::from_secs(5)).unwrap_err();
        assert!(error.to_string().contains("at most 500"), "{error}");
    }

    #[test]
    fn damaged_indexes_say_what_is_wrong() {
        let check = |from: &str, to: &str, expect: &str| {
            assert!(GOLDEN.contains(from), "{from}");
            let text = GOLDEN.replacen(from, to, 1);
            let error = told(&decode(text.as_bytes(), &golden().name).unwrap_err());
            assert!(error.contains(expect), "{error:?} does not say {expect:?}");
        };
        check(GOLDEN, "", "damaged");
        check("{", "[", "damaged");
        check(
            "\"format_version\": 2",
            "\"format_version\": 3",
            "newer bellwether: format_version 3",
        );
        check(
            "\"format_version\": 2",
            "\"format_version\": 2, \"new\": 0",
            "unknown field `new`",
        );
        check("\"pump\"", "\"fan\"", "belongs to fan, not to pump");
        check("\"pump\"", "\"../fan\"", "is no name for a model");
        check("\"version\": 1", "\"version\": 9", "do not rise");
        check("\"version\": 1", "\"version\": 0", "version 0");
        check(
            "\"last_version\": 3",
            "\"last_version\": 1",
            "above its last_version 1",
        );
        check("\"canary\": 2", "\"canary\": 7", "alias canary names version 7");
        check("\"canary\": 2", "\"../x\": 2", "is no alias");
        check("\"champion\": 1", "\"canary-1\": 1", "no champion");
        check("2023-11-14T22", "2023-11-14T25", "damaged");
        check("2023-", "9000-", "out of range");
        check(
            "\"action\": \"pinned\"",
            "\"action\": \"guessed\"",
            "which there is not",
        );
        check("\"plant\": ", "\"Plant\": ", "is no key of a tag");
        check("\"key\": \"", "\"key\": \"0", "64 hexadecimal digits");
        check("\"action\": \"promoted\"", "\"action\": \"guessed\"", "guessed");
        check("\"sha256\": \"6", "\"sha256\": \"", "64 hexadecimal digits");
    }
}
