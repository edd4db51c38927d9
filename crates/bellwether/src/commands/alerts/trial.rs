//! `alerts test`: whether the channels of the configuration work.

use std::sync::Arc;

use bellwether_stream::alert::try_channels;
use bellwether_stream::channel::Channel;
use serde_json::json;

use super::super::now;
use crate::failure::Failure;
use crate::output::{Output, Rows, object};

/// Sends a test notice through all channels, or one, and says which took it.
pub(crate) async fn run(
    mut channels: Vec<Arc<dyn Channel>>,
    only: Option<&str>,
    output: &Output,
) -> Result<(), Failure> {
    if let Some(only) = only {
        let names: Vec<String> = channels.iter().map(|channel| channel.name().to_owned()).collect();
        channels.retain(|channel| channel.name() == only);
        if channels.is_empty() {
            return Err(Failure::Usage(format!(
                "no channel {only:?}; there are: {}",
                names.join(", ")
            )));
        }
    }
    if channels.is_empty() {
        return Err(Failure::message(
            "no channel is configured: nobody would be told of an alert",
        ));
    }
    let trials = try_channels(&channels, now()).await;
    let mut rows = Rows::new(&["channel", "ok", "error"]);
    for trial in &trials {
        let error = trial.sent.as_ref().err().map(|error| &error.problem);
        rows.push(vec![
            json!(trial.channel),
            json!(trial.sent.is_ok()),
            json!(error),
        ]);
    }
    output.answer(&object([("channels", json!(rows.objects()))]), &rows)?;
    match trials.iter().filter(|trial| trial.sent.is_err()).count() {
        0 => Ok(()),
        n => Err(Failure::message(format!(
            "{n} of {} channels did not take the test",
            trials.len()
        ))),
    }
}
