//! Where samples of the history are: buckets, paths, names of columns.

use std::path::PathBuf;

use super::HistoryError;

/// Every device belongs to one of so many buckets, for ever.
pub(super) const BUCKETS: u8 = 16;

/// Columns that every file has, before and after those of the channels.
pub(super) const FIXED: [&str; 6] = [
    "timestamp",
    "device",
    "score",
    "event",
    "top_channel",
    "top_share",
];

/// What is put before the name of a channel that needs it.
const PREFIX: &str = "channel_";

/// The column of a channel: its name, with `channel_` before it where the name is that of another column of the
/// history (`timestamp`, `device`, `score`, `event`, `top_channel`, `top_share`, in any case) or begins with `channel_`
/// itself, so that two channels never share a column.
pub fn column_name(channel: &str) -> String {
    let is_fixed = FIXED.iter().any(|fixed| fixed.eq_ignore_ascii_case(channel));
    let begins = channel
        .get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    if is_fixed || begins {
        format!("{PREFIX}{channel}")
    } else {
        channel.to_owned()
    }
}

/// The channel of a column: what [`column_name`] was given.
pub(super) fn channel_name(column: &str) -> &str {
    column.strip_prefix(PREFIX).unwrap_or(column)
}

/// The bucket of a device: FNV-1a over its name, mixed by the finaliser of SplitMix64, its lowest four bits.
pub(super) fn bucket_of(device: &str) -> u8 {
    let mut mixed = device.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) % u64::from(BUCKETS)) as u8
}

/// The folder of a bucket, below that of the history.
pub(super) fn bucket_folder(model: &str, bucket: u8) -> Result<PathBuf, HistoryError> {
    let refused = || HistoryError::ModelName {
        model: model.to_owned(),
    };
    let (name, version) = model.split_once('@').ok_or_else(refused)?;
    let is_plain = |part: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(is_plain)
    };
    if !is_plain(name) || !is_plain(version) {
        return Err(refused());
    }
    Ok([name, version, &format!("bucket={bucket:02}")].iter().collect())
}

/// The name of a file with the blocks of commits from `first` to `last`; in the order of commits by name.
pub(super) fn file_name(first: i64, last: i64) -> String {
    format!("{first:012}-{last:012}.parquet")
}

/// The commits of a file of that name; `None` for a file that is none of ours.
pub(super) fn commits_of(name: &str) -> Option<(i64, i64)> {
    let (first, last) = name.strip_suffix(".parquet")?.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (file_name(first, last) == name).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_channels_never_clash() {
        let check = |channel: &str, column: &str| {
            assert_eq!(column_name(channel), column);
            assert_eq!(channel_name(column), channel);
        };
        check("flow", "flow");
        check("score", "channel_score");
        check("Device", "channel_Device");
        check("channel_score", "channel_channel_score");
        check("channel_", "channel_channel_");
        check("chännel_x", "chännel_x");
    }

    #[test]
    fn buckets_are_for_ever() {
        let buckets: Vec<u8> = ["pump-0", "pump-1", "pump-2", "fan", ""].map(bucket_of).into();
        assert_eq!(buckets, PINNED);
        let mut counts = [0; BUCKETS as usize];
        (0..16_000).for_each(|idx| counts[usize::from(bucket_of(&format!("pump-{idx}")))] += 1);
        assert!(
            counts.iter().all(|count| (800..1200).contains(count)),
            "{counts:?}"
        );
    }

    const PINNED: [u8; 5] = [15, 14, 6, 5, 11];

    #[test]
    fn no_model_leads_out_of_the_folder() {
        assert_eq!(
            bucket_folder("pump@3", 7).unwrap(),
            PathBuf::from("pump/3/bucket=07")
        );
        for model in ["pump", "../x@1", "a/b@1", "@1", "a@", "a@..", "a@1@2", "a\\b@1"] {
            assert!(bucket_folder(model, 0).is_err(), "{model}");
        }
    }

    #[test]
    fn only_our_files_are_ours() {
        let check = |name: &str, want: Option<(i64, i64)>| assert_eq!(commits_of(name), want, "{name}");
        check(&file_name(3, 40), Some((3, 40)));
        check(
            &file_name(1_234_567_890_123, 1_234_567_890_124),
            Some((1_234_567_890_123, 1_234_567_890_124)),
        );
        check("3-40.parquet", None);
        check("report.parquet", None);
        check("000000000003-000000000040.csv", None);
    }
}
