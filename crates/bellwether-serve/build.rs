//! Builds the dashboard and packs it into the binary, where npm is at hand; where it is not, the build goes on without.

#![expect(
    clippy::disallowed_methods,
    reason = "what a build script reads and writes is not of the program"
)]

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

/// `off` leaves the dashboard out.
const SWITCH: &str = "BELLWETHER_DASHBOARD";

/// What the dashboard is made of, within its folder. Not `node_modules`: the lock says what is in there.
const SOURCES: [&str; 10] = [
    ".npmrc",
    "docs.html",
    "index.html",
    "package-lock.json",
    "package.json",
    "public",
    "src",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let source = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../dashboard");
    println!("cargo:rerun-if-env-changed={SWITCH}");
    println!("cargo:rerun-if-changed=build.rs");
    for name in SOURCES {
        println!("cargo:rerun-if-changed={}", source.join(name).display());
    }
    let files = if env::var(SWITCH).is_ok_and(|value| value == "off") {
        Vec::new()
    } else {
        built(&source, &out.join("dist")).unwrap_or_else(|error| {
            println!("cargo:warning=the dashboard is left out: {error}; install Node.js 20 or later with npm, and build again");
            Vec::new()
        })
    };
    write_table(&out, &files)
}

/// A file of the dashboard.
struct Built {
    /// As the address names it, without the first slash.
    path: String,
    bytes: Vec<u8>,
}

fn built(source: &Path, dist: &Path) -> Result<Vec<Built>, Box<dyn Error>> {
    // npm may write a cache or a log, but into the folder of the user, not into the repository.
    if is_outdated(source) {
        run(source, &["ci", "--no-audit", "--no-fund"])?;
    }
    let dist_text = dist
        .to_str()
        .ok_or("the build folder has a name that is not UTF-8")?;
    run(
        source,
        &[
            "run",
            "build",
            "--",
            "--outDir",
            dist_text,
            "--emptyOutDir",
            "--logLevel",
            "warn",
        ],
    )?;
    let mut files = Vec::new();
    gather(dist, "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Whether what is installed is not what the lock says; npm leaves a copy of the lock when it is done.
fn is_outdated(source: &Path) -> bool {
    let changed = |path: &str| {
        fs::metadata(source.join(path))
            .and_then(|facts| facts.modified())
            .ok()
    };
    match (
        changed("node_modules/.package-lock.json"),
        changed("package-lock.json"),
    ) {
        (Some(installed), Some(locked)) => installed < locked,
        _ => true,
    }
}

fn run(folder: &Path, args: &[&str]) -> Result<(), Box<dyn Error>> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(program)
        .args(args)
        .current_dir(folder)
        .output()
        .map_err(|error| format!("npm cannot be run ({error})"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    Err(format!("npm {} failed ({}): {last}", args[0], output.status).into())
}

fn gather(folder: &Path, prefix: &str, files: &mut Vec<Built>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name
            .to_str()
            .ok_or("a file of the dashboard has a name that is not UTF-8")?;
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            gather(&entry.path(), &format!("{path}/"), files)?;
        } else {
            let bytes = fs::read(entry.path())?;
            files.push(Built { path, bytes });
        }
    }
    Ok(())
}

/// Writes the files, compressed, and the Rust table that names them.
fn write_table(out: &Path, files: &[Built]) -> Result<(), Box<dyn Error>> {
    let mut table = String::from("&[\n");
    for (i, Built { path, bytes }) in files.iter().enumerate() {
        let packed = out.join(format!("file-{i}.gz"));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes)?;
        fs::write(&packed, encoder.finish()?)?;
        let mut tag = String::new();
        for byte in &Sha256::digest(bytes)[..16] {
            write!(tag, "{byte:02x}")?;
        }
        let kind = content_type(path)
            .ok_or_else(|| format!("{path}: what kind of file is this? say it in build.rs"))?;
        let packed = packed
            .to_str()
            .ok_or("the build folder has a name that is not UTF-8")?;
        writeln!(
            table,
            "    File {{ path: {path:?}, kind: {kind:?}, tag: \"\\\"{tag}\\\"\", gzip: include_bytes!({packed:?}) }},"
        )?;
    }
    table.push(']');
    fs::write(out.join("dashboard.rs"), table)?;
    Ok(())
}

fn content_type(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        _ => return None,
    })
}
