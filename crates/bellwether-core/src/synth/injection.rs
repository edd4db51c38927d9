//! Puts anomalies into a frame, synthetic or real, and says exactly where they are.

use std::ops::Range;

use super::random::{Draw, Purpose};
use super::shape::{Column, correlation};
use super::{AnomalyKind, AnomalySpec, Fault, InjectError};
use crate::frame::Frame;

/// Puts `anomalies` into a copy of `frame`, one after the other, and tells where they are.
///
/// Magnitudes are in population standard deviations of the channel over all of `frame` as given. What a spec
/// leaves open is chosen by `seed`, each part by a stream of its own, so that an anomaly added at the end moves none
/// before it. Outside its interval and channels nothing changes, not one bit. Missing
/// values stay missing. Where all values of a channel keep to some decimals (up to six), so do altered ones.
/// The device of a spec is for [`assign`](super::assign()) and ignored here.
///
/// # Errors
/// [`InjectError`] where an anomaly does not fit into the frame or would change nothing: none is ever left out or
/// cut short in silence.
pub fn inject(
    frame: &Frame,
    anomalies: &[AnomalySpec],
    seed: u64,
) -> Result<(Frame, Vec<Fault>), InjectError> {
    inject_into(frame, anomalies, seed, 0)
}

/// As [`inject()`], with magnitudes in standard deviations over `scale`: for a short `frame` of live data, whose own
/// spread says little, a longer one of the same channels.
///
/// # Errors
/// As [`inject()`], and where the channels of `scale` are not those of `frame`.
pub fn inject_scaled(
    frame: &Frame,
    scale: &Frame,
    anomalies: &[AnomalySpec],
    seed: u64,
) -> Result<(Frame, Vec<Fault>), InjectError> {
    let names = |frame: &Frame| -> Vec<String> {
        let channels = frame.schema().channels().iter();
        channels.map(|channel| channel.name().to_owned()).collect()
    };
    if frame.schema().channels() != scale.schema().channels() {
        return Err(InjectError::OtherChannels {
            found: names(scale),
            want: names(frame),
        });
    }
    inject_with(frame, scale, anomalies, |purpose, anomaly_idx| {
        Draw::new(seed, purpose, 0, anomaly_idx)
    })
}

/// As [`inject`], for the device at `device_idx` of a fleet.
pub(super) fn inject_into(
    frame: &Frame,
    anomalies: &[AnomalySpec],
    seed: u64,
    device_idx: usize,
) -> Result<(Frame, Vec<Fault>), InjectError> {
    inject_with(frame, frame, anomalies, |purpose, anomaly_idx| {
        Draw::new(seed, purpose, device_idx, anomaly_idx)
    })
}

/// Injects with magnitudes over `scale` and the random streams that `draws` makes for a purpose and an anomaly.
fn inject_with(
    frame: &Frame,
    scale: &Frame,
    anomalies: &[AnomalySpec],
    draws: impl Fn(Purpose, usize) -> Draw,
) -> Result<(Frame, Vec<Fault>), InjectError> {
    if anomalies.is_empty() {
        return Ok((frame.clone(), Vec::new()));
    }
    let mut injection = Injection {
        clean: frame,
        scale,
        values: frame.values().to_vec(),
        faults: Vec::with_capacity(anomalies.len()),
    };
    for (anomaly_idx, spec) in anomalies.iter().enumerate() {
        let fault = injection.add(spec, &|purpose| draws(purpose, anomaly_idx))?;
        injection.faults.push(fault);
    }
    let channels = frame.schema().channels().to_vec();
    let frame = Frame::new(channels, frame.time().to_vec(), injection.values)?;
    Ok((frame, injection.faults))
}

/// A frame that anomalies are being put into.
struct Injection<'a> {
    clean: &'a Frame,
    /// What magnitudes are measured by.
    scale: &'a Frame,
    values: Vec<f64>,
    faults: Vec<Fault>,
}

/// |r| from which on a channel goes with another.
const COUPLED: f64 = 0.5;

/// Times that a start is drawn before the anomaly is said not to fit. The second half of them may lie close by
/// another anomaly, though never on it, and a correlation may break where there is little of it.
const N_START_DRAWS: usize = 256;

impl Injection<'_> {
    fn add(&mut self, spec: &AnomalySpec, draw: &dyn Fn(Purpose) -> Draw) -> Result<Fault, InjectError> {
        spec.check(&spec.to_string())?;
        let channels = self.channels(spec, &mut draw(Purpose::AnomalyChannel))?;
        let columns = self.columns(spec, &channels)?;
        let magnitude = magnitude(spec, &mut draw(Purpose::AnomalySign));
        let given_start = self.given_start(spec)?;
        let length = self.length(spec, given_start, &mut draw(Purpose::AnomalyLength))?;

        let mut starts = draw(Purpose::AnomalyStart);
        let mut obstacle = InjectError::NoRoom {
            spec: spec.to_string(),
            length,
        };
        let n_draws = if given_start.is_some() { 1 } else { N_START_DRAWS };
        for attempt in 0..n_draws {
            let first_idx = given_start.unwrap_or_else(|| self.drawn_start(length, &mut starts));
            let is_first_half = attempt < N_START_DRAWS / 2;
            let margin = if is_first_half { 4.max(length / 2) } else { 0 };
            if given_start.is_none() && self.is_taken(first_idx, length, margin) {
                continue;
            }
            // What does not go with any other channel just then cannot cease to.
            if given_start.is_none() && is_first_half && spec.kind == AnomalyKind::CorrelationBreak {
                let rows = first_idx..first_idx + length;
                let goes = |&channel: &usize| coupling(self.clean, rows.clone(), channel) >= COUPLED;
                if !channels.iter().all(goes) {
                    continue;
                }
            }
            let place = Place {
                channels: &channels,
                columns: &columns,
                first_idx,
                length,
            };
            match self.alter(spec, &place, magnitude, &mut draw(Purpose::AnomalyValues)) {
                Ok(changed) => return Ok(self.fault(spec.kind, &place, &changed, magnitude)),
                Err(error) => obstacle = error,
            }
        }
        Err(obstacle)
    }

    /// Writes the altered values, all or none of them; gives the channels that are not as before.
    fn alter(
        &mut self,
        spec: &AnomalySpec,
        place: &Place<'_>,
        magnitude: Option<f64>,
        draw: &mut Draw,
    ) -> Result<Vec<usize>, InjectError> {
        let n_channels = self.clean.n_channels();
        let is_joint = spec.kind == AnomalyKind::Collective;
        let mut changed = Vec::with_capacity(place.channels.len());
        let mut altered = Vec::with_capacity(place.channels.len());
        for (&channel_idx, column) in place.channels.iter().zip(place.columns) {
            let before: Vec<f64> = place
                .samples()
                .map(|sample_idx| self.values[sample_idx * n_channels + channel_idx])
                .collect();
            let strength = magnitude.unwrap_or(0.0) * column.std;
            // What strikes the samples as a whole does the same to each channel.
            let mut same = draw.clone();
            let draw = if is_joint { &mut same } else { &mut *draw };
            let after = column.altered(spec.kind, &before, place.first_idx, strength, draw);
            let mut pairs = before.iter().zip(&after);
            if spec.kind != AnomalyKind::Dropout && pairs.clone().any(|(a, b)| !a.is_nan() && !b.is_finite())
            {
                return Err(InjectError::NotFinite {
                    spec: spec.to_string(),
                    channel: self.name(channel_idx),
                });
            }
            let is_same = pairs.all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()));
            let is_last_hope = changed.is_empty() && altered.len() + 1 == place.channels.len();
            if is_same && (!is_joint || is_last_hope) {
                return Err(InjectError::NoEffect {
                    spec: spec.to_string(),
                    channel: self.name(channel_idx),
                    first_idx: place.first_idx,
                    last_idx: place.last_idx(),
                });
            }
            if !is_same {
                changed.push(channel_idx);
            }
            altered.push(after);
        }
        for (&channel_idx, after) in place.channels.iter().zip(altered) {
            for (sample_idx, value) in place.samples().zip(after) {
                self.values[sample_idx * n_channels + channel_idx] = value;
            }
        }
        Ok(changed)
    }

    fn fault(
        &self,
        kind: AnomalyKind,
        place: &Place<'_>,
        changed: &[usize],
        magnitude: Option<f64>,
    ) -> Fault {
        Fault {
            kind,
            start: self.clean.time()[place.first_idx],
            end: self.clean.time()[place.last_idx()],
            first_idx: place.first_idx,
            last_idx: place.last_idx(),
            channels: changed.iter().map(|&idx| self.name(idx)).collect(),
            magnitude,
        }
    }

    /// The channels that `spec` names, in the frame's order, or those by `draw`.
    fn channels(&self, spec: &AnomalySpec, draw: &mut Draw) -> Result<Vec<usize>, InjectError> {
        let n_channels = self.clean.n_channels();
        if spec.kind == AnomalyKind::CorrelationBreak && n_channels < 2 {
            return Err(InjectError::NoPartner {
                spec: spec.to_string(),
            });
        }
        if spec.channels.is_empty() {
            return self.drawn_channels(spec, draw);
        }
        let mut channels = Vec::new();
        for text in &spec.channels {
            let by_name = || self.clean.schema().channel_idx(text);
            let by_position = || text.parse().ok().filter(|&idx| idx < n_channels);
            match by_name().or_else(by_position) {
                Some(channel_idx) => channels.push(channel_idx),
                None if text == "*" => channels.extend(0..n_channels),
                None => {
                    return Err(InjectError::UnknownChannel {
                        spec: spec.to_string(),
                        channel: text.clone(),
                        known: (0..n_channels).map(|idx| self.name(idx)).collect(),
                    });
                }
            }
        }
        channels.sort_unstable();
        if let Some(pair) = channels.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(InjectError::ChannelTwice {
                spec: spec.to_string(),
                channel: self.name(pair[0]),
            });
        }
        Ok(channels)
    }

    /// Channels on which the anomaly shows, in the frame's order: all for one of whole samples, up to three for wear, else one.
    fn drawn_channels(&self, spec: &AnomalySpec, draw: &mut Draw) -> Result<Vec<usize>, InjectError> {
        const N_WEARING: usize = 3;
        let n_wanted = match spec.kind {
            AnomalyKind::Collective => usize::MAX,
            AnomalyKind::Degradation => N_WEARING,
            _ => return Ok(vec![self.drawn_channel(spec, draw)?]),
        };
        let mut untried: Vec<usize> = (0..self.clean.n_channels()).collect();
        let mut channels = Vec::new();
        while channels.len() < n_wanted && !untried.is_empty() {
            let channel_idx = untried.swap_remove(draw.below(untried.len()));
            if is_alterable(spec.kind, &self.column(channel_idx)) {
                channels.push(channel_idx);
            }
        }
        if channels.is_empty() {
            return Err(InjectError::NothingVaries {
                spec: spec.to_string(),
            });
        }
        channels.sort_unstable();
        Ok(channels)
    }

    /// A channel on which the anomaly shows. For kinds that only other channels give away that is one that goes with
    /// another (|r| of 0.5 or more), or the one that does so most of some that were tried.
    fn drawn_channel(&self, spec: &AnomalySpec, draw: &mut Draw) -> Result<usize, InjectError> {
        const N_TRIED_MAX: usize = 64;
        let mut untried: Vec<usize> = (0..self.clean.n_channels()).collect();
        let mut best: Option<(f64, usize)> = None;
        let mut n_tried = 0;
        while n_tried < N_TRIED_MAX && !untried.is_empty() {
            let channel_idx = untried.swap_remove(draw.below(untried.len()));
            if !is_alterable(spec.kind, &self.column(channel_idx)) {
                continue;
            }
            if !matches!(
                spec.kind,
                AnomalyKind::CorrelationBreak | AnomalyKind::FrequencyChange
            ) {
                return Ok(channel_idx);
            }
            n_tried += 1;
            let coupling = coupling(self.clean, 0..self.clean.n_samples(), channel_idx);
            if coupling >= COUPLED {
                return Ok(channel_idx);
            }
            if best.is_none_or(|(most, _)| coupling > most) {
                best = Some((coupling, channel_idx));
            }
        }
        best.map(|(_, channel_idx)| channel_idx)
            .ok_or_else(|| InjectError::NothingVaries {
                spec: spec.to_string(),
            })
    }

    /// The channels' values, each fit for the anomaly.
    fn columns(&self, spec: &AnomalySpec, channels: &[usize]) -> Result<Vec<Column>, InjectError> {
        let mut columns = Vec::with_capacity(channels.len());
        for &channel_idx in channels {
            let column = self.column(channel_idx);
            if !is_alterable(spec.kind, &column) {
                return Err(InjectError::Constant {
                    spec: spec.to_string(),
                    channel: self.name(channel_idx),
                });
            }
            columns.push(column);
        }
        Ok(columns)
    }

    fn given_start(&self, spec: &AnomalySpec) -> Result<Option<usize>, InjectError> {
        let Some(start) = spec.start else {
            return Ok(None);
        };
        let (n_samples, time) = (self.clean.n_samples(), self.clean.time());
        match start.resolve(self.clean) {
            Some(first_idx) => Ok(Some(first_idx)),
            None => Err(InjectError::StartOutside {
                spec: spec.to_string(),
                last_idx: n_samples - 1,
                first: time[0],
                last: time[n_samples - 1],
            }),
        }
    }

    /// The length that `spec` gives, or one by `draw` that fits between the start and the end of the data.
    fn length(
        &self,
        spec: &AnomalySpec,
        start: Option<usize>,
        draw: &mut Draw,
    ) -> Result<usize, InjectError> {
        let n_samples = self.clean.n_samples();
        let room = n_samples - start.unwrap_or(0);
        let length = spec
            .length
            .unwrap_or_else(|| drawn_length(spec.kind, n_samples, draw).min(room));
        if length > room || length < spec.kind.length_min() {
            return Err(InjectError::EndOutside {
                spec: spec.to_string(),
                wanted: length.max(spec.kind.length_min()),
                room,
            });
        }
        Ok(length)
    }

    /// A start in the second half of the data, where a detector that learnt from the first half can find it;
    /// anywhere, where the length does not fit there.
    fn drawn_start(&self, length: usize, draw: &mut Draw) -> usize {
        let last = self.clean.n_samples() - length;
        let half = self.clean.n_samples().div_ceil(2);
        let from = if half <= last { half } else { 0 };
        from + draw.below(last - from + 1)
    }

    /// Whether another fault lies within `margin` samples.
    fn is_taken(&self, first_idx: usize, length: usize, margin: usize) -> bool {
        self.faults.iter().any(|fault| {
            first_idx <= fault.last_idx + margin && fault.first_idx < first_idx + length + margin
        })
    }

    fn column(&self, channel_idx: usize) -> Column {
        let mut column = Column::new(channel_values(self.clean, channel_idx));
        if !std::ptr::eq(self.clean, self.scale) {
            column.std = Column::new(channel_values(self.scale, channel_idx)).std;
        }
        column
    }

    fn name(&self, channel_idx: usize) -> String {
        self.clean.schema().channels()[channel_idx].name().to_owned()
    }
}

/// Where an anomaly goes.
struct Place<'a> {
    channels: &'a [usize],
    columns: &'a [Column],
    first_idx: usize,
    length: usize,
}

impl Place<'_> {
    fn samples(&self) -> std::ops::Range<usize> {
        self.first_idx..self.first_idx + self.length
    }

    fn last_idx(&self) -> usize {
        self.first_idx + self.length - 1
    }
}

fn channel_values(frame: &Frame, channel_idx: usize) -> Vec<f64> {
    let values = frame.values().iter().skip(channel_idx);
    values.step_by(frame.n_channels()).copied().collect()
}

/// The magnitude that `spec` gives, or the kind's own, up or down by `draw` (noise has no direction).
fn magnitude(spec: &AnomalySpec, draw: &mut Draw) -> Option<f64> {
    let typical = spec.kind.default_magnitude()?;
    let sign = match spec.kind {
        AnomalyKind::Noise => 1.0,
        _ => draw.sign(),
    };
    Some(spec.magnitude.unwrap_or(sign * typical))
}

/// Dropout needs a value, all other kinds need values that differ.
fn is_alterable(kind: AnomalyKind, column: &Column) -> bool {
    match kind {
        AnomalyKind::Dropout => column.values.iter().any(|value| !value.is_nan()),
        _ => column.std > 0.0,
    }
}

/// Strongest |correlation| of a channel with others in some rows: over at most 2048 samples spread evenly, and at most 64 others.
pub(super) fn coupling(frame: &Frame, rows: Range<usize>, channel_idx: usize) -> f64 {
    const N_SAMPLES_MAX: usize = 2048;
    const N_OTHERS_MAX: usize = 64;
    let n_channels = frame.n_channels();
    let every = rows.len().div_ceil(N_SAMPLES_MAX).max(1);
    let values = &frame.values()[rows.start * n_channels..rows.end * n_channels];
    let thinned = |idx: usize| -> Vec<f64> {
        let rows = values.chunks_exact(n_channels);
        rows.step_by(every).map(|row| row[idx]).collect()
    };
    let own = thinned(channel_idx);
    (0..n_channels)
        .filter(|&idx| idx != channel_idx)
        .take(N_OTHERS_MAX)
        .map(|idx| correlation(&own, &thinned(idx)).abs())
        .fold(0.0, f64::max)
}

/// See the table at [`AnomalySpec`].
fn drawn_length(kind: AnomalyKind, n_samples: usize, draw: &mut Draw) -> usize {
    let share = match kind {
        AnomalyKind::Spike => return 1 + draw.below(3),
        AnomalyKind::Drift | AnomalyKind::CorrelationBreak | AnomalyKind::FrequencyChange => {
            draw.between(0.02, 0.04)
        }
        AnomalyKind::Degradation => {
            let share = draw.between(0.08, 0.12);
            return ((share * n_samples as f64) as usize).max(kind.length_min());
        }
        _ => draw.between(0.01, 0.02),
    };
    ((share * n_samples as f64) as usize).clamp(8, 1440)
}
