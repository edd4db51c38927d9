//! What the manifest says that a training was asked for.

use bellwether_core::time::humane;
use serde_json::{Value, json};

use super::{Searched, Training};
use crate::cli::GroupModels;
use crate::fitting::Fitted;

impl Training<'_> {
    /// What was asked for, as it was understood.
    pub(super) fn settings(&self, fitted: &Fitted, data_fingerprint: &str) -> Value {
        let fit = &self.fit;
        json!({
            "data": self.args.data.data.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
            "model_family": fit.model_family.name(),
            "architecture": fit.architecture,
            "window_auto": fitted.window_why,
            "stride": fit.stride,
            "scaler": fit.scaler.name(),
            "channels": fit.channels.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "batch": fit.batch,
            "lr": fit.lr,
            "schedule": format!("{:?}", fit.schedule),
            "optimizer": format!("{:?}", fit.optimizer),
            "loss": format!("{:?}", fit.loss),
            "val_share": fit.val_share,
            "contamination": fit.contamination,
            "precision": fit.precision.name(),
            "combination": fit.combination.name(),
            "rows": self.args.rows,
            "until": self.args.until.map(|at| at.to_string()),
            "features": self.spec.derivation.features.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "mode_when": self.spec.derivation.mode_when.as_ref().map(ToString::to_string),
            "blank_after_start": self.spec.derivation.blank_after_start.map(humane),
            "from": self.spec.from.as_ref().map(|parent| &parent.record.model),
            "weights": self.spec.weights.as_ref().map(|of| of.path().display().to_string()),
            "group_by": self.args.group_by,
            "group_models": self.args.group_by.as_ref().map(|_| match self.args.group_models {
                GroupModels::Own => "own",
                GroupModels::Shared => "shared",
            }),
            "calendar": self.args.calendar.as_ref().map(|path| path.display().to_string()),
            "timezone": self.args.data.reading.timezone.as_ref().map(ToString::to_string),
            "align": self.args.data.reading.align.wish().map(|align| align.to_string()),
            "training_fingerprint": self.spec.fingerprint(data_fingerprint),
            "search": self.searched.as_ref().map(Searched::record),
            "exclude": self.args.exclude.iter().map(|(from, to)| format!("{from}/{to}")).collect::<Vec<_>>(),
        })
    }
}
