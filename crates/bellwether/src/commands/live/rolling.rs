//! Judged samples roll into Parquet from time to time.

use std::time::Duration;

use bellwether_store::database::Database;
use bellwether_store::history::{self, RollSpec};
use bellwether_stream::clock;
use bellwether_stream::live::Settings;
use bellwether_stream::source::Stop;

use crate::failure::chain;

/// How often the history is looked after.
const ROLL_EVERY: Duration = Duration::from_secs(5);

/// Rolls judged samples into Parquet from time to time.
pub(super) async fn roll(db: Database, settings: Settings, mut stop: Stop) {
    let Some(folder) = settings.history.clone() else {
        return;
    };
    while !stop.is_told() {
        let before =
            clock::now().as_nanos() - i64::try_from(settings.roll_age.as_nanos()).unwrap_or(i64::MAX);
        let spec = RollSpec {
            before: bellwether_core::time::Timestamp::from_nanos(before),
            rows_kept_max: settings.roll_len,
            rows_at_once: settings.roll_len.max(1000),
        };
        match history::roll(&db, &folder, &spec).await {
            Ok(rolled) if rolled.n_rows > 0 => {
                tracing::info!(
                    rows = rolled.n_rows,
                    files = rolled.n_files,
                    "history rolled into parquet"
                );
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(error = %chain(&error), "the history was not rolled, it is tried again")
            }
        }
        tokio::select! {
            () = stop.told() => {}
            () = tokio::time::sleep(ROLL_EVERY) => {}
        }
    }
}
