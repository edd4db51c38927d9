//! What goes wrong, one scene after the other.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bellwether_testkit::mosquitto::Mosquitto;
use bellwether_testkit::peer;
use bellwether_testkit::postgres::Postgres;

use crate::check;
use crate::ground::Ground;
use crate::receiver::Receiver;
use crate::senders::{self, Met};
use crate::server::{Plan, Server};
use crate::{Arguments, Chance};

/// What comes last may take so long to be judged and told.
const DRAIN_MAX: Duration = Duration::from_secs(120);

const N_DEVICES: usize = 40;

/// How long calls go on failing where they fail again and again.
const FAULT_MAX: Duration = Duration::from_secs(3);

/// SIGKILL at random moments while HTTP and MQTT send.
pub(crate) fn kills(arguments: &Arguments) -> Result<String> {
    let broker = Mosquitto::start("kills").context("mosquitto is wanted")?;
    // A second or so between kills, and a start each.
    let ground = Ground::prepare(
        &arguments.bin,
        N_DEVICES,
        rows(arguments, arguments.kills as f64 * 1.6 + 5.0),
    )?;
    let database = sqlite(&ground);
    let receiver = Receiver::start()?;
    let plan = Plan::write(&ground, &database, Some(&broker.url()), receiver.address)?;
    let mut chance = Chance(arguments.seed);
    let mut starts = Vec::new();
    let (mut server, took) = plan.start_ready(&ground)?;
    starts.push(took);
    let told = under_load(&ground, &plan, Some(&broker), arguments.rate, |_| {
        for _ in 0..arguments.kills {
            sleep(Duration::from_millis(300 + chance.below(1200)));
            server.kill()?;
            let (again, took) = plan.start_ready(&ground)?;
            starts.push(took);
            server = again;
        }
        Ok(server)
    })?;
    let checked = finish(&ground, &plan, &database, &receiver, told.server)?;
    starts.sort();
    let (median, slowest) = (starts[starts.len() / 2], starts[starts.len() - 1]);
    ensure!(slowest <= Duration::from_secs(2), "ready only after {slowest:?}");
    Ok(format!(
        "{} kills, {checked}; {} requests sent again; ready after {median:.0?}, at worst {slowest:.0?}",
        arguments.kills, told.n_again
    ))
}

/// Each of the first calls that write fails, once: of a database that is being made, and of one that is there.
pub(crate) fn calls(arguments: &Arguments) -> Result<String> {
    let made = failing_calls(arguments, true)?;
    let there = failing_calls(arguments, false)?;
    Ok(format!(
        "{} calls failed, one after the other; making a database: {made}; with one: {there}",
        arguments.calls
    ))
}

fn failing_calls(arguments: &Arguments, is_made: bool) -> Result<String> {
    const ROWS: usize = 240;
    peer::program("calls", "strace").context("strace is wanted")?;
    let ground = Ground::prepare(&arguments.bin, 4, ROWS)?;
    let receiver = Receiver::start()?;
    let devices: Vec<Arc<str>> = ground.devices.keys().cloned().collect();
    let (mut n_ended, mut n_again) = (0, 0);
    for number in 1..=arguments.calls {
        let error = if number % 2 == 0 { "ENOSPC" } else { "EIO" };
        let database = sqlite(&ground);
        for file in ["live.db", "live.db-wal", "live.db-shm"] {
            // Not there the first time.
            let _ = std::fs::remove_file(ground.path(file));
        }
        let _ = std::fs::remove_dir_all(ground.path("history"));
        let plan = Plan::write(&ground, &database, None, receiver.address)?;
        if !is_made {
            plan.start_ready(&ground)?.0.end()?;
        }
        let calls = "write,pwrite64,pwritev,fsync,fdatasync,rename,renameat,renameat2,ftruncate";
        let mut wrapper: Vec<String> = ["strace", "-f", "-qq", "-o", "/dev/null", "-e"]
            .map(str::to_owned)
            .into();
        wrapper.push(format!("trace={calls}"));
        wrapper.push("-e".to_owned());
        wrapper.push(format!("inject={calls}:error={error}:when={number}"));
        // Files alone: the runtime wakes its threads by writes that never fail.
        for path in ["", "live.db", "live.db-wal", "live.db-shm", "live.db-journal"] {
            wrapper.push("-P".to_owned());
            wrapper.push(
                ground
                    .path(path)
                    .display()
                    .to_string()
                    .trim_end_matches('/')
                    .to_owned(),
            );
        }
        let mut server = plan.start(&ground, &wrapper)?;
        let met = Met::default();
        let is_sent = AtomicBool::new(false);
        let broken: Result<()> = std::thread::scope(|scope| {
            let sending = scope.spawn(|| {
                let sent = senders::http(&ground, &devices, 0..ROWS, 12, (plan.address, 1_000_000), &met);
                is_sent.store(true, Ordering::Relaxed);
                sent
            });
            let begun = Instant::now();
            let mut is_over = false;
            while !is_sent.load(Ordering::Relaxed) {
                if is_over {
                    // It is on its own.
                } else if let Some(status) = server.has_ended()? {
                    // A failure that it cannot go on from ends it with an error; whoever looks after it starts it again.
                    ensure!(!status.success(), "call {number}: it ended as if all were well");
                    n_ended += 1;
                    server = plan.start(&ground, &[])?;
                    is_over = true;
                } else if begun.elapsed() > FAULT_MAX {
                    // Calls are counted for each thread, and a fresh connection is a fresh thread: each would fail anew.
                    server.let_go()?;
                    is_over = true;
                }
                sleep(Duration::from_millis(10));
            }
            sending
                .join()
                .map_err(|_| anyhow::anyhow!("the sender has failed"))?
        });
        broken.with_context(|| format!("call {number} ({error})"))?;
        n_again += met.n_again.load(Ordering::Relaxed);
        // What strace runs goes with it only by its own signal.
        let _ = std::process::Command::new("pkill")
            .args(["-9", "-f", &plan.config.display().to_string()])
            .status();
        server.kill()?;
        plan.start_ready(&ground)?
            .0
            .end()
            .with_context(|| format!("after call {number}"))?;
        let (kept, _) = check::kept(&ground, &database)?;
        for (device, sent) in &ground.devices {
            check::is_prefix(device, sent, &kept[device], ROWS)
                .with_context(|| format!("call {number} ({error})"))?;
        }
        plan.no_panic()
            .with_context(|| format!("call {number} ({error})"))?;
    }
    Ok(format!(
        "nothing acknowledged was lost, {n_again} requests sent again, {n_ended} ends with an error"
    ))
}

/// The disk fills up while samples come, and is freed again.
pub(crate) fn disk(arguments: &Arguments) -> Result<String> {
    let ground = Ground::prepare(&arguments.bin, N_DEVICES, rows(arguments, 12.0))?;
    let mount = Mount::small(&ground.path("disk"))?;
    let database = format!("sqlite:{}", mount.0.join("live.db").display());
    let receiver = Receiver::start()?;
    let plan = Plan::write(&ground, &database, None, receiver.address)?;
    let (server, _) = plan.start_ready(&ground)?;
    let ballast = mount.0.join("ballast");
    let mut recovered = Duration::ZERO;
    let told = under_load(&ground, &plan, None, arguments.rate, |met| {
        sleep(Duration::from_secs(2));
        // Every byte that is left.
        let mut file = std::fs::File::create(&ballast)?;
        while std::io::Write::write(&mut file, &[0; 4096]).is_ok_and(|n| n > 0) {}
        drop(file);
        let begun = Instant::now();
        while met.n_refused.load(Ordering::Relaxed) == 0 {
            ensure!(
                begun.elapsed() < Duration::from_secs(60),
                "nothing is refused on a full disk"
            );
            sleep(Duration::from_millis(20));
        }
        sleep(Duration::from_secs(2));
        std::fs::remove_file(&ballast)?;
        let freed = Instant::now();
        while !server.is_ready() {
            ensure!(
                freed.elapsed() < Duration::from_secs(60),
                "it does not go on with space on the disk"
            );
            sleep(Duration::from_millis(5));
        }
        recovered = freed.elapsed();
        Ok(server)
    })?;
    let checked = finish(&ground, &plan, &database, &receiver, told.server)?;
    ensure!(
        recovered <= Duration::from_secs(10),
        "it went on only after {recovered:?}"
    );
    Ok(format!(
        "{checked}; {} requests refused; went on {recovered:.0?} after there was space",
        told.n_refused
    ))
}

/// The broker restarts while samples come.
pub(crate) fn broker(arguments: &Arguments) -> Result<String> {
    const RESTARTS: usize = 5;
    let mut broker = Mosquitto::start("broker").context("mosquitto is wanted")?;
    let ground = Ground::prepare(&arguments.bin, N_DEVICES, rows(arguments, 12.0))?;
    let database = sqlite(&ground);
    let receiver = Receiver::start()?;
    let plan = Plan::write(&ground, &database, Some(&broker.url()), receiver.address)?;
    let (server, _) = plan.start_ready(&ground)?;
    wait_for("the subscription", || Ok(broker.log().contains("plant/data")))?;
    let (over_http, over_mqtt) = halves(&ground);
    std::thread::scope(|scope| -> Result<()> {
        let met = Met::default();
        let rate = arguments.rate / 2;
        let n_rows = ground.devices[&over_http[0]].len();
        let (ground, address, over_http) = (&ground, plan.address, &over_http);
        let sending =
            scope.spawn(move || senders::http(ground, over_http, 0..n_rows, 12, (address, rate), &met));
        // All of it waits at the broker, or is on its way, when the broker goes.
        senders::mqtt(ground, &over_mqtt, 3, broker.port(), 10 * rate)?;
        for _ in 0..RESTARTS {
            broker.restart();
            sleep(Duration::from_millis(700));
        }
        sending
            .join()
            .map_err(|_| anyhow::anyhow!("the sender has failed"))?
    })?;
    let checked = finish(&ground, &plan, &database, &receiver, server)?;
    Ok(format!("{RESTARTS} restarts, {checked}"))
}

/// PostgreSQL restarts while samples come.
pub(crate) fn postgres(arguments: &Arguments) -> Result<String> {
    const RESTARTS: usize = 5;
    let mut postgres = Postgres::start("postgres").context("PostgreSQL is wanted")?;
    let ground = Ground::prepare(&arguments.bin, N_DEVICES, rows(arguments, 15.0))?;
    let database = postgres.url();
    let receiver = Receiver::start()?;
    let plan = Plan::write(&ground, &database, None, receiver.address)?;
    let (server, _) = plan.start_ready(&ground)?;
    let told = under_load(&ground, &plan, None, arguments.rate, |_| {
        for _ in 0..RESTARTS {
            sleep(Duration::from_secs(1));
            postgres.restart();
        }
        Ok(server)
    })?;
    let checked = finish(&ground, &plan, &database, &receiver, told.server)?;
    Ok(format!(
        "{RESTARTS} restarts, {checked}; {} requests sent again",
        told.n_again
    ))
}

/// What a scene under load leaves.
struct UnderLoad {
    server: Server,
    n_again: usize,
    n_refused: usize,
}

/// Sends everything, half over MQTT where there is a broker, while `happens` happens.
fn under_load(
    ground: &Ground,
    plan: &Plan,
    broker: Option<&Mosquitto>,
    rate: usize,
    happens: impl FnOnce(&Met) -> Result<Server>,
) -> Result<UnderLoad> {
    let (mut over_http, over_mqtt) = halves(ground);
    if broker.is_none() {
        over_http.extend(over_mqtt.iter().cloned());
    } else {
        wait_for("the subscription", || {
            Ok(broker.is_none_or(|broker| broker.log().contains("plant/data")))
        })?;
    }
    let met = Met::default();
    let n_rows = ground.devices[&over_http[0]].len();
    let server = std::thread::scope(|scope| -> Result<Server> {
        let share = if broker.is_some() { rate / 2 } else { rate };
        let (met, over_http, over_mqtt) = (&met, &over_http, &over_mqtt);
        let http =
            scope.spawn(move || senders::http(ground, over_http, 0..n_rows, 12, (plan.address, share), met));
        let mqtt = broker
            .map(Mosquitto::port)
            .map(|port| scope.spawn(move || senders::mqtt(ground, over_mqtt, 3, port, share)));
        let server = happens(met)?;
        for sending in [Some(http), mqtt].into_iter().flatten() {
            sending
                .join()
                .map_err(|_| anyhow::anyhow!("a sender has failed"))??;
        }
        Ok(server)
    })?;
    Ok(UnderLoad {
        server,
        n_again: met.n_again.load(Ordering::Relaxed),
        n_refused: met.n_refused.load(Ordering::Relaxed),
    })
}

/// Waits until everything is judged and told, ends the program, and checks all promises.
fn finish(
    ground: &Ground,
    plan: &Plan,
    database: &str,
    receiver: &Receiver,
    server: Server,
) -> Result<String> {
    let truth = ground.truth()?;
    let n_sent: usize = ground.devices.values().map(Vec::len).sum();
    wait_for("all samples are judged", || {
        Ok(check::n_judged(database)? >= n_sent)
    })?;
    wait_for("all alerts are told", || {
        Ok(receiver.told().len() >= truth.events.len())
    })?;
    server.end()?;
    let (kept, events) = check::kept(ground, database)?;
    let n_samples = check::all_is_judged(ground, &truth, &kept)?;
    let n_messages = check::all_is_told(&truth, &events, receiver)?;
    plan.no_panic()?;
    Ok(format!(
        "{n_samples} samples judged once each, {} alerts told in {n_messages} messages",
        events.len()
    ))
}

fn wait_for(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !holds()? {
        if begun.elapsed() > DRAIN_MAX {
            bail!("waited in vain until {what}");
        }
        sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Rows of each device for so many seconds.
fn rows(arguments: &Arguments, seconds: f64) -> usize {
    ((arguments.rate as f64 * seconds / N_DEVICES as f64) as usize).max(500)
}

fn sqlite(ground: &Ground) -> String {
    format!("sqlite:{}", ground.path("live.db").display())
}

fn halves(ground: &Ground) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
    let all: Vec<Arc<str>> = ground.devices.keys().cloned().collect();
    let (one, other) = all.split_at(all.len() / 2);
    (one.to_vec(), other.to_vec())
}

/// A small file system of its own, taken down when dropped.
struct Mount(std::path::PathBuf);

impl Mount {
    fn small(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path)?;
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
            .arg(path)
            .status()?;
        ensure!(
            status.success(),
            "a small file system cannot be mounted: this scene wants root"
        );
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Nothing else can be done about it.
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status();
    }
}
