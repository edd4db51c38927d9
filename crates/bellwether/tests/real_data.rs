//! Real series, dirty as they are: 400 rows to train on, irregular and repeated times, dozens of constant channels.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod shared;

use std::fs;

use bellwether_testkit::real_data;
use shared::bellwether;

#[test]
fn real_series_are_trained_on_and_judged_row_by_row() {
    let Some(data) = real_data("real_series_are_trained_on_and_judged_row_by_row") else {
        return;
    };
    let own = tempfile::tempdir().unwrap();
    let check = |series: &str, name: &str, train_rows: usize| {
        let file = data.join(series);
        let file = file.display();
        let train = format!("train {file} --name {name} --rows {train_rows} --epochs 3 --registry models");
        let ran = bellwether(own.path(), &train).ends(0).says(&["published"]);
        assert!(ran.stdout.contains(&format!("{name}@1")), "{}", ran.stdout);
        for mode in ["causal", "retrospective"] {
            let detect = format!("detect {file} --model {name} --registry models --mode {mode} -o rows.csv");
            bellwether(own.path(), &detect).ends(0);
            let input = fs::read_to_string(data.join(series)).unwrap();
            let rows = fs::read_to_string(own.path().join("rows.csv")).unwrap();
            assert_eq!(rows.lines().count(), input.lines().count(), "{series}");
            let times = |text: &str| -> Vec<String> {
                let cell = |line: &str| line.split(',').next().unwrap_or_default().to_owned();
                text.lines().skip(1).map(cell).collect()
            };
            assert!(times(&rows) == times(&input), "{series}: other times");
            let is_scored = |line: &&str| line.split(',').nth(1).is_some_and(|score| !score.is_empty());
            let n_scored = rows.lines().filter(is_scored).count();
            assert!(
                n_scored * 10 > rows.lines().count() * 8,
                "{series}: {n_scored} scores"
            );
        }
    };
    check("SKAB/valve1-0.csv", "valve", 400);
    check("NAB/realAWSCloudwatch-ec2_network_in_5abac7.csv", "network", 709);
    check("MSL/T-9.csv", "rover", 439);
}
