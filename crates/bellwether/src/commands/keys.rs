//! `keys`: who may use the service.

use bellwether_core::time::Timestamp;
use bellwether_serve::access::{IssueError, KeyRequest};
use bellwether_store::database::{Database, StoredKey};
use serde_json::{Value, json};

use super::actor;
use super::at_database::{self, Missing, answer, tell};
use super::now;
use crate::cli::Format;
use crate::cli::keys::{KeysArgs, KeysCommand};
use crate::failure::Failure;
use crate::output::{Output, Rows, object};

pub(crate) fn run(args: &KeysArgs, output: &Output) -> Result<(), Failure> {
    let checked = at_database::checked(&args.live)?;
    // The first key is often made before the server starts for the first time.
    let missing = match args.command {
        KeysCommand::Create { .. } => Missing::IsMade,
        KeysCommand::List { .. } | KeysCommand::Revoke { .. } => Missing::IsRefused,
    };
    at_database::run(&checked, missing, async |database| match &args.command {
        KeysCommand::Create {
            name: what_for,
            role,
            scopes,
            expires,
            who,
        } => {
            let wanted = KeyRequest {
                name: what_for.clone(),
                role: *role,
                scopes: Some(scopes.clone()).filter(|scopes| !scopes.is_empty()),
                expires_in: *expires,
                expires_by: None,
            };
            create(database, &wanted, &actor(who), output).await
        }
        KeysCommand::List { length } => list(database, length.limit, output).await,
        KeysCommand::Revoke { id, who } => revoke(database, id, &actor(who), output).await,
    })
}

async fn create(database: &Database, wanted: &KeyRequest, by: &str, output: &Output) -> Result<(), Failure> {
    let made = wanted.issue(database, by, now()).await;
    let (key, made) = made.map_err(|refused| match refused {
        IssueError::Database(failed) => failed.into(),
        refused => Failure::Usage(refused.to_string()),
    })?;
    output.note(&format!(
        "the key {} ({}) in {database}; it is shown this once: keep it where nobody else reads it",
        made.id, made.name
    ));
    if output.format() == Format::Table {
        return output.write(&format!("{}\n", key.reveal()));
    }
    let known = StoredKey {
        key: made,
        revoked_at: None,
        last_used_at: None,
    };
    let mut facts = facts(&known);
    facts.push(("key", json!(key.reveal())));
    answer(facts, output)
}

async fn list(database: &Database, limit: u32, output: &Output) -> Result<(), Failure> {
    let keys = database.keys(limit).await?;
    if keys.is_empty() {
        output.note("no keys; to make one: bellwether keys create --name NAME --role ROLE");
    }
    let mut rows = Rows::new(&[
        "id",
        "name",
        "role",
        "scopes",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
    ]);
    for key in &keys {
        rows.push(facts(key).into_iter().map(|(_, fact)| fact).collect());
    }
    output.answer(&object([("keys", json!(rows.objects()))]), &rows)
}

async fn revoke(database: &Database, id: &str, by: &str, output: &Output) -> Result<(), Failure> {
    if !database.revoke_key(id, by, now()).await? {
        return Err(Failure::message(match database.key(id).await? {
            Some(_) => format!("the key {id} is revoked already"),
            None => format!("there is no key {id:?}; `bellwether keys list` shows the ids"),
        }));
    }
    tell(
        &format!("{id} lets nobody in any more"),
        vec![("id", json!(id))],
        output,
    )
}

/// What is known of a key, in the order of the columns.
fn facts(stored: &StoredKey) -> Vec<(&'static str, Value)> {
    let key = &stored.key;
    let time = |time: Option<Timestamp>| json!(time.map(|time| time.to_string()));
    vec![
        ("id", json!(key.id)),
        ("name", json!(key.name)),
        ("role", json!(key.role)),
        (
            "scopes",
            json!(key.scopes.as_ref().map(|scopes| scopes.join(","))),
        ),
        ("created_at", time(Some(key.created_at))),
        ("expires_at", time(key.expires_at)),
        ("revoked_at", time(stored.revoked_at)),
        ("last_used_at", time(stored.last_used_at)),
    ]
}
