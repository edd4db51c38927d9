//! Which files are meant: files, folders, patterns, standard input.

use std::fs;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::error::{Place, Problem, ReadError};

/// Endings of data files in a folder, each also with `.gz` or `.zst` behind it.
const DATA_ENDINGS: [&str; 14] = [
    "csv", "tsv", "txt", "jsonl", "ndjson", "parquet", "pq", "arrow", "arrows", "feather", "ipc", "lp",
    "line", "influx",
];

/// Endings of data files that are not read; a folder's own files of these kinds are reported, not skipped silently.
const OTHER_ENDINGS: [&str; 7] = ["xlsx", "xls", "ods", "h5", "hdf5", "mat", "avro"];

/// Folders within folders that a pattern reaches at most.
const DEPTH_MAX: usize = 32;

/// The data files that `paths` name, folders and patterns replaced by what they hold in order of name, and beside
/// each folder's first file the files in it that were left out.
pub(super) fn list(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Vec<PathBuf>)>, ReadError> {
    let mut files = Vec::new();
    for path in paths {
        let is_stdin = path.as_os_str() == "-";
        if is_stdin && files.iter().any(|(file, _)| file == path) {
            return Err(Place::file(path).error(Problem::StdinTwice));
        }
        if !is_stdin && path.is_dir() {
            files.extend(list_folder(path)?);
        } else if !is_stdin && is_pattern(path) && !path.exists() {
            files.extend(list_pattern(path)?.into_iter().map(|file| (file, Vec::new())));
        } else {
            files.push((path.clone(), Vec::new()));
        }
    }
    if files.is_empty() {
        return Err(Place::file(Path::new(".")).error(Problem::NoInput));
    }
    Ok(files)
}

/// The data files right inside `folder`; hidden files and folders within it are not looked at.
fn list_folder(folder: &Path) -> Result<Vec<(PathBuf, Vec<PathBuf>)>, ReadError> {
    let (mut data, mut left_out) = (Vec::new(), Vec::new());
    for path in entries(folder)? {
        if !path.is_file() {
            continue;
        }
        let name = path.to_string_lossy().to_ascii_lowercase();
        let ending = unpacked_name(&name)
            .rsplit_once('.')
            .map_or("", |(_, ending)| ending);
        if DATA_ENDINGS.contains(&ending) {
            data.push((path, Vec::new()));
        } else if OTHER_ENDINGS.contains(&ending) {
            left_out.push(path);
        }
    }
    match data.first_mut() {
        Some((_, beside)) => *beside = left_out,
        None => return Err(Place::file(folder).error(Problem::EmptyFolder)),
    }
    Ok(data)
}

/// What is in `folder` and not hidden, in order of name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let cannot_open = |error| Place::file(folder).error(Problem::Open(error));
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot_open)? {
        let entry = entry.map_err(cannot_open)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '[', '{'])
}

/// The files that the pattern `path` fits, in order of name: `*` and `?` stay within a folder, `**` goes through all.
fn list_pattern(path: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let bad = |found: String| Place::file(path).error(Problem::BadPattern { found });
    let text = path.to_str().ok_or_else(|| bad("it is not UTF-8".to_owned()))?;
    let matcher = GlobBuilder::new(text)
        .literal_separator(true)
        .build()
        .map_err(|error| bad(error.kind().to_string()))?
        .compile_matcher();
    let parts: Vec<Component<'_>> = path.components().collect();
    let n_fixed = parts
        .iter()
        .take_while(|part| !is_pattern(Path::new(part)))
        .count();
    let base: PathBuf = parts[..n_fixed].iter().collect();
    let depth = if text.contains("**") {
        DEPTH_MAX
    } else {
        parts.len() - n_fixed - 1
    };
    let mut files = Vec::new();
    walk(&base, depth, &matcher, &mut files)?;
    files.sort();
    if files.is_empty() {
        return Err(Place::file(path).error(Problem::NoMatch));
    }
    Ok(files)
}

/// Collects the files that fit in `folder`, the present one where it is empty, and folders within it.
fn walk(
    folder: &Path,
    depth: usize,
    matcher: &GlobMatcher,
    files: &mut Vec<PathBuf>,
) -> Result<(), ReadError> {
    let here = folder.as_os_str().is_empty();
    for path in entries(if here { Path::new(".") } else { folder })? {
        let path = if here {
            path.strip_prefix(".").map(Path::to_owned).unwrap_or(path)
        } else {
            path
        };
        if path.is_file() {
            if matcher.is_match(&path) {
                files.push(path);
            }
        } else if depth > 0 && path.is_dir() && !path.is_symlink() {
            walk(&path, depth - 1, matcher, files)?;
        }
    }
    Ok(())
}

/// What to call the series of a file: its name without the endings of data files and archives.
pub(super) fn stem(file: &Path) -> String {
    let name = file
        .file_name()
        .map_or_else(|| file.to_string_lossy(), |name| name.to_string_lossy());
    let unpacked = unpacked_name(&name);
    match unpacked.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && DATA_ENDINGS.contains(&&*ending.to_ascii_lowercase()) => {
            stem.to_owned()
        }
        _ => unpacked.to_owned(),
    }
}

/// A file's name without the ending of an archive.
fn unpacked_name(name: &str) -> &str {
    let cut = |ending: &str| {
        let at = name.len().checked_sub(ending.len())?;
        let (front, back) = name.split_at_checked(at)?;
        back.eq_ignore_ascii_case(ending).then_some(front)
    };
    cut(".gz").or_else(|| cut(".zst")).unwrap_or(name)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make their own files")]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_called_after_its_file() {
        let check = |file: &str, expect: &str| assert_eq!(stem(Path::new(file)), expect);
        check("data/pump-1.csv", "pump-1");
        check("pump.1.CSV.gz", "pump.1");
        check("pump.tsv.zst", "pump");
        check("pump.parquet", "pump");
        check("pump.lp.gz", "pump");
        check("2024.01", "2024.01");
        check(".csv", ".csv");
        check("-", "-");
    }

    #[test]
    fn patterns_stay_within_a_folder_unless_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        for name in ["2.csv", "1.csv", ".3.csv", "x.parquet", "a/4.csv", "a/b/5.csv"] {
            fs::write(at(name), "").unwrap();
        }
        let check = |pattern: &str, expect: &[&str]| {
            let files = list(&[at(pattern)]).unwrap();
            let files: Vec<PathBuf> = files.into_iter().map(|(file, _)| file).collect();
            let expect: Vec<PathBuf> = expect.iter().map(|name| at(name)).collect();
            assert_eq!(files, expect, "{pattern}");
        };
        check("*.csv", &["1.csv", "2.csv"]);
        check("?.{csv,parquet}", &["1.csv", "2.csv", "x.parquet"]);
        check("*/4.csv", &["a/4.csv"]);
        check("**/*.csv", &["1.csv", "2.csv", "a/4.csv", "a/b/5.csv"]);
        let error = list(&[at("*.lp")]).unwrap_err().to_string();
        assert!(error.ends_with("*.lp: no file fits this pattern"), "{error}");
        let error = list(&[at("[.csv")]).unwrap_err().to_string();
        assert!(error.contains("not a pattern"), "{error}");
    }
}
