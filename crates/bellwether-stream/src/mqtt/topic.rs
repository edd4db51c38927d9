//! Topics to publish to.

/// Bytes of a prefix at most: topics have 65535.
const PREFIX_BYTES_MAX: usize = 1024;

/// A device's name as one level of a topic: `/`, `+`, `#`, `%` and what cannot be printed as `%2F`, `%2B` …
pub fn level(device: &str) -> String {
    let mut level = String::with_capacity(device.len());
    for c in device.chars() {
        if matches!(c, '/' | '+' | '#' | '%') || c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                level.push_str(&format!("%{byte:02X}"));
            }
        } else {
            level.push(c);
        }
    }
    level
}

/// Whether topics can begin so: levels divided by `/`, none of them empty, without wildcards.
pub fn is_prefix(prefix: &str) -> bool {
    prefix.len() <= PREFIX_BYTES_MAX
        && !prefix.starts_with('$')
        && prefix.split('/').all(|level| !level.is_empty())
        && !prefix.contains(|c: char| matches!(c, '+' | '#') || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_one_level_whatever_its_name() {
        for (device, expect) in [
            ("pump-1", "pump-1"),
            ("a/b+c#d%", "a%2Fb%2Bc%23d%25"),
            ("Öl 1", "Öl 1"),
            ("a\0b", "a%00b"),
        ] {
            assert_eq!(level(device), expect);
        }
    }
}
