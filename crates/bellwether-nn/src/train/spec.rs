//! What a training may be told.

use super::checkpoint::Start;
use super::report::TrainError;
use super::schedule::Schedule;
use crate::network::loss::Loss;
use crate::network::optimiser::Optimiser;
use crate::network::precision::Precision;

/// How a network is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainSpec {
    /// Units of each encoder layer; the last is the bottleneck. Of a forecaster: of each LSTM layer.
    pub encoder: Vec<usize>,
    /// Units of each decoder layer; a forecaster has none, and does not look.
    pub decoder: Vec<usize>,
    /// Passes over the windows; `None` = [`default_epochs`].
    pub n_epochs: Option<usize>,
    /// Windows of a mini-batch.
    pub batch_len: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// What becomes of it.
    pub schedule: Schedule,
    /// How weights follow their gradient.
    pub optimiser: Optimiser,
    /// Gradients of a larger norm are scaled down to it.
    pub clip_norm: f64,
    /// Share of the windows, the last in time, that judges the epochs.
    pub val_share: f64,
    /// Epochs without a better validation loss before training stops.
    pub patience: usize,
    /// Most windows of an epoch: longer data are sampled evenly, at other places in each epoch.
    pub epoch_len_max: usize,
    /// What is minimised.
    pub loss: Loss,
    /// Share of the windows that may be faults: in each epoch so many, those with the highest loss at its beginning, are
    /// left out (iterative trimmed loss minimisation, Shen and Sanghavi 2019).
    pub contamination: f64,
    /// What the learnt weights are rounded to.
    pub precision: Precision,
    /// Seeds the weights and the order of the windows.
    pub seed: u64,
    /// Worker threads; the weights do not depend on them.
    pub n_threads: usize,
    /// What the weights are at the start.
    pub start: Start,
}

impl Default for TrainSpec {
    /// Small bottleneck, few epochs: what did best on average over many machines.
    fn default() -> Self {
        Self {
            encoder: vec![64, 16],
            decoder: vec![64],
            n_epochs: None,
            batch_len: 64,
            learning_rate: 3e-3,
            schedule: Schedule::Cosine,
            optimiser: Optimiser::Adam,
            clip_norm: 1.0,
            val_share: 0.125,
            patience: 5,
            epoch_len_max: 3000,
            loss: Loss::Mse,
            contamination: 0.0,
            precision: Precision::Float32,
            seed: 42,
            n_threads: 1,
            start: Start::Random,
        }
    }
}

impl TrainSpec {
    /// The default of a forecaster: one layer of 64 units, trained as an autoencoder is, but on twice as many windows:
    /// they cost half as much.
    pub fn forecaster() -> Self {
        let default = Self::default();
        Self {
            encoder: vec![64],
            decoder: Vec::new(),
            epoch_len_max: 2 * default.epoch_len_max,
            ..default
        }
    }

    /// Whether the settings are in range, without any data.
    ///
    /// # Errors
    /// [`TrainError::Setting`] naming the first that is not.
    pub fn check(&self) -> Result<(), TrainError> {
        let setting = |name, got, is_fine: bool, want| {
            if is_fine {
                Ok(())
            } else {
                Err(TrainError::Setting { name, got, want })
            }
        };
        let n_epochs = self.n_epochs.unwrap_or(1);
        // Weights that were learnt elsewhere may stay as they are.
        let is_learnt = matches!(self.start, Start::Weights(_));
        setting("epochs", n_epochs as f64, n_epochs > 0 || is_learnt, "at least 1")?;
        setting(
            "batch",
            self.batch_len as f64,
            (1..=4096).contains(&self.batch_len),
            "1 to 4096",
        )?;
        let rate = self.learning_rate;
        setting(
            "learning rate",
            rate,
            0.0 < rate && rate <= 1.0,
            "above 0 and at most 1",
        )?;
        if let Loss::Huber { delta } = self.loss {
            let is_fine = 0.0 < delta && delta.is_finite();
            setting("huber delta", f64::from(delta), is_fine, "above 0 and finite")?;
        }
        if let Loss::Quantile { level } = self.loss {
            let is_fine = 0.0 < level && level < 1.0;
            setting("quantile", f64::from(level), is_fine, "above 0 and below 1")?;
        }
        match self.optimiser {
            Optimiser::AdamW { decay } => {
                let is_fine = (0.0..=1.0).contains(&decay);
                setting("weight decay", f64::from(decay), is_fine, "0 to 1")?;
            }
            Optimiser::Sgd { momentum } => {
                let is_fine = (0.0..1.0).contains(&momentum);
                setting("momentum", f64::from(momentum), is_fine, "at least 0 and below 1")?;
            }
            Optimiser::Adam | Optimiser::RmsProp | Optimiser::Adagrad => {}
        }
        let (name, number, is_fine, want) = self.schedule.check();
        setting(name, number, is_fine, want)?;
        setting("clip norm", self.clip_norm, 0.0 < self.clip_norm, "above 0")?;
        setting(
            "val-share",
            self.val_share,
            (0.0..=0.5).contains(&self.val_share),
            "0 to 0.5",
        )?;
        setting(
            "contamination",
            self.contamination,
            (0.0..0.5).contains(&self.contamination),
            "at least 0 and below 0.5",
        )?;
        setting("patience", self.patience as f64, self.patience > 0, "at least 1")?;
        setting(
            "windows per epoch",
            self.epoch_len_max as f64,
            self.epoch_len_max > 0,
            "at least 1",
        )
    }
}

/// Epochs for `n_windows` per epoch: 12, and more where there are few windows, up to 60.
pub fn default_epochs(n_windows: usize) -> usize {
    (12 * 1500 / n_windows.max(1)).clamp(12, 60)
}
