//! No two entries of one kind under one name, or at one place.

use std::collections::BTreeMap;

use super::Scope;

/// What has been taken, and by whom.
pub(super) struct Taken {
    what: &'static str,
    by: BTreeMap<String, String>,
}

impl Taken {
    /// Nothing yet; `what` is said of it, as in `the name`.
    pub(super) fn of(what: &'static str) -> Self {
        Self {
            what,
            by: BTreeMap::new(),
        }
    }

    /// Takes `value` for the entry at `at`, or notes who has it.
    pub(super) fn take(&mut self, value: &str, at: &str, advice: &str, scope: &mut Scope<'_>) {
        match self.by.get(value) {
            Some(other) => {
                let problem = format!("{} {value:?} is that of {other} too; {advice}", self.what);
                scope.wrong(at, problem);
            }
            None => {
                self.by.insert(value.to_owned(), at.to_owned());
            }
        }
    }
}
