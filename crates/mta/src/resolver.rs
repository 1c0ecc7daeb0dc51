//! DNS behind the door that [`mail::dns`](postrider_mail::dns) defines: the servers of a list, or those that
//! the system names (resolv.conf(5)), asked by hickory over UDP, and over TCP where an answer does not fit.
//!
//! Names are asked for as they are: no search list, no `/etc/hosts`. Only `localhost`, `invalid` and `onion`
//! are known without asking (RFC 6761, RFC 7686). Servers are asked in turn, beginning with the one that
//! answered last; each must be a resolver, since what only refers elsewhere is no answer. Answers are
//! remembered for their TTL within [`DNS_TTL_MIN`] and [`DNS_TTL_MAX`](crate::limits::DNS_TTL_MAX).
//!
//! A server without name servers still starts and serves its own mailboxes: look-ups then fail for the time
//! being and say why, and the system's list is looked at again every half minute.
//!
//! What this module does not do: it validates no DNSSEC signatures, so that no answer counts as authentic.

mod answer;
mod cache;
mod servers;

use crate::limits::{DNS_ANSWERS_CACHED_MAX, RESOLV_CONF_INTERVAL};
use crate::limits::{DNS_QUESTION_TIMEOUT_DEFAULT, DNS_QUESTIONS_MAX, DNS_ROUNDS_DEFAULT, DNS_TTL_MIN};
use answer::Wanted;
use cache::{Answer, Cache, Caches};
use hickory_resolver::proto::rr::Name;
use postrider_mail::dns::{LookUp, Mx, NoRecords, Resolver};
use postrider_mail::{Domain, Text};
use servers::Servers;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Where the system names its servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// How long and how often name servers are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long one server may take for one question.
    pub timeout: Duration,
    /// How often each server is asked, at least once.
    pub rounds: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { timeout: DNS_QUESTION_TIMEOUT_DEFAULT, rounds: DNS_ROUNDS_DEFAULT }
    }
}

/// Why there can be no resolver with these servers, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadServers(Text);

impl std::fmt::Display for BadServers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for BadServers {}

/// Asks name servers and remembers their answers. Its look-ups run on a tokio runtime.
pub struct DnsResolver {
    patience: Patience,
    servers: Mutex<Arc<Servers>>,
    system: Option<System>,
    caches: Caches,
    questions: Semaphore,
}

/// The system's list of servers, and when it was looked at last.
struct System {
    path: PathBuf,
    looked: Mutex<Instant>,
}

impl DnsResolver {
    /// A resolver that asks these servers, or those that the system names where there are none.
    ///
    /// # Errors
    /// More than [`NAME_SERVERS_MAX`](crate::limits::NAME_SERVERS_MAX) servers. A list of the system's that
    /// cannot be read is none: see [`DnsResolver::trouble`].
    pub fn new(servers: &[SocketAddr], patience: Patience) -> Result<Self, BadServers> {
        if servers.is_empty() {
            return Ok(Self::of_system(Path::new(RESOLV_CONF), patience));
        }
        let servers = Servers::new(servers, patience.timeout).map_err(BadServers)?;
        Ok(Self::with(servers, None, patience))
    }

    fn of_system(path: &Path, patience: Patience) -> Self {
        let servers = Servers::of_system(path, patience.timeout);
        let system = System { path: path.into(), looked: Mutex::new(now()) };
        Self::with(servers, Some(system), patience)
    }

    fn with(servers: Servers, system: Option<System>, patience: Patience) -> Self {
        Self {
            patience,
            servers: Mutex::new(Arc::new(servers)),
            system,
            caches: Caches::new(DNS_ANSWERS_CACHED_MAX),
            questions: Semaphore::new(DNS_QUESTIONS_MAX),
        }
    }

    /// Why nobody can be asked, in words, where that is so: look-ups fail with it for the time being.
    pub fn trouble(&self) -> Option<Text> {
        self.servers().trouble().cloned()
    }

    /// Who is asked now.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers().addresses()
    }

    fn servers(&self) -> Arc<Servers> {
        Arc::clone(&self.servers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the system's list again when it is time. What it says takes the place of the servers if it
    /// says something new; what cannot be read takes the place of nothing.
    async fn refresh(&self) {
        let Some(system) = &self.system else { return };
        {
            let mut looked = system.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if now().duration_since(*looked) < RESOLV_CONF_INTERVAL {
                return;
            }
            *looked = now();
        }
        let (path, timeout) = (system.path.clone(), self.patience.timeout);
        let read = tokio::task::spawn_blocking(move || Servers::of_system(&path, timeout));
        // It fails only when the runtime stops.
        let Ok(servers) = read.await else { return };
        let mut current = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let news = servers.trouble().is_none() && servers.addresses() != current.addresses();
        if news {
            tracing::info!(servers = ?servers.addresses(), "the system names other name servers");
            *current = Arc::new(servers);
            self.caches.mx.clear();
            self.caches.a.clear();
            self.caches.aaaa.clear();
        }
    }

    async fn look_up<T: Wanted>(&self, name: &Domain, cache: &Cache<T>) -> Answer<T> {
        if let Some(answer) = cache.get(name, now()) {
            return answer;
        }
        // A name that does not fit into a question (RFC 1035 §2.3.4) cannot exist.
        let Ok(mut asked) = Name::from_ascii(name.ascii()) else { return Err(NoRecords::NxDomain) };
        asked.set_fqdn(true);
        self.refresh().await;
        // The semaphore is never closed.
        let _place = self.questions.acquire().await;
        let (answer, ttl) = self.servers().ask(&asked, self.patience.rounds).await;
        let ttl = match (&answer, ttl) {
            (Ok(records), _) => records.ttl,
            (Err(_), Some(ttl)) => ttl,
            // What failed is not asked again at once by the siblings of an attempt.
            (Err(_), None) => DNS_TTL_MIN,
        };
        cache.put(name, answer.clone(), now(), ttl);
        answer
    }
}

impl Resolver for DnsResolver {
    fn mx<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Mx> {
        Box::pin(self.look_up(name, &self.caches.mx))
    }

    fn a<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Ipv4Addr> {
        Box::pin(self.look_up(name, &self.caches.a))
    }

    fn aaaa<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Ipv6Addr> {
        Box::pin(self.look_up(name, &self.caches.aaaa))
    }
}

impl std::fmt::Debug for DnsResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DnsResolver").field("servers", &self.addresses()).finish_non_exhaustive()
    }
}

/// The runtime's monotonic clock.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_system_without_name_servers_says_so_until_it_names_some() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        let resolver = DnsResolver::of_system(&path, Patience::default());
        let trouble = resolver.trouble().unwrap();
        assert!(trouble.as_str().contains("resolv.conf: No such file"), "{trouble}");
        let name: Domain = "a.example".parse().unwrap();
        assert_eq!(resolver.a(&name).await, Err(NoRecords::ServFail(trouble)));
        std::fs::write(&path, "search example\noptions ndots:5\nnameserver 192.0.2.1\nnameserver ::1\n")
            .unwrap();
        resolver.refresh().await;
        assert!(resolver.addresses().is_empty(), "it was looked at just now");
        tokio::time::advance(RESOLV_CONF_INTERVAL).await;
        resolver.refresh().await;
        let expected: Vec<SocketAddr> = vec!["192.0.2.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()];
        assert_eq!((resolver.addresses(), resolver.trouble()), (expected.clone(), None));
        std::fs::write(&path, "# nothing, while it is being written\n").unwrap();
        tokio::time::advance(RESOLV_CONF_INTERVAL).await;
        resolver.refresh().await;
        assert_eq!(resolver.addresses(), expected);
    }
}
