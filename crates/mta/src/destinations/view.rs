//! What an operator sees of the destinations, and may ask of them.

use super::{Destination, Destinations, Inner};
use crate::story::Stories;
use crate::world::World;
use postrider_control::{Activity, DestinationView};
use postrider_mail::{Text, UnixMillis};
use postrider_queue::RouteKey;
use std::sync::Arc;
use std::time::Instant;

/// The destinations, with the clocks that their moments are told by, and what was told of what came of them.
pub struct Outlook {
    destinations: Arc<Destinations>,
    world: Arc<World>,
    stories: Stories,
}

impl Outlook {
    /// A view of these.
    pub fn new(destinations: Arc<Destinations>, world: Arc<World>, stories: Stories) -> Self {
        Self { destinations, world, stories }
    }
}

impl postrider_control::Destinations for Outlook {
    fn view(&self) -> Vec<DestinationView> {
        let (instant, now) = (self.world.instant(), self.world.now());
        let inner = self.destinations.inner();
        inner.keys.iter().map(|(key, destination)| inner.view(key, destination, instant, now)).collect()
    }

    fn activity(&self) -> Option<Activity> {
        let resting = self.view().iter().filter(|one| one.resting_until.is_some()).count() as u64;
        let (notices, unreported) = self.stories.notices();
        Some(Activity { connections: self.destinations.inner().open, resting, notices, unreported })
    }

    fn forget_rests(&self) {
        self.destinations.forget_rests();
    }
}

impl Inner {
    fn view(
        &self,
        key: &RouteKey,
        destination: &Destination,
        instant: Instant,
        now: UnixMillis,
    ) -> DestinationView {
        let sites: Vec<_> =
            destination.hosts.iter().filter_map(|host| self.sites.get(&host.site())).collect();
        let rests: Vec<_> = sites.iter().filter_map(|pool| pool.site.rest()).collect();
        let at = |until: Instant| now.plus(until.saturating_duration_since(instant));
        // It rests only when all of its hosts do, until the first of them is tried again.
        let resting = rests.iter().min_by_key(|rest| rest.until).filter(|_| rests.len() == sites.len());
        let unresolved = destination.unresolved.as_ref().filter(|(until, _)| *until > instant);
        let (resting_until, why) = match (unresolved, resting) {
            (Some((until, refusal)), _) => (Some(at(*until)), Some(Text::from(refusal.to_string()))),
            (None, Some(rest)) => (Some(at(rest.until)), Some(rest.why.clone())),
            (None, None) => (None, rests.first().map(|rest| rest.why.clone())),
        };
        DestinationView {
            key: Text::from(key.as_str()),
            connections: sites.iter().map(|pool| pool.open).sum(),
            window: destination.couriers_max(&self.sites, u32::MAX, instant),
            waiting: u32::try_from(destination.waiting()).unwrap_or(u32::MAX),
            resting_until,
            why,
        }
    }
}
