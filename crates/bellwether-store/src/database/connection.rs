//! Connections, and the transactions on them.

use std::fmt;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use sqlx::any::{AnyArguments, AnyConnectOptions, AnyPoolOptions, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions as _, Connection as _, Executor as _, Row as _};
use tokio::sync::OwnedMutexGuard;

use super::address::{Address, Kind};
use super::error::{Cause, DatabaseError};
use super::schema;
use crate::disk;

/// Connections at once: one writes, the others read.
const CONNECTIONS_MAX: u32 = 6;
/// How long a free connection is waited for, and a server that is just starting.
const CONNECTION_WAIT: Duration = Duration::from_secs(5);
/// How long one statement may take as seen from here.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// How often, and after which pause, opening is tried again while another process is just making the database.
const OPEN_TRIES: (u32, Duration) = (50, Duration::from_millis(100));

/// What every connection to SQLite is told. `synchronous = FULL` makes a commit wait until it is on the disk; the
/// write-ahead log goes into the file after 8 MiB and gives back what is beyond 64 MiB.
const FOR_SQLITE: [&str; 5] = [
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 2048",
    "PRAGMA journal_size_limit = 67108864",
];

/// What every connection to PostgreSQL is told: nothing waits for ever, and a commit is on the disk when it returns,
/// also where the server's configuration would acknowledge it earlier.
const FOR_POSTGRES: [&str; 4] = [
    "SET lock_timeout = '10s'",
    "SET statement_timeout = '25s'",
    "SET idle_in_transaction_session_timeout = '60s'",
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN \
     ('off', 'local')",
];

/// A database, open. Clones share its connections.
#[derive(Clone)]
pub struct Database {
    pool: AnyPool,
    address: Arc<Address>,
    tenant: Arc<str>,
    /// Writers of this process take turns here, and do not poll the lock of the file.
    turn: Arc<tokio::sync::Mutex<()>>,
    distrust: Distrust,
}

impl Database {
    /// Opens the database at `url` for the rows of `tenant`; makes file, folder and tables where they are missing.
    ///
    /// `url` is a file name, `sqlite:FILE`, `sqlite:///FILE`, `sqlite::memory:` or
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// # Errors
    /// Where the address is wrong, the database cannot be reached, is damaged, or has tables of a later version.
    pub async fn open(url: &str, tenant: &str) -> Result<Self, DatabaseError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);

        let address = Arc::new(Address::parse(url)?);
        if let Kind::File(path) = &address.kind
            && let Some(folder) = path.parent()
        {
            disk::create_folder(folder)?;
        }
        let distrust = Distrust::default();
        let database = Self {
            pool: pool(&address, distrust.clone()),
            address,
            tenant: tenant.into(),
            turn: Arc::default(),
            distrust,
        };
        database.reach().await?;
        schema::bring_up_to_date(&database).await?;
        Ok(database)
    }

    /// Whose rows these are.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Closes every connection, after what they are doing.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(super) fn is_postgres(&self) -> bool {
        self.address.kind == Kind::Postgres
    }

    /// Begins a transaction that may write. On SQLite it is the only one from here on, and waits until it is.
    ///
    /// Nothing else of this [`Database`] may be awaited before it ends: in memory there is one connection.
    pub(crate) async fn begin(&self, action: &'static str) -> Result<Transaction, DatabaseError> {
        let (statement, turn) = if self.is_postgres() {
            ("BEGIN", None)
        } else {
            let turn = tokio::time::timeout(ANSWER_WAIT, Arc::clone(&self.turn).lock_owned());
            (
                "BEGIN IMMEDIATE",
                Some(turn.await.map_err(|_| self.no_answer(action))?),
            )
        };
        self.begin_with(action, statement, turn).await
    }

    /// Begins a transaction that reads, and sees the database as it was at its first statement.
    pub(super) async fn snapshot(&self, action: &'static str) -> Result<Transaction, DatabaseError> {
        let statement = if self.is_postgres() {
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        } else {
            "BEGIN"
        };
        self.begin_with(action, statement, None).await
    }

    async fn begin_with(
        &self,
        action: &'static str,
        statement: &'static str,
        turn: Option<OwnedMutexGuard<()>>,
    ) -> Result<Transaction, DatabaseError> {
        let inner = self.bounded(action, self.pool.begin_with(statement)).await?;
        Ok(Transaction {
            inner,
            database: self.clone(),
            action,
            _turn: turn,
        })
    }

    /// The rows of a query.
    pub(super) async fn all(
        &self,
        action: &'static str,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Vec<AnyRow>, DatabaseError> {
        self.bounded(action, query.fetch_all(&self.pool)).await
    }

    /// A column of a row.
    pub(super) fn get<'r, T>(&self, row: &'r AnyRow, column: usize) -> Result<T, DatabaseError>
    where
        T: sqlx::Decode<'r, Any> + sqlx::Type<Any>,
    {
        row.try_get(column)
            .map_err(|error| self.failed("read a row", error))
    }

    /// An error with its place.
    pub(super) fn failed(&self, action: &'static str, source: sqlx::Error) -> DatabaseError {
        let cause = Cause::of(&source);
        if matches!(cause, Cause::Disk | Cause::Full | Cause::Unreachable) {
            self.distrust.raise();
        }
        DatabaseError::Failed {
            action,
            url: self.to_string(),
            cause,
            source: Box::new(source),
        }
    }

    async fn bounded<T>(
        &self,
        action: &'static str,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, DatabaseError> {
        match tokio::time::timeout(ANSWER_WAIT, work).await {
            Ok(done) => done.map_err(|error| self.failed(action, error)),
            Err(_) => Err(self.no_answer(action)),
        }
    }

    fn no_answer(&self, action: &'static str) -> DatabaseError {
        self.distrust.raise();
        DatabaseError::NoAnswer {
            action,
            url: self.to_string(),
            waited_secs: ANSWER_WAIT.as_secs(),
        }
    }

    /// Makes a first connection, past the pool: the pool would wait for a server that is not there and then only say
    /// that it waited.
    async fn reach(&self) -> Result<(), DatabaseError> {
        // In memory it would be another database.
        if self.address.kind == Kind::Memory {
            return Ok(());
        }
        let mut n_tries = 0;
        loop {
            let tried = self
                .bounded("open a connection", connect_once(&self.address))
                .await;
            n_tries += 1;
            match tried {
                // Turning on the write-ahead log does not wait for others who do the same.
                Err(DatabaseError::Failed {
                    cause: Cause::Locked, ..
                }) if n_tries < OPEN_TRIES.0 => {
                    tokio::time::sleep(OPEN_TRIES.1).await;
                }
                tried => return tried,
            }
        }
    }
}

/// Its address, without password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.address, f)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({} for {})", self.address, self.tenant)
    }
}

/// A transaction. Dropped without [`Transaction::commit`] it leaves nothing behind.
pub(crate) struct Transaction {
    inner: sqlx::Transaction<'static, Any>,
    database: Database,
    action: &'static str,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Transaction {
    /// Runs a statement; says how many rows it changed.
    pub(crate) async fn run(&mut self, query: Query<'_, Any, AnyArguments>) -> Result<u64, DatabaseError> {
        let done = query.execute(&mut *self.inner);
        Ok(self.database.bounded(self.action, done).await?.rows_affected())
    }

    /// The rows of a query.
    pub(super) async fn all(
        &mut self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Vec<AnyRow>, DatabaseError> {
        let found = query.fetch_all(&mut *self.inner);
        self.database.bounded(self.action, found).await
    }

    /// A column of a row.
    pub(super) fn get<'r, T>(&self, row: &'r AnyRow, column: usize) -> Result<T, DatabaseError>
    where
        T: sqlx::Decode<'r, Any> + sqlx::Type<Any>,
    {
        self.database.get(row, column)
    }

    /// Makes it last. After an error it is not known whether it does.
    pub(crate) async fn commit(self) -> Result<(), DatabaseError> {
        self.database.bounded(self.action, self.inner.commit()).await
    }
}

/// Connections from before the last trouble are not used again: what a failed write or a broken line left behind in
/// one is anybody's guess.
#[derive(Debug, Clone, Default)]
struct Distrust(Arc<Mutex<Option<Instant>>>);

impl Distrust {
    fn raise(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now());
    }

    fn is_trusted(&self, age: Duration) -> bool {
        let raised = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        raised.is_none_or(|raised| age < now().saturating_duration_since(raised))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the age of connections has nothing to do with the times of data"
)]
fn now() -> Instant {
    Instant::now()
}

fn pool(address: &Address, distrust: Distrust) -> AnyPool {
    let is_postgres = address.kind == Kind::Postgres;
    let options = AnyPoolOptions::new()
        .acquire_timeout(CONNECTION_WAIT)
        .test_before_acquire(is_postgres)
        .after_connect(move |connection, _| Box::pin(prepare(connection, is_postgres)));
    let options = if address.kind == Kind::Memory {
        // The database lives as long as its connection.
        options
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
    } else {
        options
            .max_connections(CONNECTIONS_MAX)
            .before_acquire(move |_, about| {
                let is_trusted = distrust.is_trusted(about.age);
                Box::pin(async move { Ok(is_trusted) })
            })
    };
    options.connect_lazy_with(connect_options(address))
}

fn connect_options(address: &Address) -> AnyConnectOptions {
    let options = AnyConnectOptions::from_url(&address.url).expect("every address will do for these options");
    options.disable_statement_logging()
}

async fn connect_once(address: &Address) -> Result<(), sqlx::Error> {
    let mut connection = AnyConnection::connect_with(&connect_options(address)).await?;
    prepare(&mut connection, address.kind == Kind::Postgres).await?;
    connection.close().await
}

async fn prepare(connection: &mut AnyConnection, is_postgres: bool) -> Result<(), sqlx::Error> {
    let told: &[&'static str] = if is_postgres { &FOR_POSTGRES } else { &FOR_SQLITE };
    for &statement in told {
        connection.execute(statement).await?;
    }
    Ok(())
}
