//! Whose fault an event is, in words: that of one sensor, or of the device.

use bellwether_core::event::{Event, EventKind};
use bellwether_core::validate::Fault;

/// `sensor` or `device`, as far as it is known.
pub(crate) fn fault(event: &Event) -> Option<&'static str> {
    Some(event.fault?.fault.name())
}

/// The same as a sentence, with a space in front; nothing where nothing is known. `channels` are those of the model.
pub(crate) fn fault_sentence(event: &Event, channels: &[String]) -> String {
    let does = match event.kind {
        EventKind::Dropout => "gives no values",
        EventKind::Noise => "is noisy",
        _ => "repeats one value",
    };
    let channel = event.fault.and_then(|fault| channels.get(fault.channel_idx?));
    match (event.fault.map(|fault| fault.fault), channel) {
        (Some(Fault::Sensor), Some(channel)) => {
            format!(" A sensor fault: {channel} alone {does} while the other channels go on.")
        }
        (Some(Fault::Device), _) => {
            " No fault of one sensor: most channels do the same, so the device or what records it is to blame.".to_owned()
        }
        _ => String::new(),
    }
}
