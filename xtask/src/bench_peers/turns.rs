//! Ours and the peers taking turns: a process each, asked for one figure of one shape at a time.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::PEERS;
use super::figures::{Comparison, Figure, OURS, OURS_IN_TILES, Row};
use crate::cargo;

/// Small, middle, large.
const SHAPES: [&str; 3] = ["S", "M", "L"];
const SCRIPTS: [&str; 3] = ["pytorch_peer.py", "onnx_peer.py", "keras_peer.py"];

/// Whether `program` is asked for it. Keras has one figure: it takes long to build its graphs.
fn is_asked(program: &str, row: Row) -> bool {
    match program {
        "ONNX Runtime" => matches!(row.figure, Figure::Score | Figure::Latency),
        "Keras" => row.figure == Figure::Train && row.shape == "M" && row.threads == 1,
        "PyTorch" => row.figure != Figure::Peak,
        OURS_IN_TILES => row.figure == Figure::Score,
        _ => row.figure != Figure::Peak || row.threads == 1,
    }
}

/// A program that answers.
#[derive(Debug)]
struct Player {
    program: String,
    version: String,
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Debug, Deserialize)]
struct Hello {
    program: String,
    version: String,
}

impl Player {
    fn start(mut command: std::process::Command, n_threads: usize) -> Result<Self> {
        let mut child = command
            .env("OMP_NUM_THREADS", n_threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let asks = child.stdin.take().context("a program without stdin")?;
        let mut answers = BufReader::new(child.stdout.take().context("a program without stdout")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let hello: Hello =
            serde_json::from_str(&line).with_context(|| format!("{command:?} does not say what it is"))?;
        Ok(Self {
            program: hello.program,
            version: hello.version,
            child,
            asks,
            answers,
        })
    }

    fn ask(&mut self, row: Row, seconds: f64) -> Result<f64> {
        let asked = format!("{} {} {seconds}", row.figure.word(), row.shape);
        let mut line = String::new();
        writeln!(self.asks, "{asked}").and_then(|()| self.asks.flush())?;
        self.answers.read_line(&mut line)?;
        let answer = line.trim().parse();
        answer.with_context(|| format!("{} to {asked:?}: {line:?}", self.program))
    }

    fn end(mut self) -> Result<()> {
        drop(self.asks);
        let status = self.child.wait()?;
        if !status.success() {
            bail!("{} ended with {status}", self.program);
        }
        Ok(())
    }
}

/// Asks for every figure `rounds` times, all programs in turn, each for so many seconds.
pub(super) fn play(ours: &Path, python: &Path, rounds: u32, seconds: f64) -> Result<Comparison> {
    let mut comparison = Comparison::default();
    let folder = std::env::temp_dir().join(format!("bellwether-bench-peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let played = [1, 2].into_iter().try_for_each(|n_threads| {
        play_on(n_threads, ours, python, &folder, rounds, seconds, &mut comparison)
    });
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    played.map(|()| comparison)
}

fn play_on(
    n_threads: usize,
    ours: &Path,
    python: &Path,
    folder: &Path,
    rounds: u32,
    seconds: f64,
    comparison: &mut Comparison,
) -> Result<()> {
    let mut command = cargo::program(ours);
    command.arg(n_threads.to_string());
    let mut players = vec![Player::start(command, n_threads)?];
    let mut in_tiles = cargo::program(ours);
    in_tiles.args([&n_threads.to_string(), "amx"]);
    // A processor without tiles has nothing to say.
    players.extend(Player::start(in_tiles, n_threads).ok());
    for script in SCRIPTS {
        let mut command = cargo::program(python);
        command
            .arg(format!("{PEERS}/{script}"))
            .arg(n_threads.to_string())
            .arg(folder);
        players.push(Player::start(command, n_threads)?);
    }
    for player in &players {
        let version = match player.program.as_str() {
            OURS | OURS_IN_TILES => "this checkout",
            _ => &player.version,
        };
        comparison.know(&player.program, version);
    }
    for shape in SHAPES {
        for figure in Figure::ALL {
            let row = Row {
                shape,
                threads: n_threads,
                figure,
            };
            eprintln!("{shape}, {n_threads} thread(s), {}", figure.label());
            for _ in 0..rounds {
                for player in &mut players {
                    if is_asked(&player.program, row) {
                        let found = player.ask(row, seconds)?;
                        comparison.take(&player.program, row, found);
                    }
                }
            }
        }
    }
    players.into_iter().try_for_each(Player::end)
}
