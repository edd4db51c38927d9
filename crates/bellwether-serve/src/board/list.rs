//! Lists of devices, page by page.
//!
//! Scores change with every sample, so that a page that begins "after this score" would skip and repeat devices. A
//! list is therefore put in order once, when its first page is asked for; the pages that follow tell its devices in
//! that order, as they are by then.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use bellwether_core::time::Timestamp;

use super::{Board, Entry, State};

/// Places that lists which wait for their next page take together; the oldest lists go first.
const PLACES_MAX: usize = 1_000_000;

/// Lists that wait for their next page.
const LISTINGS_MAX: usize = 1000;

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// Events first, then the highest score of late.
    #[default]
    Worst,
    /// By name.
    Name,
    /// What sent last.
    Recent,
}

/// Which devices are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Part of their name, in any case.
    pub(crate) query: String,
    pub(crate) state: Option<State>,
    pub(crate) order: Order,
}

/// A page of devices.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) entries: Vec<Arc<Entry>>,
    pub(crate) next: Option<String>,
    pub(crate) total: usize,
}

#[derive(Debug, Default)]
pub(super) struct Listings {
    kept: VecDeque<(u64, Arc<[u32]>)>,
    n_places: usize,
    last_id: u64,
}

impl Board {
    /// The first page of what is wanted.
    pub(crate) fn list(&self, wanted: &Wanted, limit: usize) -> Listed {
        let query = wanted.query.to_lowercase();
        let mut found: Vec<(u32, Arc<Entry>)> = (0..).zip(self.all()).collect();
        found.retain(|(_, entry)| {
            (query.is_empty() || entry.name.to_lowercase().contains(&query))
                && wanted.state.is_none_or(|state| state == entry.state())
        });
        match wanted.order {
            Order::Name => found.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name)),
            Order::Recent => found.sort_by_cached_key(|(_, entry)| {
                let time = entry.last_time.map_or(i64::MIN, Timestamp::as_nanos);
                (Reverse(time), Arc::clone(&entry.name))
            }),
            Order::Worst => found.sort_by_cached_key(|(_, entry)| {
                let worst = entry.worst().map_or(0.0, |peak| peak.score.max(0.0));
                // The bits of numbers that are not negative are in their order.
                let rank = (entry.state() == State::Event, worst.to_bits());
                (Reverse(rank), Arc::clone(&entry.name))
            }),
        }
        let total = found.len();
        let next = (total > limit).then(|| {
            let places: Arc<[u32]> = found.iter().map(|(place, _)| *place).collect();
            let id = self.listings().keep(places);
            cursor(id, limit)
        });
        found.truncate(limit);
        Listed {
            entries: found.into_iter().map(|(_, entry)| entry).collect(),
            next,
            total,
        }
    }

    /// The page that a cursor leads to; `None`: it leads nowhere, or the list is not kept any more.
    pub(crate) fn list_on(&self, at: &str, limit: usize) -> Option<Listed> {
        let (id, start) = at.split_once('.')?;
        let (id, start): (u64, usize) = (u64::from_str_radix(id, 16).ok()?, start.parse().ok()?);
        let places = self.listings().find(id)?;
        let end = start.checked_add(limit)?.min(places.len());
        let of_page = places.get(start..end)?;
        let entries = self.read(|inner| {
            let entry = |place: &u32| Arc::clone(&inner.entries[*place as usize]);
            of_page.iter().map(entry).collect()
        });
        Some(Listed {
            entries,
            next: (end < places.len()).then(|| cursor(id, end)),
            total: places.len(),
        })
    }

    fn listings(&self) -> std::sync::MutexGuard<'_, Listings> {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listings {
    fn keep(&mut self, places: Arc<[u32]>) -> u64 {
        self.last_id += 1;
        self.n_places += places.len();
        self.kept.push_back((self.last_id, places));
        while self.kept.len() > LISTINGS_MAX || (self.n_places > PLACES_MAX && self.kept.len() > 1) {
            if let Some((_, places)) = self.kept.pop_front() {
                self.n_places -= places.len();
            }
        }
        self.last_id
    }

    fn find(&self, id: u64) -> Option<Arc<[u32]>> {
        let idx = self.kept.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(Arc::clone(&self.kept[idx].1))
    }
}

fn cursor(id: u64, start: usize) -> String {
    format!("{id:x}.{start}")
}
