//! Which device of a fleet an anomaly strikes.

use super::AnomalySpec;
use super::random::{Draw, Purpose};

/// Deals anomalies out to devices: one that names a device strikes that one; the others take turns, from a device
/// that the seed chooses.
///
/// Adding an anomaly at the end moves none of those before it.
///
/// # Shapes
/// The result has one list for each of `devices`, each in the order of `anomalies`.
///
/// # Errors
/// [`UnknownDevice`] where an anomaly names none of `devices`.
pub fn assign(
    anomalies: &[AnomalySpec],
    devices: &[impl AsRef<str>],
    seed: u64,
) -> Result<Vec<Vec<AnomalySpec>>, UnknownDevice> {
    let mut assigned = vec![Vec::new(); devices.len()];
    if devices.is_empty() {
        return Ok(assigned);
    }
    let mut turn = Draw::new(seed, Purpose::Assign, 0, 0).below(devices.len());
    for anomaly in anomalies {
        let device_idx = match &anomaly.device {
            Some(name) => devices
                .iter()
                .position(|device| device.as_ref() == name)
                .ok_or_else(|| UnknownDevice::new(anomaly, devices))?,
            None => {
                turn += 1;
                (turn - 1) % devices.len()
            }
        };
        assigned[device_idx].push(anomaly.clone());
    }
    Ok(assigned)
}

/// An anomaly names a device that is not in the fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("anomaly {anomaly:?}: no such device; devices are {first} to {last}")]
pub struct UnknownDevice {
    /// The anomaly.
    pub anomaly: String,
    /// Name of the first device.
    pub first: String,
    /// Name of the last device.
    pub last: String,
}

impl UnknownDevice {
    fn new(anomaly: &AnomalySpec, devices: &[impl AsRef<str>]) -> Self {
        Self {
            anomaly: anomaly.to_string(),
            first: devices.first().map_or("", AsRef::as_ref).to_owned(),
            last: devices.last().map_or("", AsRef::as_ref).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anomalies_take_turns_unless_they_name_a_device() {
        let specs =
            |texts: &[&str]| -> Vec<AnomalySpec> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let devices = ["a", "b", "c"];
        let some = assign(
            &specs(&["spike", "b/stuck", "drift", "noise", "dropout"]),
            &devices,
            1,
        )
        .unwrap();
        let unnamed: Vec<usize> = some
            .iter()
            .map(|list| list.iter().filter(|spec| spec.device.is_none()).count())
            .collect();
        assert_eq!(unnamed.iter().sum::<usize>(), 4);
        assert!(unnamed.iter().all(|&n| n >= 1), "{unnamed:?}");
        assert!(some[1].iter().any(|spec| spec.to_string() == "b/stuck"));

        let fewer = assign(&specs(&["spike", "b/stuck", "drift"]), &devices, 1).unwrap();
        for (fewer, some) in fewer.iter().zip(&some) {
            assert_eq!(fewer[..], some[..fewer.len()]);
        }
        assert_eq!(
            assign(&specs(&["d/spike"]), &devices, 1).unwrap_err().to_string(),
            "anomaly \"d/spike\": no such device; devices are a to c"
        );
    }
}
