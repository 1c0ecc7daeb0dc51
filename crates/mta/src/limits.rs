//! Every bound of the agents, with its unit.

use std::time::Duration;

/// Octets read from a socket at a time; each worker has one buffer of this size, lent to whoever reads.
pub const READ_OCTETS: usize = 32 * 1024;

/// Octets of a header section that intake buffers. RFC 5321 sets no limit; 4 lines of 998 octets per
/// Received field and 50 hops stay below it.
pub const HEADER_OCTETS_MAX: usize = 256 * 1024;

/// Octets of a header section that are buffered even when the budget for content in memory is spent.
pub const HEADER_OCTETS_FREE: usize = 16 * 1024;

/// Drafts that are written or synced at a time: beside deliveries, they leave threads for look-ups.
pub const DRAFT_WRITES_MAX: usize = 16;

/// Recipients of one transaction after aliases.
pub const DESTINATIONS_MAX: usize = postrider_queue::limits::RECIPIENTS_PER_MESSAGE_MAX;

/// How long replies may wait for further ones while a verdict is fetched, so that a pipelined batch is
/// answered in one write.
pub const FLUSH_LINGER: Duration = Duration::from_millis(5);

/// How long a peer may take to read what we send.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// How long a peer without an open transaction may take to read its 421 when the server stops.
pub const STOP_WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a fact may take before it counts as unavailable.
pub const FACT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a closing connection is read from, so that the last reply is not lost in a reset.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Octets read and thrown away while a connection closes.
pub const CLOSE_OCTETS_MAX: usize = 1024 * 1024;

/// How long accepting pauses when the process is out of descriptors or memory.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Local deliveries at a time: each holds a descriptor or two and waits for syncs.
pub const LOCAL_DELIVERIES_MAX: usize = 32;

/// How often finished deliveries are settled, all of them in one commit.
pub const SETTLE_INTERVAL: Duration = Duration::from_millis(10);

/// Attempts that may wait between the commit that lent them and the dispatcher.
pub const LENT_MAX: usize = 1024;

/// How long running sessions and deliveries may take to end when the server stops.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// How often what could not be recorded is tried again before it is left to the next start.
pub const RECORD_TRIES_MAX: u32 = 60;

/// How long the dispatcher waits before it asks a queue that could not answer again.
pub const DISPATCH_PAUSE: Duration = Duration::from_secs(1);

/// The longest the dispatcher sleeps without looking.
pub const DISPATCH_SLEEP_MAX: Duration = Duration::from_secs(60);

/// Octets of one request on the control socket.
pub const CONTROL_REQUEST_OCTETS_MAX: usize = 64 * 1024;

/// Connections to the control socket at a time.
pub const CONTROL_CONNECTIONS_MAX: usize = 16;

/// How long a connection to the control socket may be silent.
pub const CONTROL_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections to other hosts at a time, all together, when nothing else is configured.
pub const CONNECTIONS_DEFAULT: u32 = 500;

/// How long a connection may take to be made, when nothing else is configured.
pub const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// The longest wait for a reply, when nothing else is configured: the longest that RFC 5321 §4.5.3.2 asks for.
pub const REPLY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10 * 60);

/// How long a connection waits for the next message, when nothing else is configured.
pub const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// Messages that one connection carries, when nothing else is configured.
pub const MESSAGES_PER_CONNECTION_DEFAULT: u32 = 100;

/// Hosts tried in one attempt.
pub const HOSTS_PER_ATTEMPT_MAX: usize = 5;

/// Addresses tried in one attempt, of all hosts together.
pub const ADDRESSES_PER_ATTEMPT_MAX: usize = 10;

/// MX records of a domain that are looked at, best first; the rest is left alone.
pub const MX_RECORDS_MAX: usize = 50;

/// Addresses of one host that are looked at.
pub const ADDRESSES_PER_HOST_MAX: usize = 20;

/// How long one look-up in DNS may take.
pub const DNS_TIMEOUT: Duration = Duration::from_secs(20);
