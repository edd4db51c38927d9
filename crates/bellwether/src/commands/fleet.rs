//! `bench fleet`: how many models of single devices are trained and published in a minute.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bellwether_core::synth::{Device, PlantSpec, generate};
use bellwether_store::bundle::manifest::fingerprint;
use bellwether_store::registry::{ModelName, Registry};
use rayon::prelude::*;
use serde_json::json;

use super::{per_minute, plants, pool};
use crate::cli::FleetArgs;
use crate::failure::Failure;
use crate::fitting::{self, FitSpec};
use crate::output::{Output, Rows};
use crate::per_device;
use crate::publishing::{Unpublished, series_record};

#[expect(clippy::disallowed_methods, reason = "what is measured is time")]
pub(crate) fn run(args: &FleetArgs, output: &Output) -> Result<(), Failure> {
    let spec = FitSpec::from_args(&args.fit, 1)?;
    let plant = PlantSpec {
        n_channels: Some(args.n_channels.get()),
        n_devices: args.devices.get(),
        ..plants::healthy(
            bellwether_core::synth::Template::default(),
            args.fit.seed,
            args.rows.get(),
        )
    };
    let devices = generate(&plant)?;
    let folder = Folder::make()?;
    let registry = Registry::open(&folder.0)?;
    let common: ModelName = "fleet".parse()?;
    let bar = output.progress(devices.len() as u64, "devices");
    let start = Instant::now();
    let trained: Vec<()> = pool(&args.threads)?.install(|| {
        devices
            .into_par_iter()
            .with_max_len(1)
            .map(|device| {
                train(device, &common, &spec, &registry)?;
                bar.inc(1);
                Ok(())
            })
            .collect::<Result<_, Failure>>()
    })?;
    let elapsed = start.elapsed();
    bar.finish_and_clear();
    let n = trained.len();
    output.note(&per_minute(n, elapsed));
    let keys = [
        "devices",
        "channels",
        "rows",
        "family",
        "threads",
        "seconds",
        "models_per_minute",
    ];
    let mut rows = Rows::new(&keys);
    let seconds = elapsed.as_secs_f64();
    rows.push(vec![
        json!(n),
        json!(args.n_channels),
        json!(args.rows),
        json!(spec.family.name()),
        json!(args.threads.n()),
        json!(seconds),
        json!(n as f64 * 60.0 / seconds),
    ]);
    output.answer(&rows.objects()[0], &rows)
}

#[expect(clippy::disallowed_methods, reason = "a version says how long it took")]
fn train(device: Device, common: &ModelName, spec: &FitSpec, registry: &Registry) -> Result<(), Failure> {
    let start = Instant::now();
    let name = per_device::name(common, &device.name)?;
    let frames = vec![device.frame];
    let series = series_record(&device.name, &frames).into_iter().collect();
    let data_fingerprint = fingerprint(frames.iter());
    let fitted = fitting::fit(vec![frames], None, spec, &mut |_| ControlFlow::Continue(()))?;
    let learnt = Unpublished {
        name: &name,
        fitted: &fitted,
        spec,
        data_fingerprint,
        series,
        seconds: start.elapsed().as_secs_f64(),
        settings: json!({}),
        command: Vec::new(),
        alignment: None,
    };
    learnt.publish(registry)?;
    Ok(())
}

/// A folder that is gone when the measurement is over.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("bellwether-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| {
            Failure::message(format!("cannot make the folder {}: {error}", path.display()))
        })?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it lies where the system clears up.
        let _ = std::fs::remove_dir_all(self.path());
    }
}
