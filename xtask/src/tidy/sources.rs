//! Our Rust sources, line by line: lints are expected with a reason, never allowed; files stay short.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Findings;

/// Where our sources lie, from the root of the checkout.
const FOLDERS: [&str; 3] = ["crates", "xtask", "fuzz"];

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 4] = ["target", "corpus", "artifacts", "node_modules"];

/// Lines above which a file is worth splitting.
const LEN_MAX: usize = 500;

/// One Rust file.
#[derive(Debug)]
pub(super) struct Source {
    /// From the root of the checkout.
    pub(super) path: PathBuf,
    /// The whole text.
    pub(super) text: String,
}

impl Source {
    /// A module of tests that several test programs take in: `tests/NAME/mod.rs`.
    fn is_shared_by_tests(&self) -> bool {
        self.path.ends_with("mod.rs") && self.path.iter().any(|part| part == "tests")
    }

    /// Made by a program, which says so in the first line.
    pub(super) fn is_generated(&self) -> bool {
        self.text
            .lines()
            .next()
            .is_some_and(|line| line.contains("@generated"))
    }
}

/// Every Rust file of ours below `root`, in the order of their paths.
///
/// # Errors
/// Where a folder or file cannot be read.
pub(super) fn of(root: &Path) -> Result<Vec<Source>> {
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|folder| root.join(folder)).collect();
    folders.retain(|folder| folder.is_dir());
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in
            std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
        {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            if path.is_dir() && !SKIPPED.contains(&name.as_str()) && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                let path = path.strip_prefix(root).unwrap_or(&path).to_owned();
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

pub(super) fn check(sources: &[Source], findings: &mut Findings) {
    for source in sources {
        let path = source.path.display();
        if source.is_generated() {
            continue;
        }
        for (idx, _) in
            source.text.lines().enumerate().filter(|(_, line)| {
                allows_a_lint(line) && !(source.is_shared_by_tests() && is_of_parts(line))
            })
        {
            findings.breaches.push(format!(
                "{path}:{}: a lint is allowed; say #[expect(…, reason = \"…\")]",
                idx + 1
            ));
        }
        let len = source.text.lines().count();
        if len > LEN_MAX {
            findings
                .warnings
                .push(format!("{path}: {len} lines; above {LEN_MAX} a file is two"));
        }
    }
}

/// Whether a line of code holds an attribute that silences a lint for good.
fn allows_a_lint(line: &str) -> bool {
    let code = line.trim_start();
    if code.starts_with("//") {
        return false;
    }
    // Written apart, so that this file passes its own rule.
    let outer = concat!("#[", "allow(");
    let inner = concat!("#![", "allow(");
    let conditional = code.contains("cfg_attr(") && code.contains(concat!(", ", "allow("));
    code.contains(outer) || code.contains(inner) || conditional
}

/// Whether a line says that each test program uses a part of what they share: which part is unused differs from one
/// program to the next, so that it cannot be expected.
fn is_of_parts(line: &str) -> bool {
    line.starts_with(concat!("#![", "allow("))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: bool) {
        assert_eq!(allows_a_lint(line), expect, "{line}");
    }

    #[test]
    fn lints_are_expected_never_allowed() {
        check(concat!("    #[", "allow(dead_code)]"), true);
        check(concat!("#![", "allow(missing_docs)]"), true);
        check(concat!("#[cfg_attr(test, ", "allow(dead_code))]"), true);
        check("#[expect(dead_code, reason = \"…\")]", false);
        check(concat!("// never #[", "allow(dead_code)]"), false);
        check("fn allow(it: bool) {}", false);
    }

    #[test]
    fn sources_are_found_and_build_output_is_not() {
        let root = tempfile::tempdir().expect("a temporary folder");
        for path in [
            "crates/a/src/lib.rs",
            "crates/a/target/debug/out.rs",
            "fuzz/corpus/x.rs",
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
            std::fs::write(path, "//! Text.\n").expect("a file");
        }
        let found = of(root.path()).expect("readable");
        let paths: Vec<_> = found.iter().map(|source| source.path.as_path()).collect();
        assert_eq!(paths, [Path::new("crates/a/src/lib.rs")]);
    }
}
