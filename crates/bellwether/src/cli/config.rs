//! `config` and `stream`, and the flags that win over a configuration file.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Format;
use crate::config::Overrides;
use crate::config::checked::RowFormat;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Find every mistake in a file: exit code 78 if there is one
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Show what is in force, defaults included; secrets by reference
    Show {
        /// The file [default: none, so environment and flags alone]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Say of each value where it comes from
        #[arg(long)]
        origin: bool,
        #[command(flatten)]
        flags: Box<ConfigFlags>,
    },
    /// Print the JSON Schema of the file
    Schema,
    /// Print the reference of all keys
    #[command(hide = true)]
    Reference,
}

#[derive(Debug, Args)]
pub(crate) struct StreamArgs {
    /// The configuration file; SIGHUP reads it again. Without it and without --database nothing is kept after the end
    #[arg(short, long, value_name = "FILE", env = "BELLWETHER_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) flags: Box<ConfigFlags>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The configuration file; SIGHUP reads it again
    #[arg(short, long, value_name = "FILE", env = "BELLWETHER_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen; an address that other machines reach takes TLS and keys [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
    /// Who is let in: keys, or none (whoever uses this machine)
    #[arg(long, value_name = "WHO")]
    pub(crate) auth: Option<String>,
    /// The certificate (PEM); read again when it changes
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<String>,
    /// The key (PEM) of the certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<String>,
    #[command(flatten)]
    pub(crate) flags: Box<ConfigFlags>,
}

impl ServeArgs {
    /// The flags that only a server has: flag, path of its key, value.
    pub(crate) fn server_flags(&self) -> [(&'static str, &'static str, Option<String>); 4] {
        [
            ("--listen", "server.listen", self.listen.clone()),
            ("--auth", "server.auth", self.auth.clone()),
            ("--tls-cert", "server.tls_cert", self.tls_cert.clone()),
            ("--tls-key", "server.tls_key", self.tls_key.clone()),
        ]
    }
}

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// The server
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
    /// The file with the key [default: the environment variable BELLWETHER_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// How often to look
    #[arg(short, long, value_name = "D", default_value = "1s", value_parser = super::parse_duration)]
    pub(crate) interval: Duration,
    /// Look once and print a table, or with --format json all of it; so does a pipe
    #[arg(long)]
    pub(crate) once: bool,
}

/// Flags that win over environment and configuration file.
#[derive(Debug, Default, Args)]
pub(crate) struct ConfigFlags {
    /// The model of every device that is in no group: NAME, NAME@VERSION, NAME@ALIAS or a bundle file
    #[arg(long, value_name = "REF")]
    pub(crate) model: Option<String>,
    /// A device with a model of its own, NAME-DEVICE as `train --group-by` publishes it, is judged by that
    #[arg(long)]
    pub(crate) by_device: bool,
    /// Where samples come from, repeatable: `-`, FILE, `http://127.0.0.1:PORT` (listens), `mqtt://[USER@]HOST/TOPIC`
    #[arg(long, value_name = "URL", alias = "input")]
    pub(crate) from: Vec<String>,
    /// Where verdicts and alerts go, repeatable: `-`, FILE.csv, FILE.jsonl, `https://…` (webhook),
    /// `alertmanager+http://…`, `mqtt://HOST/PREFIX`, `mqtt+rows://HOST/PREFIX`, `smtp://HOST?from=…&to=…`
    #[arg(long, value_name = "URL", alias = "output")]
    pub(crate) to: Vec<String>,
    /// The database: sqlite:FILE or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// Folder of the history, as Parquet
    #[arg(long, value_name = "DIR")]
    pub(crate) history: Option<String>,
    /// Folder of the model registry
    #[arg(long, value_name = "DIR")]
    pub(crate) registry: Option<String>,
    /// Use only models that one of these keys signed: files of their public halves, with commas between
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<String>,
    /// Threads that judge, at most 256; results do not depend on them
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<String>,
    /// Samples wait at most this long for company before they are judged: 20ms
    #[arg(long, value_name = "D")]
    pub(crate) latency: Option<String>,
    /// Samples may arrive this far behind the newest of their device: 5m
    #[arg(long, value_name = "D")]
    pub(crate) lateness: Option<String>,
    /// Whose clocks times without an offset are of: Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    /// A device that sends nothing for this long is silent: 10m, or never
    #[arg(long, value_name = "D")]
    pub(crate) silence: Option<String>,
    /// An alert waits this long before it fires: 30s
    #[arg(long, value_name = "D")]
    pub(crate) hold: Option<String>,
    /// How much is logged: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// In what form: text, json
    #[arg(long, value_name = "FORM")]
    pub(crate) log_format: Option<String>,
}

impl ConfigFlags {
    /// What these flags say, checked together with the file. `format` is the form of rows on stdout.
    pub(crate) fn overrides(&self, format: Format) -> Overrides {
        let mut overrides = Overrides::default();
        for (flag, path, text) in [
            ("--model", "models.default", &self.model),
            ("--database", "storage.url", &self.database),
            ("--history", "storage.history", &self.history),
            ("--registry", "models.registry", &self.registry),
            ("--trust", "models.trust", &self.trust),
            ("--threads", "stream.threads", &self.threads),
            ("--latency", "stream.latency", &self.latency),
            ("--lateness", "stream.lateness", &self.lateness),
            ("--timezone", "stream.timezone", &self.timezone),
            ("--silence", "stream.silence", &self.silence),
            ("--hold", "alerts.hold", &self.hold),
            ("--log-level", "log.level", &self.log_level),
            ("--log-format", "log.format", &self.log_format),
        ] {
            if let Some(text) = text {
                overrides.set(flag, path, text);
            }
        }
        if self.by_device {
            overrides.set("--by-device", "models.by_device", "true");
        }
        self.from.iter().for_each(|address| overrides.from(address));
        self.to.iter().for_each(|address| overrides.to(address));
        if matches!(format, Format::Json | Format::Ndjson) {
            overrides.rows_as(RowFormat::Jsonl);
        }
        overrides
    }
}
