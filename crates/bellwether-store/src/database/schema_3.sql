-- What kind of trouble an event is, how far the members of the model agree, and what each of them said.

-- One of a few words: spike, level-shift, …; empty: an event from before this was kept.
ALTER TABLE events ADD COLUMN kind TEXT NOT NULL DEFAULT '';
-- In [0, 1]; NULL: as above.
ALTER TABLE events ADD COLUMN confidence DOUBLE PRECISION;
-- JSON: [{"member", "share"}], in the order of the model.
ALTER TABLE events ADD COLUMN members TEXT NOT NULL DEFAULT '[]';
