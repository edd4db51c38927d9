//! A network as a folder that MLflow loads: the ONNX file with an `MLmodel` beside it, for its flavours `onnx` and
//! `python_function`.

use std::io::Write;
use std::path::Path;

use bellwether_store::disk;
use bellwether_store::write::AtomicFile;

use crate::failure::Failure;

/// What the folder says of the model beside the network itself.
pub(super) struct About<'a> {
    /// `pump@3`, or the bundle file.
    pub(super) reference: &'a str,
    /// When it was trained, as MLflow writes times: `2026-01-31 12:00:00.000000`.
    pub(super) created_at: String,
    pub(super) window_len: usize,
    pub(super) n_channels: usize,
    pub(super) n_answers: usize,
}

/// What MLflow needs to run it; versions are the caller's.
const REQUIREMENTS: &str = "mlflow-skinny\nonnx\nonnxruntime\nnumpy\npandas\n";

/// Writes the folder, which must not be there yet or be empty.
pub(super) fn write(folder: &Path, onnx: &[u8], about: &About<'_>) -> Result<(), Failure> {
    if folder.exists()
        && folder
            .read_dir()
            .is_ok_and(|mut entries| entries.next().is_some())
    {
        return Err(Failure::message(format!(
            "{} is there and not empty: give a folder of its own",
            folder.display()
        )));
    }
    disk::create_folder(folder)?;
    let environment = "python: 3.11\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n";
    let about = mlmodel(about);
    let files: [(&str, &[u8]); 4] = [
        ("model.onnx", onnx),
        ("requirements.txt", REQUIREMENTS.as_bytes()),
        ("python_env.yaml", environment.as_bytes()),
        // Last: a folder without it is no model yet.
        ("MLmodel", about.as_bytes()),
    ];
    for (name, bytes) in files {
        let mut file = AtomicFile::create(&folder.join(name))?;
        file.write_all(bytes)?;
        file.commit()?;
    }
    Ok(())
}

/// The file `MLmodel`: YAML, of which JSON is a part, so that no text needs quoting of another kind.
fn mlmodel(about: &About<'_>) -> String {
    let tensor = |name: &str, kind: &str, len: usize| {
        serde_json::json!({
            "name": name,
            "type": "tensor",
            "tensor-spec": { "dtype": kind, "shape": [-1, len, about.n_channels] },
        })
    };
    let inputs = serde_json::json!([
        tensor("window", "float64", about.window_len),
        tensor("observed", "bool", about.window_len),
    ]);
    let outputs = serde_json::json!([tensor("expected", "float64", about.n_answers)]);
    let model = serde_json::json!({
        "artifact_path": "model",
        "flavors": {
            "onnx": {
                "data": "model.onnx",
                "code": null,
                "onnx_version": "1.12.0",
                "providers": ["CPUExecutionProvider"],
            },
            "python_function": {
                "loader_module": "mlflow.onnx",
                "data": "model.onnx",
                "python_version": "3.11.0",
                "env": { "virtualenv": "python_env.yaml" },
            },
        },
        "metadata": { "bellwether": about.reference },
        "mlflow_version": "3.0.0",
        "signature": { "inputs": inputs.to_string(), "outputs": outputs.to_string(), "params": null },
        "utc_time_created": about.created_at,
    });
    format!("{model:#}\n")
}
