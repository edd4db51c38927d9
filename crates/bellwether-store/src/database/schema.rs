//! The tables, version by version.

use super::{Database, DatabaseError, Transaction};

/// What makes version n + 1 of the tables from version n. A published one never changes.
pub(super) const STEPS: [&str; 4] = [
    include_str!("schema.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
];

/// Only one process brings the tables up to date at a time: name of that lock in PostgreSQL (`bellweth` in ASCII).
const LOCK: i64 = 0x6265_6c6c_7765_7468;

/// Brings the tables to the version that this program knows.
///
/// # Errors
/// [`DatabaseError::Newer`] where they are beyond it; they are then left alone.
pub(super) async fn bring_up_to_date(database: &Database) -> Result<(), DatabaseError> {
    bring_to(database, &STEPS).await
}

/// Brings the tables to the version that these steps lead to.
pub(super) async fn bring_to(database: &Database, steps: &[&'static str]) -> Result<(), DatabaseError> {
    let mut transaction = database.begin("make the tables").await?;
    if database.is_postgres() {
        let wait = sqlx::query("SELECT CAST(pg_advisory_xact_lock($1) AS TEXT)").bind(LOCK);
        transaction.all(wait).await?;
    }
    let known = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY)";
    transaction.run(sqlx::query(known)).await?;
    let found = version(&mut transaction).await?;
    let newest = steps.len() as i64;
    if found > newest {
        return Err(DatabaseError::Newer {
            url: database.to_string(),
            found,
            newest,
        });
    }
    for (step, version) in steps.iter().zip(1..).skip(usize::try_from(found).unwrap_or(0)) {
        for statement in statements(step) {
            let statement = if database.is_postgres() {
                for_postgres(&statement)
            } else {
                statement
            };
            // The text is our own, from the binary.
            transaction
                .run(sqlx::query(sqlx::AssertSqlSafe(statement)))
                .await?;
        }
        let done = sqlx::query("INSERT INTO schema_version (version) VALUES ($1)").bind(version);
        transaction.run(done).await?;
    }
    transaction.commit().await
}

async fn version(transaction: &mut Transaction) -> Result<i64, DatabaseError> {
    let rows = transaction
        .all(sqlx::query("SELECT version FROM schema_version"))
        .await?;
    let mut latest = 0;
    for row in &rows {
        latest = latest.max(transaction.get(row, 0)?);
    }
    Ok(latest)
}

/// The statements of a script, without comments. Quoted text may hold `;` and `--`.
fn statements(script: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut chars = script.chars().peekable();
    let mut quote = None;
    while let Some(char) = chars.next() {
        let statement = found.last_mut().expect("never empty");
        match (quote, char) {
            (None, '-') if chars.peek() == Some(&'-') => {
                chars.by_ref().find(|&char| char == '\n');
                statement.push('\n');
            }
            (None, ';') => found.push(String::new()),
            (None, '\'' | '"') => {
                quote = Some(char);
                statement.push(char);
            }
            (Some(open), char) => {
                quote = Some(open).filter(|_| open != char);
                statement.push(char);
            }
            (None, char) => statement.push(char),
        }
    }
    let whole = found.iter().map(|statement| statement.trim().to_owned());
    whole.filter(|statement| !statement.is_empty()).collect()
}

/// The same statement with the types of PostgreSQL. Text is ordered by its bytes, as in SQLite and in Rust, whatever
/// the language of the server.
fn for_postgres(statement: &str) -> String {
    statement
        .replace(" BLOB", " BYTEA")
        .replace(" TEXT", " TEXT COLLATE \"C\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_cut_at_the_semicolons_that_end_a_statement() {
        let check = |script: &str, want: &[&str]| assert_eq!(statements(script), want, "{script}");
        check("", &[]);
        check("-- a; b\n", &[]);
        check("A (x); -- it's; so\nB;\n", &["A (x)", "B"]);
        check(
            "A '-- ; ' \"a;b\" 'it''s;';B",
            &["A '-- ; ' \"a;b\" 'it''s;'", "B"],
        );
        check("A - B -- no newline; at the end", &["A - B"]);
        let is_known =
            |statement: &String| statement.starts_with("CREATE ") || statement.starts_with("ALTER ");
        for step in STEPS {
            assert!(statements(step).iter().all(is_known), "{step}");
        }
    }
}
