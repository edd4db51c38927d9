//! From a checked configuration to the parts of the live system: the one place where its concrete types are named.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bellwether_core::detect::Mode;
use bellwether_core::threshold::drifting::in_words;
use bellwether_store::database::{Database, DatabaseError};
use bellwether_store::registry::{ModelName, ModelRef, NamedRef, Registry, Resolved};
use bellwether_store::write::TableFormat;
use bellwether_stream::alert::suppressions::Window;
use bellwether_stream::channel::alertmanager::AlertmanagerChannel;
use bellwether_stream::channel::email::EmailChannel;
use bellwether_stream::channel::mqtt::MqttState;
use bellwether_stream::channel::webhook::WebhookChannel;
use bellwether_stream::channel::{Channel, SpecProblem};
use bellwether_stream::live::{LiveRules, Models, OutputTo, Outputs, Served};
use bellwether_stream::mqtt::publisher::{Publisher, Quality};
use bellwether_stream::source::http::{Answers, AnswersUnavailable, HttpSource};
use bellwether_stream::source::mqtt::MqttSource;
use bellwether_stream::source::text::TextSource;
use bellwether_stream::source::{Source, SourceError};
use tokio::sync::watch;

use crate::artifact;
use crate::cli::{ModelArgs, RegistryArgs};
use crate::commands;
use crate::config::checked::{
    ChannelSpec, Checked, DatabaseSpec, MaintenanceSpec, OutputSpec, RowFormat, SourceSpec,
};
use crate::failure::{Failure, chain};
use crate::per_device;

/// The one tenant there is.
pub(crate) const TENANT: &str = "default";

/// What the live system is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A pipe, or a daemon that judges: what is not configured is not kept.
    Stream,
    /// A server: what is not configured has its place in the home of bellwether.
    Serve,
}

/// Puts in what nobody configured: a database (`live.db` in the home of bellwether if a file or a server says how to run,
/// else one in memory that is gone at the end: a pipe leaves nothing behind), and for a server a history beside it.
pub(crate) fn complete(checked: &mut Checked, purpose: Purpose, has_file: bool) -> Result<(), Failure> {
    if checked.database.is_none() && (has_file || purpose == Purpose::Serve) {
        let path = commands::home()?.join("live.db");
        checked.database = Some(DatabaseSpec::Sqlite { path });
    }
    if checked.settings.history.is_none() && purpose == Purpose::Serve {
        let beside = match &checked.database {
            Some(DatabaseSpec::Sqlite { path }) => path.with_extension("history"),
            _ => commands::home()?.join("history"),
        };
        checked.settings.history = Some(beside);
    }
    Ok(())
}

/// Opens the database.
pub(crate) async fn database(checked: &Checked) -> Result<Database, Failure> {
    let url = match &checked.database {
        None => "sqlite::memory:".to_owned(),
        Some(DatabaseSpec::Sqlite { path }) => path.display().to_string(),
        Some(DatabaseSpec::Postgres { url, password }) => {
            let mut url = url.clone();
            if let Some(password) = password {
                // Cannot fail: an address that was checked has a host.
                let _ = url.set_password(Some(password.reveal()));
            }
            url.to_string()
        }
    };
    Ok(Database::open(&url, TENANT).await?)
}

/// The rules of judging, with every model loaded. One that is in service stays as it is.
pub(crate) fn live_rules(
    checked: &Checked,
    in_service: Option<&Models>,
    purpose: Purpose,
) -> Result<LiveRules, Failure> {
    let registry = RegistryArgs {
        registry: checked.registry.clone(),
        trust: checked.trust.clone(),
    };
    let mut loaded: HashMap<String, Arc<Served>> = HashMap::new();
    let mut load = |model: &ModelRef| -> Result<Arc<Served>, Failure> {
        let name = model.to_string();
        if let Some(served) = loaded.get(&name) {
            return Ok(Arc::clone(served));
        }
        // A version never changes: one that is in service is not read again.
        let known = match commands::registry(&registry)?.resolve(model)? {
            Resolved::Version { name, entry, .. } => {
                in_service.and_then(|models| models.find(&format!("{name}@{}", entry.version)))
            }
            Resolved::File(_) => None,
        };
        let served = match known {
            Some(served) => Arc::clone(served),
            None => {
                let args = ModelArgs {
                    model: model.clone(),
                    registry: registry.clone(),
                };
                // Shards judge in parallel; a model needs no threads of its own.
                let fresh = artifact::load(&args, 1)?;
                if let Some(drifting) = fresh.detector.parts().drifting {
                    let told = in_words(&drifting, fresh.detector.threshold(Mode::Causal));
                    tracing::info!(model = &*fresh.reference, "{told}");
                }
                let manifest = fresh.manifest;
                let served = Served::new(fresh.reference, fresh.detector)
                    .with_record(manifest.created_at, manifest.calibration.causal.alarms_per_week)
                    .with_baseline(manifest.baseline)
                    .with_grid(manifest.alignment);
                Arc::new(served)
            }
        };
        loaded.insert(name, Arc::clone(&served));
        Ok(served)
    };
    let by_device = checked
        .models_by_device
        .then(|| commands::registry(&registry))
        .transpose()?;
    let own = match &by_device {
        Some(opened) => own_models(checked, opened, &registry, &mut load)?,
        None => BTreeMap::new(),
    };
    let is_there = |named: &NamedRef| match &by_device {
        Some(registry) => per_device::is_there(registry, &named.name),
        None => Ok(true),
    };
    let models = checked.models.try_map(|model| match (model, purpose) {
        // Each device has its own: there need not be one for the others.
        (Some(ModelRef::Named(named)), _) if !own.is_empty() && !is_there(named)? => {
            tracing::warn!(model = %named, "there is no such model: devices without one of their own are not judged");
            Ok(None)
        }
        (Some(model), _) => load(model).map(Some),
        (None, Purpose::Serve) => {
            let unnamed = only_model(&registry)?.or_else(|| judges_unnamed(in_service));
            unnamed.as_ref().map(&mut load).transpose()
        }
        (None, Purpose::Stream) => Err(Failure::Usage(
            "some devices have no model: give --model REF, or models.default in the configuration".to_owned(),
        )),
    })?;
    Ok(LiveRules {
        settings: checked.settings.clone(),
        models: Arc::new(models.with_own(own)),
        devices: Arc::new(checked.devices.clone()),
    })
}

/// The models of single devices beside those that the configuration names, by device.
fn own_models(
    checked: &Checked,
    registry: &Registry,
    args: &RegistryArgs,
    load: &mut dyn FnMut(&ModelRef) -> Result<Arc<Served>, Failure>,
) -> Result<BTreeMap<String, Option<Arc<Served>>>, Failure> {
    let mut own = BTreeMap::new();
    let common: Vec<&ModelName> = checked
        .models
        .iter()
        .flatten()
        .filter_map(per_device::common)
        .collect();
    for index in registry.list()?.models {
        let name = index.name();
        if !common.iter().any(|common| per_device::is_below(common, name)) {
            continue;
        }
        let model = ModelRef::Named(per_device::champion(name));
        let (_, manifest) = artifact::manifest(&model, args)?;
        let Some(device) = per_device::device(&manifest).map(str::to_owned) else {
            continue;
        };
        let of_device = checked.models.of(&device).as_ref().and_then(per_device::common);
        if of_device.is_some_and(|common| per_device::name(common, &device).as_ref() == Ok(name)) {
            own.insert(device, Some(load(&model)?));
        }
    }
    Ok(own)
}

/// The model of a registry that has one: it judges where nobody said which.
fn only_model(registry: &RegistryArgs) -> Result<Option<ModelRef>, Failure> {
    let listing = commands::registry(registry)?.list()?;
    let [only] = listing.models.as_slice() else {
        return Ok(None);
    };
    let reference = only.name().as_str().parse();
    Ok(Some(
        reference.map_err(|error| Failure::message(format!("{error}")))?,
    ))
}

/// The model that judges already though nobody named it: one more in the registry takes it from no device.
fn judges_unnamed(in_service: Option<&Models>) -> Option<ModelRef> {
    let served = in_service?.iter().last()?.as_ref()?;
    let (name, _) = served.reference.split_once('@')?;
    tracing::warn!(
        model = name,
        "there are several models now and none is named: this one judges on until the end; name it with --model, or as \
         models.default in the configuration, for the next start"
    );
    name.parse().ok()
}

/// A source that is ready to run.
pub(crate) fn source(
    spec: &SourceSpec,
    db: &Database,
    ready: &watch::Receiver<bool>,
) -> Result<Box<dyn Source>, SourceError> {
    Ok(match spec {
        SourceSpec::Text(spec) => Box::new(TextSource::new(spec.clone())),
        SourceSpec::Mqtt(spec) => Box::new(MqttSource::new(spec.clone())?),
        SourceSpec::Http(spec) => {
            let answers = answers(db);
            Box::new(HttpSource::bind(spec.clone(), answers, ready.clone())?)
        }
    })
}

/// Looks up what was answered to requests with idempotency keys.
pub(crate) fn answers(db: &Database) -> Answers {
    let db = db.clone();
    Arc::new(move |key: String| {
        let db = db.clone();
        Box::pin(async move {
            let unavailable = |error: DatabaseError| AnswersUnavailable {
                problem: chain(&error),
            };
            let found = db.answer(&key).await.map_err(unavailable)?;
            Ok(found.map(|given| bellwether_store::database::Answer {
                key,
                body_hash: given.body_hash,
                answer: given.answer,
            }))
        })
    })
}

/// Where verdicts go. To be called within the async runtime.
pub(crate) fn outputs(checked: &Checked) -> Result<Outputs, Failure> {
    let mut outputs = Vec::new();
    for spec in &checked.outputs {
        outputs.push(match spec {
            OutputSpec::Text(spec) => match &spec.path {
                Some(path) => OutputTo::File(path.clone()),
                None => OutputTo::Stdout(match spec.format {
                    RowFormat::Csv => TableFormat::Csv,
                    RowFormat::Jsonl => TableFormat::Jsonl,
                }),
            },
            OutputSpec::Mqtt(spec) => OutputTo::Mqtt {
                publisher: Box::new(Publisher::new(spec.broker.clone(), Quality::AtMostOnce)?),
                prefix: spec.prefix.clone(),
            },
        });
    }
    Ok(Outputs::new(outputs, unnamed(&checked.sources)))
}

/// What a device is called that its input does not name: where there is one source, of lines, and it says so.
fn unnamed(sources: &[SourceSpec]) -> Option<String> {
    let [SourceSpec::Text(spec)] = sources else {
        return None;
    };
    Some(spec.device())
}

/// Whom alerts reach.
pub(crate) fn channels(specs: &[ChannelSpec]) -> Result<Vec<Arc<dyn Channel>>, SpecProblem> {
    let channel = |spec: &ChannelSpec| -> Result<Arc<dyn Channel>, SpecProblem> {
        Ok(match spec {
            ChannelSpec::Webhook(spec) => Arc::new(WebhookChannel::new(spec.clone())?),
            ChannelSpec::Alertmanager(spec) => Arc::new(AlertmanagerChannel::new(spec.clone())?),
            ChannelSpec::Mqtt(spec) => Arc::new(MqttState::new(spec.clone())?),
            ChannelSpec::Email(spec) => Arc::new(EmailChannel::new(spec.clone())?),
        })
    };
    specs.iter().map(channel).collect()
}

/// When the configuration says that devices are worked on.
pub(crate) fn windows(maintenance: &[MaintenanceSpec]) -> Vec<Window> {
    let windows = maintenance.iter().flat_map(|spec| {
        spec.devices.iter().map(|devices| Window {
            devices: devices.clone(),
            from: spec.from,
            until: spec.until,
            reason: spec.reason.clone(),
        })
    });
    windows.collect()
}
