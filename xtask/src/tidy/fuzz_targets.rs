//! Every fuzz target is named in `fuzz/Cargo.toml`: a file left out would never run.

use std::path::Path;

use anyhow::Result;

use super::Findings;
use super::sources::Source;
use crate::fuzz;

pub(super) fn check(sources: &[Source], findings: &mut Findings) -> Result<()> {
    let named = fuzz::targets()?;
    for source in sources {
        let is_target = source.path.parent() == Some(Path::new("fuzz/fuzz_targets"));
        let stem = source.path.file_stem().map(|stem| stem.to_string_lossy());
        if is_target && !named.iter().any(|name| Some(name.as_str()) == stem.as_deref()) {
            findings.breaches.push(format!(
                "{}: not named as a [[bin]] in fuzz/Cargo.toml, so it never runs",
                source.path.display()
            ));
        }
    }
    Ok(())
}
