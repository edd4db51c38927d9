//! Charts of causes as SVG, drawn without a script.

use std::fmt::Write as _;

use super::{Causes, Trajectory};
use crate::report::page::escaped;

/// Columns of the heat map at most; more rows of time are added up.
const N_COLUMNS_MAX: usize = 120;

/// Channels in the heat map at most.
const N_CHANNELS_MAX: usize = 14;

/// Points of a line at most.
const N_POINTS_MAX: usize = 400;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 190.0;
const ROW: f64 = 18.0;
const HEIGHT: f64 = 150.0;

/// Shares of the likeliest channels over time: the darker, the larger.
pub(super) fn heat_map(causes: &Causes) -> String {
    let shares = &causes.shares;
    let n_times = shares.times.len();
    let per_column = n_times.div_ceil(N_COLUMNS_MAX).max(1);
    let n_columns = n_times.div_ceil(per_column);
    let channels: Vec<&str> = causes
        .channels
        .iter()
        .take(N_CHANNELS_MAX)
        .map(|cause| cause.channel.as_str())
        .collect();
    let sums: Vec<Vec<f64>> = channels
        .iter()
        .map(|channel| {
            let idx = shares.channels.iter().position(|name| name == channel);
            let column = |rows: &[Vec<f64>]| rows.iter().map(|row| idx.map_or(0.0, |idx| row[idx])).sum();
            shares.cells.chunks(per_column).map(column).collect()
        })
        .collect();
    let most = sums.iter().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
    let width = (WIDTH - LEFT) / n_columns.max(1) as f64;
    let height = ROW * channels.len() as f64;
    let mut svg = open(height + 20.0, "Shares of channels over time");
    for (row, (channel, sums)) in channels.iter().zip(&sums).enumerate() {
        let y = ROW * row as f64;
        let name = escaped(channel);
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
            LEFT - 8.0,
            y + 13.0
        );
        for (column, &sum) in sums.iter().enumerate() {
            // The eye tells small shares apart better on a square root.
            let opacity = (sum / most).max(0.0).sqrt();
            if opacity < 0.02 {
                continue;
            }
            let at = escaped(&shares.times[column * per_column]);
            let _ = write!(
                svg,
                "<rect x=\"{:.2}\" y=\"{y:.1}\" width=\"{:.2}\" height=\"{}\" fill-opacity=\"{opacity:.2}\"><title>{name} {at}: {:.2} %</title></rect>",
                LEFT + width * column as f64,
                width + 0.3,
                ROW - 2.0,
                100.0 * sum,
            );
        }
    }
    let end = shares.times.last().map_or(String::new(), |time| escaped(time));
    let start = shares.times.first().map_or(String::new(), |time| escaped(time));
    let y = height + 14.0;
    let _ = write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{y}\">{start}</text><text x=\"{WIDTH}\" y=\"{y}\" text-anchor=\"end\">{end}</text></svg>"
    );
    svg
}

/// A channel as it was and as it was expected, with its band; the stretch is shaded.
pub(super) fn trajectory(of: &Trajectory) -> String {
    let n = of.values.len();
    let all = [&of.values, &of.lower, &of.upper].into_iter().flatten().flatten();
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| {
        (low.min(value), high.max(value))
    });
    let mut svg = open(HEIGHT + 20.0, "Measured and expected values");
    if n < 2 || low > high {
        svg += "</svg>";
        return svg;
    }
    let room = (high - low).max(f64::MIN_POSITIVE);
    let x = |row: usize| LEFT + (WIDTH - LEFT) * row as f64 / (n - 1) as f64;
    let y = |value: f64| HEIGHT - 6.0 - (HEIGHT - 12.0) * (value - low) / room;
    let per_point = n.div_ceil(N_POINTS_MAX / 2).max(1);
    let (begin, end) = (
        x(of.stretch[0].min(n - 1)),
        x(of.stretch[1].saturating_sub(1).min(n - 1)),
    );
    let _ = write!(
        svg,
        "<rect class=\"stretch\" x=\"{begin:.1}\" y=\"0\" width=\"{:.1}\" height=\"{HEIGHT}\"/>",
        (end - begin).max(1.5)
    );
    let edge = |values: &[Option<f64>], pick: fn(f64, f64) -> f64| -> Vec<(f64, f64)> {
        let chunks = values.chunks(per_point).enumerate();
        let point = |(at, some): (usize, &[Option<f64>])| {
            let value = some.iter().flatten().copied().reduce(pick)?;
            Some((x((at * per_point).min(n - 1)), y(value)))
        };
        chunks.filter_map(point).collect()
    };
    let mut band = edge(&of.upper, f64::max);
    band.extend(edge(&of.lower, f64::min).into_iter().rev());
    let _ = write!(svg, "<polygon class=\"band\" points=\"{}\"/>", points(&band));
    let _ = write!(
        svg,
        "<polyline class=\"expected\" points=\"{}\"/>",
        points(&edge(&of.expected, f64::max))
    );
    // Both ends of each bucket, so that no spike is lost.
    let measured = of.values.chunks(per_point).enumerate().flat_map(|(at, some)| {
        let at = x((at * per_point).min(n - 1));
        let ends = [f64::min as fn(f64, f64) -> f64, f64::max]
            .map(|pick| some.iter().flatten().copied().reduce(pick));
        ends.into_iter().flatten().map(move |value| (at, y(value)))
    });
    let _ = write!(
        svg,
        "<polyline class=\"measured\" points=\"{}\"/>",
        points(&measured.collect::<Vec<_>>())
    );
    for (value, at) in [(high, 12.0), (low, HEIGHT - 2.0)] {
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{at}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            number(value)
        );
    }
    let (start, end) = (escaped(&of.times[0]), escaped(&of.times[n - 1]));
    let y = HEIGHT + 14.0;
    let _ = write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{y}\">{start}</text><text x=\"{WIDTH}\" y=\"{y}\" text-anchor=\"end\">{end}</text></svg>"
    );
    svg
}

/// A bar from zero with its error, on a scale where `most` is the whole width.
pub(super) fn bar(value: f64, error: f64, most: f64) -> String {
    let (width, middle) = (90.0, 20.0);
    let scale = (width - middle) / most.max(f64::MIN_POSITIVE);
    let x = |value: f64| (middle + value * scale).clamp(0.0, width);
    let (from, to) = (x(value.min(0.0)), x(value.max(0.0)));
    let (low, high) = (x(value - error), x(value + error));
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 {width} 14\" role=\"img\" aria-label=\"bar\"><rect x=\"{from:.1}\" y=\"2\" width=\"{:.1}\" height=\"10\"/>\
         <line x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"7\" y2=\"7\"/></svg>",
        to - from
    )
}

/// A number to four digits.
pub(in crate::report) fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

fn points(of: &[(f64, f64)]) -> String {
    of.iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect::<Vec<_>>()
        .join(" ")
}

fn open(height: f64, what: &str) -> String {
    format!("<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{what}\">")
}
