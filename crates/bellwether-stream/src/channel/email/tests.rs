//! Mails to a real SMTP server.

use bellwether_testkit::peer::PATIENCE;
use bellwether_testkit::smtp::{Smtp, SmtpTls};

use super::*;
use crate::channel::tests::notice;

const LOGIN: (&str, &str) = ("bellwether", "swordfish");

fn start(test: &str, tls: SmtpTls, login: Option<(&str, &str)>) -> Option<Smtp> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Smtp::start(
        test,
        tls,
        [&made.cert.pem(), &made.signing_key.serialize_pem()],
        login,
    )
}

fn spec(scheme: &str, smtp: &Smtp) -> EmailSpec {
    EmailSpec {
        name: "mail".to_owned(),
        url: format!("{scheme}://localhost:{}", smtp.port()).parse().unwrap(),
        username: Some(LOGIN.0.to_owned()),
        password: Some(Secret::new(LOGIN.1)),
        ca_file: Some(smtp.cert_file()),
        from: "Bellwether <bellwether@plant.example>".to_owned(),
        to: vec!["ops@plant.example".to_owned(), "night@plant.example".to_owned()],
        timeout: PATIENCE,
    }
}

fn without_login(spec: EmailSpec) -> EmailSpec {
    EmailSpec {
        username: None,
        password: None,
        ..spec
    }
}

async fn mail(spec: EmailSpec) -> Result<(), SendError> {
    EmailChannel::new(spec).unwrap().send(&notice()).await
}

/// A line of the head of the only mail.
fn has(smtp: &Smtp, line: &str) {
    let mails = smtp.mails(1);
    assert_eq!(mails.len(), 1);
    assert!(
        mails[0].lines().any(|found| found == line),
        "{line}: {}",
        mails[0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_arrives_by_starttls_with_its_head() {
    let test = "a_mail_arrives_by_starttls_with_its_head";
    let Some(smtp) = start(test, SmtpTls::StartTls, Some(LOGIN)) else {
        return;
    };
    mail(spec("smtp+starttls", &smtp)).await.unwrap();
    for line in [
        "From: Bellwether <bellwether@plant.example>",
        "To: ops@plant.example, night@plant.example",
        "Subject: [firing] pump-7: unusual temperature (level-shift), score 3.2",
        "Message-ID: <a1b2.firing@plant.example>",
        "X-Bellwether-Alert: a1b2",
        "X-RcptTo: ops@plant.example, night@plant.example",
    ] {
        has(&smtp, line);
    }
    let mail = smtp.mails(1).remove(0);
    assert!(
        mail.contains("text/plain") && mail.contains("text/html"),
        "{mail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_arrives_in_tls_from_the_first_byte() {
    let test = "a_mail_arrives_in_tls_from_the_first_byte";
    if let Some(smtp) = start(test, SmtpTls::Wrapped, None) {
        mail(without_login(spec("smtps", &smtp))).await.unwrap();
        has(&smtp, "X-Bellwether-Alert: a1b2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_on_this_machine_needs_no_certificate_that_somebody_signed() {
    let test = "a_relay_on_this_machine_needs_no_certificate_that_somebody_signed";
    if let Some(smtp) = start(test, SmtpTls::StartTls, None) {
        let spec = without_login(spec("smtp", &smtp));
        mail(EmailSpec {
            ca_file: None,
            ..spec
        })
        .await
        .unwrap();
        has(&smtp, "X-Bellwether-Alert: a1b2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_trusts_is_refused() {
    let test = "a_certificate_that_nobody_trusts_is_refused";
    if let Some(smtp) = start(test, SmtpTls::StartTls, Some(LOGIN)) {
        let spec = EmailSpec {
            ca_file: None,
            ..spec("smtp+starttls", &smtp)
        };
        let error = mail(spec).await.unwrap_err();
        assert!(
            error.is_passing && error.problem.contains("fails at STARTTLS"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_final_and_not_told() {
    let test = "a_wrong_password_is_final_and_not_told";
    if let Some(smtp) = start(test, SmtpTls::StartTls, Some(LOGIN)) {
        let spec = EmailSpec {
            password: Some(Secret::new("herring")),
            ..spec("smtp+starttls", &smtp)
        };
        assert!(!format!("{:?}", EmailChannel::new(spec.clone()).unwrap()).contains("herring"));
        let error = mail(spec).await.unwrap_err();
        assert!(!error.is_passing, "{error}");
        assert!(error.problem.contains("refuses the login"), "{error}");
        assert!(!error.problem.contains("herring"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_starttls_nothing_is_sent() {
    let test = "without_starttls_nothing_is_sent";
    if let Some(smtp) = start(test, SmtpTls::Never, None) {
        let error = mail(without_login(spec("smtp+starttls", &smtp)))
            .await
            .unwrap_err();
        assert!(error.is_passing, "{error}");
        assert!(error.problem.contains("nothing is sent in the clear"), "{error}");
        mail(without_login(spec("smtp", &smtp))).await.unwrap();
        has(&smtp, "X-Bellwether-Alert: a1b2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_recipient_who_is_refused_keeps_nobody_else_from_the_mail() {
    let test = "one_recipient_who_is_refused_keeps_nobody_else_from_the_mail";
    let Some(smtp) = start(test, SmtpTls::Never, None) else {
        return;
    };
    let to = |names: &[&str]| EmailSpec {
        to: names.iter().map(|name| format!("{name}@plant.example")).collect(),
        ..without_login(spec("smtp", &smtp))
    };
    let check = async |names: &[&str], is_passing: bool| {
        let error = mail(to(names)).await.unwrap_err();
        assert_eq!(error.is_passing, is_passing, "{error}");
    };
    check(&["refused"], false).await;
    check(&["full"], true).await;
    check(&["refused", "full"], true).await;
    mail(to(&["refused", "ops", "full"])).await.unwrap();
    has(&smtp, "X-RcptTo: ops@plant.example");
}

#[tokio::test]
async fn nobody_there_is_passing() {
    let url = format!("smtp://127.0.0.1:{}", bellwether_testkit::peer::free_port());
    let spec = EmailSpec {
        url: url.parse().unwrap(),
        ..plain()
    };
    let error = mail(spec).await.unwrap_err();
    assert!(
        error.is_passing && error.problem.contains("cannot be reached"),
        "{error}"
    );
}

/// A specification without a server.
fn plain() -> EmailSpec {
    EmailSpec {
        name: "mail".to_owned(),
        url: "smtp://mail.example".parse().unwrap(),
        username: None,
        password: None,
        ca_file: None,
        from: "bellwether@plant.example".to_owned(),
        to: vec!["ops@plant.example".to_owned()],
        timeout: PATIENCE,
    }
}

#[test]
fn a_wrong_specification_is_told_at_once() {
    let check = |change: &dyn Fn(&mut EmailSpec), expect: &str| {
        let mut spec = plain();
        change(&mut spec);
        let told = EmailChannel::new(spec).unwrap_err().to_string();
        assert!(told.starts_with(expect), "{told}");
    };
    EmailChannel::new(plain()).unwrap();
    check(
        &|spec| spec.url = "http://mail.example".parse().unwrap(),
        "channel mail: url: it must begin with smtp://, smtp+starttls:// or smtps://",
    );
    check(
        &|spec| spec.url = "smtp:mail".parse().unwrap(),
        "channel mail: url: it names no host",
    );
    check(
        &|spec| spec.url = "smtp://me:secret@mail.example".parse().unwrap(),
        "channel mail: url: it holds a login: give username and password by their own keys",
    );
    check(
        &|spec| spec.username = Some("me".to_owned()),
        "channel mail: password: a username needs one",
    );
    check(
        &|spec| spec.from = "nobody".to_owned(),
        "channel mail: from: \"nobody\" is no mail address",
    );
    check(
        &|spec| spec.to = vec!["ops@plänt.example".to_owned()],
        "channel mail: to: \"ops@plänt.example\" has letters beyond ASCII",
    );
    check(
        &|spec| spec.to.clear(),
        "channel mail: to: it names nobody: give an address",
    );
    check(
        &|spec| spec.ca_file = Some("/no/such/file".into()),
        "channel mail: ca_file: cannot read /no/such/file",
    );
    check(
        &|spec| spec.ca_file = Some("Cargo.toml".into()),
        "channel mail: ca_file: Cargo.toml: no certificates in PEM",
    );
}
