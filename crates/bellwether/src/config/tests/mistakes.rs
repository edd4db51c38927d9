//! Every mistake is found, all in one go, each with its place and what to do.

use super::*;

/// Texts and the messages for them, all of them, in order.
const FILES: &[(&str, &[&str])] = &[
    // What is no TOML.
    ("[stream\n", &["live.toml:1:8: this is no TOML: "]),
    ("a = = 1\n", &["live.toml:1:5: this is no TOML: "]),
    (
        "[stream]\nlatency = \"1s\"\nlatency = \"2s\"\n",
        &["live.toml:3:1: this is no TOML: "],
    ),
    (
        "[stream]\nlatency = \"1s\n",
        &["live.toml:2:14: this is no TOML: "],
    ),
    (
        "[stream]\nthreads = 99999999999999999999\n",
        &["live.toml:2:11: this integer has too many digits"],
    ),
    (
        "[alerts]\nseverity_min = nan\n",
        &["live.toml:2:16: this number is not finite"],
    ),
    // Where the server listens.
    (
        "[server]\nlisten = \"0.0.0.0:8080\"\n",
        &[
            "live.toml:2:10: server.listen: 0.0.0.0:8080 is open to other machines, and keys would cross the network in the clear",
        ],
    ),
    (
        "[server]\nlisten = \"0.0.0.0:8080\"\nbehind_proxy = true\nauth = \"none\"\n",
        &[
            "live.toml:4:8: server.auth: 0.0.0.0:8080 is open to other machines: \"none\" would let everybody in",
        ],
    ),
    (
        "[server]\ntls_cert = \"cert.pem\"\nhosts = [\"https://a\"]\n",
        &[
            "live.toml:2:12: server.tls_cert: a certificate is used with its key; give server.tls_key",
            "live.toml:3:10: server.hosts[0]: \"https://a\" is no name of a host",
        ],
    ),
    // Keys.
    (
        "[streem]\n",
        &["live.toml:1:2: there is no key \"streem\"; did you mean \"stream\"?"],
    ),
    (
        "[stream]\nlatensy = \"1s\"\n",
        &["live.toml:2:1: stream: there is no key \"latensy\"; did you mean \"latency\"?"],
    ),
    (
        "[stream]\nhold = \"1s\"\n",
        &["live.toml:2:1: stream: there is no key \"hold\" here; it belongs in [alerts]"],
    ),
    (
        "[log]\nxyz = 1\n",
        &["live.toml:2:1: log: there is no key \"xyz\"; there are format, level"],
    ),
    (
        "[[sources]]\ntype = \"stdin\"\npath = \"x\"\n",
        &["live.toml:3:1: sources[0]: there is no key \"path\"; there are "],
    ),
    (
        "[[sources]]\ntype = \"mqtt\"\nurl = \"mqtt://h\"\ntopics = [\"a\"]\nclientid = \"x\"\n",
        &["live.toml:5:1: sources[0]: there is no key \"clientid\"; did you mean \"client_id\"?"],
    ),
    (
        "[[sources]]\npath = \"x\"\n",
        &["live.toml:1:1: sources[0]: type is missing; it is one of stdin, file, http, mqtt"],
    ),
    (
        "[[sources]]\ntype = \"mqt\"\n",
        &[
            "live.toml:2:8: sources[0].type: \"mqt\" is not one of stdin, file, http, mqtt; did you mean \"mqtt\"?",
        ],
    ),
    (
        "[[sources]]\ntype = 5\n",
        &["live.toml:2:8: sources[0].type: wanted one of stdin, file, http, mqtt, in quotes"],
    ),
    (
        "[[sources]]\ntype = \"file\"\n",
        &["live.toml:1:1: sources[0]: path is missing: The file"],
    ),
    (
        "[[models.groups]]\ndevices = [\"a\"]\n",
        &["live.toml:1:1: models.groups[0]: model is missing: The model"],
    ),
    // Kinds and bounds.
    (
        "stream = 5\n",
        &["live.toml:1:10: stream: found a whole number, wanted a table"],
    ),
    (
        "[sources]\ntype = \"stdin\"\n",
        &["live.toml:1:1: sources: found a table, wanted a list of tables, [[…]]"],
    ),
    (
        "[stream]\nthreads = \"four\"\n",
        &["live.toml:2:11: stream.threads: found a text, wanted a whole number"],
    ),
    (
        "[stream]\nthreads = 0\n",
        &["live.toml:2:11: stream.threads: 0 is outside 1 to 256"],
    ),
    (
        "[stream]\nthreads = 1.5\n",
        &["live.toml:2:11: stream.threads: found a number with decimals, wanted a whole number"],
    ),
    (
        "[stream]\nlatency = 50\n",
        &["live.toml:2:11: stream.latency: found a whole number, wanted a text in quotes"],
    ),
    (
        "[stream]\nlatency = \"50\"\n",
        &["live.toml:2:11: stream.latency: \"50\" is not a span of time such as 250ms"],
    ),
    (
        "[stream]\nlatency = \"1h\"\n",
        &["live.toml:2:11: stream.latency: 1h is outside 0s to 10s"],
    ),
    (
        "[stream]\nsilence = \"nope\"\n",
        &["live.toml:2:11: stream.silence: \"nope\" is not a span of time such as"],
    ),
    (
        "[alerts]\nseverity_min = 101\n",
        &["live.toml:2:16: alerts.severity_min: 101 is outside 0 to 100"],
    ),
    (
        "[alerts]\nlatch = \"yes\"\n",
        &["live.toml:2:9: alerts.latch: found a text, wanted true or false"],
    ),
    (
        "[log]\nlevel = \"inf\"\n",
        &[
            "live.toml:2:9: log.level: \"inf\" is not one of error, warn, info, debug, trace; did you mean \"info\"?",
        ],
    ),
    (
        "[models]\ndefault = \"Pump\"\n",
        &["live.toml:2:11: models.default: not a model: \"Pump\" is no name"],
    ),
    (
        "[storage]\nurl = \"mysql://h/d\"\n",
        &["live.toml:2:7: storage.url: this is not a database: write sqlite:FILE or postgres://"],
    ),
    (
        "[storage]\nurl = \"sqlite:\"\n",
        &["live.toml:2:7: storage.url: sqlite: wants the path of a file"],
    ),
    (
        "[storage]\nhistory = \"\"\n",
        &["live.toml:2:11: storage.history: an empty path names no file"],
    ),
    (
        "[[models.groups]]\ndevices = [\"a-[\"]\nmodel = \"pump\"\n",
        &["live.toml:2:12: models.groups[0].devices[0]: device pattern \"a-[\": "],
    ),
    (
        "[[models.groups]]\ndevices = []\nmodel = \"pump\"\n",
        &["live.toml:2:11: models.groups[0].devices: wanted at least 1 entry"],
    ),
    (
        "[[alerts.maintenance]]\ndevices = [\"*\"]\nfrom = \"noon\"\nuntil = \"2024-05-01\"\n",
        &["live.toml:3:8: alerts.maintenance[0].from: \"noon\" is not a time such as"],
    ),
    (
        "[[sources]]\ntype = \"http\"\nlisten = \"8080\"\n",
        &["live.toml:3:10: sources[0].listen: \"8080\" is not an address and a port such as 127.0.0.1:8080"],
    ),
    (
        "[[sources]]\ntype = \"stdin\"\nmapping = { device = \"topic\" }\n",
        &["live.toml:3:22: sources[0].mapping.device: \"topic\" says no place: write field:meta.id"],
    ),
    (
        "[storage]\nurl = \"postgres://h/d\"\npassword = { env = \"A\", file = \"B\" }\n",
        &[
            "live.toml:3:12: storage.password: wanted exactly one key, { env = \"NAME\" } or { file = \"PATH\" }",
        ],
    ),
    // What goes together.
    (
        "[[sources]]\ntype = \"http\"\nlisten = \"0.0.0.0:80\"\n",
        &["live.toml:3:10: sources[0].listen: 0.0.0.0:80 is open to other machines"],
    ),
    (
        "[[sources]]\ntype = \"stdin\"\n[[sources]]\ntype = \"stdin\"\nname = \"two\"\n",
        &["live.toml:3:1: sources[1]: the place \"stdin\" is that of sources[0] too; read each place once"],
    ),
    (
        "[[sources]]\ntype = \"http\"\n[[sources]]\ntype = \"http\"\nlisten = \"[::1]:8080\"\n",
        &[
            "live.toml:3:1: sources[1]: the name \"http\" is that of sources[0] too; give each source a name of its own",
        ],
    ),
    (
        "[[sources]]\ntype = \"http\"\n[[sources]]\ntype = \"http\"\nname = \"b\"\n",
        &["live.toml:3:1: sources[1]: the place \"127.0.0.1:8080\" is that of sources[0] too"],
    ),
    (
        "[[sources]]\ntype = \"mqtt\"\nurl = \"http://h\"\ntopics = [\"a/#/b\"]\n",
        &[
            "live.toml:3:7: sources[0].url: wanted mqtt://host:1883, or with TLS mqtts://host:8883",
            "live.toml:4:11: sources[0].topics[0]: \"a/#/b\" is no topic filter",
        ],
    ),
    (
        "[[sources]]\ntype = \"mqtt\"\nurl = \"mqtt://h/topic\"\ntopics = [\"a\"]\n",
        &["live.toml:3:7: sources[0].url: wanted the broker's host and port and nothing more"],
    ),
    (
        "[[sources]]\ntype = \"mqtt\"\nurl = \"mqtt://h\"\ntopics = [\"a\"]\nca_file = \"ca.pem\"\n",
        &["live.toml:5:11: sources[0].ca_file: certificates are for TLS; write mqtts:// in url"],
    ),
    (
        "[[sources]]\ntype = \"mqtt\"\nurl = \"mqtts://h\"\ntopics = [\"a\"]\nclient_cert = \"c.pem\"\n",
        &["live.toml:5:15: sources[0].client_cert: a certificate needs its client_key beside it"],
    ),
    (
        "[[sources]]\ntype = \"mqtt\"\nname = \"a\"\nurl = \"mqtt://h\"\ntopics = [\"a\"]\nclient_id = \"c\"\n\
         [[sources]]\ntype = \"mqtt\"\nname = \"b\"\nurl = \"mqtt://h\"\ntopics = [\"b\"]\nclient_id = \"c\"\n",
        &[
            "live.toml:7:1: sources[1]: the client name and broker \"c at mqtt://h\" is that of sources[0] too",
        ],
    ),
    (
        "[[sources]]\ntype = \"stdin\"\nmapping = { device = \"topic:1\" }\n",
        &["live.toml:3:22: sources[0].mapping.device: only messages of MQTT have a topic"],
    ),
    (
        "[[outputs]]\ntype = \"file\"\npath = \"rows.txt\"\n",
        &["live.toml:3:8: outputs[0].path: the ending does not tell the form of the rows"],
    ),
    (
        "[[sources]]\ntype = \"file\"\npath = \"a.csv\"\n[[outputs]]\ntype = \"file\"\npath = \"a.csv\"\n",
        &["live.toml:6:8: outputs[0].path: the source \"file:a.csv\" reads this file; write to another"],
    ),
    (
        "[[alerts.channels]]\ntype = \"webhook\"\nurl = \"ftp://h/x\"\n",
        &["live.toml:3:7: alerts.channels[0].url: wanted http://host/path or https://host/path"],
    ),
    (
        "[[alerts.channels]]\ntype = \"alertmanager\"\nurl = \"http://h\"\nlabels = { \"a-b\" = \"x\" }\n",
        &["live.toml:4:20: alerts.channels[0].labels.a-b: a label's name has letters, digits and _"],
    ),
    (
        "[[alerts.channels]]\ntype = \"email\"\nurl = \"smtp://h\"\nfrom = \"me\"\nto = [\"a@b\", \"you\"]\n",
        &[
            "live.toml:4:8: alerts.channels[0].from: \"me\" is no mail address",
            "live.toml:5:14: alerts.channels[0].to[1]: \"you\" is no mail address",
        ],
    ),
    (
        "[[alerts.channels]]\ntype = \"email\"\nurl = \"smtp://h\"\nfrom = \"a@b\"\nto = [\"a@b\"]\nusername = \"u\"\n",
        &["live.toml:6:12: alerts.channels[0].username: username and password go together"],
    ),
    (
        "[[devices]]\nmatch = \"*\"\nalerts = { channels = [\"nigth\"] }\n[[alerts.channels]]\ntype = \"webhook\"\nname = \"night\"\nurl = \"http://h\"\n",
        &[
            "live.toml:3:24: devices[0].alerts.channels[0]: there is no channel \"nigth\"; did you mean \"night\"?",
        ],
    ),
    (
        "[[devices]]\nmatch = \"*\"\n",
        &["live.toml:1:1: devices[0]: this entry changes nothing"],
    ),
    (
        "[[devices]]\nmatch = \"a\"\nlateness = \"1s\"\n[[devices]]\nmatch = \"a\"\nsilence = \"1m\"\n",
        &["live.toml:5:9: devices[1].match: the pattern \"a\" is that of devices[0].match too"],
    ),
    (
        "[[alerts.maintenance]]\ndevices = [\"*\"]\nfrom = 2024-05-02\nuntil = 2024-05-01\n",
        &[
            "live.toml:4:9: alerts.maintenance[0].until: 2024-05-01T00:00:00Z is not after from, 2024-05-02T00:00:00Z",
        ],
    ),
    (
        "[alerts]\nbackoff_min = \"1m\"\nbackoff_max = \"1s\"\n",
        &["live.toml:3:15: alerts.backoff_max: wanted at least alerts.backoff_min"],
    ),
    (
        "[stream]\ncycle_len_max = 1000\nreplay_len_max = 10\n",
        &["live.toml:3:18: stream.replay_len_max: wanted at least stream.cycle_len_max, 1000"],
    ),
    (
        "[storage]\nurl = \"sqlite:a.db\"\npassword = { env = \"PW\" }\n",
        &["live.toml:3:12: storage.password: only PostgreSQL has a password"],
    ),
    (
        "[storage]\nurl = \"postgres://h/d\"\npassword = { env = \"NOT_SET\" }\n",
        &["live.toml:3:20: storage.password.env: the environment variable NOT_SET is not set; set it"],
    ),
    // All of them, and columns count characters.
    (
        "[stream]\nlatensy = \"1s\"\nthreads = 0\n[log]\nlevel = \"ä\"\n[[sources]]\ntype = \"file\"\n",
        &[
            "live.toml:2:1: stream: there is no key",
            "live.toml:3:11: stream.threads: 0 is",
            "live.toml:5:9: log.level: \"ä\" is not one of",
            "live.toml:6:1: sources[0]: path is missing",
        ],
    ),
    (
        "log = { \"ä\" = 1, format = \"b\" }\n",
        &[
            "live.toml:1:9: log: there is no key",
            "live.toml:1:27: log.format: \"b\"",
        ],
    ),
];

#[test]
fn every_mistake_has_its_place_and_its_advice() {
    let mut misses = String::new();
    for (text, expect) in FILES {
        let said = loaded(text, &[], &Overrides::default()).expect_err(text);
        let lines: Vec<&str> = said.lines().collect();
        let is_told = lines.len() == expect.len()
            && lines
                .iter()
                .zip(*expect)
                .all(|(line, start)| line.starts_with(start));
        if !is_told {
            misses += &format!("{text}\nsaid:\n{said}\nwanted:\n{}\n\n", expect.join("\n"));
        }
    }
    assert!(misses.is_empty(), "{misses}");
}

#[test]
fn variables_and_flags_are_as_strict_as_the_file() {
    let check =
        |variables: &[(&str, &str)], flag: Option<(&'static str, &'static str, &str)>, expect: &str| {
            let mut flags = Overrides::default();
            if let Some((flag, path, text)) = flag {
                flags.set(flag, path, text);
            }
            let said = loaded("", variables, &flags).expect_err(expect);
            assert!(
                said.starts_with(expect) && said.lines().count() == 1,
                "{said}\nwanted {expect}"
            );
        };
    check(
        &[("BELLWETHER_STREM__LATENCY", "1s")],
        None,
        "environment variable BELLWETHER_STREM__LATENCY: there is no section \"strem\"; did you mean \"stream\"?",
    );
    check(
        &[("BELLWETHER_STREAM__LATENSY", "1s")],
        None,
        "environment variable BELLWETHER_STREAM__LATENSY: there is no key in stream named \"latensy\"; did you mean",
    );
    check(
        &[("BELLWETHER_STREAM__THREADS", "many")],
        None,
        "environment variable BELLWETHER_STREAM__THREADS: stream.threads: found a text, wanted a whole number",
    );
    check(
        &[("BELLWETHER_SOURCES__0__URL", "x")],
        None,
        "environment variable BELLWETHER_SOURCES__0__URL: sources is a list: its entries stand in the file alone",
    );
    check(
        &[("BELLWETHER_STORAGE__PASSWORD", "x")],
        None,
        "environment variable BELLWETHER_STORAGE__PASSWORD: storage.password is a secret: name what holds it, with __ENV",
    );
    check(
        &[],
        Some(("--lateness", "stream.lateness", "late")),
        "--lateness: stream.lateness: \"late\" is not a span of time",
    );
}

#[test]
fn a_file_that_is_not_there_or_no_text_is_told() {
    let gone = load(
        Some(Path::new("/nowhere/live.toml")),
        &BTreeMap::new(),
        &Overrides::default(),
    );
    let said = gone.expect_err("no file").to_string();
    assert!(
        said.contains("/nowhere/live.toml") && said.contains("give the path"),
        "{said}"
    );
    let (_folder, path) = folder("");
    disk::write_atomic(&path, b"[log]\nlevel = \"\xff\"\n").unwrap();
    let said = load(Some(&path), &BTreeMap::new(), &Overrides::default())
        .expect_err("no UTF-8")
        .to_string();
    assert!(
        said.ends_with("live.toml:2:10: this byte is no UTF-8; save the file as UTF-8"),
        "{said}"
    );
    let (_folder, path) = folder(&"#".repeat(2 << 20));
    assert!(load(Some(&path), &BTreeMap::new(), &Overrides::default()).is_err());
}
