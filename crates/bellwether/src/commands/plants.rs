//! What `bench faults` and `bench causes` share: plants of many templates and seeds, judged side by side.

use std::num::NonZeroUsize;
use std::time::Duration;

use bellwether_core::synth::{PlantSpec, Template};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::pool;
use crate::cli::ThreadArgs;
use crate::failure::Failure;
use crate::output::Output;

/// Time between samples.
pub(super) const CADENCE: Duration = Duration::from_secs(60);

/// Channels of the toy plant: as many as the others have.
const N_SINES: usize = 9;

/// A plant that runs as it should, a sample a minute.
pub(super) fn healthy(template: Template, seed: u64, n_samples: usize) -> PlantSpec {
    PlantSpec {
        template,
        n_channels: (template == Template::Sine).then_some(N_SINES),
        n_samples,
        cadence: CADENCE,
        seed,
        ..PlantSpec::default()
    }
}

/// The templates asked for: all where none is named.
pub(super) fn templates(asked: &[Template]) -> Vec<Template> {
    match asked {
        [] => Template::ALL.to_vec(),
        some => some.to_vec(),
    }
}

/// What `judge` says of each template with `n_seeds` seeds from `seed` on, in that order. The first failure, with its plant,
/// ends it.
pub(super) fn judge_each<T: Send>(
    templates: &[Template],
    seed: u64,
    n_seeds: NonZeroUsize,
    threads: &ThreadArgs,
    output: &Output,
    judge: impl Fn(Template, u64) -> Result<Vec<T>, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    let seeds = seed..seed.saturating_add(n_seeds.get() as u64);
    let plants: Vec<(Template, u64)> = templates
        .iter()
        .flat_map(|template| seeds.clone().map(move |seed| (*template, seed)))
        .collect();
    let bar = output.progress(plants.len() as u64, "plants");
    let judged = |&(template, seed): &(Template, u64)| {
        let judged = judge(template, seed)
            .map_err(|failure| failure.in_context(&format!("{template}, seed {seed}")))?;
        bar.inc(1);
        Ok(judged)
    };
    let judged: Vec<Vec<T>> =
        pool(threads)?.install(|| plants.par_iter().map(judged).collect::<Result<_, Failure>>())?;
    bar.finish_and_clear();
    Ok(judged.into_iter().flatten().collect())
}
