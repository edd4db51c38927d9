//! Which versions go when only so many are to stay.

use bellwether_core::time::Timestamp;

use super::error::ChangeError;
use super::index::{Because, Index};
use super::log::Deed;
use super::name::{ModelName, Version};
use super::{Registry, plan};

/// Which versions stay beside those that an alias or a pin holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// So many of the newest, held or not.
    pub n_newest: usize,
    /// And those that were published at this time or after it.
    pub since: Option<Timestamp>,
}

impl Index {
    /// The versions that `retention` lets go, oldest first. Never one that an alias or a pin holds, and never the
    /// champion to which a rollback would lead.
    pub fn dispensable(&self, retention: &Retention) -> Vec<Version> {
        let n_old = self.versions.len().saturating_sub(retention.n_newest);
        let before = self.earlier_champion();
        let old = self.versions[..n_old].iter().filter(|entry| {
            let is_young = retention.since.is_some_and(|since| entry.created_at >= since);
            !is_young
                && !entry.labels.is_pinned
                && self.aliases_of(entry.version).is_empty()
                && before != Some(entry.version)
        });
        old.map(|entry| entry.version).collect()
    }
}

impl Registry {
    /// Removes the versions of a model that `retention` lets go, oldest first, and gives them. All leave the index in
    /// one step; a crash in the midst of the deletions leaves files that nothing names.
    ///
    /// # Errors
    /// Where there is no such model, the reason is too long, or the disk refuses.
    pub fn prune(
        &self,
        name: &ModelName,
        retention: &Retention,
        because: &Because,
        now: Timestamp,
    ) -> Result<Vec<Version>, ChangeError> {
        let _lock = self.lock()?;
        let mut plan = self.plan_change(name, |index| {
            because.check()?;
            let gone = index.dispensable(retention);
            for &version in &gone {
                let sha256 = index.entry(version).map(|entry| entry.sha256);
                let detail = sha256.map_or_else(String::new, |sha256| format!("sha256 {sha256}"));
                index.versions.retain(|entry| entry.version != version);
                index.note_down(version, Deed::Pruned, detail, because, now);
            }
            Ok(gone)
        })?;
        if !plan.outcome.is_empty() {
            let paths = plan
                .outcome
                .iter()
                .map(|&version| self.bundle_path(name, version));
            plan.steps.extend(paths.map(plan::Step::Delete));
            plan.steps.push(plan::Step::SyncFolder(self.folder(name)));
        }
        Ok(plan.carry_out()?)
    }
}
