//! Whose fault an event is, in words: that of one sensor, or of the device.

use bellwether_core::detect::Detector;
use bellwether_core::event::{Event, EventKind, event_fault};
use bellwether_core::frame::Frame;
use bellwether_core::transform::Columns;
use bellwether_core::validate::Fault;

/// `sensor` or `device`, as far as the rows of the series tell.
pub(crate) fn fault(detector: &Detector, frame: &Frame, event: &Event) -> Option<&'static str> {
    Some(found(detector, frame, event)?.0.name())
}

/// The same as a sentence, with a space in front; nothing where nothing is known.
pub(crate) fn fault_sentence(detector: &Detector, frame: &Frame, event: &Event) -> String {
    let does = match event.kind {
        EventKind::Dropout => "gives no values",
        EventKind::Noise => "is noisy",
        _ => "repeats one value",
    };
    match found(detector, frame, event) {
        Some((Fault::Sensor, Some(channel))) => {
            format!(" A sensor fault: {channel} alone {does} while the other channels go on.")
        }
        Some((Fault::Device, _)) => {
            " No fault of one sensor: most channels do the same, so the device or what records it is to blame.".to_owned()
        }
        _ => String::new(),
    }
}

fn found(detector: &Detector, frame: &Frame, event: &Event) -> Option<(Fault, Option<String>)> {
    let wanted = detector.pipeline().schema().channels();
    let columns = Columns::matching(wanted, frame.schema()).ok()?;
    let found = event_fault(event, frame, columns.order())?;
    let name = |idx: usize| frame.schema().channels()[idx].name().to_owned();
    Some((found.fault, found.channel_idx.map(name)))
}
