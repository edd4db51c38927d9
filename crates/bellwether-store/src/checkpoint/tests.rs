use super::*;

fn whole() -> (CheckpointRecord, CheckpointTensors) {
    let epoch = |epoch| CheckpointEpoch {
        epoch,
        train_loss: 0.1 + 0.2,
        val_loss: f64::MIN_POSITIVE,
        learning_rate: 1.0 / 3.0,
        gradient_norm: 1e300,
        is_best: epoch == 0,
    };
    let record = CheckpointRecord {
        training: "pump of these data".to_owned(),
        n_updates: 77,
        random_at: u64::MAX,
        learning_rate: 0.003,
        n_drops: 2,
        n_flat: 1,
        n_restarts: 1,
        n_windows_done: 4711,
        best_epoch: 0,
        epochs: vec![epoch(0), epoch(1)],
    };
    let tensors = CheckpointTensors {
        weights: vec![0.1, -0.0, f32::MIN_POSITIVE, 3e38],
        first: vec![1.5; 4],
        second: vec![0.25; 4],
        best: vec![-7.0, 0.3],
    };
    (record, tensors)
}

#[test]
fn a_checkpoint_comes_back_bit_for_bit_and_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.checkpoint");
    assert!(read_checkpoint(&path).unwrap().is_none());
    let (mut record, tensors) = whole();
    write_checkpoint(&path, &record, &tensors).unwrap();
    let (again, values) = read_checkpoint(&path).unwrap().unwrap();
    assert_eq!(again, record);
    let bits = |of: &CheckpointTensors| -> Vec<u32> {
        of.named()
            .iter()
            .flat_map(|(_, values)| values.iter().map(|value| value.to_bits()))
            .collect()
    };
    assert_eq!(bits(&values), bits(&tensors));
    record.n_updates = 78;
    write_checkpoint(&path, &record, &tensors).unwrap();
    assert_eq!(read_checkpoint(&path).unwrap().unwrap().0, record);
    remove_checkpoints(folder.path()).unwrap();
    remove_checkpoints(folder.path()).unwrap();
    assert!(read_checkpoint(&path).unwrap().is_none());
}

#[test]
fn every_flipped_bit_and_every_truncation_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.checkpoint");
    let (record, tensors) = whole();
    write_checkpoint(&path, &record, &tensors).unwrap();
    let bytes = disk::read_bounded(&path, FILE_BYTES_MAX).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let found = decode(&damaged);
            assert!(found.is_err(), "bit {bit} of byte {at}");
        }
        assert!(decode(&bytes[..at]).is_err(), "cut after {at} bytes");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(decode(&longer).is_err());
}

#[test]
fn what_is_refused_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.checkpoint");
    disk::write_atomic(&path, b"no checkpoint").unwrap();
    let text = crate::disk::tests::told(&read_checkpoint(&path).unwrap_err());
    assert!(
        text.contains("0.checkpoint cannot be used: train without --resume"),
        "{text}"
    );
    assert!(text.contains("not a sound safetensors file"), "{text}");
}
