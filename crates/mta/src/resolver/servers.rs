//! The name servers: each is asked by a client of its own, so that the answer of one that refuses or fails
//! does not keep the others from being asked, and every failure says whose it was.

use super::answer::{self, Wanted};
use super::cache::Answer;
use crate::limits::{DNS_QUESTIONS_MAX, NAME_SERVERS_MAX, RESOLV_CONF_OCTETS_MAX};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ProtocolConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use postrider_mail::Text;
use postrider_mail::dns::NoRecords;
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Who is asked.
pub(super) struct Servers {
    all: Result<Vec<Server>, Text>,
    /// The one that answered last: it is asked first.
    first: AtomicUsize,
}

struct Server {
    address: SocketAddr,
    client: TokioResolver,
    timeout: Duration,
}

impl Servers {
    /// These servers, each with so much time for one question.
    pub(super) fn new(addresses: &[SocketAddr], timeout: Duration) -> Result<Self, Text> {
        if addresses.len() > NAME_SERVERS_MAX {
            return Err(Text::clean(&format!("at most {NAME_SERVERS_MAX} name servers can be asked")));
        }
        let servers = addresses.iter().map(|address| Server::new(*address, timeout));
        Ok(Self { all: Ok(servers.collect::<Result<_, _>>()?), first: AtomicUsize::new(0) })
    }

    /// Those that the system names, or nobody, with the reason. Reads a file.
    pub(super) fn of_system(path: &Path, timeout: Duration) -> Self {
        let servers = addresses_in(path)
            .map_err(|error| Text::clean(&format!("{}: {error}", path.display())))
            .and_then(|addresses| Self::new(&addresses, timeout));
        servers.unwrap_or_else(|trouble| Self { all: Err(trouble), first: AtomicUsize::new(0) })
    }

    /// Why there is nobody to be asked.
    pub(super) fn trouble(&self) -> Option<&Text> {
        self.all.as_ref().err()
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.all.iter().flatten().map(|server| server.address).collect()
    }

    /// Asks one server after the other, so many rounds, until one answers. With the answer comes the time
    /// for which a "there is none" holds.
    pub(super) async fn ask<T: Wanted>(&self, name: &Name, rounds: u32) -> (Answer<T>, Option<Duration>) {
        let all = match &self.all {
            Ok(all) => all,
            Err(trouble) => return (Err(NoRecords::ServFail(trouble.clone())), None),
        };
        let first = self.first.load(Ordering::Relaxed);
        let mut failed: Option<NoRecords> = None;
        for turn in 0..rounds.max(1) as usize * all.len() {
            let at = (first + turn) % all.len();
            let (answer, ttl) = all[at].ask(name).await;
            match answer {
                Err(trouble) if trouble.is_transient() => failed = Some(telling(failed, trouble)),
                answer => {
                    if turn > 0 {
                        self.first.store(at, Ordering::Relaxed);
                    }
                    return (answer, ttl);
                }
            }
        }
        (Err(failed.unwrap_or(NoRecords::Timeout)), None)
    }
}

/// Of two failures the one that says more: words before silence, the latest words.
fn telling(before: Option<NoRecords>, now: NoRecords) -> NoRecords {
    match (before, now) {
        (Some(words), NoRecords::Timeout) => words,
        (_, now) => now,
    }
}

impl Server {
    fn new(address: SocketAddr, timeout: Duration) -> Result<Self, Text> {
        let connections = [ProtocolConfig::Udp, ProtocolConfig::Tcp].map(|protocol| {
            let mut connection = ConnectionConfig::new(protocol);
            connection.port = address.port();
            connection
        });
        let server = NameServerConfig::new(address.ip(), true, connections.into());
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.ndots = 0;
        options.timeout = timeout;
        // The rounds over all servers are ours, and so is the memory, whose entries have a size.
        options.attempts = 0;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.num_concurrent_reqs = 1;
        options.max_active_requests = DNS_QUESTIONS_MAX;
        // The aliases between the name and its records: see `answer::records`.
        options.preserve_intermediates = true;
        let client = builder.build().map_err(|error| Text::clean(&format!("{address}: {error}")))?;
        Ok(Self { address, client, timeout })
    }

    async fn ask<T: Wanted>(&self, name: &Name) -> (Answer<T>, Option<Duration>) {
        match self.question(name, T::TYPE).await {
            Ok(lookup) => (answer::records(name, &lookup), None),
            Err(error) => {
                let (trouble, ttl) = answer::no_records(&error, self.address);
                match self.unfinished_aliases(&error).await {
                    Some(why) => (Err(NoRecords::ServFail(why)), None),
                    None => (Err(trouble), ttl),
                }
            }
        }
    }

    /// A chain of aliases that is too long, or a circle, ends like a name without records; such an end has
    /// no SOA record beside it, and is an alias itself.
    async fn unfinished_aliases(&self, error: &NetError) -> Option<Text> {
        let NetError::Dns(DnsError::NoRecordsFound(none)) = error else { return None };
        if none.soa.is_some() || none.response_code != ResponseCode::NoError {
            return None;
        }
        let end = self.question(none.query.name(), RecordType::CNAME).await.ok()?;
        let is_alias = |record: &hickory_resolver::proto::rr::Record| {
            record.name == *none.query.name() && matches!(record.data, RData::CNAME(_))
        };
        end.answers()
            .iter()
            .any(is_alias)
            .then(|| Text::clean(&format!("{}: its aliases (CNAME) do not end", self.address)))
    }

    /// One question, its aliases and the way over TCP included. hickory's deadline is for one exchange.
    async fn question(&self, name: &Name, of: RecordType) -> Result<Lookup, NetError> {
        let answer = tokio::time::timeout(self.timeout, self.client.lookup(name.clone(), of)).await;
        answer.unwrap_or(Err(NetError::Timeout))
    }
}

/// The servers in the system's list.
fn addresses_in(path: &Path) -> io::Result<Vec<SocketAddr>> {
    let mut text = Vec::new();
    File::open(path)?.take(RESOLV_CONF_OCTETS_MAX).read_to_end(&mut text)?;
    let (config, _) = parse_resolv_conf(&text).map_err(|error| match error {
        NetError::Io(error) => io::Error::other(error),
        error => io::Error::other(error),
    })?;
    let servers = config.name_servers().iter().take(NAME_SERVERS_MAX).flat_map(|server| {
        let port = server.connections.first().map(|connection| connection.port);
        port.map(|port| SocketAddr::new(server.ip, port))
    });
    Ok(servers.collect())
}
