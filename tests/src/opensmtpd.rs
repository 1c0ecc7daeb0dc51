//! Debian's OpenSMTPD: a next hop that stores what is for `opensmtpd.example`, and a relay that sends everything
//! else to one host. It looks nothing up in DNS.

use crate::machine::{Machine, Plans, free_address};
use std::net::SocketAddr;

/// Whose mail it stores.
pub const DOMAIN: &str = "opensmtpd.example";

/// A running OpenSMTPD that sends what is not its own to `onward`. `None` where it cannot be had.
///
/// # Panics
/// Where `CI=true`, instead of `None`.
#[track_caller]
pub fn start(onward: SocketAddr) -> Option<Machine> {
    start_with(onward, "")
}

/// The same, with further lines of its configuration before the match of everything.
///
/// # Panics
/// Where `CI=true`, instead of `None`.
#[track_caller]
pub fn start_with(onward: SocketAddr, more: &str) -> Option<Machine> {
    let plans = Plans::new("opensmtpd")?;
    let address = free_address();
    let config = format!(
        "table boxes {{ \"@\" = \"box\" }}
listen on {ip} port {port} hostname mx.{DOMAIN}
action \"mailbox\" maildir \"{mail}\" virtual <boxes>
action \"onward\" relay host smtp://{onward}
match from any for domain \"{DOMAIN}\" action \"mailbox\"
{more}match from any for any action \"onward\"
",
        ip = address.ip(),
        port = address.port(),
        mail = plans.mail().display(),
    );
    plans.etc("smtpd.conf", &config);
    plans.etc("mailname", &format!("mx.{DOMAIN}\n"));
    let start = "mkdir -m 0711 /var/spool/smtpd\n\
                 mkdir -m 0700 /var/spool/smtpd/purge\n\
                 chown opensmtpq:root /var/spool/smtpd/purge\n\
                 exec smtpd -d -v\n";
    Some(plans.build(start, address))
}
