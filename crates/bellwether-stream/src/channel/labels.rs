//! Labels and annotations of an alert, as Prometheus and its friends know them.

use std::collections::BTreeMap;

use bellwether_store::database::AlertKind;
use sha2::{Digest, Sha256};

use super::text::{self, Severity};
use crate::alert::Notice;

/// Names of labels that are ours.
pub(super) const OURS: [&str; 6] = ["alert", "alertname", "device", "model", "severity", "test"];

/// What identifies an alert and what routes look at. All but `severity` is the same from the first message of an
/// alert to its last; scores and channels change, so they are annotations.
pub(super) fn labels(notice: &Notice, severity: Severity) -> BTreeMap<String, String> {
    let name = match notice.kind {
        AlertKind::Event => "BellwetherAnomaly",
        AlertKind::Silence => "BellwetherSilence",
    };
    let mut labels = vec![
        ("alertname", name),
        ("alert", &notice.id),
        ("device", &notice.device),
        ("model", &notice.model),
        ("severity", severity.word()),
    ];
    if notice.is_test {
        labels.push(("test", "true"));
    }
    owned(labels)
}

/// What people want to know besides. Each link for feedback is `feedback_<verdict>`.
pub(super) fn annotations(notice: &Notice) -> BTreeMap<String, String> {
    let mut annotations = owned([
        ("summary", text::summary(notice).as_str()),
        ("description", &text::description(notice)),
    ]);
    if notice.kind == AlertKind::Event {
        annotations.insert("score".to_owned(), text::number(notice.peak_score));
    }
    if let Some(top) = notice.channels.first() {
        annotations.insert("top_channel".to_owned(), text::plain(&top.channel));
        annotations.insert("channels".to_owned(), text::channels(notice));
    }
    for (verdict, url) in &notice.links {
        annotations.insert(format!("feedback_{}", verdict.replace('-', "_")), url.clone());
    }
    annotations
}

/// Where the alert can be looked at: what stands before `/feedback/` in its links. Empty where there are none.
pub(super) fn address(notice: &Notice) -> &str {
    let link = notice
        .links
        .first()
        .and_then(|(_, url)| url.rsplit_once("/feedback/"));
    link.map_or("", |(address, _)| address)
}

/// The alert's id in the form of Alertmanager's fingerprints: 16 hexadecimal digits.
pub(super) fn fingerprint(notice: &Notice) -> String {
    crate::hex(&Sha256::digest(&notice.id)[..8])
}

/// Whether Prometheus takes this as the name of a label.
pub(super) fn is_label_name(name: &str) -> bool {
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_start) && name.chars().all(|c| is_start(c) || c.is_ascii_digit())
}

fn owned<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::tests::notice;

    #[test]
    fn labels_stay_the_same_while_the_event_grows() {
        let before = notice();
        let mut after = notice();
        after.peak_score = 4.0;
        after.severity = 75.0;
        after.channels.reverse();
        after.is_firing = false;
        after.end = Some(after.start);
        let of = |notice: &Notice| labels(notice, Severity::of(notice));
        assert_eq!(of(&before), of(&after));
        assert!(of(&before).keys().all(|name| OURS.contains(&name.as_str())));
        assert_eq!(fingerprint(&before), fingerprint(&after));
        assert_eq!(fingerprint(&before).len(), 16);
        assert_ne!(annotations(&before), annotations(&after));
    }

    #[test]
    fn links_are_annotations_with_names_that_prometheus_takes() {
        let annotations = annotations(&notice());
        assert_eq!(
            annotations["feedback_false_alarm"],
            "https://bellwether.plant.example/alerts/a1b2/feedback/false-alarm"
        );
        assert!(annotations.keys().all(|name| is_label_name(name)));
        assert_eq!(address(&notice()), "https://bellwether.plant.example/alerts/a1b2");
    }
}
