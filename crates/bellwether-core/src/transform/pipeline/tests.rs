//! What is learnt of small frames, by hand, and what is refused.

use super::*;
use crate::time::Timestamp;
use bellwether_testkit::assert_close;

fn spec(len: usize) -> PipelineSpec {
    PipelineSpec::for_window(NonZeroUsize::new(len).unwrap())
}

fn frame(names: &[&str], secs: &[i64], values: &[f64]) -> Frame {
    let channels: Vec<Channel> = names.iter().map(|&name| Channel::new(name)).collect();
    let time = secs.iter().map(|&s| Timestamp::from_secs(s)).collect();
    Frame::new(channels, time, values.to_vec()).unwrap()
}

const NAN: f64 = f64::NAN;

#[test]
fn the_longest_bridged_gap_covers_a_window_and_the_usual_jitter() {
    let check = |secs: &[i64], len: usize, expect: u64| {
        let train = frame(&["a"], secs, &vec![0.0; secs.len()]);
        let parts = spec(len).fit(&[train]).unwrap().parts().clone();
        assert_eq!(parts.gap_max, Duration::from_secs(expect), "{secs:?}");
    };
    check(&[0, 10, 20, 30], 5, 50);
    check(&[0, 10, 20, 30], 1, 20);
}

#[test]
fn a_value_stands_as_long_as_channels_were_silent_in_training() {
    let check = |values: &[f64], secs: &[i64], expect: usize| {
        let parts = spec(2)
            .fit(&[frame(&["a"], secs, values)])
            .unwrap()
            .parts()
            .clone();
        assert_eq!(parts.fill_len_max, expect, "{values:?}");
    };
    let secs: Vec<i64> = (0..8).collect();
    check(&[1.0; 8], &secs, 2);
    check(&[1.0, NAN, NAN, NAN, NAN, 1.0, 2.0, 3.0], &secs, 4);
    check(&[NAN, NAN, NAN, NAN, 1.0, 1.0, 2.0, 3.0], &secs, 2);
    check(&[1.0, 2.0, 3.0, NAN, NAN, NAN, NAN, NAN], &secs, 2);
    // The silence spans a gap of 100 s, too rare to be usual: it says nothing about how often the channel reports.
    let secs: Vec<i64> = (0..400)
        .map(|row| if row < 200 { row } else { row + 100 })
        .collect();
    let silent = |row: i64| if (197..203).contains(&row) { NAN } else { 1.0 };
    check(&(0..400).map(silent).collect::<Vec<_>>(), &secs, 2);
}

#[test]
fn discrete_channels_share_the_weight_of_one() {
    let values: Vec<f64> = (0..8)
        .flat_map(|i| [f64::from(i), 3.0, f64::from(i % 2), f64::from(i % 3), NAN])
        .collect();
    let secs: Vec<i64> = (0..8).collect();
    let pipeline = spec(2)
        .fit(&[frame(&["x", "k", "b", "s", "none"], &secs, &values)])
        .unwrap();
    // Raw weights 1 1 ½ ½ 0: mean 3/5.
    for (got, want) in pipeline.channel_weights().iter().zip([5.0, 5.0, 2.5, 2.5, 0.0]) {
        assert_close(*got, want / 3.0, 1e-12, "weight");
    }
    assert_eq!(pipeline.n_effective(), 2);
    let unseen: Vec<&str> = pipeline.unseen_channels().map(Channel::name).collect();
    assert_eq!(unseen, ["none"]);
}

#[test]
fn series_that_share_a_model_are_learnt_together() {
    let one = frame(&["a", "b"], &[0, 1], &[0.0, 10.0, 1.0, 11.0]);
    let other = frame(&["b", "a"], &[0, 1], &[19.0, 5.0, 20.0, 6.0]);
    let pipeline = spec(1).fit(&[one, other]).unwrap();
    assert_eq!(pipeline.scales()[0].range, (0.0, 6.0));
    assert_eq!(pipeline.scales()[1].range, (10.0, 20.0));
}

#[test]
fn a_fit_refuses_what_its_docs_refuse() {
    let check = |train: &[Frame], expect: &str| {
        let error = spec(2).fit(train).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    let good = || frame(&["a"], &[0, 1], &[1.0, 2.0]);
    check(&[], "0 training samples");
    check(&[frame(&["a"], &[0], &[1.0])], "1 training samples");
    check(
        &[good(), frame(&["b"], &[0, 1], &[1.0, 2.0])],
        "lacks channels [\"a\"] and adds [\"b\"]",
    );
    check(&[good(), frame(&["a"], &[0, 9], &[1.0, 2.0])], "every 9 s");
    check(&[frame(&["a"], &[0, 1], &[NAN, NAN])], "every cell is missing");
    check(
        &[frame(&["a"], &[0, 1], &[-1e308, 1e308])],
        "\"a\" has no usable range",
    );
}

#[test]
fn data_that_do_not_fit_are_named() {
    let pipeline = spec(2)
        .fit(&[frame(&["flow", "temperature"], &[0, 60], &[1.0, 2.0, 3.0, 4.0])])
        .unwrap();
    let check = |names: &[&str], secs: &[i64], expect: &str| {
        let data = frame(names, secs, &vec![0.0; names.len() * secs.len()]);
        let error = pipeline.check(data.schema()).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(
        &["flow", "temperatur"],
        &[0, 60],
        "no channel \"temperature\" (did you mean \"temperatur\"?)",
    );
    check(
        &["x"],
        &[0, 60],
        "no channel \"flow\", no channel \"temperature\"",
    );
    check(
        &["flow", "temperature"],
        &[0, 115],
        "every 115 s, the model was trained on one every 60 s",
    );
    check(&["flow", "temperature"], &[0, 31], "every 31 s");
    // Irregular data vary so much by themselves.
    let near = frame(&["flow", "temperature"], &[0, 100], &[0.0; 4]);
    assert!(pipeline.check(near.schema()).is_ok());
    let columns = pipeline
        .check(frame(&["temperature", "site", "flow"], &[0, 60], &[0.0; 6]).schema())
        .unwrap();
    assert_eq!(
        (columns.order(), columns.ignored()),
        (&[2, 0][..], &[Channel::new("site")][..])
    );
}
