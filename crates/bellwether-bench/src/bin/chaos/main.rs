//! What the live system promises when things go wrong: `cargo xtask chaos`. It breaks them on purpose, and counts.
//!
//! The promises: what was acknowledged is judged, once, with the scores of `detect`; every event has one alert, told
//! under one id; nothing panics; it goes on without help.
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    reason = "the walls guard the product; this program looks at it from outside"
)]
#![expect(clippy::print_stdout, reason = "what held and what broke is the output")]

mod check;
mod ground;
mod receiver;
mod scenes;
mod senders;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};

/// The live system when things go wrong.
#[derive(Debug, Parser)]
#[command(name = "chaos")]
pub(crate) struct Arguments {
    /// The program to break
    #[arg(long, value_name = "FILE")]
    bin: PathBuf,
    /// One scene alone
    #[arg(long, value_name = "SCENE")]
    only: Option<Scene>,
    /// How often the process is killed
    #[arg(long, default_value_t = 30, value_name = "N")]
    kills: usize,
    /// How many calls of the system fail, one after the other
    #[arg(long, default_value_t = 50, value_name = "N")]
    calls: usize,
    /// Samples a second
    #[arg(long, default_value_t = 5000, value_name = "N")]
    rate: usize,
    /// Seed of the moments at which things break
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scene {
    /// SIGKILL at random moments, under load from HTTP and MQTT
    Kills,
    /// Each of the first calls that write fails
    Calls,
    /// The disk fills up, and is freed again
    Disk,
    /// The broker restarts
    Broker,
    /// PostgreSQL restarts
    Postgres,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut n_broken = 0;
    for scene in Scene::value_variants() {
        if arguments.only.is_some_and(|only| only != *scene) {
            continue;
        }
        let name = scene
            .to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned());
        match run(*scene, &arguments) {
            Ok(told) => println!("{name:9} held    {told}"),
            Err(error) => {
                n_broken += 1;
                println!("{name:9} BROKEN  {error:#} (--seed {})", arguments.seed);
            }
        }
    }
    if n_broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn run(scene: Scene, arguments: &Arguments) -> Result<String> {
    match scene {
        Scene::Kills => scenes::kills(arguments),
        Scene::Calls => scenes::calls(arguments),
        Scene::Disk => scenes::disk(arguments),
        Scene::Broker => scenes::broker(arguments),
        Scene::Postgres => scenes::postgres(arguments),
    }
}

/// Numbers that look like chance.
#[derive(Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// One in [0, n).
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}
