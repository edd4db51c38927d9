//! What can go wrong in the database, and whether trying again can help.

use std::fmt;

use crate::disk::DiskError;

/// The database does not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The address is none that we know.
    #[error(
        "cannot use the database address {url:?}: {problem}; write a file name, sqlite:FILE, sqlite::memory: or \
         postgres://USER:PASSWORD@HOST/DATABASE"
    )]
    Address {
        /// The address, without password.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The folder of the database file cannot be made.
    #[error(transparent)]
    Folder(#[from] DiskError),
    /// A statement failed, or there is no connection to run it on.
    #[error("cannot {action} in the database {url}{cause}")]
    Failed {
        /// What was tried, as a verb with its object.
        action: &'static str,
        /// The database, without password.
        url: String,
        /// Which kind of trouble it is.
        cause: Cause,
        /// What the database said.
        #[source]
        source: Box<sqlx::Error>,
    },
    /// No answer came in time.
    #[error("cannot {action} in the database {url}: no answer within {waited_secs} s; is its server well?")]
    NoAnswer {
        /// What was tried.
        action: &'static str,
        /// The database, without password.
        url: String,
        /// How long we waited.
        waited_secs: u64,
    },
    /// The tables are those of a later bellwether.
    #[error(
        "the database {url} was made by a newer bellwether: version {found} of its tables, this program knows up to \
         {newest}; update bellwether"
    )]
    Newer {
        /// The database, without password.
        url: String,
        /// Version of its tables.
        found: i64,
        /// The newest that we know.
        newest: i64,
    },
    /// Another process writes there now; this one has to stop.
    #[error(
        "another process has taken over the database {url}: this one may write no more; run one bellwether for each \
         database"
    )]
    TakenOver {
        /// The database, without password.
        url: String,
    },
    /// A commit failed, so that it is not known what the database holds: [`Writer::resume`](super::Writer::resume)
    /// asks it.
    #[error("the last commit to the database {url} failed and nobody asked what became of it")]
    Unsure {
        /// The database, without password.
        url: String,
    },
    /// What is stored is not what we wrote.
    #[error("{table} in the database {url} is damaged: {problem}; restore the database from a backup")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The database, without password.
        url: String,
        /// What is wrong.
        problem: String,
    },
}

impl DatabaseError {
    /// Whether the same can succeed later without anybody changing the program, its configuration or the data:
    /// space returns, a server comes back, a lock is given up.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Failed { cause, .. } => cause.is_passing(),
            Self::NoAnswer { .. } | Self::Unsure { .. } | Self::Folder(_) => true,
            Self::Address { .. } | Self::Newer { .. } | Self::TakenOver { .. } | Self::Damaged { .. } => {
                false
            }
        }
    }
}

/// Kinds of trouble with a database. As text, what to do about it, in parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// No space is left.
    Full,
    /// Somebody else holds a lock for too long.
    Locked,
    /// Reading or writing the disk failed.
    Disk,
    /// The file cannot be opened.
    CannotOpen,
    /// Not allowed.
    Permission,
    /// The server is not there, or stops, or the connection broke.
    Unreachable,
    /// Every connection is taken, or none can be made.
    NoConnection,
    /// Not a database, or a damaged one.
    Damaged,
    /// Something else.
    Other,
}

impl Cause {
    fn is_passing(self) -> bool {
        !matches!(self, Self::Permission | Self::Damaged | Self::Other)
    }

    /// Judged by the code that the database gave.
    pub(super) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                if code.len() == 5
                    && error
                        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
                        .is_some()
                {
                    Self::of_sqlstate(&code)
                } else {
                    code.parse().map_or(Self::Other, Self::of_sqlite)
                }
            }
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Self::Permission
            }
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => Self::Unreachable,
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Self::NoConnection,
            _ => Self::Other,
        }
    }

    /// <https://www.sqlite.org/rescode.html>; the lower byte is the primary code.
    fn of_sqlite(code: u32) -> Self {
        match code & 0xff {
            5 | 6 => Self::Locked,
            10 => Self::Disk,
            13 => Self::Full,
            14 => Self::CannotOpen,
            3 | 8 | 23 => Self::Permission,
            11 | 26 => Self::Damaged,
            _ => Self::Other,
        }
    }

    /// <https://www.postgresql.org/docs/current/errcodes-appendix.html>; the first two letters are the class.
    fn of_sqlstate(code: &str) -> Self {
        match (&code[..2], code) {
            (_, "53100") => Self::Full,
            ("40", _) | (_, "55P03" | "57014" | "25P03") => Self::Locked,
            // A server that became a standby says "read-only transaction" until its name leads to the primary.
            ("08" | "53" | "57", _) | (_, "25006") => Self::Unreachable,
            ("28", _) | (_, "42501" | "3D000") => Self::Permission,
            ("58", _) => Self::Disk,
            ("XX", _) => Self::Damaged,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => " (the disk is full: free some space)",
            Self::Locked => " (another process holds a lock: end it if it should not)",
            Self::Disk => " (reading or writing the disk failed: look at the log of the system)",
            Self::CannotOpen => " (is it a file, in a folder where this program may write?)",
            Self::Permission => {
                " (not allowed: check user and password, or owner and mode of file and folder)"
            }
            Self::Unreachable => " (is its server running, and reached from here?)",
            Self::NoConnection => " (no connection came free: is its server running?)",
            Self::Damaged => " (it is damaged, or no database of ours: restore it from a backup)",
            Self::Other => "",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_whether_trying_again_can_help() {
        let check = |got: Cause, want: Cause, is_passing: bool| {
            assert_eq!((got, got.is_passing()), (want, is_passing));
        };
        check(Cause::of_sqlite(13), Cause::Full, true);
        check(Cause::of_sqlite(5 | 2 << 8), Cause::Locked, true);
        check(Cause::of_sqlite(10 | 4 << 8), Cause::Disk, true);
        check(Cause::of_sqlite(26), Cause::Damaged, false);
        check(Cause::of_sqlite(19), Cause::Other, false);
        check(Cause::of_sqlite(8), Cause::Permission, false);
        check(Cause::of_sqlstate("53100"), Cause::Full, true);
        check(Cause::of_sqlstate("57P03"), Cause::Unreachable, true);
        check(Cause::of_sqlstate("40001"), Cause::Locked, true);
        check(Cause::of_sqlstate("28P01"), Cause::Permission, false);
        check(Cause::of_sqlstate("23505"), Cause::Other, false);
    }
}
