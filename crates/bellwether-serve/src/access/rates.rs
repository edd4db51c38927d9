//! How often each key may ask.

use bellwether_stream::problem::Problem;

use super::Principal;

/// How often each key may ask.
#[derive(Debug, Default)]
pub struct Rates {}

impl Rates {
    pub(super) fn take(&self, _: &Principal) -> Result<(), Problem> {
        Ok(())
    }
}
