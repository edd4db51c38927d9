//! What stands after `--from` and `--to` becomes what the file would say.

use super::*;

/// The configuration that addresses make equals that of a text.
fn check(from: &[&str], to: &[&str], text: &str) {
    let mut flags = Overrides::default();
    from.iter().for_each(|address| flags.from(*address));
    to.iter().for_each(|address| flags.to(*address));
    let variables = env(&[("K", "key")]);
    let by_flags = load(None, &variables, &flags).unwrap_or_else(|error| panic!("{from:?} {to:?}: {error}"));
    let (folder, path) = folder(text);
    let by_file = load(Some(&path), &variables, &Overrides::default()).unwrap();
    let here = format!("{}/", folder.path().display());
    assert_eq!(
        format!("{:?}", by_flags.checked),
        format!("{:?}", by_file.checked).replace(&here, ""),
        "{from:?} {to:?}"
    );
}

#[test]
fn sources() {
    check(&["-"], &[], "[[sources]]\ntype = \"stdin\"");
    check(
        &["a/b.csv"],
        &[],
        "[[sources]]\ntype = \"file\"\npath = \"a/b.csv\"",
    );
    check(
        &["file:/a.csv"],
        &[],
        "[[sources]]\ntype = \"file\"\npath = \"/a.csv\"",
    );
    check(
        &["file:///a.csv"],
        &[],
        "[[sources]]\ntype = \"file\"\npath = \"/a.csv\"",
    );
    check(
        &["http://127.0.0.1:9000"],
        &[],
        "[[sources]]\ntype = \"http\"\nlisten = \"127.0.0.1:9000\"",
    );
    check(
        &["http://localhost:9000/"],
        &[],
        "[[sources]]\ntype = \"http\"\nlisten = \"127.0.0.1:9000\"",
    );
    check(
        &[
            "mqtt://plant%20user@h:1884/plant/+/data/#?device=1&client_id=x&version=3.1.1&password_env=K&values=data",
        ],
        &[],
        "[[sources]]\ntype = \"mqtt\"\nurl = \"mqtt://h:1884\"\nusername = \"plant user\"\n\
         topics = [\"plant/+/data/#\"]\nmapping = { device = \"topic:1\", values = \"data\" }\nclient_id = \"x\"\n\
         version = \"3.1.1\"\npassword = { env = \"K\" }",
    );
    check(
        &[
            "mqtts://h/a?channel=2&time=field:meta.ts&name=n",
            "mqtt://h/b",
            "mqtt://h/c",
        ],
        &[],
        "[[sources]]\ntype = \"mqtt\"\nname = \"n\"\nurl = \"mqtts://h\"\ntopics = [\"a\"]\n\
         mapping = { channel = \"topic:2\", time = \"field:meta.ts\" }\n\
         [[sources]]\ntype = \"mqtt\"\nurl = \"mqtt://h\"\ntopics = [\"b\"]\n\
         [[sources]]\ntype = \"mqtt\"\nname = \"mqtt-2\"\nurl = \"mqtt://h\"\ntopics = [\"c\"]",
    );
}

#[test]
fn targets() {
    check(&[], &["-"], "[[outputs]]\ntype = \"stdout\"");
    check(
        &[],
        &["a.jsonl"],
        "[[outputs]]\ntype = \"file\"\npath = \"a.jsonl\"",
    );
    check(
        &[],
        &["https://h/x?a=b&secret_env=K", "http://h/y"],
        "[[alerts.channels]]\ntype = \"webhook\"\nurl = \"https://h/x?a=b\"\nsecret = { env = \"K\" }\n\
         [[alerts.channels]]\ntype = \"webhook\"\nname = \"webhook-2\"\nurl = \"http://h/y\"",
    );
    check(
        &[],
        &["alertmanager+http://h:9093"],
        "[[alerts.channels]]\ntype = \"alertmanager\"\nurl = \"http://h:9093\"",
    );
    check(
        &[],
        &["mqtt://h/plant/states", "mqtt+rows://h/plant/rows"],
        "[[alerts.channels]]\ntype = \"mqtt\"\nurl = \"mqtt://h\"\nprefix = \"plant/states\"\n\
         [[outputs]]\ntype = \"mqtt\"\nurl = \"mqtt://h\"\nprefix = \"plant/rows\"",
    );
    check(
        &[],
        &["smtp+starttls://u@h:25?from=a@b&to=c@d,e@f&to=g@h&password_env=K"],
        "[[alerts.channels]]\ntype = \"email\"\nurl = \"smtp+starttls://h:25\"\nusername = \"u\"\n\
         password = { env = \"K\" }\nfrom = \"a@b\"\nto = [\"c@d\", \"e@f\", \"g@h\"]",
    );
}

#[test]
fn rows_on_stdout_have_the_form_that_was_asked_for() {
    let mut flags = Overrides::default();
    flags.to("-");
    flags.rows_as(checked::RowFormat::Jsonl);
    let checked = load(None, &BTreeMap::new(), &flags).unwrap().checked;
    assert!(
        matches!(&checked.outputs[..], [OutputSpec::Text(spec)] if spec.format == checked::RowFormat::Jsonl)
    );
}

#[test]
fn what_is_no_address_is_told_which_there_are() {
    let check = |from: &str, to: &str, expect: &str| {
        let mut flags = Overrides::default();
        if !from.is_empty() {
            flags.from(from);
        }
        if !to.is_empty() {
            flags.to(to);
        }
        let said = loaded("", &[], &flags).expect_err(expect);
        assert!(said.starts_with(expect), "{said}\nwanted {expect}");
    };
    check(
        "mqqt://h/t",
        "",
        "--from: there are no mqqt:// addresses here; did you mean mqtt://? wanted - (stdin)",
    );
    check(
        "kafka://h/t",
        "",
        "--from: there are no kafka:// addresses here; wanted - (stdin), a file",
    );
    check("https://h", "", "--from: listening with TLS is not there yet");
    check("mqtt://h", "", "--from: mqtt:// wants a topic after the host");
    check("mqtt://h/t?devcie=1", "", "--from: this address knows no devcie=");
    check(
        "http://0.0.0.0:80",
        "",
        "--from: sources[0].listen: 0.0.0.0:80 is open to other machines",
    );
    check(
        "http://example.org",
        "",
        "--from: sources[0].listen: \"example.org:80\" is not an address and a port",
    );
    check("file:", "", "--from: wanted - (stdin), a file");
    check(
        "",
        "rows.parquet",
        "--to: outputs[0].path: the ending does not tell the form",
    );
    check("", "smtp://h", "--to: smtp:// wants who writes and to whom");
    check("", "smtp://h?to=a@b", "--to: alerts.channels[0]: from is missing");
    check(
        "",
        "htps://h",
        "--to: there are no htps:// addresses here; did you mean https://?",
    );
}
