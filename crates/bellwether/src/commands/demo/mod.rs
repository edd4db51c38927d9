//! `demo`: the whole job on a made-up fleet, by the commands that a user would type; then the same fleet live.

mod fleet;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use bellwether_core::detect::Mode;
use bellwether_core::event::Event;
use bellwether_core::time::{Timestamp, humane};
use bellwether_store::read::{Interval, Labels, ReadOptions, labels_file, read};
use clap::Parser;
use serde_json::json;

use crate::artifact;
use crate::cli::{Cli, Command, ConfigFlags, DemoArgs, ModelArgs, RegistryArgs};
use crate::commands::detect::{channel_names, shares};
use crate::commands::judge::{Judged, judge};
use crate::commands::live::Plan;
use crate::commands::rates::Rates;
use crate::commands::{looking, serve};
use crate::failure::Failure;
use crate::output::{Output, Rows};
use crate::wiring::Purpose;
use fleet::Fleet;

/// Ten days of four pumps, a sample a minute; the first six days are healthy.
const N_DEVICES: &str = "4";
const N_SAMPLES: &str = "14400";
const TRAIN_ROWS: &str = "8640";
/// What goes wrong afterwards: one fault of each common kind, with the channels that show it.
const FAULTS: [&str; 7] = [
    "pump-01/spike@65%+3*12:vibration_mm_s",
    "pump-01/correlation-break@82%+400:flow_m3h",
    "pump-02/drift@70%+900*6:bearing_temp_c",
    "pump-02/dropout@92%+90:motor_current_a",
    "pump-03/level-shift@68%+300*5:pressure_out_bar",
    "pump-03/stuck@88%+400:motor_current_a",
    "pump-04/noise@75%+240*6:pressure_in_bar",
];

pub(crate) fn run(args: &DemoArgs, output: &Output) -> Result<(), Failure> {
    let dir = &args.output;
    bellwether_store::disk::create_folder(dir)?;
    let file = |name: &str| dir.join(name);
    let (data, truth, report) = (file("fleet.csv"), file("faults.csv"), file("report.html"));
    let (registry, seed, threads) = (
        file("models"),
        args.seed.to_string(),
        args.threads.n().to_string(),
    );

    output.note("1. Four pumps over ten days: six healthy ones, then seven faults that we know.");
    let mut generate: Vec<OsString> = [
        "generate",
        "--devices",
        N_DEVICES,
        "--samples",
        N_SAMPLES,
        "--seed",
        &seed,
    ]
    .map(OsString::from)
    .into();
    for fault in FAULTS {
        generate.extend(["--anomaly".into(), fault.into()]);
    }
    generate.extend([
        "-o".into(),
        data.clone().into(),
        "--labels".into(),
        truth.clone().into(),
    ]);
    type_in(&generate, output)?;

    output.note("\n2. Look at the data: what cannot be told apart from a fault of a sensor is said before anything is learnt.");
    let validate: [OsString; 4] = [
        "validate".into(),
        data.clone().into(),
        "--report".into(),
        file("quality.html").into(),
    ];
    // The faults are in the data: the answer may be no.
    match type_in(&validate, output) {
        Err(Failure::Gate(answer)) => output.note(&answer),
        other => other?,
    }

    output.note("\n3. Learn what is normal from the first six days.");
    let train: Vec<OsString> = vec![
        "train".into(),
        data.clone().into(),
        "--name".into(),
        "pump".into(),
        "--rows".into(),
        TRAIN_ROWS.into(),
        "--seed".into(),
        seed.into(),
        "--registry".into(),
        registry.clone().into(),
        "--threads".into(),
        threads.into(),
    ];
    type_in(&train, output)?;
    promote_newest(&registry, output)?;

    output.note("\n4. Look for what is not.");
    let detect: [OsString; 8] = [
        "detect".into(),
        data.clone().into(),
        "--model".into(),
        "pump".into(),
        "--registry".into(),
        registry.clone().into(),
        "--report".into(),
        report.clone().into(),
    ];
    output.note(&format!("   $ bellwether {}", shown(&detect)));
    let model = ModelArgs {
        model: "pump"
            .parse()
            .map_err(|error| Failure::message(format!("{error}")))?,
        registry: RegistryArgs {
            registry: Some(registry),
            trust: Vec::new(),
        },
    };
    let loaded = artifact::load(&model, args.threads.n())?;
    let recordings = read(&[data], &ReadOptions::default())?;
    let judged = judge(&loaded, recordings, Mode::Causal, output)?;
    let labels = labels_file(&truth, None)?;
    write_report(&report, &loaded, &judged, &labels)?;

    let Labels::Intervals(faults) = &labels else {
        return Err(Failure::message(format!("{}: wanted intervals", truth.display())));
    };
    let rule_start = train_end(&judged)?;
    compare(
        faults,
        &judged,
        &channel_names(&loaded.detector),
        rule_start,
        output,
    )?;
    output.note(&format!("\nLook at it: {}", absolute(&report).display()));
    if !args.no_serve {
        serve_live(args, output)?;
    }
    output.note("Next: `bellwether train YOUR.csv --name NAME`, then `bellwether detect NEW.csv --model NAME --report r.html`.");
    Ok(())
}

/// The same pumps, live behind the dashboard, until Ctrl-C.
fn serve_live(args: &DemoArgs, output: &Output) -> Result<(), Failure> {
    output
        .note("\n6. The same pumps live, five minutes a second, with a fault every minute. Ctrl-C ends it.");
    let file = |name: &str| args.output.join(name);
    for left_over in ["live.db", "live.db-wal", "live.db-shm"] {
        let _ = std::fs::remove_file(file(left_over));
    }
    let _ = std::fs::remove_dir_all(file("live.history"));
    let set = |path: &'static str, value: String| ("the demo", path, Some(value));
    let settings = [
        set("server.listen", free_address().to_string()),
        set("server.auth", "none".to_owned()),
        set("storage.url", format!("sqlite:{}", file("live.db").display())),
        set("models.registry", file("models").display().to_string()),
        set("models.default", "pump".to_owned()),
        // The clock of the plant runs faster than ours.
        set("stream.ahead_max", "3650d".to_owned()),
        set("log.level", "warn".to_owned()),
    ];
    let flags = ConfigFlags::default();
    let plan = Plan {
        config: None,
        flags: &flags,
        server_flags: &settings,
        purpose: Purpose::Serve,
        output,
    };
    let (n_devices, seed) = (N_DEVICES.parse()?, args.seed);
    let loaded = plan.load()?;
    let place = serve::Place::take(&loaded.checked)?;
    plan.run(loaded, async |checked, shared| {
        let fleet = Fleet::new(n_devices, seed)?;
        let sending = tokio::spawn(fleet.run(shared.inlet.clone(), shared.stop.clone()));
        let server = serve::start(place, checked, shared, &plan).await?;
        Ok(Some(tokio::spawn(async move {
            let _ = tokio::join!(sending, server);
        })))
    })
}

/// A folder in which a demo ran before has an earlier model, which would go on serving.
fn promote_newest(registry: &Path, output: &Output) -> Result<(), Failure> {
    let args = RegistryArgs {
        registry: Some(registry.to_owned()),
        trust: Vec::new(),
    };
    let name = "pump"
        .parse()
        .map_err(|error| Failure::message(format!("{error}")))?;
    let index = super::registry(&args)?.show(&name)?;
    match index.versions().iter().map(|entry| entry.version).max() {
        Some(newest) if newest != index.champion() => {
            let promote: [OsString; 5] = [
                "models".into(),
                "promote".into(),
                format!("pump@{newest}").into(),
                "--registry".into(),
                registry.into(),
            ];
            type_in(&promote, output)
        }
        _ => Ok(()),
    }
}

/// The usual address, or where that is taken any other.
fn free_address() -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    match TcpListener::bind(usual) {
        Ok(_) => usual,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

/// Shows a command as a user would type it, and runs it.
fn type_in(words: &[OsString], output: &Output) -> Result<(), Failure> {
    output.note(&format!("   $ bellwether {}", shown(words)));
    let line = std::iter::once(OsString::from("bellwether")).chain(words.iter().cloned());
    let cli = Cli::try_parse_from(line).map_err(|error| Failure::message(error.to_string()))?;
    match cli.command {
        Command::Demo(_) => Err(Failure::message("a demo within the demo")),
        command => super::run(command, output),
    }
}

fn shown(words: &[OsString]) -> String {
    let quoted = |word: &OsString| {
        let text = word.to_string_lossy();
        if text.contains(['*', ' ', ';']) {
            format!("'{text}'")
        } else {
            text.into_owned()
        }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn write_report(
    path: &Path,
    loaded: &artifact::Loaded,
    judged: &[Judged],
    labels: &Labels,
) -> Result<(), Failure> {
    let truth = judged
        .iter()
        .map(|series| {
            let rows = labels.of_rows(&series.recording)?;
            Ok(looking::sample_labels(&series.recording, &rows))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let rates = Rates::new(&loaded.manifest, Mode::Causal, judged, true);
    let report = looking::report(loaded, judged, Mode::Causal, &rates, Some(&truth), None)?;
    looking::write(path, &report)
}

/// Where the training part ends: what is found before it was learnt from.
fn train_end(judged: &[Judged]) -> Result<Timestamp, Failure> {
    let rows: usize = TRAIN_ROWS.parse()?;
    judged
        .first()
        .map(|series| series.recording.frame.time()[rows])
        .ok_or_else(|| Failure::message("the fleet has no device"))
}

/// Every fault with the event that found it, then the events that belong to none.
fn compare(
    faults: &[Interval],
    judged: &[Judged],
    channels: &[String],
    from: Timestamp,
    output: &Output,
) -> Result<(), Failure> {
    let mut rows = Rows::new(&[
        "device", "fault", "channel", "start", "found", "delay", "score", "blamed",
    ]);
    let mut n_found = 0;
    for fault in faults {
        let device = fault.series.clone().unwrap_or_default();
        let found = judged
            .iter()
            .filter(|series| series.recording.name == device)
            .flat_map(|series| &series.scores.events)
            .find(|event| touches(event, fault));
        n_found += usize::from(found.is_some());
        rows.push(vec![
            json!(device),
            json!(fault.kind),
            json!(fault.channels.join(", ")),
            json!(fault.start.to_string()),
            json!(if found.is_some() { "yes" } else { "no" }),
            json!(found.map(|event| humane(event.start.since(fault.start)))),
            json!(found.map(|event| event.peak_score)),
            json!(found.map(|event| blamed(event, channels))),
        ]);
    }
    let is_false = |series: &str, event: &Event| {
        event.start >= from
            && !faults
                .iter()
                .any(|fault| fault.series.as_deref() == Some(series) && touches(event, fault))
    };
    let n_false: usize = judged
        .iter()
        .map(|series| {
            let events = series.scores.events.iter();
            events
                .filter(|event| is_false(&series.recording.name, event))
                .count()
        })
        .sum();
    output.note("\n5. Found against the truth:");
    output.answer(
        &json!({ "faults": rows.objects(), "n_found": n_found, "n_faults": faults.len(), "n_false_alarms": n_false }),
        &rows,
    )?;
    output.note(&format!(
        "{n_found} of {} faults found, {n_false} false {} in 16 device-days.",
        faults.len(),
        if n_false == 1 { "alarm" } else { "alarms" }
    ));
    Ok(())
}

fn touches(event: &Event, fault: &Interval) -> bool {
    event.start <= fault.end && event.end >= fault.start
}

/// The two channels with the largest shares.
fn blamed(event: &Event, channels: &[String]) -> String {
    let top = shares(event, channels);
    top.iter()
        .take(2)
        .map(|(name, share)| format!("{name} {:.0}%", share * 100.0))
        .collect::<Vec<_>>()
        .join(", ")
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
