//! Layouts and names of devices, shared among arrivals.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;

use super::CHANNELS_MAX;
use super::reason::{Reason, Refusal, shown};
use crate::arrival::Layout;

/// Names of channels kept at most, over all layouts.
const CHANNELS_KEPT_MAX: usize = 1 << 16;

/// Names of devices kept at most.
const DEVICES_KEPT_MAX: usize = 1 << 16;

/// Bytes of a name at most.
const NAME_BYTES_MAX: usize = 255;

/// What was shared so far. When it is full, all is forgotten and sharing begins anew.
#[derive(Debug, Default)]
pub(super) struct Names {
    hasher: RandomState,
    last: Option<Arc<Layout>>,
    layouts: HashMap<u64, Arc<Layout>>,
    n_channels_kept: usize,
    devices: HashSet<Arc<str>>,
}

impl Names {
    /// The layout of `channels`.
    pub(super) fn layout<S: AsRef<str>>(&mut self, channels: &[S]) -> Result<Arc<Layout>, Refusal> {
        if let Some(last) = self.last.as_ref().filter(|last| is_of(last, channels)) {
            return Ok(last.clone());
        }
        let mut hasher = self.hasher.build_hasher();
        for name in channels {
            name.as_ref().hash(&mut hasher);
        }
        let hash = hasher.finish();
        let known = self.layouts.get(&hash).filter(|known| is_of(known, channels));
        let layout = match known {
            Some(known) => known.clone(),
            None => {
                check_channels(channels)?;
                self.keep(hash, channels)
            }
        };
        self.last = Some(layout.clone());
        Ok(layout)
    }

    fn keep<S: AsRef<str>>(&mut self, hash: u64, channels: &[S]) -> Arc<Layout> {
        if self.n_channels_kept + channels.len() > CHANNELS_KEPT_MAX {
            self.layouts.clear();
            self.n_channels_kept = 0;
        }
        let layout = Arc::new(Layout {
            channels: channels.iter().map(|name| name.as_ref().to_owned()).collect(),
        });
        self.n_channels_kept += channels.len();
        self.layouts.insert(hash, layout.clone());
        layout
    }

    /// The device called `name`.
    pub(super) fn device(&mut self, name: &str) -> Result<Arc<str>, Refusal> {
        if let Some(known) = self.devices.get(name) {
            return Ok(known.clone());
        }
        check_name("device", name)?;
        if self.devices.len() >= DEVICES_KEPT_MAX {
            self.devices.clear();
        }
        let device: Arc<str> = name.into();
        self.devices.insert(device.clone());
        Ok(device)
    }
}

fn is_of<S: AsRef<str>>(layout: &Layout, channels: &[S]) -> bool {
    layout.channels.len() == channels.len()
        && layout.channels.iter().zip(channels).all(|(a, b)| a == b.as_ref())
}

/// Names that are there once, and can be stored and shown.
fn check_channels<S: AsRef<str>>(channels: &[S]) -> Result<(), Refusal> {
    if channels.len() > CHANNELS_MAX {
        return Err(Reason::TooManyChannels.because(format!(
            "{} channels; at most {CHANNELS_MAX} are taken",
            channels.len()
        )));
    }
    let mut seen = HashSet::with_capacity(channels.len());
    for name in channels.iter().map(AsRef::as_ref) {
        check_name("channel", name)?;
        if !seen.insert(name) {
            return Err(duplicate(name));
        }
    }
    Ok(())
}

/// A name that stands twice.
#[cold]
pub(super) fn duplicate(name: &str) -> Refusal {
    Reason::DuplicateName.because(format!(
        "{} stands twice; which counts is not guessed",
        shown(name)
    ))
}

/// Databases refuse the character NUL, terminals obey control characters. Spreadsheets have line feeds in the names of
/// columns.
fn check_name(what: &str, name: &str) -> Result<(), Refusal> {
    let is_bad = |char: char| char.is_control() && !(what == "channel" && char.is_ascii_whitespace());
    let problem = if name.is_empty() {
        "is empty"
    } else if name.len() > NAME_BYTES_MAX {
        "is longer than 255 bytes"
    } else if name.chars().any(is_bad) {
        "has characters that cannot be printed"
    } else {
        return Ok(());
    };
    Err(Reason::BadName.because(format!("the name of a {what}, {}, {problem}", shown(name))))
}
