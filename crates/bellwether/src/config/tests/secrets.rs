//! A secret is held and never told.

use bellwether_stream::secret::Secret;

use super::*;

const CANARY: &str = "canary-9f3b";

#[test]
fn secrets_come_from_variables_and_files() {
    let text = "[[alerts.channels]]\ntype = \"webhook\"\nurl = \"http://h\"\nsecret = { file = \"key\" }\n\
                [storage]\nurl = \"postgres://h/d\"\npassword = { env = \"PW\" }\n";
    let (folder, path) = folder(text);
    let variables = env(&[("PW", CANARY)]);
    for (held, expect) in [
        ("one\n", Ok("one")),
        ("two\r\n", Ok("two")),
        ("three\n\n", Ok("three\n")),
        ("\n", Err("empty")),
    ] {
        disk::write_atomic(&folder.path().join("key"), held.as_bytes()).unwrap();
        match (load(Some(&path), &variables, &Overrides::default()), expect) {
            (Ok(loaded), Ok(expect)) => {
                let ChannelSpec::Webhook(hook) = &loaded.checked.channels[0] else {
                    panic!("a webhook");
                };
                assert_eq!(hook.secret.as_ref().map(Secret::reveal), Some(expect));
            }
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{error}"),
            (got, _) => panic!("{held:?}: {got:?}"),
        }
    }
    disk::write_atomic(&folder.path().join("key"), &vec![b'x'; 70_000]).unwrap();
    let said = load(Some(&path), &variables, &Overrides::default())
        .expect_err("too long")
        .to_string();
    assert!(
        said.contains("at most 65536") && said.contains("live.toml:4:19"),
        "{said}"
    );
}

#[test]
fn a_secret_is_never_shown() {
    let text = "[[alerts.channels]]\ntype = \"webhook\"\nurl = \"http://h\"\nsecret = { file = \"key\" }\n\
                [storage]\nurl = \"postgres://h/d\"\npassword = { env = \"PW\" }\n";
    let (folder, path) = folder(text);
    disk::write_atomic(&folder.path().join("key"), CANARY.as_bytes()).unwrap();
    let loaded = load(Some(&path), &env(&[("PW", CANARY)]), &Overrides::default()).unwrap();
    for shown in [
        format!("{loaded:?}"),
        format!("{loaded:#?}"),
        show::toml(&loaded.effective, false),
        show::toml(&loaded.effective, true),
        show::document(&loaded.effective).to_string(),
        format!("{:?}", show::rows(&loaded.effective)),
    ] {
        assert!(!shown.contains(CANARY) && shown.contains("PW"), "{shown}");
    }
}

/// People write secrets where they should not. The refusal says where, and not what.
#[test]
fn a_secret_in_the_wrong_place_is_refused_and_not_quoted() {
    let channel = |keys: &str| format!("[[alerts.channels]]\ntype = \"webhook\"\n{keys}\n");
    let files = [
        format!("[storage]\npassword = \"{CANARY}\"\n"),
        format!("[storage]\npasswort = \"{CANARY}\"\n"),
        format!("[storage]\npassword = [\"{CANARY}\"]\n"),
        format!("[storage]\npassword = {{ plain = \"{CANARY}\" }}\n"),
        format!("[storage]\npassword = \"{CANARY}\n"),
        format!("[storage]\npassword = {CANARY}\n"),
        format!("[storage]\nurl = \"postgres://user:{CANARY}@h/d\"\n"),
        format!("[storage]\nurl = \"postgres://user@h/d?password={CANARY}\"\n"),
        format!("[storage]\nurl = \"mysql://user:{CANARY}@h/d\"\n"),
        format!("[[sources]]\ntype = \"mqtt\"\nurl = \"mqtt://user:{CANARY}@h\"\ntopics = [\"a\"]\n"),
        format!("[[sources]]\ntype = \"mqtt\"\nurl = \"mqtt://user:{CANARY}@:h\"\ntopics = [\"a\"]\n"),
        channel(&format!("url = \"https://user:{CANARY}@h\"")),
        channel(&format!("url = \"http://h\"\nsecret = \"{CANARY}\"")),
        format!("log = \"{CANARY}\"\n"),
    ];
    for text in files {
        let said = loaded(&text, &[], &Overrides::default()).expect_err(&text);
        assert!(!said.contains(CANARY), "{text}\n{said}");
        let (_folder, path) = folder(&text);
        let error =
            effective(Some(&path), &BTreeMap::new(), &Overrides::default()).expect_err("not shown either");
        assert!(
            !format!("{error} {error:?}").contains(CANARY),
            "{text}\n{error:?}"
        );
    }
    let variables = [
        ("BELLWETHER_STORAGE__PASSWORD", CANARY),
        ("BELLWETHER_STORAGE__URL", "postgres://u:canary-9f3b@h/d"),
        ("BELLWETHER_STORAGE__PASWORD__ENV", CANARY),
    ];
    for variable in variables {
        let said = loaded("", &[variable], &Overrides::default()).expect_err("refused");
        assert!(!said.contains(CANARY), "{said}");
    }
    for address in [
        "mqtt://user:canary-9f3b@h/t",
        "mqtt://h/t?password=canary-9f3b",
        "mqt://user:canary-9f3b@h/t",
        "http://user:canary-9f3b@127.0.0.1:80",
        "mqtt://h/t?pasword=canary-9f3b",
    ] {
        let mut flags = Overrides::default();
        flags.from(address);
        let said = loaded("", &[], &flags).expect_err(address);
        assert!(!said.contains(CANARY), "{said}");
    }
    for address in [
        "https://user:canary-9f3b@h/x",
        "https://h/x?secret=canary-9f3b&secret_env=A&secret_file=B",
        "smtp://user:canary-9f3b@h?from=a@b&to=c@d",
        "smtp://h?from=a@b&to=c@d&password=canary-9f3b",
        "alertmanager+http://user:canary-9f3b@h",
    ] {
        let mut flags = Overrides::default();
        flags.to(address);
        let said = loaded("", &[], &flags).expect_err(address);
        assert!(!said.contains(CANARY), "{said}");
    }
}
