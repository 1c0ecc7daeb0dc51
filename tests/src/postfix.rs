//! Debian's Postfix: a next hop that stores what is for `postfix.example`, and a relay that sends everything else
//! to one host. It looks nothing up in DNS.

use crate::machine::{Machine, Plans, free_address};
use std::net::SocketAddr;

/// Whose mail it stores.
pub const DOMAIN: &str = "postfix.example";

/// The services that a relay needs (master(5)); none in a chroot.
const SERVICES: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

/// A running Postfix that sends what is not its own to `onward`; `settings` are further lines of main.cf.
/// `None` where it cannot be had.
///
/// # Panics
/// Where `CI=true`, instead of `None`.
#[track_caller]
pub fn start(onward: SocketAddr, settings: &str) -> Option<Machine> {
    let plans = Plans::new("postfix")?;
    let address = free_address();
    let (user, group) = plans.owner();
    plans.etc("postfix/master.cf", &format!("{address} inet n - n - - smtpd\n{SERVICES}"));
    let main = format!(
        "compatibility_level = 3.6\n\
         myhostname = mx.{DOMAIN}\n\
         mydestination =\n\
         inet_protocols = ipv4\n\
         inet_interfaces = {ip}\n\
         mynetworks = 127.0.0.0/8\n\
         smtp_dns_support_level = disabled\n\
         smtp_host_lookup = native\n\
         smtpd_peername_lookup = no\n\
         smtpd_relay_restrictions = permit_mynetworks, reject\n\
         smtpd_client_connection_count_limit = 0\n\
         relayhost = [{onward_ip}]:{onward_port}\n\
         virtual_mailbox_domains = {DOMAIN}\n\
         virtual_mailbox_base = {mail}\n\
         virtual_mailbox_maps = static:/\n\
         virtual_uid_maps = static:{user}\n\
         virtual_gid_maps = static:{group}\n\
         maillog_file = /dev/stdout\n\
         minimal_backoff_time = 1s\n\
         maximal_backoff_time = 2s\n\
         queue_run_delay = 1s\n\
         {settings}\n",
        ip = address.ip(),
        onward_ip = onward.ip(),
        onward_port = onward.port(),
        mail = plans.mail().display(),
    );
    plans.etc("postfix/main.cf", &main);
    let start = "mkdir -p /var/spool/postfix /var/lib/postfix\n\
                 chown postfix:postfix /var/lib/postfix\n\
                 exec postfix start-fg\n";
    Some(plans.build(start, address))
}
