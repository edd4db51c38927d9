//! The database, the history, times and sizes.

use std::path::Path;

use bellwether_stream::live::Settings;

use super::Scope;
use crate::cli::ThreadArgs;
use crate::config::checked::DatabaseSpec;
use crate::config::wire::Config;
use crate::config::wire::leaf::DatabaseUrl;

pub(super) fn database(wire: &Config, scope: &mut Scope<'_>) -> Option<DatabaseSpec> {
    let password = wire.storage.password.as_ref();
    let url = wire.storage.url.as_ref().map(|url| &url.0);
    scope.require(
        password.is_none() || matches!(url, Some(DatabaseUrl::Postgres(_))),
        "storage.password",
        || {
            "only PostgreSQL has a password; leave it out, or give url = \"postgres://user@host/database\""
                .to_owned()
        },
    );
    Some(match url? {
        DatabaseUrl::Sqlite(path) => DatabaseSpec::Sqlite {
            path: scope.path("storage.url", Path::new(path)),
        },
        DatabaseUrl::Postgres(url) => DatabaseSpec::Postgres {
            url: url.clone(),
            password: scope.secret("storage.password", password),
        },
    })
}

pub(super) fn settings(wire: &Config, scope: &mut Scope<'_>) -> Settings {
    let (storage, stream) = (&wire.storage, &wire.stream);
    scope.require(
        stream.cycle_len_max <= stream.replay_len_max,
        "stream.replay_len_max",
        || {
            format!(
                "wanted at least stream.cycle_len_max, {}: a cycle is replayed whole",
                stream.cycle_len_max
            )
        },
    );
    let threads = ThreadArgs {
        threads: stream.threads,
    };
    Settings {
        queue_len_max: stream.queue_len_max,
        cycle_len_max: stream.cycle_len_max,
        latency: stream.latency.0,
        n_threads: threads.n(),
        sessions_max: stream.sessions_max,
        replay_len_max: stream.replay_len_max,
        ahead_max: stream.ahead_max.0,
        quarantine_len_max: stream.quarantine_len_max,
        keys_kept: stream.keys_kept.0,
        history: storage
            .history
            .as_deref()
            .map(|path| scope.path("storage.history", path)),
        roll_len: storage.roll_len,
        roll_age: storage.roll_age.0,
    }
}
