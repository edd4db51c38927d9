//! A card of a manifest that is kept for ever.

use super::*;

fn page(edit: impl FnOnce(&mut Card<'_>)) -> String {
    page_of(&manifest(), edit)
}

fn manifest() -> Manifest {
    Manifest::from_json_bytes(include_bytes!(
        "../../../../bellwether-store/tests/manifests/v2.json"
    ))
    .unwrap()
}

fn page_of(manifest: &Manifest, edit: impl FnOnce(&mut Card<'_>)) -> String {
    let mut card = Card {
        reference: "pump@3",
        manifest,
        sha256: "00ff".to_owned(),
        signed_by: Vec::new(),
        tags: vec!["plant=north".to_owned()],
        aliases: vec!["champion".to_owned()],
        note: String::new(),
        reproduce: Some("bellwether train pump.csv --name pump".to_owned()),
    };
    edit(&mut card);
    let mut bytes = Vec::new();
    card.write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_card_says_what_the_model_is_and_needs_no_other_file() {
    let page = page(|_| {});
    for said in [
        "pump@3",
        "plant=north",
        "bellwether train pump.csv --name pump",
        "What it learnt from",
        "How training went",
        "What its alarms rest on",
        "How well each channel is followed",
    ] {
        assert!(page.contains(said), "{said} is not said");
    }
    for reach in ["<script", "src=", "@import", "http://", "https://"] {
        assert!(!page.contains(reach), "{reach}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf"), "a number is none");
    assert_eq!(
        page.matches("<section").count(),
        page.matches("</section>").count()
    );
    assert_eq!(page.matches("<table").count(), page.matches("</table>").count());
}

#[test]
fn no_text_can_break_out_of_a_card() {
    let hostile = "</style><script>alert(1)</script>\"'&";
    let page = page(|card| {
        card.reference = hostile;
        card.note = hostile.to_owned();
        card.tags = vec![hostile.to_owned()];
        card.reproduce = Some(hostile.to_owned());
    });
    assert!(!page.contains("<script"));
    assert_eq!(page.matches("</style>").count(), 1);
}

#[test]
fn a_card_of_a_search_has_its_trials_the_chosen_one_first() {
    assert!(!page(|_| {}).contains("How its settings were found"));
    let mut manifest = manifest();
    let trial = |trial: usize, architecture: &str, vus_pr: Option<f64>, is_chosen: bool| {
        serde_json::json!({
            "trial": trial, "window": 12, "architecture": architecture, "lr": 0.0005, "epochs": 12, "weights": 7,
            "vus_pr": vus_pr, "recall": vus_pr, "error": vus_pr.is_none().then_some("it <failed>"), "is_chosen": is_chosen,
        })
    };
    manifest.training.settings["search"] = serde_json::json!({
        "criterion": "vus_pr: so & so",
        "trials": [trial(5, "gru", Some(0.51237), true), trial(1, "lstm", Some(0.25), false), trial(2, "tcn", None, false)],
    });
    let page = page_of(&manifest, |_| {});
    for said in [
        "How its settings were found",
        "vus_pr: so &amp; so",
        "0.0005",
        "0.512",
        "it &lt;failed&gt;",
    ] {
        assert!(page.contains(said), "{said} is not said");
    }
    let at = |text: &str| page.find(text).unwrap();
    assert!(at("gru") < at("chosen") && at("chosen") < at("0.250") && at("0.250") < at("tcn"));
    // What another program wrote there breaks nothing.
    manifest.training.settings["search"] = serde_json::json!({"trials": [1, {"lr": []}], "criterion": 5});
    assert!(page_of(&manifest, |_| {}).contains("How its settings were found"));
}
