//! What a session offers: the settings in force, and what this very peer may use.

use crate::server::Settings;
use postrider_mail::{Peer, Service, UnixMillis};
use postrider_smtp::extension::{Extensions, FutureRelease};
use postrider_smtp::server::{Dialect, Setup};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The longest wait that fits into FUTURERELEASE, in seconds: nine digits (RFC 4865 §3).
const SECONDS_MAX: u64 = 999_999_999;

/// The session's setup for `peer`, who came over a connection from `connection`: where a proxy speaks for the
/// peer by XCLIENT, that stays the proxy's.
pub(super) fn setup(settings: &Settings, peer: &Peer, connection: IpAddr, now: UnixMillis) -> Arc<Setup> {
    let rules = &settings.rules;
    let dialect = match peer.service() {
        Service::Mta => Dialect::Smtp,
        Service::Lmtp => Dialect::Lmtp,
    };
    // Only those who may send through us put mail off: the rest of the world's waits at its own host.
    let put_off = rules.future_release_max.filter(|_| rules.relay.network(peer.ip()).is_some());
    let extensions = Extensions {
        deliver_by: Some(u32::try_from(seconds(rules.deliver_by_min)).unwrap_or(u32::MAX)),
        future_release: put_off.map(|longest| FutureRelease {
            seconds_max: u32::try_from(seconds(longest)).unwrap_or(u32::MAX),
            until_max: now.plus(longest),
        }),
        etrn: dialect == Dialect::Smtp && !rules.etrn.is_empty(),
        no_soliciting: rules.no_soliciting.clone().map(Some),
        xclient: rules.trust.may_xclient(connection),
        xforward: rules.trust.may_xforward(connection),
        ..Extensions::for_any_peer()
    };
    Arc::new(Setup {
        banner: settings.banner.clone(),
        content_octets_max: settings.content_octets_max,
        recipients_max: settings.recipients_max,
        extensions,
        long_lines: settings.smtp.long_lines,
        bare_newlines: settings.smtp.bare_newlines,
        ..Setup::new(settings.hostname.clone(), dialect)
    })
}

fn seconds(time: Duration) -> u64 {
    time.as_secs().min(SECONDS_MAX)
}
