//! The board, without a database.

use std::collections::HashSet;

use bellwether_stream::patterns::ByDevice;

use super::entry::SLOTS;
use super::*;

fn board() -> Board {
    let (_, models) = watch::channel(Arc::new(ByDevice::all(None)));
    Board::new(models)
}

/// Samples of one device, a minute apart.
fn block(device: &str, first_minute: i64, scores: &[f64]) -> JudgedBlock {
    let n = scores.len();
    JudgedBlock {
        model: "pump@1".to_owned(),
        channels: Vec::new(),
        series: vec![device.into(); n],
        time: (0..n as i64)
            .map(|idx| Timestamp::from_secs(60 * (first_minute + idx)))
            .collect(),
        values: Vec::new(),
        score: scores.to_vec(),
        event: vec![None; n],
        top: vec![None; n],
    }
}

fn seen() -> Timestamp {
    Timestamp::from_secs(7)
}

#[test]
fn a_slot_keeps_its_highest_score_and_the_line_moves_with_the_data() {
    let board = board();
    board.judged(&block("a", 0, &[0.5, f64::NAN, 2.0]), seen());
    let line = board.get("a").unwrap().sparkline();
    assert_eq!(line.len(), SLOTS);
    assert_eq!(line[SLOTS - 3..], [Some(0.5), None, Some(2.0)]);
    // Sixty minutes on, the two last of these are gone but one; a sample that comes late is put where it belongs.
    board.judged(&block("a", 61, &[0.25]), seen());
    board.judged(&block("a", 60, &[0.75]), seen());
    let entry = board.get("a").unwrap();
    let line = entry.sparkline();
    assert_eq!(
        (line[0], line[SLOTS - 2], line[SLOTS - 1]),
        (Some(2.0), Some(0.75), Some(0.25))
    );
    assert_eq!(line.iter().flatten().count(), 3);
    // The last sample is the newest, whatever came last.
    let (last, worst) = (entry.last_time.unwrap(), entry.worst().unwrap());
    assert_eq!((last, entry.score), (Timestamp::from_secs(61 * 60), 0.25));
    assert_eq!((worst.score, worst.time), (2.0, Timestamp::from_secs(120)));
    board.judged(&block("a", 1000, &[0.125]), seen());
    assert_eq!(board.get("a").unwrap().sparkline().iter().flatten().count(), 1);
}

#[test]
fn an_event_goes_before_silence_and_silence_before_warmth() {
    let board = board();
    let check = |want: State| assert_eq!(board.get("a").unwrap().state(), want);
    board.judged(&block("a", 0, &[f64::NAN]), seen());
    check(State::Warming);
    board.write(|inner| inner.change("a", |entry| entry.is_silent = true));
    check(State::Silent);
    let id = EventId::from_bits(7).unwrap();
    board.event("a", id, "pump@1", true);
    check(State::Event);
    board.event("a", id, "pump@2", false);
    check(State::Event);
    board.event("a", id, "pump@1", false);
    check(State::Silent);
    board.judged(&block("a", 1, &[0.5]), seen());
    check(State::Normal);
}

#[test]
fn pages_tell_each_device_once_however_scores_change_meanwhile() {
    let board = board();
    for idx in 0..250 {
        board.judged(
            &block(&format!("pump-{idx:03}"), 0, &[f64::from(idx) / 100.0]),
            seen(),
        );
    }
    board.event("pump-005", EventId::from_bits(1).unwrap(), "pump@1", true);
    for order in [Order::Worst, Order::Name, Order::Recent] {
        let wanted = Wanted {
            query: "PUMP".to_owned(),
            state: None,
            order,
        };
        let mut page = board.list(&wanted, 100);
        assert_eq!(page.total, 250);
        if order == Order::Worst {
            let first: Vec<&str> = page.entries[..3].iter().map(|entry| &*entry.name).collect();
            assert_eq!(first, ["pump-005", "pump-249", "pump-248"]);
        }
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut minute = 1;
        loop {
            names.extend(page.entries.iter().map(|entry| Arc::clone(&entry.name)));
            for idx in 0..250 {
                let score = f64::from((idx * 97 + 31) % 250);
                board.judged(&block(&format!("pump-{idx:03}"), minute, &[score]), seen());
            }
            minute += 1;
            let Some(next) = &page.next else { break };
            page = board.list_on(next, 100).unwrap();
        }
        assert_eq!(names.len(), 250);
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 250);
        // Put back in time for the next order.
        for idx in 0..250 {
            let name = format!("pump-{idx:03}");
            board.write(|inner| {
                inner.change(&name, |entry| {
                    let open = entry.open.take();
                    *entry = Entry::new(name.as_str().into());
                    entry.open = open;
                });
            });
            board.judged(&block(&name, 0, &[f64::from(idx) / 100.0]), seen());
        }
    }
    for bad in ["", "x", "1", "1.x", "ffff.0", "1.99999999999999999999"] {
        assert!(board.list_on(bad, 10).is_none(), "{bad}");
    }
}

#[test]
fn only_what_changed_is_told_as_changed() {
    let board = board();
    board.judged(&block("a", 0, &[0.5]), seen());
    board.judged(&block("b", 0, &[0.5]), seen());
    let (all, version) = board.changed_since(0);
    assert_eq!(all.len(), 2);
    board.judged(&block("b", 1, &[0.5]), seen());
    let (changed, version) = board.changed_since(version);
    assert_eq!(
        changed.iter().map(|entry| &*entry.name).collect::<Vec<_>>(),
        ["b"]
    );
    assert!(board.changed_since(version).0.is_empty());
}

#[test]
fn ten_thousand_devices_take_less_than_twenty_megabytes() {
    let board = board();
    for idx in 0..10_000 {
        board.judged(&block(&format!("line-3/pump-{idx:05}"), 0, &[0.5; 100]), seen());
    }
    let bytes = board.read(|inner| {
        let of_entries = inner.entries.capacity() * size_of::<Arc<Entry>>();
        let of_places = inner.places.capacity() * (size_of::<(Arc<str>, u32)>() + 1);
        // Each entry and its name are allocations of their own, with two counters each.
        let of_each: usize = inner
            .entries
            .iter()
            .map(|entry| size_of::<Entry>() + entry.name.len() + 4 * size_of::<usize>() + 32)
            .sum();
        of_entries + of_places + of_each
    });
    assert!((1 << 20..20 << 20).contains(&bytes), "{bytes}");
}
