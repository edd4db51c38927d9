//! The text of each section of the page, from what the program printed.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{COMPARED, CONTAMINATED, METRICS, MODELS, TRAIN_WEEKS};

/// One table of VUS-PR by data set, one of all metrics.
pub(super) fn quality(page: &mut String, mode: &str, report: &Value) -> Result<()> {
    let says = if mode == "causal" {
        "a score uses nothing after its sample"
    } else {
        "a score may look ahead within the file; not comparable with causal ones"
    };
    writeln!(page, "## Detection quality, {mode} ({says})\n")?;
    let datasets: Vec<&String> = report["datasets"][MODELS[0]]
        .as_object()
        .context("no data sets in the report")?
        .keys()
        .collect();
    write!(page, "VUS-PR |")?;
    datasets
        .iter()
        .try_for_each(|dataset| write!(page, " {dataset} |"))?;
    writeln!(page, " mean")?;
    writeln!(page, "---|{}---:", "---:|".repeat(datasets.len()))?;
    for model in MODELS {
        write!(page, "{model} |")?;
        for dataset in &datasets {
            write!(
                page,
                " {} |",
                shown(&report["datasets"][model][dataset.as_str()]["vus_pr"])
            )?;
        }
        writeln!(page, " {}", shown(&report["mean"][model]["vus_pr"]))?;
    }
    write!(page, "\nmean of data sets |")?;
    METRICS
        .iter()
        .try_for_each(|(_, label)| write!(page, " {label} |"))?;
    writeln!(page, "\n---|{}", "---:|".repeat(METRICS.len()))?;
    for model in MODELS {
        write!(page, "{model} |")?;
        METRICS
            .iter()
            .try_for_each(|(key, _)| write!(page, " {} |", shown(&report["mean"][model][*key])))?;
        writeln!(page)?;
    }
    writeln!(
        page,
        "\nF1 and false alarms are at each detector's own threshold: the alarm budget of 1/week for what `train` makes, the \
         99 % quantile of the training scores for max-z, 0.99 for random.\n"
    )?;
    Ok(())
}

/// What faults in the training rows cost.
pub(super) fn contamination(page: &mut String, reports: &[(&str, Value, Value)]) -> Result<()> {
    writeln!(
        page,
        "## Faults in what is learnt from (`bench quality --contaminate {CONTAMINATED}`)\n\nMean VUS-PR where six kinds of \
         fault lie in one training row of twenty, against the training rows as they are.\n\n\
         | mode | as they are | with faults | cost\n---|---|---:|---:|---:"
    )?;
    for (mode, clean, dirty) in reports {
        for model in COMPARED {
            let mean = |report: &Value| {
                let mean = report["mean"][model]["vus_pr"].as_f64();
                mean.context("no mean VUS-PR in the report")
            };
            let (clean, dirty) = (mean(clean)?, mean(dirty)?);
            writeln!(
                page,
                "{model} | {mode} | {clean:.3} | {dirty:.3} | {:.3}",
                clean - dirty
            )?;
        }
    }
    writeln!(page)?;
    Ok(())
}

/// Alarms asked for and raised.
pub(super) fn alarms(page: &mut String, reports: &[&Value]) -> Result<()> {
    writeln!(
        page,
        "## Alarm budgets (`bench alarms`, causal)\n\nThe default detector on healthy data. Plants are made up: {TRAIN_WEEKS} weeks are \
         learnt from, fifty judged, a sample a minute. Of each real series three quarters of the training part are learnt from \
         and the last quarter is judged. *Kept* is a count between half and twice the budget; where fewer than ten alarms are \
         allowed in all of the judged time, it is too short to tell. *Not promised* is a budget for which the program said at \
         the training that its held-out rows are too few.\n\n\
         source | series | days | budget | allowed | promised | raised | ratio | 95 % | verdict\n\
         ---|---:|---:|---:|---:|---:|---:|---:|---:|---"
    )?;
    for report in reports {
        for of in report["outcomes"]
            .as_array()
            .context("no outcomes in the report")?
        {
            writeln!(
                page,
                "{} | {} | {} | {} | {} | {} | {} | {} | {} – {} | {}",
                of["source"].as_str().unwrap_or("?"),
                of["n_series"],
                shown(&of["days"]),
                of["budget"].as_str().unwrap_or("?"),
                shown(&of["allowed"]),
                shown(&of["promised"]),
                of["raised"],
                shown(&of["ratio"]),
                shown(&of["ratio_low"]),
                shown(&of["ratio_high"]),
                of["verdict"].as_str().unwrap_or("?").replace('-', " "),
            )?;
        }
    }
    writeln!(page)?;
    Ok(())
}

/// How many faults of each kind are found, and what else is.
pub(super) fn faults(page: &mut String, report: &Value) -> Result<()> {
    writeln!(
        page,
        "## Faults found (`bench faults --seeds 20`, causal)\n\nThe default detector on {} plants of each template: {} weeks are \
         learnt from, and the week behind them is judged once with a fault of each kind as `generate` makes it by default. Found \
         is a fault in whose rows an event lies that is not there without it; false are events of that week that have nothing to do \
         with the fault. The delay is the median.\n\n\
         fault | faults | found | share | at least (95 %) | false events / week | delay s\n\
         ---|---:|---:|---:|---:|---:|---:",
        report["seeds"], report["train_weeks"]
    )?;
    let list = |key: &str| -> Result<Vec<Value>> {
        let list = report[key].as_array().cloned();
        list.with_context(|| format!("no {key} in the report"))
    };
    for of in list("kinds")?
        .iter()
        .chain(&list("templates")?)
        .chain([&report["all"]])
    {
        writeln!(
            page,
            "{} | {} | {} | {} | {} | {} | {}",
            of["of"].as_str().unwrap_or("?"),
            of["faults"],
            of["found"],
            shown(&of["recall"]),
            shown(&of["recall_low"]),
            shown(&of["false_per_week"]),
            shown(&of["delay_s"]),
        )?;
    }
    writeln!(page)?;
    Ok(())
}

/// How often the faulty channel stands in front.
pub(super) fn causes(page: &mut String, report: &Value) -> Result<()> {
    writeln!(
        page,
        "## Causes (`bench causes`, causal)\n\nThe default detector on {} plants of each template, each with one fault of each \
         kind in one channel. Of the faults that were detected: how often that channel stands first, and among the first three, \
         in the order of `explain`; the same for the shares that `detect` writes; by chance.\n\n\
         fault | faults | detected | first | first three | NDCG@3 | shares: first three | chance: first three\n\
         ---|---:|---:|---:|---:|---:|---:|---:",
        report["seeds"]
    )?;
    let kinds = report["kinds"].as_object().context("no kinds in the report")?;
    let all = [(&"**all**".to_owned(), &report["all"])];
    for (name, of) in kinds.iter().chain(all) {
        writeln!(
            page,
            "{name} | {} | {} | {} | {} | {} | {} | {}",
            of["faults"],
            of["detected"],
            shown(&of["hit_rate_1"]),
            shown(&of["hit_rate_3"]),
            shown(&of["ndcg_3"]),
            shown(&of["share_hit_rate_3"]),
            shown(&of["chance_hit_rate_3"]),
        )?;
    }
    writeln!(page)?;
    Ok(())
}

/// How many models of single devices are made in a minute.
pub(super) fn fleet(page: &mut String, reports: &[Value]) -> Result<()> {
    let first = reports.first().context("no fleet was measured")?;
    writeln!(
        page,
        "## Models of single devices (`bench fleet`)\n\nWhat `train --group-by` does: {} devices, {} channels, {} rows each, a model \
         for each on {} threads, published in a registry on disk.\n\nfamily | s | models a minute\n---|---:|---:",
        first["devices"], first["channels"], first["rows"], first["threads"]
    )?;
    for report in reports {
        writeln!(
            page,
            "{} | {} | {}",
            report["family"].as_str().unwrap_or("?"),
            shown(&report["seconds"]),
            shown(&report["models_per_minute"]),
        )?;
    }
    writeln!(page)?;
    Ok(())
}

/// The leaderboard's figures.
pub(super) fn skab(page: &mut String, report: &Value) -> Result<()> {
    writeln!(
        page,
        "## SKAB, the leaderboard's protocol (`bench quality --protocol skab`, causal)\n\nEach file's first 400 rows \
         train, the others are judged, all rows in one pot, at the threshold of the alarm budget of 1/week. The \
         leaderboard covers 34 files, here are those at hand; its best is Conv-AE with F1 0.78, false alarms 13.6 %, missed \
         28.0 %, which looks ahead.\n\n\
         | F1 | false alarms % | missed alarms %\n---|---:|---:|---:"
    )?;
    for model in COMPARED {
        let pot = &report["pooled"][model]["SKAB"];
        let count = |key: &str| {
            pot[key]
                .as_f64()
                .with_context(|| format!("no {key} in the report"))
        };
        let (hits, missed) = (count("true_positives")?, count("false_negatives")?);
        let (false_alarms, quiet) = (count("false_positives")?, count("true_negatives")?);
        let f1 = 2.0 * hits / (2.0 * hits + false_alarms + missed);
        let share = |part: f64, rest: f64| 100.0 * part / (part + rest);
        let (far, mar) = (share(false_alarms, quiet), share(missed, hits));
        writeln!(page, "{model} | {f1:.3} | {far:.1} | {mar:.1}")?;
    }
    writeln!(page)?;
    Ok(())
}

/// Means over the series beside those that were published.
pub(super) fn tsb_ad_m(page: &mut String, report: &Value) -> Result<()> {
    let series = report["series"].as_array().context("no series in the report")?;
    writeln!(
        page,
        "## TSB-AD-M, its protocol (`bench quality --protocol tsb-ad-m`, causal)\n\nThe {} series at hand: the first rows \
         train, all rows are judged. Published figures are those of the benchmark's own table for the same series.\n\n\
         method | mean VUS-PR\n---|---:",
        series.len() / COMPARED.len()
    )?;
    let mut means: Vec<(String, f64)> = Vec::new();
    for model in COMPARED {
        let of_model = series.iter().filter(|of| of["model"] == model);
        let values: Vec<f64> = of_model
            .filter_map(|of| of["metrics"]["vus_pr"].as_f64())
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        means.push((format!("**{model}**"), mean));
    }
    let published = report["published"]
        .as_object()
        .context("no published figures in the report")?;
    means.extend(
        published
            .iter()
            .filter_map(|(method, mean)| Some((method.clone(), mean.as_f64()?))),
    );
    means.sort_by(|one, other| other.1.total_cmp(&one.1));
    for (method, mean) in means {
        writeln!(page, "{method} | {mean:.3}")?;
    }
    writeln!(page)?;
    Ok(())
}

/// What kernels reach.
pub(super) fn speed(page: &mut String, report: &Value) -> Result<()> {
    writeln!(
        page,
        "## Speed of the kernels\n\nKernels: {}. Shapes: S 30×5, 32-16-16-32; M 64×25, 64-32-32-64; L 100×55, 128-64-64-128. \
                    Training at batch 32, 64, 128; scoring at batch 256; float32.\n",
        report["kernels"].as_str().unwrap_or("?")
    )?;
    writeln!(
        page,
        "shape | threads | train windows/s | score windows/s | one window µs p50 | p99 | train GF/s | score GF/s | peak GF/s"
    )?;
    writeln!(page, "---|---:|---:|---:|---:|---:|---:|---:|---:")?;
    for shape in report["shapes"].as_array().context("no shapes in the report")? {
        writeln!(
            page,
            "{} | {} | {} | {} | {} | {} | {} | {} | {}",
            shape["name"].as_str().unwrap_or("?"),
            shape["threads"],
            shown(&shape["train_windows_per_s"]),
            shown(&shape["score_windows_per_s"]),
            shown(&shape["latency_us"]["p50"]),
            shown(&shape["latency_us"]["p99"]),
            shown(&shape["gflops"]["train"]),
            shown(&shape["gflops"]["score"]),
            shown(&shape["peak_gflops"]),
        )?;
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    match value.as_f64() {
        None => "–".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.3}"),
    }
}
