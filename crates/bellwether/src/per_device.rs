//! Models of single devices beside the model of all: what they are called, whose they are, and which one judges a device.

use bellwether_store::bundle::manifest::Manifest;
use bellwether_store::registry::{LookupError, ModelName, ModelRef, NameError, NamedRef, Registry};

use crate::artifact::{self, Loaded};
use crate::cli::ModelArgs;
use crate::commands;
use crate::failure::Failure;

/// `NAME-DEVICE`: the device in lower case, with `-` for what a name may not hold.
pub(crate) fn name(of: &ModelName, device: &str) -> Result<ModelName, NameError> {
    let tidy = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    format!("{of}-{}", device.chars().map(tidy).collect::<String>()).parse()
}

/// The device that a model learnt from alone.
///
/// Two devices may have names that look alike as those of models, so the record decides whose a model is.
pub(crate) fn device(manifest: &Manifest) -> Option<&str> {
    match &manifest.training.series[..] {
        [only] => Some(&only.name),
        _ => None,
    }
}

/// The champions `NAME-DEVICE` of a registry, and `NAME` for devices that have none.
#[derive(Debug)]
pub(crate) struct DeviceModels<'a> {
    args: &'a ModelArgs,
    name: &'a ModelName,
    registry: Registry,
    n_threads: usize,
    /// Whether there is a model for devices without their own.
    has_common: bool,
}

impl<'a> DeviceModels<'a> {
    /// Those beside the model that the flags name.
    ///
    /// # Errors
    /// Where they name a version, an alias or a file: the versions of different models have nothing in common.
    pub(crate) fn new(args: &'a ModelArgs, n_threads: usize) -> Result<Self, Failure> {
        let refused = || {
            Failure::Usage(format!(
                "--group-by wants the name alone, such as --model pump, not {}: each device has the champion of its model",
                args.model
            ))
        };
        let name = common(&args.model).ok_or_else(refused)?;
        let registry = commands::registry(&args.registry)?;
        let has_common = is_there(&registry, name)?;
        Ok(Self {
            args,
            name,
            registry,
            n_threads,
            has_common,
        })
    }

    /// The common model; where there is none, the first of a device, which says how the data are read.
    ///
    /// # Errors
    /// Where there is no model at all, or it cannot be read.
    pub(crate) fn lead(&self) -> Result<Loaded, Failure> {
        let lead = if self.has_common {
            self.name.clone()
        } else {
            self.names()?
                .into_iter()
                .next()
                .unwrap_or_else(|| self.name.clone())
        };
        self.load(&lead, self.n_threads)
    }

    /// The names there may be models of devices under.
    fn names(&self) -> Result<Vec<ModelName>, Failure> {
        let listing = self.registry.list()?;
        let names = listing.models.into_iter().map(|index| index.name().clone());
        Ok(names.filter(|name| is_below(self.name, name)).collect())
    }

    /// The model of a device; `None`: the common one judges it, or `lead` is its own.
    ///
    /// # Errors
    /// Where it cannot be read, or the device has none and there is no common one.
    pub(crate) fn of(&self, device_name: &str, lead: &Loaded) -> Result<Option<Loaded>, Failure> {
        if let Ok(name) = name(self.name, device_name)
            && is_there(&self.registry, &name)?
        {
            // Thousands of models must not have threads of their own.
            let own = self.load(&name, 1)?;
            if device(&own.manifest) == Some(device_name) {
                return Ok(Some(own));
            }
        }
        if self.has_common || device(&lead.manifest) == Some(device_name) {
            return Ok(None);
        }
        Err(Failure::Misfit(
            format!(
                "the device {device_name} has no model of its own, and there is no model {} for such devices: train one of \
                 all devices (without --group-by), or of this one",
                self.name
            )
            .into(),
        ))
    }

    fn load(&self, name: &ModelName, n_threads: usize) -> Result<Loaded, Failure> {
        let args = ModelArgs {
            model: ModelRef::Named(champion(name)),
            registry: self.args.registry.clone(),
        };
        artifact::load(&args, n_threads)
    }
}

/// The name beside which devices may have models of their own: one alone, without a version or an alias.
pub(crate) fn common(model: &ModelRef) -> Option<&ModelName> {
    match model {
        ModelRef::Named(named) if *named == champion(&named.name) => Some(&named.name),
        _ => None,
    }
}

/// What the name alone stands for.
pub(crate) fn champion(name: &ModelName) -> NamedRef {
    let text = name.as_str();
    text.parse().expect("the name of a model is a reference to it")
}

/// Whether `name` may be that of a device's model beside the common model.
pub(crate) fn is_below(common: &ModelName, name: &ModelName) -> bool {
    let rest = name.as_str().strip_prefix(common.as_str());
    rest.is_some_and(|rest| rest.starts_with('-'))
}

/// Whether there is a model of that name.
pub(crate) fn is_there(registry: &Registry, name: &ModelName) -> Result<bool, Failure> {
    match registry.show(name) {
        Ok(_) => Ok(true),
        Err(LookupError::UnknownModel { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
