//! Where a database is: what people write, and what the drivers want.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use super::error::DatabaseError;

/// The place of a database. Shown without password.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) kind: Kind,
    /// For the driver, with password.
    pub(super) url: Url,
    shown: String,
}

/// Which database it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A SQLite file.
    File(PathBuf),
    /// SQLite in memory: gone with the process.
    Memory,
    /// A PostgreSQL server.
    Postgres,
}

impl Address {
    /// Understands `sqlite:PATH`, `sqlite://PATH`, `sqlite::memory:`, `postgres://…` and a plain path.
    pub(super) fn parse(text: &str) -> Result<Self, DatabaseError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return match path {
                ":memory:" => Ok(Self::memory()),
                path => Self::file(path.strip_prefix("//").unwrap_or(path), text),
            };
        }
        match text.split_once("://") {
            Some(("postgres" | "postgresql", _)) => Self::postgres(text),
            Some((scheme, _)) => Err(DatabaseError::Address {
                url: format!("{scheme}://…"),
                problem: format!("{scheme} is no kind of database that bellwether knows"),
            }),
            None => Self::file(text, text),
        }
    }

    fn memory() -> Self {
        Self {
            kind: Kind::Memory,
            url: Url::parse("sqlite::memory:").expect("a constant address"),
            shown: "sqlite::memory:".to_owned(),
        }
    }

    fn file(path: &str, text: &str) -> Result<Self, DatabaseError> {
        let refused = |problem: &str| DatabaseError::Address {
            url: text.to_owned(),
            problem: problem.to_owned(),
        };
        let path = std::path::absolute(path).map_err(|_| refused("there is no file name"))?;
        // Through a file address, so that every odd character of the name is escaped as the driver undoes it.
        let url = Url::from_file_path(&path).map_err(|()| refused("it is no file name"))?;
        let url = format!("sqlite://{}?mode=rwc", url.path());
        Ok(Self {
            shown: path.display().to_string(),
            kind: Kind::File(path),
            url: Url::parse(&url).map_err(|_| refused("it is no file name"))?,
        })
    }

    fn postgres(text: &str) -> Result<Self, DatabaseError> {
        let url = Url::parse(text).map_err(|error| DatabaseError::Address {
            // What cannot be parsed may hold a password anywhere.
            url: "postgres://…".to_owned(),
            problem: error.to_string(),
        })?;
        let mut shown = url.clone();
        // Neither fails where there is a host; where there is none, there is no password either.
        let _ = shown.set_password(None);
        shown.set_query(None);
        Ok(Self {
            kind: Kind::Postgres,
            url,
            shown: shown.into(),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_and_shown_without_password() {
        let check = |text: &str, kind: Kind, url: &str, shown: &str| {
            let address = Address::parse(text).unwrap();
            let got = (address.kind.clone(), address.url.as_str(), address.to_string());
            assert_eq!(got, (kind, url, shown.to_owned()), "{text}");
        };
        let file = |path: &str| Kind::File(PathBuf::from(path));
        check(
            "sqlite:/a/b.db",
            file("/a/b.db"),
            "sqlite:///a/b.db?mode=rwc",
            "/a/b.db",
        );
        check(
            "sqlite:///a/b.db",
            file("/a/b.db"),
            "sqlite:///a/b.db?mode=rwc",
            "/a/b.db",
        );
        check(
            "/a/c?d#e%.db",
            file("/a/c?d#e%.db"),
            "sqlite:///a/c%3Fd%23e%25.db?mode=rwc",
            "/a/c?d#e%.db",
        );
        check(
            "sqlite::memory:",
            Kind::Memory,
            "sqlite::memory:",
            "sqlite::memory:",
        );
        check(
            "postgres://me:secret@host:5433/db?sslmode=require&password=secret",
            Kind::Postgres,
            "postgres://me:secret@host:5433/db?sslmode=require&password=secret",
            "postgres://me@host:5433/db",
        );
    }

    #[test]
    fn a_refused_address_keeps_the_password_to_itself() {
        for text in [
            "mysql://me:secret@host/db",
            "postgres://me:secret@ho st/db",
            "postgres://me:secret@:x/db",
            "sqlite:",
            "",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(!format!("{error}{error:?}").contains("secret"), "{error}");
            assert!(!error.is_passing());
        }
    }
}
