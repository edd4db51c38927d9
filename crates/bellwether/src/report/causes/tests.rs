//! The page of causes: nothing breaks out of it, nothing is loaded into it.

use super::*;

const HOSTILE: &str = "</script><img src=x onerror=\"alert(1)\"> & <b>'\"";

/// A full set of facts in which every name is `name`.
fn causes(name: &str) -> Causes {
    let text = || name.to_owned();
    let cause = |share| Cause {
        channel: text(),
        share,
        cured: Some(0.9),
        moved: Some(text()),
        delay_s: Some(60.0),
        at: Some(text()),
        value: Some(71.3),
        expected: Some(64.0),
        unit: Some("°C"),
        times_usual: Some(5.2),
        side: Some("above"),
        gradient: Some(3.0),
        shapley: Some(-2.0),
        shapley_error: Some(0.1),
    };
    Causes {
        model: text(),
        mode: text(),
        series: text(),
        event: Some(text()),
        start: text(),
        end: text(),
        samples: 2,
        peak_time: text(),
        peak_score: Some(4.0),
        severity: Some(75.0),
        sentence: text(),
        channels: vec![cause(0.7), cause(0.3)],
        shares: Shares {
            channels: vec![text()],
            times: vec![text(); 500],
            scores: vec![Some(1.0); 500],
            cells: vec![vec![0.002]; 500],
        },
        expected: vec![Trajectory {
            channel: text(),
            unit: None,
            times: vec![text(); 900],
            values: (0..900).map(|row| (row != 5).then_some(f64::from(row))).collect(),
            expected: vec![Some(3.0); 900],
            lower: vec![Some(1.0); 900],
            upper: vec![None; 900],
            stretch: [400, 500],
        }],
        pairs: vec![Pair {
            channels: [text(), text()],
            training: 0.9,
            before: 0.8,
            now: -0.5,
            n_effective: 30.0,
            q_value: 1e-5,
        }],
        window: None,
        counterfactual: Some(Counterfactual {
            is_normal: true,
            score: 0.4,
            changes: vec![Change {
                channel: text(),
                unit: Some("bar"),
                at: text(),
                value: None,
                wanted: Some(1.0),
            }],
        }),
        similar: vec![Similar {
            event: text(),
            series: text(),
            start: text(),
            end: text(),
            kind: Some(text()),
            similarity: 0.9,
        }],
    }
}

fn page(of: &Causes) -> String {
    let mut bytes = Vec::new();
    of.write_html(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn no_name_can_break_out_of_the_page_of_causes() {
    let (page, plain) = (page(&causes(HOSTILE)), page(&causes("plain")));
    for tag in ["<script", "</script", "<img", "<b>"] {
        assert_eq!(
            page.matches(tag).count(),
            plain.matches(tag).count(),
            "{tag} was smuggled in"
        );
    }
    assert_eq!(page.matches('<').count(), plain.matches('<').count());
    assert_eq!(page.matches('"').count(), plain.matches('"').count());
}

#[test]
fn the_page_of_causes_is_complete_and_bounded() {
    let page = page(&causes("bearing_temp_c"));
    for text in [
        "5.2",
        "71.30 °C",
        "What would have been normal",
        "no alarm",
        "<polygon",
        "fill-opacity",
        "-0.50",
    ] {
        assert!(page.contains(text), "{text}");
    }
    for text in ["http://", "https://", "src=", "@import"] {
        assert!(!page.contains(text), "{text}");
    }
    assert!(page.len() < 60_000, "{} bytes", page.len());
    // Nothing known is no reason to fail.
    assert!(self::page(&Causes::default()).ends_with("</html>\n"));
}
