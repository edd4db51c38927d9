//! Units that the name of a channel ends in. Nothing is guessed: a name that ends in none has none.

/// Endings of names, with the unit as people write it. Longer ones stand before those that they end in.
const UNITS: [(&str, &str); 44] = [
    ("_per_min", "/min"),
    ("_per_s", "/s"),
    ("_mm_s", "mm/s"),
    ("_m_s", "m/s"),
    ("_kg_s", "kg/s"),
    ("_kg_h", "kg/h"),
    ("_l_min", "l/min"),
    ("_m3min", "m³/min"),
    ("_m3h", "m³/h"),
    ("_m3_h", "m³/h"),
    ("_degc", "°C"),
    ("_celsius", "°C"),
    ("_degf", "°F"),
    ("_fahrenheit", "°F"),
    ("_c", "°C"),
    ("_bar", "bar"),
    ("_mbar", "mbar"),
    ("_psi", "psi"),
    ("_hpa", "hPa"),
    ("_kpa", "kPa"),
    ("_mpa", "MPa"),
    ("_pa", "Pa"),
    ("_rpm", "rpm"),
    ("_hz", "Hz"),
    ("_khz", "kHz"),
    ("_mm", "mm"),
    ("_cm", "cm"),
    ("_kg", "kg"),
    ("_kw", "kW"),
    ("_mw", "MW"),
    ("_kwh", "kWh"),
    ("_kv", "kV"),
    ("_mv", "mV"),
    ("_volts", "V"),
    ("_v", "V"),
    ("_ma", "mA"),
    ("_amps", "A"),
    ("_a", "A"),
    ("_mbps", "Mbit/s"),
    ("_ms", "ms"),
    ("_ppm", "ppm"),
    ("_percent", "%"),
    ("_pct", "%"),
    ("_th", "t/h"),
];

/// The unit that a channel's name ends in, if any.
pub fn unit_of(channel: &str) -> Option<&'static str> {
    let name = channel.to_ascii_lowercase();
    // Something must stand before the unit.
    let ends = |ending: &str| name.len() > ending.len() && name.ends_with(ending);
    UNITS
        .iter()
        .find(|(ending, _)| ends(ending))
        .map(|(_, unit)| *unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_recognised_by_their_ending_and_never_invented() {
        for (name, want) in [
            ("bearing_temp_c", Some("°C")),
            ("Pressure_Out_Bar", Some("bar")),
            ("vibration_mm_s", Some("mm/s")),
            ("air_flow_m3min", Some("m³/min")),
            ("cpu_percent", Some("%")),
            ("requests_per_s", Some("/s")),
            ("load_1m", None),
            ("atomic", None),
            ("_c", None),
            ("c", None),
            ("Accelerometer1RMS", None),
            ("", None),
        ] {
            assert_eq!(unit_of(name), want, "{name}");
        }
    }
}
