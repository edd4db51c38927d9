//! Keys of the service: made and revoked with the audit entry that says by whom, in one transaction.

use std::fmt;

use bellwether_core::time::Timestamp;
use sqlx::any::AnyRow;

use super::audit::AuditEnd;
use super::statement::text;
use super::{Database, DatabaseError, NewAuditEntry};

/// Uses of a key are written down at most this often: looking must not become writing.
const TOUCH_EVERY_NS: i64 = 60_000_000_000;

/// A key that is made. The secret itself never comes here.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Its public part, by which it is found.
    pub id: String,
    /// What it is for, in words of who made it.
    pub name: String,
    /// The word of its role.
    pub role: String,
    /// The words of what it may, of all that its role may; `None`: all of it.
    pub scopes: Option<Vec<String>>,
    /// The hash of its secret, as PHC text.
    pub hash: String,
    /// When it was made, by the clock of the machine, like all times of keys.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// From when on it is worth nothing; `None`: it does not end by itself.
    pub expires_at: Option<Timestamp>,
}

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// As it was made.
    pub key: NewKey,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to a minute.
    pub last_used_at: Option<Timestamp>,
}

/// Without the hash: logs are read by many.
impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("role", &self.role)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

macro_rules! select_keys {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, role, scopes, hash, created_at, created_by, expires_at, revoked_at, last_used_at \
             FROM keys WHERE tenant = $1 ",
            $rest
        )
    };
}

impl Database {
    /// Writes a key under an id that is free.
    ///
    /// # Errors
    /// Where the database cannot be written, or there is a key of that id.
    pub async fn create_key(&self, key: &NewKey) -> Result<(), DatabaseError> {
        let scopes = key
            .scopes
            .as_ref()
            .map(|scopes| serde_json::to_string(scopes).expect("a list of texts has a form in JSON"));
        let mut transaction = self.begin("make a key").await?;
        let mut audit = AuditEnd::hold(self, &mut transaction).await?;
        let insert = sqlx::query(
            "INSERT INTO keys (tenant, id, name, role, scopes, hash, created_at, created_by, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(self.tenant())
        .bind(text(&key.id))
        .bind(text(&key.name))
        .bind(text(&key.role))
        .bind(scopes.clone().unwrap_or_default())
        .bind(text(&key.hash))
        .bind(key.created_at.as_nanos())
        .bind(text(&key.created_by))
        .bind(key.expires_at.map(Timestamp::as_nanos));
        transaction.run(insert).await?;
        let mut detail = format!("{}: {}", key.name, key.role);
        if let Some(scopes) = scopes {
            detail += &format!(" {scopes}");
        }
        if let Some(end) = key.expires_at {
            detail += &format!(" until {end}");
        }
        let entry = NewAuditEntry {
            at: key.created_at,
            actor: key.created_by.clone(),
            action: "create-key",
            subject: key.id.clone(),
            detail,
        };
        audit.write(&mut transaction, &entry).await?;
        transaction.commit().await
    }

    /// The key of this id, also where it is revoked or has expired.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn key(&self, id: &str) -> Result<Option<StoredKey>, DatabaseError> {
        const SQL: &str = select_keys!("AND id = $2");
        let query = sqlx::query(SQL).bind(self.tenant()).bind(text(id));
        let rows = self.all("look for a key", query).await?;
        rows.first().map(|row| self.stored_key(row)).transpose()
    }

    /// Keys, at most `limit`, the newest first, also those that are revoked or have expired.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn keys(&self, limit: u32) -> Result<Vec<StoredKey>, DatabaseError> {
        const SQL: &str = select_keys!("ORDER BY created_at DESC, id DESC LIMIT $2");
        let query = sqlx::query(SQL).bind(self.tenant()).bind(i64::from(limit));
        let rows = self.all("read keys", query).await?;
        rows.iter().map(|row| self.stored_key(row)).collect()
    }

    /// Revokes a key for ever; whether there was one of that id that was not revoked yet.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn revoke_key(&self, id: &str, actor: &str, now: Timestamp) -> Result<bool, DatabaseError> {
        let mut transaction = self.begin("revoke a key").await?;
        let mut audit = AuditEnd::hold(self, &mut transaction).await?;
        let update = "UPDATE keys SET revoked_at = $1 WHERE tenant = $2 AND id = $3 AND revoked_at IS NULL";
        let update = sqlx::query(update)
            .bind(now.as_nanos())
            .bind(self.tenant())
            .bind(text(id));
        if transaction.run(update).await? == 0 {
            return Ok(false);
        }
        let entry = NewAuditEntry {
            at: now,
            actor: actor.to_owned(),
            action: "revoke-key",
            subject: id.to_owned(),
            detail: String::new(),
        };
        audit.write(&mut transaction, &entry).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Writes down that a key was used, where that was not done within the last minute.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn touch_key(&self, id: &str, now: Timestamp) -> Result<(), DatabaseError> {
        let mut transaction = self.begin("note the use of a key").await?;
        let update = "UPDATE keys SET last_used_at = $1 WHERE tenant = $2 AND id = $3 \
                      AND (last_used_at IS NULL OR last_used_at <= $4)";
        let update = sqlx::query(update)
            .bind(now.as_nanos())
            .bind(self.tenant())
            .bind(text(id))
            .bind(now.as_nanos().saturating_sub(TOUCH_EVERY_NS));
        transaction.run(update).await?;
        transaction.commit().await
    }

    fn stored_key(&self, row: &AnyRow) -> Result<StoredKey, DatabaseError> {
        let maybe_time = |column| -> Result<_, DatabaseError> {
            let nanos: Option<i64> = self.get(row, column)?;
            Ok(nanos.map(Timestamp::from_nanos))
        };
        let scopes: String = self.get(row, 3)?;
        let scopes = Some(scopes).filter(|scopes| !scopes.is_empty());
        let scopes = scopes.map(|scopes| serde_json::from_str(&scopes)).transpose();
        Ok(StoredKey {
            key: NewKey {
                id: self.get(row, 0)?,
                name: self.get(row, 1)?,
                role: self.get(row, 2)?,
                scopes: scopes.map_err(|error| self.damaged("keys", format!("scopes: {error}")))?,
                hash: self.get(row, 4)?,
                created_at: Timestamp::from_nanos(self.get(row, 5)?),
                created_by: self.get(row, 6)?,
                expires_at: maybe_time(7)?,
            },
            revoked_at: maybe_time(8)?,
            last_used_at: maybe_time(9)?,
        })
    }
}
