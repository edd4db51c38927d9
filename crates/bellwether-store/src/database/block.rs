//! How a block of judged samples is kept: a version byte, then postcard. Numbers keep their bits, NaN too.

use std::collections::HashMap;
use std::sync::Arc;

use bellwether_core::event::EventId;
use bellwether_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::JudgedBlock;

/// The first byte of a block.
const VERSION: u8 = 1;

/// A block as version 1 writes it; columns of equal length.
#[derive(Serialize, Deserialize)]
struct Wire {
    model: String,
    channels: Vec<String>,
    /// Each device once.
    devices: Vec<String>,
    /// For each sample: which of the devices.
    device: Vec<u32>,
    /// For each sample: nanoseconds since the sample before, the first since the epoch. Small numbers take few bytes.
    time_steps: Vec<i64>,
    values: Vec<f64>,
    score: Vec<f64>,
    /// 0: none; otherwise one more than the bits of the id.
    event: Vec<u64>,
    top: Vec<Option<(u32, f64)>>,
}

/// The bytes of a block.
pub(super) fn encode(block: &JudgedBlock) -> Vec<u8> {
    let mut known = HashMap::new();
    let mut devices = Vec::new();
    let device = block.series.iter().map(|series| {
        *known.entry(series).or_insert_with(|| {
            devices.push(series.to_string());
            (devices.len() - 1) as u32
        })
    });
    let device = device.collect();
    let mut before = 0_i64;
    let time_steps = block.time.iter().map(|time| {
        let step = time.as_nanos().wrapping_sub(before);
        before = time.as_nanos();
        step
    });
    let wire = Wire {
        model: block.model.clone(),
        channels: block.channels.clone(),
        device,
        time_steps: time_steps.collect(),
        values: block.values.clone(),
        score: block.score.clone(),
        event: block
            .event
            .iter()
            .map(|event| event.map_or(0, |id| id.to_bits() + 1))
            .collect(),
        top: block.top.clone(),
        devices,
    };
    postcard::to_extend(&wire, vec![VERSION]).expect("plain numbers and text fit in memory")
}

/// The block of these bytes, or what is wrong with them.
pub(super) fn decode(bytes: &[u8]) -> Result<JudgedBlock, &'static str> {
    let wire: Wire = match bytes.split_first() {
        Some((&VERSION, body)) => match postcard::take_from_bytes(body) {
            Ok((wire, [])) => wire,
            Ok(_) => return Err("a block has bytes after its end"),
            Err(_) => return Err("a block cannot be read"),
        },
        Some(_) => return Err("a block has a version that this program does not know"),
        None => return Err("a block is empty"),
    };
    let n_samples = wire.device.len();
    let lengths = [
        wire.time_steps.len(),
        wire.score.len(),
        wire.event.len(),
        wire.top.len(),
    ];
    let n_values = n_samples.checked_mul(wire.channels.len());
    if lengths.iter().any(|&len| len != n_samples) || n_values != Some(wire.values.len()) {
        return Err("the columns of a block differ in length");
    }
    let n_channels = wire.channels.len();
    if wire
        .top
        .iter()
        .flatten()
        .any(|&(channel, _)| channel as usize >= n_channels)
    {
        return Err("a block names a channel that it does not have");
    }
    let devices: Vec<Arc<str>> = wire.devices.into_iter().map(Arc::from).collect();
    let device = wire.device.iter().map(|&idx| devices.get(idx as usize).cloned());
    let mut time = 0_i64;
    let times = wire.time_steps.iter().map(|step| {
        time = time.wrapping_add(*step);
        Timestamp::from_nanos(time)
    });
    let event = wire.event.iter().map(|&bits| match bits.checked_sub(1) {
        None => Some(None),
        Some(bits) => EventId::from_bits(bits).map(Some),
    });
    Ok(JudgedBlock {
        model: wire.model,
        series: device
            .collect::<Option<_>>()
            .ok_or("a block names a device that it does not have")?,
        time: times.collect(),
        values: wire.values,
        score: wire.score,
        event: event
            .collect::<Option<_>>()
            .ok_or("a block has an event whose id is none")?,
        top: wire.top,
        channels: wire.channels,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use bellwether_core::frame::SeriesId;
    use proptest::prelude::*;

    /// `n` samples of a few devices, every kind of oddity among them.
    pub(crate) fn block(model: &str, n: usize, first_secs: i64) -> JudgedBlock {
        let mut block = JudgedBlock {
            model: model.to_owned(),
            channels: vec!["flow".to_owned(), "score".to_owned()],
            ..JudgedBlock::default()
        };
        for idx in 0..n {
            let series: Arc<str> = format!("pump-{}", idx % 5).into();
            let time = Timestamp::from_secs(first_secs + idx as i64 / 5);
            let is_odd = idx % 7 == 3;
            block
                .values
                .extend([idx as f64 * 0.1, if is_odd { f64::NAN } else { -1.5 }]);
            block
                .score
                .push(if is_odd { f64::NAN } else { idx as f64 / 100.0 });
            block
                .event
                .push((idx % 3 == 0).then(|| EventId::new(&SeriesId::new(&*series), time)));
            block.top.push((!is_odd).then_some((1, 0.75)));
            block.series.push(series);
            block.time.push(time);
        }
        block
    }

    /// Equal to the last bit.
    pub(crate) fn assert_same(got: &JudgedBlock, want: &JudgedBlock) {
        // `Debug` tells NaN from numbers, and floats apart that differ in any bit but the payload of NaN.
        assert_eq!(format!("{got:?}"), format!("{want:?}"));
    }

    #[test]
    fn a_block_comes_back_bit_for_bit() {
        for n in [0, 1, 100] {
            let mut block = block("pump@3", n, -5);
            if n > 1 {
                block.time[0] = Timestamp::from_nanos(i64::MIN);
                block.time[1] = Timestamp::from_nanos(i64::MAX);
                block.values[0] = f64::from_bits(0x7ff8_0000_0000_1234);
            }
            let back = decode(&encode(&block)).unwrap();
            assert_same(&back, &block);
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&back.values), bits(&block.values));
        }
    }

    #[test]
    fn what_is_no_block_is_refused() {
        let good = encode(&block("pump@3", 12, 0));
        for len in 0..good.len() {
            assert!(decode(&good[..len]).is_err(), "cut at {len}");
        }
        assert!(decode(&[good.as_slice(), &[0]].concat()).is_err());
        let mut later = good.clone();
        later[0] = 2;
        assert!(decode(&later).unwrap_err().contains("version"));
        // Billions announced, nothing there.
        assert!(decode(&[1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(idx in 1_usize..400, byte: u8, tail in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = encode(&block("pump@3", 12, 0));
            let idx = idx % bytes.len();
            bytes[idx] = byte;
            let _ = decode(&bytes);
            let _ = decode(&[&[1], tail.as_slice()].concat());
        }
    }
}
