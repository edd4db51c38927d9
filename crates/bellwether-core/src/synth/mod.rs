//! Synthetic plants with known faults.
