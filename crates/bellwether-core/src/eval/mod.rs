//! How good an answer was.
