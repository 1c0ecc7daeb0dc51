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

/// Octets of a line of content, without its line end, that the standard lets a client send
/// (RFC 5321 §4.5.3.1.6); stories tell of longer ones.
pub const LINE_OCTETS_ALLOWED: u64 = 998;

/// Fields that name kinds of solicitation (RFC 3865) that are looked at in one header section.
pub const SOLICITATION_FIELDS_MAX: usize = 8;

/// Octets that the disk of the queue has free at least where mail is taken, beside what the queue set aside.
pub const DISK_FREE_OCTETS_MIN: u64 = 1024 * 1024;

/// How often the disk is asked how much is free.
pub const DISK_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How far content in memory may be over its budget, at least, before no more is taken: beside drafts, which go
/// to disk then, it counts header sections of [`HEADER_OCTETS_FREE`] in many sessions.
pub const MEMORY_SLACK_OCTETS_MIN: usize = 16 * 1024 * 1024;

/// Pages of the queue that one ETRN looks at.
pub const TURN_PAGES_MAX: usize = 100;

/// Messages that one ETRN starts; the next one starts others.
pub const TURN_MESSAGES_MAX: usize = 500;

/// ETRN commands that one session carries out: each may look at many messages, and anyone may say it.
pub const TURNS_PER_SESSION_MAX: u32 = 10;

/// The longest pause before a greeting: clients give up after five minutes (RFC 5321 §4.5.3.2.1), impatient
/// ones sooner.
pub const GREET_PAUSE_MAX: Duration = Duration::from_secs(30);

/// How long a proxy may take to say for whom it speaks.
pub const PROXY_TIMEOUT: Duration = Duration::from_secs(5);

/// Octets of a PROXY header: 16, and addresses and extensions behind them. The longest line of version 1 has
/// 107.
pub const PROXY_OCTETS_MAX: usize = 1024;

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

/// Connections to a site that nothing is known of.
pub const WINDOW_FIRST: u32 = 3;

/// How long a limit that a host has shown, by turning connections away, is believed.
pub const CEILING_TIME: Duration = Duration::from_secs(10 * 60);

/// Failures in a row after which a site is left alone.
pub const FAILURES_UNTIL_REST: u32 = 2;

/// How long a site that cannot be reached is left alone at first, when nothing else is configured.
pub const REST_DEFAULT: Duration = Duration::from_secs(30);

/// How long a site is left alone at most.
pub const REST_LONGEST: Duration = Duration::from_secs(10 * 60);

/// Attempts under one key that wait in memory; siblings of one message count as one when they are leased.
pub const ATTEMPTS_PER_KEY: usize = 40;

/// Places in a key's line in memory that a step of priority is worth: a message goes before those that came by
/// fewer places earlier and are a step less urgent.
pub const PRIORITY_STEP_MESSAGES: i64 = 40;

/// Attempts under all keys in memory: those that wait, and those that couriers carry.
pub const ATTEMPTS_MAX: usize = 8000;

/// After there was no room at all, attempts in memory at which there is room again: one lease then brings many.
pub const ATTEMPTS_AGAIN: usize = ATTEMPTS_MAX / 8 * 7;

/// How long the sites of a key are believed to be its best without a new look-up, for the reuse of connections.
pub const HOSTS_BELIEVED_FOR: Duration = Duration::from_secs(60);

/// Sites that are remembered; more only while they are in use.
pub const SITES_MAX: usize = 10_000;

/// How long a site is remembered that nobody asks for.
pub const SITE_FORGOTTEN_AFTER: Duration = Duration::from_secs(30 * 60);

/// Name servers that are asked: as many as the system's own resolver takes (resolv.conf(5)) and some.
pub const NAME_SERVERS_MAX: usize = 8;

/// How long one name server may take for one question, when nothing else is configured (resolv.conf(5)).
pub const DNS_QUESTION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// How often each name server is asked one question, when nothing else is configured (resolv.conf(5)).
pub const DNS_ROUNDS_DEFAULT: u32 = 2;

/// Questions to name servers at a time, all together: each has a socket of its own.
pub const DNS_QUESTIONS_MAX: usize = 256;

/// Answers that are remembered, a third of them for each type of question. They take a few MiB as DNS is;
/// if every MX answer held [`MX_RECORDS_MAX`] names of the longest kind, 150 MiB.
pub const DNS_ANSWERS_CACHED_MAX: usize = 8192;

/// The shortest time an answer is remembered, whatever its TTL: one attempt asks once.
pub const DNS_TTL_MIN: Duration = Duration::from_secs(5);

/// The longest time records are remembered, so that what an operator changed in DNS arrives.
pub const DNS_TTL_MAX: Duration = Duration::from_secs(60 * 60);

/// The longest time it is remembered that there are none: a missing record is soon added.
pub const DNS_NEGATIVE_TTL_MAX: Duration = Duration::from_secs(5 * 60);

/// How often the system's list of name servers is looked at again.
pub const RESOLV_CONF_INTERVAL: Duration = Duration::from_secs(30);

/// Octets of the system's list of name servers.
pub const RESOLV_CONF_OCTETS_MAX: u64 = 64 * 1024;

/// Aliases (CNAME) that are followed from one name.
pub const ALIASES_MAX: usize = 16;

/// Hosts of one domain whose addresses are looked up in one attempt, best first.
pub const HOSTS_LOOKED_UP_MAX: usize = 15;

/// Hosts and addresses that were passed over of which one attempt tells.
pub const PASSED_OVER_MAX: usize = 20;

/// How often idle connections are looked at.
pub const TIDY_INTERVAL: Duration = Duration::from_secs(1);

/// How often an attempt waits for its turn again at a host that turned its connection away while others go on.
pub const TURNS_PER_HOST_MAX: u32 = 3;

/// Connections that one attempt uses up at hosts that take little over each (RFC 9422 §4.1): what is left then waits
/// for the next attempt. A host that takes one recipient at a time does not hold a courier for a thousand.
pub const CONNECTIONS_SPENT_MAX: u32 = 32;

/// Octets of content that are gathered before a write to another host, and read from a file at a time.
pub const CONTENT_PIECE_OCTETS: usize = 64 * 1024;

/// Octets read at a time from a host we deliver to: its replies are short.
pub const REPLY_READ_OCTETS: usize = 4 * 1024;

/// How long QUIT may take with a host we deliver to: the work is done.
pub const QUIT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a host that takes no more octets is listened to, for the words that say why.
pub const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(2);

/// How long after a debt arises its notice is written: what fails together is told together.
pub const NOTICE_LINGER: Duration = Duration::from_millis(100);

/// How often debts are looked for that nobody announced, or that could not be paid.
pub const NOTICE_LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Messages whose notices are written at a time, sharing commits.
pub const NOTICES_AT_ONCE_MAX: usize = 8;

/// Octets of a message that a notice brings back whole, where it brings back messages.
pub const RETURNED_OCTETS_MAX: u64 = 50 * 1024;
