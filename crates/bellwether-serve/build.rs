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
        match built(&source, &out) {
            Ok(files) => files,
            Err(Failed::Node(why)) => {
                let why = why.replace('\n', "; ");
                println!(
                    "cargo:warning=the dashboard is left out: {why}; install Node.js 20 or later with npm, and build again"
                );
                // There is no such file: the next build looks for npm again.
                println!("cargo:rerun-if-changed={}", out.join("npm-is-missing").display());
                Vec::new()
            }
            Err(Failed::Dashboard(why)) => {
                // As it is: returned, its lines would be run together.
                eprintln!("the dashboard cannot be built: {why}");
                std::process::exit(1);
            }
        }
    };
    write_table(&out, &files)
}

/// Why there is no dashboard.
enum Failed {
    /// npm, or what it has to install, is not at hand.
    Node(String),
    /// The dashboard itself is wrong.
    Dashboard(Box<dyn Error>),
}

impl<E: Into<Box<dyn Error>>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Dashboard(error.into())
    }
}

/// A file of the dashboard.
struct Built {
    /// As the address names it, without the first slash.
    path: String,
    bytes: Vec<u8>,
}

/// Builds in a copy, so that nothing is written beside the sources.
fn built(source: &Path, out: &Path) -> Result<Vec<Built>, Failed> {
    let copy = out.join("dashboard");
    fs::create_dir_all(&copy)?;
    for name in SOURCES {
        renew(&source.join(name), &copy.join(name))?;
    }
    // What was installed from which lock; written last.
    let (lock, installed) = (
        fs::read(copy.join("package-lock.json"))?,
        copy.join("installed.json"),
    );
    if fs::read(&installed).ok().as_ref() != Some(&lock) {
        npm(&copy, &["ci", "--no-audit", "--no-fund"]).map_err(Failed::Node)?;
        fs::write(&installed, &lock)?;
    }
    npm(
        &copy,
        &["run", "build", "--", "--emptyOutDir", "--logLevel", "warn"],
    )?;
    let mut files = Vec::new();
    gather(&copy.join("dist"), "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Copies a file or a folder; what is in its place goes.
fn renew(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    if from.is_file() {
        fs::copy(from, to).map_err(|error| format!("{}: {error}", from.display()))?;
        return Ok(());
    }
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))? {
        let entry = entry?;
        renew(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Runs npm; where it fails, all that it said.
fn npm(folder: &Path, args: &[&str]) -> Result<(), String> {
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
    Err(format!(
        "npm {} failed ({}): {}",
        args.join(" "),
        output.status,
        said.trim()
    ))
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
