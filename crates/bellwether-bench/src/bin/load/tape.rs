//! Recorded values played again as samples of many devices: bodies are put together from ready-made text, so that the
//! sender takes little of the machine that it measures.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail};
use bellwether_core::time::Timestamp;

/// Event time of the first sample; long past, for samples from the future are refused.
const FIRST_SECOND: i64 = 1_735_689_600;

/// How samples are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A JSON object a line.
    JsonLines,
    /// Comma-separated, below [`Tape::header`].
    Csv,
}

/// Values as text, ready to be sent.
#[derive(Debug)]
pub(crate) struct Tape {
    form: Form,
    header: String,
    /// Of each recorded device: the end of each line, with the values.
    ends: Vec<Vec<String>>,
    /// Of each device under load: the part of a line that names it.
    names: Vec<String>,
}

impl Tape {
    /// Reads what `bellwether generate` wrote; `n_devices` will be played.
    pub(crate) fn read(path: &Path, form: Form, n_devices: usize) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default().to_owned();
        let channels: Vec<&str> = header.split(',').skip(2).collect();
        let mut recorded: Vec<(&str, Vec<String>)> = Vec::new();
        for line in lines {
            let mut cells = line.split(',').skip(1);
            let device = cells.next().unwrap_or_default();
            let end = end_of_line(form, &channels, cells);
            match recorded.iter_mut().find(|(name, _)| *name == device) {
                Some((_, ends)) => ends.push(end),
                None => recorded.push((device, vec![end])),
            }
        }
        if recorded.is_empty() || channels.is_empty() {
            bail!("{} holds no samples", path.display());
        }
        let name = |device: usize| match form {
            Form::JsonLines => format!("\",\"device\":\"device-{device:05}\""),
            Form::Csv => format!(",device-{device:05}"),
        };
        Ok(Self {
            form,
            ends: recorded.into_iter().map(|(_, ends)| ends).collect(),
            names: (0..n_devices).map(name).collect(),
            header,
        })
    }

    /// The first line of a table, with its end.
    pub(crate) fn header(&self) -> String {
        format!("{}\n", self.header)
    }

    /// Devices played.
    pub(crate) fn n_devices(&self) -> usize {
        self.names.len()
    }

    /// Writes the samples of `devices` at `second` of the event time.
    pub(crate) fn write(&self, devices: Range<usize>, second: usize, into: &mut Vec<u8>) {
        let time = Timestamp::from_nanos((FIRST_SECOND + second as i64) * 1_000_000_000).to_string();
        for device in devices {
            let ends = &self.ends[device % self.ends.len()];
            // Each begins elsewhere in the recording.
            let end = &ends[(second + device * 37) % ends.len()];
            if self.form == Form::JsonLines {
                into.extend_from_slice(b"{\"timestamp\":\"");
            }
            into.extend_from_slice(time.as_bytes());
            into.extend_from_slice(self.names[device].as_bytes());
            into.extend_from_slice(end.as_bytes());
        }
    }
}

fn end_of_line<'a>(form: Form, channels: &[&str], values: impl Iterator<Item = &'a str>) -> String {
    let mut end = String::new();
    for (channel, value) in channels.iter().zip(values) {
        match form {
            Form::Csv => end.extend([",", value]),
            Form::JsonLines => {
                let value = if value.is_empty() { "null" } else { value };
                end.extend([",\"", channel, "\":", value]);
            }
        }
    }
    end.push_str(if form == Form::Csv { "\n" } else { "}\n" });
    end
}
