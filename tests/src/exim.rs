//! Debian's Exim: a next hop that stores what is for `exim.example`, and a relay that sends everything else to
//! one host. It looks nothing up in DNS.

use crate::machine::{Machine, Plans, free_address};
use std::net::SocketAddr;

/// Whose mail it stores.
pub const DOMAIN: &str = "exim.example";

/// A running Exim that sends what is not its own to `onward`. `None` where it cannot be had.
///
/// # Panics
/// Where `CI=true`, instead of `None`.
#[track_caller]
pub fn start(onward: SocketAddr) -> Option<Machine> {
    start_with(onward, "", "")
}

/// The same, with further routers before the last, and further transports.
///
/// # Panics
/// Where `CI=true`, instead of `None`.
#[track_caller]
pub fn start_with(onward: SocketAddr, routers: &str, transports: &str) -> Option<Machine> {
    let plans = Plans::new("exim4-daemon-light")?;
    let address = free_address();
    let config = format!(
        "primary_hostname = mx.{DOMAIN}
local_interfaces = {ip}
daemon_smtp_ports = {port}
spool_directory = /var/spool/exim4
log_file_path = /var/spool/exim4/%slog
exim_user = Debian-exim
exim_group = Debian-exim
never_users = root
acl_smtp_rcpt = accept
host_lookup =
dns_again_means_nonexist = *
rfc1413_query_timeout = 0s
smtp_accept_max = 200
smtp_accept_max_per_connection = 100000
smtp_accept_queue_per_connection = 0
keep_environment =
tls_advertise_hosts =
begin acl
begin routers
ours:
  driver = accept
  domains = {DOMAIN}
  transport = mailbox
{routers}others:
  driver = manualroute
  route_list = * {onward_ip} byname
  self = send
  transport = onward
begin transports
mailbox:
  driver = appendfile
  directory = {mail}
  create_directory
  maildir_format
  return_path_add
  envelope_to_add
  user = box
  group = box
onward:
  driver = smtp
  port = {onward_port}
  hosts_avoid_tls = *
  allow_localhost
{transports}begin retry
* * F,1h,1s
",
        ip = address.ip(),
        port = address.port(),
        mail = plans.mail().display(),
        onward_ip = onward.ip(),
        onward_port = onward.port(),
    );
    plans.etc("exim4/exim4.conf", &config);
    let start = "mkdir -p /var/spool/exim4\n\
                 chown Debian-exim:Debian-exim /var/spool/exim4\n\
                 touch /var/spool/exim4/mainlog\n\
                 chown Debian-exim:Debian-exim /var/spool/exim4/mainlog\n\
                 tail -f /var/spool/exim4/mainlog &\n\
                 exec exim4 -bdf -q1s\n";
    Some(plans.build(start, address))
}
