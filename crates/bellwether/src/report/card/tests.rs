//! A card of a manifest that is kept for ever.

use super::*;

fn page(edit: impl FnOnce(&mut Card<'_>)) -> String {
    let manifest = Manifest::from_json_bytes(include_bytes!(
        "../../../../bellwether-store/tests/manifests/v2.json"
    ))
    .unwrap();
    let mut card = Card {
        reference: "pump@3",
        manifest: &manifest,
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
