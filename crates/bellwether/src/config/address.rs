//! Addresses of the command line (`--from`, `--to`), turned into the tables that the file would hold.
//!
//! Messages never quote an address: people put passwords where they should not.

use std::collections::BTreeMap;

use url::{Url, form_urlencoded};

use super::error::did_you_mean;
use super::place::Origin;
use super::tree::{Node, Value};

/// Where verdicts or alerts go.
pub(crate) enum Target {
    /// An entry of `outputs`.
    Output(Node),
    /// An entry of `alerts.channels`.
    Channel(Node),
}

const SOURCES: &str = "wanted - (stdin), a file, http://127.0.0.1:PORT (listens), or \
                       mqtt://[USER@]HOST[:PORT]/TOPIC";
const TARGETS: &str = "wanted - (stdout), FILE.csv, FILE.jsonl, http[s]://HOST/PATH (webhook), \
                       alertmanager+http://HOST:9093, mqtt://HOST/PREFIX (states), mqtt+rows://HOST/PREFIX \
                       (verdicts), or smtp://HOST?from=ADDRESS&to=ADDRESS";

/// The entry of `sources` for an address.
///
/// # Errors
/// Says which addresses there are, or what this kind of address wants.
pub(crate) fn source(text: &str, origin: &Origin) -> Result<Node, String> {
    if text == "-" {
        return Ok(Entry::new("stdin", origin).node);
    }
    let Some((scheme, rest)) = text.split_once("://").filter(|_| !text.starts_with("file:")) else {
        return file(text, origin).ok_or_else(|| SOURCES.to_owned());
    };
    match scheme {
        "http" => {
            if rest.contains(['@', '?', '#']) {
                return Err(
                    "http:// wants an address and a port to listen at, and nothing else: \
                            http://127.0.0.1:8080"
                        .to_owned(),
                );
            }
            let listen = rest.strip_suffix('/').unwrap_or(rest);
            let listen = match listen.contains(':') {
                true => listen.to_owned(),
                false => format!("{listen}:80"),
            };
            Ok(Entry::new("http", origin).with("listen", listen).node)
        }
        "https" => Err(
            "listening with TLS is not there yet: listen at http://127.0.0.1:8080 behind a proxy".to_owned(),
        ),
        "mqtt" | "mqtts" => mqtt_source(scheme, rest, origin),
        other => Err(unknown(other, &["http", "mqtt", "mqtts", "file"], SOURCES)),
    }
}

/// The entry of `outputs` or of `alerts.channels` for an address.
///
/// # Errors
/// Says which addresses there are, or what this kind of address wants.
pub(crate) fn target(text: &str, origin: &Origin) -> Result<Target, String> {
    if text == "-" {
        return Ok(Target::Output(Entry::new("stdout", origin).node));
    }
    let Some((scheme, rest)) = text.split_once("://").filter(|_| !text.starts_with("file:")) else {
        return file(text, origin)
            .map(Target::Output)
            .ok_or_else(|| TARGETS.to_owned());
    };
    match scheme {
        "http" | "https" => webhook(text, origin).map(Target::Channel),
        "alertmanager+http" | "alertmanager+https" => {
            let (authority, mut query) = (rest.split('?').next().unwrap_or(rest), Query::of(rest));
            let entry = Entry::new("alertmanager", origin)
                .with(
                    "url",
                    format!("{}://{authority}", scheme.trim_start_matches("alertmanager+")),
                )
                .taking(
                    &mut query,
                    &[("name", "name"), ("repeat", "repeat"), ("timeout", "timeout")],
                );
            query.is_used_up()?;
            Ok(Target::Channel(entry.node))
        }
        "mqtt" | "mqtts" => {
            let (entry, path, query) = broker(scheme, rest, "mqtt", origin)?;
            query.is_used_up()?;
            Ok(Target::Channel(entry.with_prefix(path).node))
        }
        "mqtt+rows" | "mqtts+rows" => {
            let (entry, path, query) = broker(scheme.trim_end_matches("+rows"), rest, "mqtt", origin)?;
            query.is_used_up()?;
            Ok(Target::Output(entry.with_prefix(path).node))
        }
        "smtp" | "smtps" | "smtp+starttls" => mail(scheme, rest, origin).map(Target::Channel),
        other => Err(unknown(
            other,
            &[
                "http",
                "https",
                "alertmanager+http",
                "mqtt",
                "mqtts",
                "mqtt+rows",
                "smtp",
                "smtps",
                "smtp+starttls",
                "file",
            ],
            TARGETS,
        )),
    }
}

/// `PATH` or `file:PATH`.
fn file(text: &str, origin: &Origin) -> Option<Node> {
    let path = text.strip_prefix("file:").unwrap_or(text);
    let path = path
        .strip_prefix("//")
        .filter(|path| path.starts_with('/'))
        .unwrap_or(path);
    (!path.is_empty()).then(|| Entry::new("file", origin).with("path", path).node)
}

/// `mqtt://[USER@]HOST[:PORT]/TOPIC?device=1`
fn mqtt_source(scheme: &str, rest: &str, origin: &Origin) -> Result<Node, String> {
    let (mut entry, topic, mut query) = broker(scheme, rest, "mqtt", origin)?;
    if topic.is_empty() {
        return Err(format!(
            "{scheme}:// wants a topic after the host: {scheme}://HOST/plant/+/data"
        ));
    }
    entry.put(&["topics"], Value::List(vec![Node::text(origin, topic)]));
    for key in ["device", "time", "channel"] {
        if let Some(place) = query.take(key) {
            // `device=1` is short for the level of the topic.
            let place = match place.parse::<u16>() {
                Ok(level) => format!("topic:{level}"),
                Err(_) => place,
            };
            entry.put(&["mapping", key], Value::Text(place));
        }
    }
    if let Some(values) = query.take("values") {
        entry.put(&["mapping", "values"], Value::Text(values));
    }
    query.is_used_up()?;
    Ok(entry.node)
}

/// What all MQTT addresses have: an entry with the broker's keys, what follows the host, and what is left of the query.
fn broker<'a>(
    scheme: &str,
    rest: &'a str,
    kind: &str,
    origin: &'a Origin,
) -> Result<(Entry<'a>, &'a str, Query), String> {
    let mut query = Query::of(rest);
    let rest = rest.split('?').next().unwrap_or(rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) = user(authority)?;
    let entry = Entry::new(kind, origin)
        .with("url", format!("{scheme}://{host}"))
        .with_some("username", user)
        .taking(
            &mut query,
            &[
                ("name", "name"),
                ("client_id", "client_id"),
                ("version", "version"),
                ("ca_file", "ca_file"),
                ("client_cert", "client_cert"),
                ("client_key", "client_key"),
            ],
        )
        .taking_secret(&mut query, "password")?;
    Ok((entry, path, query))
}

/// `https://host/path`, with `secret_env` or `secret_file` for the signature; the rest of the query is the receiver's.
fn webhook(text: &str, origin: &Origin) -> Result<Node, String> {
    let mut url =
        Url::parse(text).map_err(|error| format!("this is not the address of a webhook: {error}"))?;
    let ours = ["name", "secret_env", "secret_file", "timeout"];
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let (mine, theirs): (Vec<_>, Vec<_>) = pairs
        .into_iter()
        .partition(|(key, _)| ours.contains(&key.as_str()));
    if !mine.is_empty() {
        url.set_query(None);
        if !theirs.is_empty() {
            url.query_pairs_mut().extend_pairs(&theirs);
        }
    }
    let mut query = Query(mine);
    let entry = Entry::new("webhook", origin)
        .with("url", url.to_string())
        .taking(&mut query, &[("name", "name"), ("timeout", "timeout")])
        .taking_secret(&mut query, "secret")?;
    Ok(entry.node)
}

/// `smtp://[USER@]HOST[:PORT]?from=a@b&to=c@d`
fn mail(scheme: &str, rest: &str, origin: &Origin) -> Result<Node, String> {
    let mut query = Query::of(rest);
    let authority = rest.split(['?', '/']).next().unwrap_or(rest);
    let (user, host) = user(authority)?;
    let mut entry = Entry::new("email", origin)
        .with("url", format!("{scheme}://{host}"))
        .with_some("username", user)
        .taking(
            &mut query,
            &[
                ("name", "name"),
                ("from", "from"),
                ("ca_file", "ca_file"),
                ("timeout", "timeout"),
            ],
        )
        .taking_secret(&mut query, "password")?;
    let mut to = Vec::new();
    while let Some(address) = query.take("to") {
        to.extend(
            address
                .split(',')
                .map(|address| Node::text(origin, address.trim())),
        );
    }
    if to.is_empty() {
        return Err(format!(
            "{scheme}:// wants who writes and to whom: {scheme}://HOST?from=a@b.example&to=c@d.example"
        ));
    }
    entry.put(&["to"], Value::List(to));
    query.is_used_up()?;
    Ok(entry.node)
}

/// User and host of `USER@HOST:PORT`. A password there would be seen by everybody who lists processes.
fn user(authority: &str) -> Result<(Option<String>, &str), String> {
    match authority.rsplit_once('@') {
        None => Ok((None, authority)),
        Some((user, _)) if user.contains(':') => Err(NO_PASSWORD.to_owned()),
        Some((user, host)) => {
            // The one decoder at hand reads forms, where a plus is a space.
            let form = format!("u={}", user.replace('+', "%2B").replace('&', "%26"));
            let decoded = form_urlencoded::parse(form.as_bytes()).next();
            Ok((decoded.map(|(_, user)| user.into_owned()), host))
        }
    }
}

const NO_PASSWORD: &str = "an address holds no password: add ?password_env=NAME or ?password_file=PATH";

fn unknown(scheme: &str, known: &[&str], wanted: &str) -> String {
    match did_you_mean(scheme, known.iter().copied()) {
        Some(near) => format!("there are no {scheme}:// addresses here; did you mean {near}://? {wanted}"),
        None => format!("there are no {scheme}:// addresses here; {wanted}"),
    }
}

/// An entry of a list that is being made.
struct Entry<'a> {
    node: Node,
    origin: &'a Origin,
}

impl<'a> Entry<'a> {
    fn new(kind: &str, origin: &'a Origin) -> Self {
        let entry = Self {
            node: Node::table(origin, BTreeMap::new()),
            origin,
        };
        entry.with("type", kind)
    }

    fn put(&mut self, keys: &[&str], value: Value) {
        self.node.set(keys, Node::of(self.origin, value));
    }

    fn with(mut self, key: &str, text: impl Into<String>) -> Self {
        self.put(&[key], Value::Text(text.into()));
        self
    }

    fn with_some(self, key: &str, text: Option<String>) -> Self {
        match text {
            Some(text) => self.with(key, text),
            None => self,
        }
    }

    fn with_prefix(self, path: &str) -> Self {
        match path {
            "" => self,
            path => self.with("prefix", path),
        }
    }

    /// Takes what the query says under these names for these keys.
    fn taking(mut self, query: &mut Query, names: &[(&str, &str)]) -> Self {
        for (name, key) in names {
            if let Some(text) = query.take(name) {
                self.put(&[key], Value::Raw(text));
            }
        }
        self
    }

    /// Takes `KEY_env` or `KEY_file` for a secret.
    fn taking_secret(mut self, query: &mut Query, key: &str) -> Result<Self, String> {
        if query.take(key).is_some() {
            return Err(format!(
                "an address holds no {key}: write {key}_env=NAME or {key}_file=PATH instead of {key}=…"
            ));
        }
        for part in ["env", "file"] {
            if let Some(text) = query.take(&format!("{key}_{part}")) {
                self.put(&[key, part], Value::Text(text));
            }
        }
        Ok(self)
    }
}

/// What stands after the `?`.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: &str) -> Self {
        let query = text.split_once('?').map_or("", |(_, query)| query);
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn take(&mut self, key: &str) -> Option<String> {
        let idx = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(idx).1)
    }

    fn is_used_up(&self) -> Result<(), String> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => Err(format!(
                "this address knows no {key}= (or only one of it); see `sources`, `outputs` and `alerts.channels` in \
                 docs/configuration.md for what there is"
            )),
        }
    }
}
