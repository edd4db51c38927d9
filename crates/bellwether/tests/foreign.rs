//! A detector around weights that another program learnt.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(
    clippy::disallowed_methods,
    reason = "the test writes what another program would"
)]

mod shared;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use bellwether_store::registry::Registry;
use safetensors::tensor::{SafeTensors, TensorView};
use shared::bellwether;

fn weights(folder: &Path, reference: &str) -> Vec<u8> {
    let registry = Registry::open(folder.join("models")).unwrap();
    let loaded = registry.load(&reference.parse().unwrap()).unwrap();
    loaded.bundle.weights_of_members(1).unwrap().remove(0)
}

/// Our tensors under the names that modules of PyTorch would give them.
fn as_torch(ours: &[u8]) -> Vec<u8> {
    let file = SafeTensors::deserialize(ours).unwrap();
    let name = |ours: &str| {
        let (layer, tensor) = ours.rsplit_once('.').unwrap();
        let tensor = match (layer, tensor) {
            ("head", "w") => "weight",
            ("head", "b") => "bias",
            (_, "w_ih") => "weight_ih_l0",
            (_, "w_hh") => "weight_hh_l0",
            (_, "b") => "bias_ih_l0",
            other => panic!("no such tensor: {other:?}"),
        };
        format!("{}.{tensor}", layer.replace('.', "_"))
    };
    let tensors: Vec<(String, TensorView<'_>)> = file
        .tensors()
        .into_iter()
        .map(|(ours, view)| (name(&ours), view))
        .collect();
    safetensors::serialize(tensors, None::<HashMap<String, String>>).unwrap()
}

#[test]
fn weights_of_another_program_are_used_as_they_are_or_trained_further() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    bellwether(at, "generate --samples 900 --seed 7 -o pump.csv").ends(0);
    let train = |rest: &str| {
        let line = format!("train pump.csv --name ae --model-family lstm-ae {rest} --registry models");
        bellwether(at, &line)
    };
    train("--architecture 6-3/6 --epochs 2").ends(0);
    fs::write(at.join("learnt.safetensors"), as_torch(&weights(at, "ae@1"))).unwrap();
    train("--architecture 6-3/6 --weights learnt.safetensors").ends(0);
    assert_eq!(weights(at, "ae@2"), weights(at, "ae@1"));
    let scores = |version: &str| {
        let line = format!("detect pump.csv --model ae@{version} --registry models -o {version}.csv");
        bellwether(at, &line).ends(0);
        fs::read(at.join(format!("{version}.csv"))).unwrap()
    };
    assert!(
        scores("2") == scores("1"),
        "the same network, calibrated on the same rows"
    );
    train("--architecture 6-3/6 --weights learnt.safetensors --epochs 1").ends(0);
    assert_ne!(weights(at, "ae@3"), weights(at, "ae@1"));

    train("--architecture 6/6 --weights learnt.safetensors")
        .ends(1)
        .says(&["--weights learnt.safetensors", "2 LSTM layers, the file 3"]);
    let several =
        "train pump.csv --name both --model-family full --weights learnt.safetensors --registry models";
    bellwether(at, several)
        .ends(2)
        .says(&["it is one network", "lstm-ae"]);
    bellwether(
        at,
        "train pump.csv --name ae --weights pump.csv --registry models",
    )
    .ends(1)
    .says(&["--weights pump.csv", "not a sound safetensors file"]);
}
