//! Lines of a card as SVG.

use std::fmt::Write as _;

use crate::report::causes::number;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 22.0;

/// A line of a chart: its class in the style, and its points.
pub(super) type Line<'a> = (&'a str, Vec<(f64, f64)>);

/// Lines over a common axis, both axes from the least to the greatest value. Nothing where fewer than two points are
/// finite.
pub(super) fn lines(label: &str, lines: &[Line<'_>], marker: Option<f64>) -> String {
    let finite = |(x, y): &(f64, f64)| x.is_finite() && y.is_finite();
    let all: Vec<(f64, f64)> = lines
        .iter()
        .flat_map(|(_, points)| points)
        .copied()
        .filter(finite)
        .collect();
    if all.len() < 2 {
        return String::new();
    }
    let range = |of: fn(&(f64, f64)) -> f64, more: Option<f64>| {
        let values = all.iter().map(of).chain(more.filter(|value| value.is_finite()));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    let (x_low, x_high) = range(|point| point.0, marker);
    let (y_low, y_high) = range(|point| point.1, None);
    let x =
        |value: f64| LEFT + (WIDTH - LEFT - 10.0) * (value - x_low) / (x_high - x_low).max(f64::MIN_POSITIVE);
    let y = |value: f64| {
        HEIGHT - 6.0 - (HEIGHT - 12.0) * (value - y_low) / (y_high - y_low).max(f64::MIN_POSITIVE)
    };
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{label}\">",
        HEIGHT + BOTTOM
    );
    if let Some(at) = marker.filter(|at| at.is_finite()) {
        let at = x(at);
        let _ = write!(
            svg,
            "<line class=\"marker\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"0\" y2=\"{HEIGHT}\"/>"
        );
    }
    for (class, points) in lines {
        let points: Vec<String> = points
            .iter()
            .filter(|point| finite(point))
            .map(|(of_x, of_y)| format!("{:.1},{:.1}", x(*of_x), y(*of_y)))
            .collect();
        let _ = write!(
            svg,
            "<polyline class=\"{class}\" points=\"{}\"/>",
            points.join(" ")
        );
    }
    for (value, at) in [(y_high, 12.0), (y_low, HEIGHT - 4.0)] {
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{at}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            number(value)
        );
    }
    let below = HEIGHT + 16.0;
    let _ = write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{below}\">{}</text><text x=\"{WIDTH}\" y=\"{below}\" text-anchor=\"end\">{}</text></svg>",
        number(x_low),
        number(x_high)
    );
    svg
}
