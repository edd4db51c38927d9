//! One set of members for a fleet: learnt from the rows of all devices, each under scales of its own, and calibrated for each
//! device by itself.
//!
//! Devices of one kind behave alike and differ in what they measure at rest: so the members see each device in its own units,
//! and what is ordinary, how rare it is and where alarms begin is learnt from the rows of the device. The same members under
//! the scales of the whole fleet, calibrated on all of it, judge a device that nothing is known of yet.

use std::ops::ControlFlow;

use bellwether_core::frame::Frame;
use bellwether_nn::Progress;

use super::part::Part;
use super::{Candidates, FitSpec, Fitted, Outline, learn};
use crate::failure::Failure;

/// Rows of one device.
#[derive(Debug)]
pub(crate) struct Device {
    /// What it is called.
    pub(crate) name: String,
    /// Its frames in the order of time.
    pub(crate) frames: Vec<Frame>,
}

/// Members that are fitted, and devices that are not yet calibrated.
pub(crate) struct Fleet {
    outline: Outline,
    members: Candidates,
    devices: Vec<(String, Result<Part, Failure>)>,
}

/// Fits the members on the rows of all devices; gives the detector of the fleet as one, and what makes those of the devices. A
/// device whose rows do not suffice for scales of its own is not learnt from.
///
/// # Errors
/// Where the devices have not the same channels, or there is nothing to learn from.
pub(crate) fn fit_fleet(
    devices: Vec<Device>,
    spec: &FitSpec,
    observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<(Fitted, Fleet), Failure> {
    let names: Vec<String> = devices.iter().map(|device| device.name.clone()).collect();
    let series: Vec<Vec<Frame>> = devices.into_iter().map(|device| device.frames).collect();
    let outline = Outline::of(&series, false, spec)?;
    same_order(&names, &series)?;
    let whole = Part::prepare(series.clone(), None, &outline.plan, spec)?;
    let prepared = series
        .into_iter()
        .map(|frames| Part::prepare(vec![frames], None, &outline.plan, spec));
    let devices: Vec<(String, Result<Part, Failure>)> = names.into_iter().zip(prepared).collect();
    let parts: Vec<&Part> = devices
        .iter()
        .filter_map(|(_, part)| part.as_ref().ok())
        .collect();
    let members = learn(&outline.plan, &whole.pipeline, &parts, spec, observe)?;
    let whole = whole.calibrate(&outline, &members, spec)?;
    let fleet = Fleet {
        outline,
        members,
        devices,
    };
    Ok((whole, fleet))
}

/// The members take channels by their place.
fn same_order(names: &[String], series: &[Vec<Frame>]) -> Result<(), Failure> {
    let devices = names.iter().zip(series);
    let mut frames = devices.flat_map(|(name, frames)| frames.iter().map(move |frame| (name, frame)));
    let Some((first, one)) = frames.next() else {
        return Ok(());
    };
    match frames.find(|(_, other)| other.schema().channels() != one.schema().channels()) {
        None => Ok(()),
        Some((other, _)) => Err(Failure::message(format!(
            "--group-models shared: {other} has not the channels of {first} in the same order; bring them to the same \
             columns, or train models of their own (--group-models own)"
        ))),
    }
}

/// Devices by name, each uncalibrated or with why its rows do not suffice.
pub(crate) type Devices = Vec<(String, Result<Part, Failure>)>;

impl Fleet {
    /// The devices in their order, each uncalibrated or with why its rows do not suffice; and what calibrates one.
    pub(crate) fn into_devices(
        self,
        spec: &FitSpec,
    ) -> (Devices, impl Fn(Part) -> Result<Fitted, Failure> + Sync) {
        let Self {
            outline,
            members,
            devices,
        } = self;
        (devices, move |part: Part| {
            part.calibrate(&outline, &members, spec)
        })
    }
}
