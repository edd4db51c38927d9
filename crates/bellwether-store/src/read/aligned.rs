//! A recording brought to a grid of instants.

use bellwether_core::transform::{Align, AlignError, Aligned};

use super::Recording;
use super::note::Note;

impl Recording {
    /// The same recording on a grid: each row of the input belongs to the sample of its step. What was filled is said.
    ///
    /// # Errors
    /// [`AlignError`] where the grid does not fit the samples.
    pub fn aligned(self, align: &Align) -> Result<Self, AlignError> {
        let Aligned {
            frame,
            sample_of,
            n_filled,
        } = align.apply(&self.frame)?;
        let mut rows = self.rows;
        // Never more samples than 32 bits count: a grid has fewer instants.
        let places: Vec<u32> = sample_of.into_iter().map(|sample| sample as u32).collect();
        rows.move_samples(&places);
        let mut notes = self.notes;
        notes.push(Note::Aligned {
            align: *align,
            n_before: self.frame.n_samples(),
            n_samples: frame.n_samples(),
        });
        let channels = frame.schema().channels().iter().zip(&n_filled);
        for (channel, &n_cells) in channels.filter(|(_, n_cells)| **n_cells > 0) {
            notes.push(Note::FilledCells {
                channel: channel.name().to_owned(),
                n_cells,
                n_samples: frame.n_samples(),
            });
        }
        Ok(Self {
            frame,
            rows,
            notes,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bellwether_core::transform::Align;

    use super::super::{Bounds, ReadOptions, read_csv_bytes};

    #[test]
    fn rows_of_a_long_table_belong_to_the_samples_of_their_steps() {
        let text = "timestamp,channel,value\n0,a,1\n3,b,5\n10,a,2\n20,a,3\n24,b,6\n30,a,4\n";
        let options = ReadOptions::default();
        let mut recordings = read_csv_bytes(text.as_bytes(), &options, &Bounds::NONE).unwrap();
        let recording = recordings
            .remove(0)
            .aligned(&Align::every(Duration::from_secs(10)))
            .unwrap();
        assert_eq!(recording.frame.n_samples(), 4);
        let samples: Vec<usize> = (0..6).map(|row| recording.rows.sample_idx(row)).collect();
        assert_eq!(samples, [0, 1, 1, 2, 3, 3]);
        assert_eq!(recording.frame.sample(2).values, [3.0, 5.0]);
        assert!(recording.frame.is_filled(2, 1) && !recording.frame.is_filled(3, 1));
        let notes: Vec<String> = recording.notes.iter().map(ToString::to_string).collect();
        let said = notes.join("; ");
        assert!(
            said.contains("6 samples make 4 every 10 s, previous for at most 100 s, outer"),
            "{said}"
        );
        assert!(
            said.contains("channel \"b\" is filled in 1 of 4 samples"),
            "{said}"
        );
    }
}
