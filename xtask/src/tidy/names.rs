//! Names that say nothing: banned in the names of files, modules and types.

use super::Findings;
use super::sources::Source;

/// Words that fit anything, hence tell nothing. A plural counts as its singular.
const BANNED: [&str; 8] = [
    "manager",
    "handler",
    "helper",
    "util",
    "common",
    "engine",
    "orchestrator",
    "processor",
];

/// What stands before the name of a module or type.
const KEYWORDS: [&str; 6] = ["struct", "enum", "union", "trait", "type", "mod"];

pub(super) fn check(sources: &[Source], findings: &mut Findings) {
    for source in sources {
        let path = source.path.display();
        for part in source.path.iter().map(|part| part.to_string_lossy()) {
            if let Some(word) = banned_word(&part) {
                findings
                    .breaches
                    .push(format!("{path}: {part} says {word:?}; name what it is for"));
            }
        }
        if source.is_generated() {
            continue;
        }
        for (idx, line) in source.text.lines().enumerate() {
            if let Some(name) = declared(line)
                && let Some(word) = banned_word(name)
            {
                let line = idx + 1;
                findings.breaches.push(format!(
                    "{path}:{line}: {name} says {word:?}; name what it is for"
                ));
            }
        }
    }
}

/// The module or type that a line declares.
fn declared(line: &str) -> Option<&str> {
    let mut words = line
        .split_whitespace()
        .skip_while(|word| word.starts_with("pub") || *word == "unsafe");
    let keyword = words.next()?;
    // `pub(in some::path) struct` is the one visibility with a space in it; we do not write it.
    let name = KEYWORDS.contains(&keyword).then(|| words.next())??;
    let end = name
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(name.len());
    Some(&name[..end])
}

/// The banned word in a name of any case: `FrameUtils`, `frame_utils`, `frame-utils.rs`.
fn banned_word(name: &str) -> Option<&'static str> {
    let mut word = String::new();
    let mut was_lower = false;
    // The mark at the end closes the last word.
    for c in name.chars().chain(['_']) {
        let starts_word = c.is_uppercase() && was_lower;
        if !c.is_alphanumeric() || starts_word {
            let singular = word.strip_suffix('s').unwrap_or(&word);
            if let Some(banned) = BANNED.iter().find(|banned| **banned == singular) {
                return Some(banned);
            }
            word.clear();
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_name(name: &str, expect: Option<&str>) {
        assert_eq!(banned_word(name), expect, "{name}");
    }

    #[test]
    fn words_are_found_in_any_case() {
        check_name("ModelManager", Some("manager"));
        check_name("frame_utils.rs", Some("util"));
        check_name("common", Some("common"));
        check_name("ENGINE", Some("engine"));
        check_name("utilisation.rs", None);
        check_name("uncommon", None);
        check_name("Threshold", None);
    }

    fn check_line(line: &str, expect: Option<&str>) {
        assert_eq!(declared(line), expect, "{line}");
    }

    #[test]
    fn declarations_are_told_from_uses() {
        check_line("pub struct Frame {", Some("Frame"));
        check_line("    pub(crate) enum Rule<T> {", Some("Rule"));
        check_line("mod psi;", Some("psi"));
        check_line("pub trait Model: Send + Sync {", Some("Model"));
        check_line("/// struct of a frame", None);
        check_line("let handler = 1;", None);
    }
}
