//! `compare`: several detectors learn from the same rows and are judged on the same others, in one table.

mod entrants;
mod replay;

use bellwether_core::detect::Mode;
use bellwether_core::frame::Frame;
use bellwether_core::time::humane;
use bellwether_store::read::Recording;
use serde_json::{Map, Value, json};

use crate::assessment::{
    AssessSpec, Assessed, Contender, Fit, METRIC_KEYS, Mean, SeriesTruth, Truth, UNLABELLED_KEYS, Unlabelled,
    assess, intervals_json, means, metrics_json, row_truth, truth, unlabelled,
};
use crate::cli::{CompareArgs, Format};
use crate::commands::evaluate::{
    ADJUSTED_KEYS, check_labelled, metrics_table, note_of, row_of, spec, unlabelled_by_model,
    unlabelled_document, unlabelled_means, with_interval,
};
use crate::commands::{looking, now, pool, read, refuse_overwriting};
use crate::failure::Failure;
use crate::fitting::FitSpec;
use crate::output::{Output, Rows};
use crate::report::{Report, Resolution, SeriesInput, SeriesReport};
use entrants::{Efforts, Entrants};
use replay::Cadence;

pub(crate) fn run(args: &CompareArgs, output: &Output) -> Result<(), Failure> {
    let inputs = [args.data.data.as_slice(), args.assess.labels.as_slice()].concat();
    refuse_overwriting(&inputs, [("--report", args.assess.report.as_ref())])?;
    let contenders = contenders(args)?;
    let fit_spec = FitSpec::from_args(&args.fit, args.threads.n())?;
    Fit::check(&fit_spec)?;
    if args.retrain_every.is_some() && args.assess.mode == Mode::Retrospective {
        return Err(Failure::Usage(
            "--retrain-every judges causally, each stretch by what was known before it: leave out --mode retrospective".to_owned(),
        ));
    }
    let recordings = read(&args.data, output)?;
    let known = truth(
        args.assess.labels.as_deref(),
        args.data.reading.timezone.as_ref(),
        &recordings,
        output,
    )?;
    let parts = parts(args, &recordings, known.as_deref(), output)?;
    let pool = pool(&args.threads)?;
    pool.install(|| {
        if known.is_some() {
            against_labels(args, &contenders, &parts, &fit_spec, output)
        } else {
            without_labels(args, &contenders, &parts, &fit_spec, output)
        }
    })
}

/// The detectors by their names, each once.
fn contenders(args: &CompareArgs) -> Result<Vec<Contender>, Failure> {
    let mut contenders = Vec::new();
    for name in &args.models {
        let contender = Contender::from_name(name)?;
        if !contenders.contains(&contender) {
            contenders.push(contender);
        }
    }
    Ok(contenders)
}

/// A series, cut into what is learnt from and what is judged.
struct Part<'a> {
    recording: &'a Recording,
    known: SeriesTruth,
    train: Frame,
    /// The first sample that is judged.
    from: usize,
    /// What is known of the judged samples; all of it is normal without labels.
    truth: Truth,
}

impl Part<'_> {
    fn name(&self) -> &str {
        &self.recording.name
    }

    fn frame(&self) -> &Frame {
        &self.recording.frame
    }

    /// The scores of the samples that are judged, from those of the samples from `from` on.
    fn of_samples(&self, scores: &[f64]) -> Vec<f64> {
        let samples = self.truth.samples.iter();
        samples.map(|&sample| scores[sample - self.from]).collect()
    }
}

fn parts<'a>(
    args: &CompareArgs,
    recordings: &'a [Recording],
    known: Option<&[SeriesTruth]>,
    output: &Output,
) -> Result<Vec<Part<'a>>, Failure> {
    let mut parts = Vec::new();
    for (idx, recording) in recordings.iter().enumerate() {
        let frame = &recording.frame;
        let n = frame.n_samples();
        let n_train = match (args.until, args.rows) {
            (Some(until), _) => frame.time().partition_point(|&at| at < until),
            // Rows are those of the file; rows that repeat a time share a sample.
            (_, Some(rows)) if rows.get() < recording.rows.n_rows() => recording.rows.sample_idx(rows.get()),
            (_, Some(_)) => n,
            _ => (args.train_share * n as f64) as usize,
        };
        if n_train == 0 || n_train == n {
            output.note(&format!(
                "note: {}: left out, {n_train} of its {n} rows are to learn from and the others to judge",
                recording.name
            ));
            continue;
        }
        let first_row = row_of(recording, n_train);
        let known = known.map_or_else(
            || SeriesTruth {
                rows: vec![false; recording.rows.n_rows()],
                run_ups: Vec::new(),
            },
            |known| known[idx].clone(),
        );
        parts.push(Part {
            train: frame.slice(0..n_train)?,
            from: n_train,
            truth: row_truth(recording, &known.rows, first_row),
            recording,
            known,
        });
    }
    if parts.is_empty() {
        return Err(Failure::message(
            "no series has rows to learn from and rows to judge: look at --rows, --until and --train-share",
        ));
    }
    Ok(parts)
}

fn against_labels(
    args: &CompareArgs,
    contenders: &[Contender],
    parts: &[Part<'_>],
    fit_spec: &FitSpec,
    output: &Output,
) -> Result<(), Failure> {
    let spec = spec(&args.assess, args.fit.seed, output);
    let entrants = Entrants::fitted(contenders, parts, fit_spec, output)?;
    let mut charts = Charts::new(args, entrants.len() * parts.len());
    let mut results = Vec::new();
    let mut efforts = entrants.each(parts, args.assess.mode, output, &mut |name, part, _, scores| {
        charts.add(name, part, &scores, true);
        let scores = part.of_samples(&scores);
        let known = (&part.known, &part.truth);
        results.push(assess(name, part.name(), known, scores, &spec)?);
        Ok(())
    })?;
    let replayed = args.retrain_every.into_iter().flat_map(|every| {
        let learning = contenders.iter().filter(|contender| !contender.is_baseline());
        learning.map(move |contender| (every, *contender))
    });
    for (every, contender) in replayed.filter(|(_, contender)| entrants.has(*contender)) {
        let cadence = Cadence {
            every,
            window: args.train_window,
            leave_out_alarms: args.leave_out_alarms,
        };
        let name = format!("{} every {}", contender.name(), humane(every));
        let replay = cadence.replay(contender, parts, fit_spec, args.assess.mode)?;
        output.detail(&format!("{name}: fitted {} times", replay.n_fits));
        for (part, scores) in parts.iter().zip(&replay.scores) {
            let scores = part.of_samples(scores);
            let known = (&part.known, &part.truth);
            results.push(assess(&name, part.name(), known, scores, &spec)?);
        }
        efforts.push(&name, replay.effort);
    }
    efforts.over_seeds(entrants.over_seeds(args.seeds.get(), parts, args.assess.mode, output)?);
    check_labelled(&results)?;
    for (part, first) in parts.iter().zip(&results) {
        note_of(part.name(), first, &spec, output);
    }
    let mut means = means(&results, &spec);
    means.sort_by(|a, b| b.values[0].total_cmp(&a.values[0]));
    if let Some(path) = &args.assess.report {
        let is_baseline = |model: &str| Contender::BASELINES.iter().any(|one| one.name() == model);
        let mut report = report(args, parts, charts);
        report.metrics = Some(metrics_table(&means, is_baseline));
        looking::write(path, &report)?;
        output.note(&format!("report: {}", path.display()));
    }
    answer(args, &results, &means, &efforts, &spec, output)
}

/// The scores of each detector for each series, as they will be drawn.
struct Charts {
    /// `None` where nobody wants a page.
    resolution: Option<Resolution>,
    series: Vec<SeriesReport>,
}

impl Charts {
    fn new(args: &CompareArgs, n_charts: usize) -> Self {
        Self {
            resolution: args
                .assess
                .report
                .as_ref()
                .map(|_| Resolution::for_fleet(n_charts)),
            series: Vec::new(),
        }
    }

    /// `scores`: of the samples from the first judged one on.
    fn add(&mut self, model: &str, part: &Part<'_>, scores: &[f64], is_labelled: bool) {
        let Some(resolution) = self.resolution else {
            return;
        };
        let labels = is_labelled.then(|| looking::sample_labels(part.recording, &part.known.rows));
        let channels = part.frame().schema().channels();
        let channels: Vec<&str> = channels.iter().map(|channel| channel.name()).collect();
        let input = SeriesInput {
            name: &format!("{}, {model}", part.name()),
            channels: &channels,
            time: &part.frame().time()[part.from..],
            score: scores,
            events: Vec::new(),
            labels: labels.as_ref().map(|labels| &labels[part.from..]),
        };
        self.series.push(SeriesReport::new(input, resolution));
    }
}

/// What was compared, and how, with the scores that were given.
fn report(args: &CompareArgs, parts: &[Part<'_>], charts: Charts) -> Report {
    let title = match parts {
        [only] => only.name().to_owned(),
        many => format!("{} series", many.len()),
    };
    let mut report = Report::new(
        format!("Detectors compared on {title}"),
        concat!("bellwether ", env!("CARGO_PKG_VERSION")),
    );
    report.generated_at = Some(now());
    let n_train: usize = parts.iter().map(|part| part.from).sum();
    let n_judged: usize = parts.iter().map(|part| part.truth.samples.len()).sum();
    report.notes.push(format!(
        "All detectors learnt from the same {n_train} rows and were judged on the same {n_judged} rows after them. Scores are {}.",
        args.assess.mode
    ));
    report.notes.push(
        "Each chart shows the scores of one detector for one series; 1 is its own threshold.".to_owned(),
    );
    charts.series.into_iter().for_each(|series| report.push(series));
    report
}

fn answer(
    args: &CompareArgs,
    results: &[Assessed],
    means: &[Mean],
    efforts: &Efforts,
    spec: &AssessSpec,
    output: &Output,
) -> Result<(), Failure> {
    let mut keys = vec!["model"];
    let with_bounds = spec.n_resamples > 0 && output.format() != Format::Table;
    keys.push(METRIC_KEYS[0]);
    if with_bounds {
        keys.extend(["vus_pr_low", "vus_pr_high"]);
    }
    keys.extend(&METRIC_KEYS[1..]);
    if spec.is_adjusted {
        keys.extend(ADJUSTED_KEYS);
    }
    keys.extend(efforts.keys());
    let mut rows = Rows::new(&keys);
    for mean in means {
        let mut row = vec![json!(mean.model)];
        if output.format() == Format::Table {
            row.push(with_interval(mean.values[0], mean.intervals[0]));
        } else {
            row.push(json!(mean.values[0]));
        }
        if with_bounds {
            row.push(json!(mean.intervals[0].map(|interval| interval.low)));
            row.push(json!(mean.intervals[0].map(|interval| interval.high)));
        }
        row.extend(mean.values[1..].iter().map(|value| json!(value)));
        if spec.is_adjusted {
            row.extend(mean.adjusted.unwrap_or([f64::NAN; 2]).map(|value| json!(value)));
        }
        row.extend(efforts.cells(&mean.model));
        rows.push(row);
    }
    let dataset = args.data.data.first().map(|path| path.display().to_string());
    let series: Vec<Value> = results
        .iter()
        .map(|result| result.json(dataset.as_deref(), spec))
        .collect();
    let by_model = |of: &dyn Fn(&Mean) -> Value| -> Map<String, Value> {
        means.iter().map(|mean| (mean.model.clone(), of(mean))).collect()
    };
    let mut document = json!({
        "mode": args.assess.mode.to_string(),
        "series": series,
        "mean": by_model(&|mean| metrics_json(&mean.values)),
        "operation": by_model(&|mean| mean.operation.clone()),
        "lead_horizon_s": spec.lead_horizon.as_secs_f64(),
        "order": means.iter().map(|mean| mean.model.clone()).collect::<Vec<_>>(),
    });
    efforts.describe(&mut document);
    if spec.n_resamples > 0 {
        document["mean_intervals"] = Value::Object(by_model(&|mean| intervals_json(&mean.intervals)));
    }
    output.answer(&document, &rows)
}

fn without_labels(
    args: &CompareArgs,
    contenders: &[Contender],
    parts: &[Part<'_>],
    fit_spec: &FitSpec,
    output: &Output,
) -> Result<(), Failure> {
    if args.retrain_every.is_some() {
        return Err(Failure::Usage(
            "--retrain-every: replays are judged by labels, and there are none; give --labels FILE"
                .to_owned(),
        ));
    }
    output.note(
        "note: no labels: detectors are compared by the injected faults that they find; give --labels FILE, or a column \
         is_anomaly of 0 and 1, to compare by the truth",
    );
    let entrants = Entrants::fitted(contenders, parts, fit_spec, output)?;
    let mut charts = Charts::new(args, entrants.len() * parts.len());
    let mut results: Vec<Unlabelled> = Vec::new();
    let mut efforts = entrants.each(
        parts,
        args.assess.mode,
        output,
        &mut |name, part, judge, scores| {
            charts.add(name, part, &scores, false);
            let seed = args.fit.seed;
            results.push(unlabelled(
                name,
                part.name(),
                judge,
                part.frame(),
                part.from,
                seed,
            )?);
            Ok(())
        },
    )?;
    efforts.over_seeds(entrants.over_seeds(args.seeds.get(), parts, args.assess.mode, output)?);
    let mut means = unlabelled_means(&results);
    let recall = UNLABELLED_KEYS.iter().position(|key| *key == "injected_recall");
    let recall = recall.expect("recall is one of the figures");
    means.sort_by(|a, b| b.1[recall].total_cmp(&a.1[recall]));
    let mut keys = vec!["model"];
    keys.extend(UNLABELLED_KEYS);
    keys.extend(efforts.keys());
    let mut rows = Rows::new(&keys);
    for (model, figures) in &means {
        let mut row = vec![json!(model)];
        row.extend(figures.iter().map(|value| json!(value)));
        row.extend(efforts.cells(model));
        rows.push(row);
    }
    if let Some(path) = &args.assess.report {
        let mut report = report(args, parts, charts);
        report.notes.extend(means.iter().map(|(model, figures)| {
            format!(
                "{model}: {:.0} % of the injected faults found, {:.2} alarms a week.",
                100.0 * figures[recall],
                figures[0]
            )
        }));
        looking::write(path, &report)?;
        output.note(&format!("report: {}", path.display()));
    }
    let mut document = unlabelled_document(args.assess.mode, &args.data.data, &results);
    document["mean"] = unlabelled_by_model(&means);
    document["order"] = json!(means.iter().map(|(model, _)| *model).collect::<Vec<_>>());
    efforts.describe(&mut document);
    output.answer(&document, &rows)
}
