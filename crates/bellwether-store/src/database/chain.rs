//! Entries of the audit vouch for each other: the hash of each covers the hash of the one before.
//!
//! Who changes, removes or moves an entry, and does not write all later ones anew, is found out. Who may write the
//! database can do that too: whoever wants to be sure keeps [`AuditCheck::hash`] elsewhere, and compares.

use std::fmt;

use sha2::Digest as _;

use super::AuditEntry;
use crate::bundle::Sha256;

/// What came of looking at every entry of the audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditCheck {
    /// Entries that are as they were written.
    pub n_entries: i64,
    /// Those of them from before entries vouched for each other: that they are all there is known, not what they say.
    pub n_unchained: i64,
    /// The hash of the last of them, which stands for all; empty where there is none.
    pub hash: String,
    /// The first entry that is not as it was written.
    pub fault: Option<AuditFault>,
}

/// What is wrong with the audit, and at which entry that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditFault {
    /// The entry of this number is not there, but later ones are.
    Missing(i64),
    /// The entry of this number is not the one that was written.
    Changed(i64),
    /// The audit once had this entry, and perhaps later ones, at its end.
    CutOff(i64),
}

/// Ends a sentence: `entry 7 is missing`.
impl fmt::Display for AuditFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(n) => write!(f, "entry {n} is missing"),
            Self::Changed(n) => write!(f, "entry {n} is not the one that was written"),
            Self::CutOff(n) => write!(
                f,
                "the end is cut off: entry {n} is missing, perhaps later ones too"
            ),
        }
    }
}

/// The newest entry, as written down beside the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) n: i64,
    pub(super) hash: String,
}

/// The hash of an entry that follows one with the hash `previous`: SHA-256, hexadecimal. Every part comes after its
/// length in bytes, so that nothing can move from one to the next.
pub(super) fn hash(tenant: &str, previous: &str, entry: &AuditEntry) -> String {
    let mut hash = sha2::Sha256::new();
    let (n, at) = (entry.n.to_be_bytes(), entry.at.as_nanos().to_be_bytes());
    let parts: [&[u8]; 8] = [
        previous.as_bytes(),
        tenant.as_bytes(),
        &n,
        &at,
        entry.actor.as_bytes(),
        entry.action.as_bytes(),
        entry.subject.as_bytes(),
        entry.detail.as_bytes(),
    ];
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    Sha256::finish(hash).to_string()
}

/// Follows the audit of a tenant to its last entry.
#[derive(Debug)]
pub(super) struct Follower<'t> {
    tenant: &'t str,
    last: Head,
    n_unchained: i64,
}

impl<'t> Follower<'t> {
    /// Begins where an earlier look ended.
    pub(super) fn from(tenant: &'t str, check: &AuditCheck) -> Self {
        Self {
            tenant,
            last: Head {
                n: check.n_entries,
                hash: check.hash.clone(),
            },
            n_unchained: check.n_unchained,
        }
    }

    /// Number of the last entry that was as it was written.
    pub(super) fn n(&self) -> i64 {
        self.last.n
    }

    /// Takes the next entry, with the hash that is stored with it.
    pub(super) fn take(&mut self, entry: &AuditEntry, stored: &str) -> Result<(), AuditFault> {
        let n = self.last.n + 1;
        if entry.n > n {
            return Err(AuditFault::Missing(n));
        }
        let is_from_before = stored.is_empty() && self.last.hash.is_empty();
        let is_next = entry.n == n && (is_from_before || stored == hash(self.tenant, &self.last.hash, entry));
        if !is_next {
            return Err(AuditFault::Changed(entry.n));
        }
        self.n_unchained += i64::from(is_from_before);
        self.last.n = n;
        stored.clone_into(&mut self.last.hash);
        Ok(())
    }

    /// Nothing follows; `head` is what stands beside the audit.
    pub(super) fn end(&self, head: Option<&Head>) -> Result<(), AuditFault> {
        let last = &self.last;
        match head {
            // Written with the first entry that vouches for another.
            None if last.hash.is_empty() => Ok(()),
            None => Err(AuditFault::CutOff(last.n + 1)),
            Some(head) if head.n > last.n => Err(AuditFault::CutOff(last.n + 1)),
            Some(head) if head.n < last.n => Err(AuditFault::Changed(head.n + 1)),
            Some(head) if head.hash != last.hash => Err(AuditFault::Changed(last.n)),
            Some(_) => Ok(()),
        }
    }

    /// What came of it.
    pub(super) fn check(self, fault: Option<AuditFault>) -> AuditCheck {
        AuditCheck {
            n_entries: self.last.n,
            n_unchained: self.n_unchained,
            hash: self.last.hash,
            fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use bellwether_core::time::Timestamp;
    use proptest::prelude::*;

    use super::*;

    type Row = (AuditEntry, String);

    const TENANT: &str = "default";

    /// `n_entries` entries, the first `n_unchained` of them without a hash.
    fn audit(n_entries: i64, n_unchained: i64) -> (Vec<Row>, Option<Head>) {
        let mut rows: Vec<Row> = Vec::new();
        for n in 1..=n_entries {
            let entry = AuditEntry {
                n,
                at: Timestamp::from_secs(1_700_000_000 + n),
                actor: ["ann", "bob"][n as usize % 2].to_owned(),
                action: "acknowledge".to_owned(),
                subject: format!("alert-{}", n % 3),
                detail: String::new(),
            };
            let previous = rows.last().map_or("", |(_, hash)| hash);
            let hash = if n <= n_unchained {
                String::new()
            } else {
                hash(TENANT, previous, &entry)
            };
            rows.push((entry, hash));
        }
        let last = rows.last().filter(|(_, hash)| !hash.is_empty());
        let head = last.map(|(entry, hash)| Head {
            n: entry.n,
            hash: hash.clone(),
        });
        (rows, head)
    }

    fn check(rows: &[Row], head: Option<&Head>) -> Result<AuditCheck, AuditFault> {
        let mut follower = Follower::from(TENANT, &AuditCheck::default());
        for (entry, hash) in rows {
            follower.take(entry, hash)?;
        }
        follower.end(head)?;
        Ok(follower.check(None))
    }

    #[test]
    fn the_hash_of_an_entry_is_that_of_its_parts_with_their_lengths() {
        let entry = AuditEntry {
            n: 7,
            at: Timestamp::from_nanos(1_700_000_000_123_456_789),
            actor: "ann".to_owned(),
            action: "acknowledge".to_owned(),
            subject: "a1".to_owned(),
            detail: "dévice".to_owned(),
        };
        // Python 3.11.7: sha256(b"".join(pack(">Q", len(p)) + p for p in parts)) with pack(">q", …) for both numbers.
        let want = "ee627b106690a93bdcfb31908c45bf8ebf6699bdeb468fa2b7e31492341b7dec";
        assert_eq!(hash("default", &"0f".repeat(32), &entry), want);
    }

    #[test]
    fn an_audit_as_it_was_written_is_found_so() {
        for (n_entries, n_unchained) in [(0, 0), (1, 0), (1, 1), (5, 0), (5, 3), (5, 5)] {
            let (rows, head) = audit(n_entries, n_unchained);
            let found = check(&rows, head.as_ref()).unwrap();
            assert_eq!((found.n_entries, found.n_unchained), (n_entries, n_unchained));
            assert_eq!(found.hash, head.map_or(String::new(), |head| head.hash));
        }
    }

    #[test]
    fn entries_that_nobody_vouches_for_are_found_after_others() {
        let (mut rows, head) = audit(6, 2);
        for (_, hash) in &mut rows[3..] {
            hash.clear();
        }
        assert_eq!(check(&rows, head.as_ref()), Err(AuditFault::Changed(4)));
        for (_, hash) in &mut rows {
            hash.clear();
        }
        assert_eq!(check(&rows, head.as_ref()), Err(AuditFault::Changed(6)));
        let (rows, _) = audit(6, 2);
        assert_eq!(check(&rows, None), Err(AuditFault::CutOff(7)), "the head is gone");
        let (longer, _) = audit(8, 2);
        assert_eq!(check(&longer, head.as_ref()), Err(AuditFault::Changed(7)));
        let (_, other) = audit(6, 0);
        assert_eq!(check(&rows, other.as_ref()), Err(AuditFault::Changed(6)));
    }

    #[derive(Debug, Clone)]
    enum Edit {
        Text(usize, String),
        /// The last character of one field goes to the front of the next.
        Shift(usize),
        Time(i64),
        Number(i64),
        Hash(String),
        Delete,
        /// Contents change places, and numbers stay; with hashes or without.
        Swap(usize, bool),
        Repeat,
        CutOff(usize),
    }

    fn edits() -> impl Strategy<Value = Edit> {
        prop_oneof![
            (0..4_usize, "\\PC{0,8}").prop_map(|(field, text)| Edit::Text(field, text)),
            (0..3_usize).prop_map(Edit::Shift),
            any::<i64>().prop_map(Edit::Time),
            (-3..20_i64).prop_map(Edit::Number),
            "[0-9a-f]{64}|".prop_map(Edit::Hash),
            Just(Edit::Delete),
            (1..12_usize, any::<bool>()).prop_map(|(by, with_hash)| Edit::Swap(by, with_hash)),
            Just(Edit::Repeat),
            (1..12_usize).prop_map(Edit::CutOff),
        ]
    }

    fn fields(entry: &mut AuditEntry) -> [&mut String; 4] {
        [
            &mut entry.actor,
            &mut entry.action,
            &mut entry.subject,
            &mut entry.detail,
        ]
    }

    fn apply(edit: Edit, rows: &mut Vec<Row>, idx: usize) {
        match edit {
            Edit::Text(field, text) => *fields(&mut rows[idx].0)[field] = text,
            Edit::Shift(field) => {
                let fields = fields(&mut rows[idx].0);
                let moved = fields[field].pop().expect("has characters");
                fields[field + 1].insert(0, moved);
            }
            Edit::Time(nanos) => rows[idx].0.at = Timestamp::from_nanos(nanos),
            Edit::Number(n) => rows[idx].0.n = n,
            Edit::Hash(hash) => rows[idx].1 = hash,
            Edit::Delete => drop(rows.remove(idx)),
            Edit::Swap(by, with_hash) => {
                let (a, b) = (idx, (idx + by) % rows.len());
                rows.swap(a, b);
                let n = rows[a].0.n;
                rows[a].0.n = std::mem::replace(&mut rows[b].0.n, n);
                if !with_hash {
                    let hash = std::mem::take(&mut rows[a].1);
                    rows[a].1 = std::mem::replace(&mut rows[b].1, hash);
                }
            }
            Edit::Repeat => rows.insert(idx, rows[idx].clone()),
            Edit::CutOff(n_kept) => rows.truncate(n_kept.min(rows.len() - 1)),
        }
        // As the database gives them back.
        rows.sort_by_key(|(entry, _)| entry.n);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn every_edit_deletion_and_reordering_is_found(
            n_entries in 1..12_i64,
            at in any::<prop::sample::Index>(),
            edit in edits(),
        ) {
            let (before, head) = audit(n_entries, 0);
            let mut after = before.clone();
            let idx = at.index(before.len());
            let is_cut = matches!(edit, Edit::CutOff(_));
            apply(edit, &mut after, idx);
            prop_assume!(before != after);
            let fault = check(&after, head.as_ref()).expect_err("it was changed");
            // The first row that is another than it was.
            let first = before.iter().zip(&after).take_while(|(before, after)| before == after).count() as i64 + 1;
            let (AuditFault::Missing(n) | AuditFault::Changed(n) | AuditFault::CutOff(n)) = fault;
            let found = after.get(first as usize - 1).map_or(first, |(entry, _)| entry.n.min(first));
            // A first entry without its hash looks like one from before; what follows it, or the head, tells.
            let is_first_bare = after.first().is_some_and(|(_, hash)| hash.is_empty());
            prop_assert!(n == found || is_first_bare && n == 2, "found at {n}, changed at {found}");
            if is_cut {
                prop_assert_eq!(fault, AuditFault::CutOff(first));
            }
        }
    }
}
