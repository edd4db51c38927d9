//! How fast messages are decoded on one core: `cargo run --release -p bellwether-stream --example decode_rate`.
#![expect(clippy::print_stdout, reason = "it is what this prints")]
#![expect(clippy::disallowed_methods, reason = "it measures")]

use std::path::Path;
use std::time::Instant;

use bellwether_core::time::Timestamp;
use bellwether_store::read::ReadOptions;
use bellwether_stream::source::decode::{Decoded, Decoder, Mapping, TableDecoder};

const N_MESSAGES: usize = 500_000;
const N_KINDS: usize = 1000;

fn main() {
    let values =
        |nth: usize| (0..8).map(move |channel| (channel, 20.0 + (nth * 8 + channel) as f64 * 0.0137));
    let fields = |nth: usize| {
        let fields: Vec<_> = values(nth)
            .map(|(channel, value)| format!("\"channel_{channel}\":{value:?}"))
            .collect();
        fields.join(",")
    };
    let time = |nth: usize| Timestamp::from_secs(1_700_000_000 + nth as i64);
    let messages = |begin: &str, end: &str| -> Vec<String> {
        (0..N_KINDS)
            .map(|nth| {
                format!(
                    "{{\"timestamp\":\"{}\",\"device\":\"pump-{nth}\"{begin}{}{end}",
                    time(nth),
                    fields(nth)
                )
            })
            .collect()
    };
    for (name, messages) in [
        ("values in an object", messages(",\"values\":{", "}}")),
        ("flat", messages(",", "}")),
    ] {
        let mut decoder = Decoder::new("rate".into(), Mapping::default(), None);
        measure(name, |nth, into| {
            decoder.message(
                None,
                messages[nth % N_KINDS].as_bytes(),
                Timestamp::from_secs(0),
                into,
            );
        });
    }
    let rows: Vec<_> = (0..N_KINDS)
        .map(|nth| {
            let cells: Vec<_> = values(nth).map(|(_, value)| format!("{value:?}")).collect();
            format!("{},pump-{nth},{}\n", time(nth), cells.join(","))
        })
        .collect();
    let mut table = TableDecoder::new("rate".into(), Path::new("-"), ReadOptions::default(), None);
    let mut header = Decoded::default();
    let is_table = table
        .line(b"timestamp,device,a,b,c,d,e,f,g,h\n", &mut header)
        .is_ok();
    assert!(is_table, "a header is no row");
    measure("rows of a table", |nth, into| {
        assert!(
            table.line(rows[nth % N_KINDS].as_bytes(), into).is_ok(),
            "rows are good"
        );
    });
}

fn measure(name: &str, mut decode: impl FnMut(usize, &mut Decoded)) {
    let begin = Instant::now();
    let mut n_arrivals = 0;
    for batch in 0..N_MESSAGES / N_KINDS {
        let mut into = Decoded::default();
        for nth in 0..N_KINDS {
            decode(batch * N_KINDS + nth, &mut into);
        }
        n_arrivals += into.arrivals.len();
    }
    assert_eq!(n_arrivals, N_MESSAGES, "every message is a sample");
    let rate = n_arrivals as f64 / begin.elapsed().as_secs_f64();
    println!(
        "{name:20} {:>6.0} thousand samples of 8 channels a second",
        rate / 1e3
    );
}
