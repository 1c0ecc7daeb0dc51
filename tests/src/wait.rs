//! Waiting for what other processes do. The only place that sleeps.

use crate::limits::{LOOK_AGAIN, PATIENCE};
use std::time::Instant;

/// Looks until there is something to see.
///
/// # Panics
/// With `what`, when it does not come within [`PATIENCE`].
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < give_up, "waited {} s in vain: {what}", PATIENCE.as_secs());
        pause();
    }
}

/// Looks until `condition` holds.
///
/// # Panics
/// With `what`, when it does not hold within [`PATIENCE`].
#[track_caller]
pub fn until_true(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, || condition().then_some(()));
}

/// Lets some time pass, between two looks.
#[expect(clippy::disallowed_methods, reason = "another process's files and end are not announced to us")]
pub(crate) fn pause() {
    std::thread::sleep(LOOK_AGAIN);
}
