//! `alerts`: what fires, who takes care, and of what nobody is told. The live system need not run, and sees every
//! decision at once where it does.

mod shown;
mod trial;

use bellwether_store::database::{Alert, AlertState, Database, Verdict};
use bellwether_stream::alert::feedback;
use bellwether_stream::alert::suppressions::{self, Window};
use bellwether_stream::patterns::matcher;
use serde_json::{Value, json};

use super::at_database::{self, Missing, tell};
use super::{actor, now};
use crate::cli::alerts::{AlertsArgs, AlertsCommand};
use crate::failure::Failure;
use crate::output::{Output, Rows, object};
use crate::wiring;

/// Alerts that are read in one go while those of some devices are looked for.
const PAGE_LEN: u32 = 500;

pub(crate) fn run(args: &AlertsArgs, output: &Output) -> Result<(), Failure> {
    let checked = at_database::checked(&args.live)?;
    if let AlertsCommand::Test { channel } = &args.command {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let channels = wiring::channels(&checked.channels)?;
        return runtime.block_on(trial::run(channels, channel.as_deref(), output));
    }
    at_database::run(&checked, Missing::IsRefused, async |database| {
        obey(&args.command, database, output).await
    })
}

async fn obey(command: &AlertsCommand, database: &Database, output: &Output) -> Result<(), Failure> {
    match command {
        AlertsCommand::List {
            state,
            device,
            length,
        } => {
            let alerts = list(database, *state, device.as_deref(), length.limit).await?;
            let rows = shown::alerts(&alerts);
            if alerts.is_empty() {
                output.note("no alerts");
            }
            output.answer(&object([("alerts", json!(rows.objects()))]), &rows)
        }
        AlertsCommand::Show { id } => show(database, id, output).await,
        AlertsCommand::Acknowledge { id, who } => {
            let alert = feedback::acknowledge(database, id, &actor(who), now()).await?;
            tell(
                &format!("{} is acknowledged", alert.id),
                alert_facts(&alert),
                output,
            )
        }
        AlertsCommand::Feedback {
            id,
            verdict,
            note,
            who,
        } => say(database, id, *verdict, note, &actor(who), output).await,
        AlertsCommand::Shelve {
            devices,
            time,
            reason,
            who,
        } => {
            let id = suppressions::shelve(database, devices, *time, reason, &actor(who), now()).await?;
            let told =
                format!("nobody is told of {devices} for now; to end that: bellwether alerts unshelve {id}");
            tell(&told, vec![("id", json!(id))], output)
        }
        AlertsCommand::Maintain {
            devices,
            from,
            until,
            reason,
            who,
        } => {
            let window = Window {
                devices: devices.clone(),
                from: from.unwrap_or_else(now),
                until: *until,
                reason: reason.clone(),
            };
            let id = suppressions::maintain(database, &window, &actor(who), now()).await?;
            let told = format!(
                "nobody is told of {devices} from {} until {until}; to end that: bellwether alerts unshelve {id}",
                window.from
            );
            tell(&told, vec![("id", json!(id))], output)
        }
        AlertsCommand::Suppressions => {
            let rows = shown::suppressions(&database.suppressions(now()).await?, now());
            output.answer(&object([("suppressions", json!(rows.objects()))]), &rows)
        }
        AlertsCommand::Unshelve { id, who } => {
            suppressions::unshelve(database, id, &actor(who), now()).await?;
            tell(&format!("{id} is over"), vec![("id", json!(id))], output)
        }
        AlertsCommand::Dead { length } => {
            let rows = shown::deliveries(&database.dead_letters(length.limit).await?);
            output.answer(&object([("dead", json!(rows.objects()))]), &rows)
        }
        AlertsCommand::Retry { id, who } => retry(database, id.as_deref(), &actor(who), output).await,
        AlertsCommand::Test { .. } => unreachable!("needs no database, see above"),
        AlertsCommand::Audit { length } => {
            let rows = shown::audit(&database.audit(None, length.limit).await?);
            output.answer(&object([("audit", json!(rows.objects()))]), &rows)
        }
    }
}

async fn list(
    database: &Database,
    state: Option<AlertState>,
    device: Option<&str>,
    limit: u32,
) -> Result<Vec<Alert>, Failure> {
    let pattern = device.map(matcher).transpose()?;
    let page_len = if pattern.is_some() { PAGE_LEN } else { limit };
    let mut found = Vec::new();
    let mut page = database.alerts(state, None, page_len).await?;
    while let Some(last) = page.last() {
        let (time, id) = (last.created_at, last.id.clone());
        let is_last = page.len() < page_len as usize;
        let is_meant = |alert: &Alert| {
            pattern
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(&alert.series))
        };
        found.extend(page.into_iter().filter(is_meant));
        if is_last || found.len() >= limit as usize {
            break;
        }
        page = database.alerts(state, Some((time, &id)), page_len).await?;
    }
    found.truncate(limit as usize);
    Ok(found)
}

async fn show(database: &Database, id: &str, output: &Output) -> Result<(), Failure> {
    let alert = feedback::find(database, id).await?;
    let said = database.feedback_of(&alert.id).await?;
    let deliveries = database.deliveries_of(&alert.id).await?;
    let mut document = shown::facts(&alert);
    document.push(("feedback", json!(shown::feedback(&said).objects())));
    document.push(("messages", json!(shown::deliveries(&deliveries).objects())));
    let mut rows = Rows::new(&["fact", "value"]);
    for (fact, value) in &document {
        let value = match value {
            Value::Array(items) => json!(items.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")),
            other => other.clone(),
        };
        rows.push(vec![json!(fact), value]);
    }
    output.answer(&object(document), &rows)
}

async fn say(
    database: &Database,
    id: &str,
    verdict: Verdict,
    note: &str,
    by: &str,
    output: &Output,
) -> Result<(), Failure> {
    let given = feedback::give(database, id, verdict, note, by, now()).await?;
    let mut told = format!("{} is {}", given.alert.id, given.alert.state.word());
    if let Some(id) = &given.suppression {
        let (device, model) = (&given.alert.series, &given.alert.model);
        told += &format!(
            "; nobody is told of {device} as long as {model} judges it; to end that: bellwether alerts unshelve {id}"
        );
    }
    let mut facts = alert_facts(&given.alert);
    facts.push(("suppression", json!(given.suppression)));
    tell(&told, facts, output)
}

async fn retry(database: &Database, id: Option<&str>, by: &str, output: &Output) -> Result<(), Failure> {
    let alert = match id {
        Some(id) => Some(feedback::find(database, id).await?.id),
        None => None,
    };
    let revived = database.retry_dead(alert.as_deref(), by, now()).await?;
    let mut told = format!("{} to be sent again", revived.n_waiting);
    if revived.n_overtaken > 0 {
        told += &format!(
            "; {} stay dead, because a later message has arrived",
            revived.n_overtaken
        );
    }
    let facts = vec![
        ("waiting", json!(revived.n_waiting)),
        ("overtaken", json!(revived.n_overtaken)),
    ];
    tell(&told, facts, output)
}

fn alert_facts(alert: &Alert) -> Vec<(&'static str, Value)> {
    vec![("id", json!(alert.id)), ("state", json!(alert.state.word()))]
}
