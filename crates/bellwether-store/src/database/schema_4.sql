-- Whether one sensor or the device is at fault in an event.

-- One of a few words: sensor, device; empty: nothing is known, or an event from before this was kept.
ALTER TABLE events ADD COLUMN fault TEXT NOT NULL DEFAULT '';
