//! Values as a layer gives them, each with its place, before anybody has looked at what they mean.
//!
//! No `Debug` here: a value may be a secret that stands in the wrong place.

use std::collections::BTreeMap;

use super::place::Origin;

/// A value and where it stands.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// What may stand in a layer.
#[derive(Clone)]
pub(crate) enum Value {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    /// From a variable or a flag: becomes what its key wants.
    Raw(String),
    List(Vec<Node>),
    Table(Table),
}

/// Keys, where each stands, and its value.
pub(crate) type Table = BTreeMap<String, (Origin, Node)>;

impl Node {
    /// A table without keys.
    pub(crate) fn empty(origin: &Origin) -> Self {
        Self::table(origin, Table::new())
    }

    /// A table.
    pub(crate) fn table(origin: &Origin, table: Table) -> Self {
        Self::of(origin, Value::Table(table))
    }

    /// A text.
    pub(crate) fn text(origin: &Origin, text: impl Into<String>) -> Self {
        Self::of(origin, Value::Text(text.into()))
    }

    /// A value.
    pub(crate) fn of(origin: &Origin, value: Value) -> Self {
        Self {
            value,
            origin: origin.clone(),
        }
    }

    /// Puts `node` where the keys lead, over what is there. Tables on the way are made; what is no table on the way
    /// stays, and is found wrong later.
    pub(crate) fn set(&mut self, keys: &[&str], node: Node) {
        let Value::Table(table) = &mut self.value else {
            return;
        };
        let origin = node.origin.clone();
        match keys {
            [] => {}
            [key] => {
                table.insert((*key).to_owned(), (origin, node));
            }
            [key, rest @ ..] => table
                .entry((*key).to_owned())
                .or_insert_with(|| (origin.clone(), Self::empty(&origin)))
                .1
                .set(rest, node),
        }
    }
}
