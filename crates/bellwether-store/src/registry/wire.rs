//! The file `index.json`: what an [`Index`] looks like on disk, one struct per format version.

use std::collections::BTreeMap;
use std::str::FromStr;

use bellwether_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::IndexProblem;
use super::index::{Action, Because, Entry, Index, Promotion};
use super::name::{AliasName, ModelName, Version};

/// The format that we write.
const FORMAT_VERSION: u64 = 1;

/// Only what every format has.
#[derive(Deserialize)]
struct Head {
    format_version: u64,
}

/// Format version 1. Unknown keys are refused: rewriting the file would lose them.
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
    })
}

fn entry(wire: EntryV1) -> Result<Entry, String> {
    Ok(Entry {
        version: number(wire.version)?,
        created_at: instant(&wire.created_at)?,
        sha256: parsed(&wire.sha256)?,
        bytes: wire.bytes,
        summary: wire.summary,
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
    use super::*;
    use crate::bundle::Sha256;
    use crate::disk::tests::told;

    /// Kept for ever: written by format version 1.
    const GOLDEN: &str = include_str!("../../tests/bundles/index-v1.json");

    fn golden() -> Index {
        let version = |number| Version::new(number).unwrap();
        let entry = |number, sha256| Entry {
            version: version(number),
            created_at: Timestamp::from_nanos(1_700_000_000_000_000_000 + i64::from(number)),
            sha256,
            bytes: 777,
            summary: serde_json::json!({ "architecture": "lstm-ae", "threshold": 0.25 }),
        };
        let pump = "pump".parse().unwrap();
        let mut index = Index::first(pump, entry(1, Sha256::of(b"1")), Timestamp::from_secs(1));
        index.add(entry(2, Sha256::of(b"2")));
        index.add(entry(3, Sha256::of(b"3")));
        let pick = |number| super::super::Pick::Version(version(number));
        let nobody = Because::default();
        index.promote(&pick(3), &nobody, Timestamp::from_secs(2)).unwrap();
        index.rollback(&nobody, Timestamp::from_secs(3)).unwrap();
        index.remove(version(3)).unwrap();
        index.set_alias(&"canary".parse().unwrap(), &pick(2)).unwrap();
        index
    }

    #[test]
    fn the_golden_index_opens_for_ever() {
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
            "\"format_version\": 1",
            "\"format_version\": 2",
            "newer bellwether: format_version 2",
        );
        check(
            "\"format_version\": 1",
            "\"format_version\": 1, \"new\": 0",
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
        check("\"action\": \"promoted\"", "\"action\": \"guessed\"", "guessed");
        check("\"sha256\": \"6", "\"sha256\": \"", "64 hexadecimal digits");
    }
}
