//! Whose surprise counts: each member's, or that of those who are the most surprised.

/// How the surprises of the members of a row become one: members are put into buckets, in each the most surprised speaks with
/// the weight of all of its bucket that answered, and what the buckets say is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Combination {
    /// Each member is a bucket of its own: the mean by weight.
    #[default]
    Mean,
    /// All are in one bucket: the most surprised speaks for all.
    Max,
    /// Each two neighbours share a bucket: the average of maximum (Aggarwal and Sathe, "Theoretical foundations and algorithms
    /// for outlier ensembles", SIGKDD Explorations 17(1), 2015), with members in their order in place of a draw.
    Aom,
}

impl Combination {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Mean, Self::Max, Self::Aom];

    /// Its name on the command line and in bundles.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Aom => "aom",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|combination| combination.name() == name)
    }

    /// The bucket of a member.
    pub(super) fn bucket(self, member_idx: usize) -> usize {
        match self {
            Self::Mean => member_idx,
            Self::Max => 0,
            Self::Aom => member_idx / 2,
        }
    }
}

/// Who speaks for the bucket under way of a row.
#[derive(Debug, Clone, Copy, Default)]
struct Speaker {
    member_idx: usize,
    surprise: f64,
    /// Weight of all of the bucket that answered; 0 where nobody has yet.
    weight: f64,
}

/// The buckets under way of some rows; none where each member has its own.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    combination: Combination,
    n_channels: usize,
    /// `[n_rows]`
    speakers: Vec<Speaker>,
    /// What each speaker says for a weight of one, `[n_rows, n_channels]`.
    parts: Vec<f64>,
}

impl Buckets {
    pub(crate) fn new(combination: Combination, n_rows: usize, n_channels: usize) -> Self {
        let n_rows = if combination == Combination::Mean {
            0
        } else {
            n_rows
        };
        Self {
            combination,
            n_channels,
            speakers: vec![Speaker::default(); n_rows],
            parts: vec![0.0; n_rows * n_channels],
        }
    }

    /// The bucket under way of a row; `None` where each member has its own.
    pub(crate) fn of(&mut self, row_idx: usize) -> Option<Bucket<'_>> {
        let n = self.n_channels;
        let speaker = self.speakers.get_mut(row_idx)?;
        Some(Bucket {
            combination: self.combination,
            speaker,
            parts: &mut self.parts[row_idx * n..(row_idx + 1) * n],
        })
    }
}

/// The bucket under way of a row.
#[derive(Debug)]
pub(crate) struct Bucket<'a> {
    combination: Combination,
    speaker: &'a mut Speaker,
    parts: &'a mut [f64],
}

impl Bucket<'_> {
    /// Whether that member belongs to the next bucket.
    pub(super) fn is_before(&self, member_idx: usize) -> bool {
        self.speaker.weight > 0.0
            && self.combination.bucket(member_idx) != self.combination.bucket(self.speaker.member_idx)
    }

    /// Counts a member in; room for its parts for a weight of one, all 0, where it is the most surprised so far.
    pub(super) fn enter(&mut self, member_idx: usize, weight: f64, surprise: f64) -> Option<&mut [f64]> {
        let is_first = self.speaker.weight <= 0.0;
        self.speaker.weight += weight;
        if !(is_first || surprise > self.speaker.surprise) {
            return None;
        }
        self.speaker.member_idx = member_idx;
        self.speaker.surprise = surprise;
        self.parts.fill(0.0);
        Some(self.parts)
    }

    /// What the bucket says, into the row's parts of channels and members; the next one begins.
    pub(super) fn close(&mut self, parts: &mut [f64], members: &mut [f64]) {
        let Speaker {
            member_idx,
            surprise,
            weight,
        } = std::mem::take(self.speaker);
        if weight <= 0.0 {
            return;
        }
        members[member_idx] = weight * surprise;
        for (sum, part) in parts.iter_mut().zip(&*self.parts) {
            *sum += weight * part;
        }
    }
}
