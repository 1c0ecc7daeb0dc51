//! Without a `--server`: the hosts that DNS names for each recipient's domain, one after the other, as a mail
//! server tries them (RFC 5321 §5.1). One conversation for each domain.
//!
//! What ends a connection before the recipients' fates are decided leads to the next host: no connection, a
//! greeting or EHLO that is refused, 421, a timeout, a lost connection. What a host says of the sender, a
//! recipient or the message stands. A message whose answer was lost is not sent again.

use super::delivery::Delivery;
use super::limits::MX_CONNECT_TIMEOUT;
use super::message::random;
use super::problem::Problem;
use super::report::Part;
use super::show::Show;
use crate::command::Failure;
use crate::config::units::print_duration;
use clap::Args;
use postrider_journal::event::HostResult;
use postrider_mail::{Domain, ForwardPath, Host, Text};
use postrider_mta::hosts::{self, Ask, Own, Target};
use postrider_mta::net::{Endpoint, SystemNet};
use postrider_mta::resolver::{DnsResolver, Patience};
use postrider_policy::route::{Family, Hop, Way};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The port of a name server.
const DNS_PORT: u16 = 53;

/// How the hosts of a domain are found and reached.
#[derive(Debug, Args)]
pub(super) struct ByDns {
    /// The name server to ask, as in 192.0.2.53 or 127.0.0.1:5353; may be given many times [default: the system's]
    #[arg(long, value_name = "ADDRESS", value_parser = name_server, conflicts_with = "server")]
    dns: Vec<SocketAddr>,
    /// The port of the hosts that DNS names
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "server")]
    port: u16,
    /// Which addresses of those hosts to use: any, 4, 6 or prefer-4
    #[arg(long, value_name = "FAMILY", default_value = "any", value_parser = family, conflicts_with = "server")]
    ip: Family,
    /// A network to connect to although DNS should not lead there: loopback, link-local, multicast; may be
    /// given many times
    #[arg(long, value_name = "NETWORK", conflicts_with = "server")]
    allow: Vec<String>,
}

/// `127.0.0.1`, `127.0.0.1:5353`, `::1`, `[::1]:5353`.
fn name_server(text: &str) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.parse()
        .or_else(|_| bare.parse().map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT)))
        .map_err(|_| "a name server is an address, perhaps with a port, as in 127.0.0.1 or [::1]:5353".into())
}

fn family(text: &str) -> Result<Family, String> {
    match text {
        "any" => Ok(Family::Any),
        "4" => Ok(Family::V4),
        "6" => Ok(Family::V6),
        "prefer-4" => Ok(Family::PreferV4),
        _ => Err("one of any, 4, 6 and prefer-4".into()),
    }
}

impl ByDns {
    /// Brings the message to the hosts of each recipient's domain, one domain after the other.
    pub(super) async fn send<'a>(
        &self,
        to: &'a [ForwardPath],
        delivery: &Delivery<'_>,
        show: &mut Show,
    ) -> Result<Vec<Part<'a>>, Failure> {
        let resolver = DnsResolver::new(&self.dns, Patience::default())
            .map_err(|error| Failure::usage(error.to_string()))?;
        let hostname: Result<Domain, _> = "client.invalid".parse();
        let search = Search {
            resolver,
            // No server runs here: no host that DNS names is this one.
            own: Own {
                hostname: hostname.map_err(|error| Failure::os(error.to_string()))?,
                listeners: Vec::new(),
            },
            hop: Hop::Mx(Arc::new(self.way()?)),
            delivery,
        };
        let domains = by_domain(to)?;
        let mut parts = Vec::with_capacity(domains.len());
        let many = domains.len() > 1;
        for (domain, recipients) in domains {
            if many {
                show.heading(&domain.to_string());
            }
            parts.push(search.send(domain, recipients, show).await?);
        }
        if many {
            show.heading("What became of it");
        }
        Ok(parts)
    }

    fn way(&self) -> Result<Way, Failure> {
        let network = |text: &String| {
            // An address is a network of one.
            let address = text.parse::<IpAddr>().map(Into::into);
            address.or_else(|_| text.parse()).map_err(|_| {
                Failure::usage(format!("--allow {text}: a network is written as in 127.0.0.0/8 or fe80::/10"))
            })
        };
        let allow = self.allow.iter().map(network).collect::<Result<_, _>>()?;
        Ok(Way { port: self.port, family: self.ip, allow, ..Way::default() })
    }
}

/// Recipients by their domains, both in the order given.
fn by_domain(to: &[ForwardPath]) -> Result<Vec<(&Host, Vec<&ForwardPath>)>, Failure> {
    let mut domains: Vec<(&Host, Vec<&ForwardPath>)> = Vec::new();
    for path in to {
        let Some(mailbox) = path.mailbox() else {
            return Err(Failure::usage(format!(
                "<{path}> without a domain is the postmaster of one server: name it with --server"
            )));
        };
        let host = mailbox.host();
        match domains.iter_mut().find(|(domain, _)| *domain == host) {
            Some((_, recipients)) => recipients.push(path),
            None => domains.push((host, vec![path])),
        }
    }
    Ok(domains)
}

/// What is the same for every domain.
struct Search<'a> {
    resolver: DnsResolver,
    own: Own,
    hop: Hop,
    delivery: &'a Delivery<'a>,
}

impl Search<'_> {
    async fn send<'a>(
        &self,
        domain: &'a Host,
        recipients: Vec<&'a ForwardPath>,
        show: &mut Show,
    ) -> Result<Part<'a>, Failure> {
        let seed = u64::from_ne_bytes(random()?);
        let (resolver, own, hop) = (&self.resolver, &self.own, &self.hop);
        let ask = Ask { resolver, net: &SystemNet, own, hop, domain, seed };
        let mut part = Part::to_domain(domain, recipients);
        let found = hosts::find(&ask).await;
        let (told, passed_over) = match &found {
            Ok(hosts) => (&hosts.told, &hosts.passed_over),
            Err(none) => (&none.told, &none.passed_over),
        };
        for line in told {
            show.note(line.as_str());
        }
        for host in passed_over {
            show.host(host);
        }
        part.dns.clone_from(told);
        part.hosts.clone_from(passed_over);
        match found {
            Ok(hosts) => {
                for target in &hosts.targets {
                    if part.open().is_empty() {
                        break;
                    }
                    self.try_host(target, &mut part, show).await;
                }
            }
            Err(none) => part.problem = Some(Problem::NoWay(none.refusal)),
        }
        part.close();
        Ok(part)
    }

    /// One connection to one host, for the recipients whose fate is open.
    async fn try_host(&self, target: &Target, part: &mut Part<'_>, show: &mut Show) {
        let Endpoint::Tcp(address) = &target.endpoint else { return };
        let patience = self.delivery.patience.unwrap_or(MX_CONNECT_TIMEOUT);
        let stream = match connect(*address, patience).await {
            Ok(stream) => stream,
            Err(Unconnected { why, silent }) => {
                let tried = target.tried(HostResult::Failed, Some(Text::from(why)));
                show.host(&tried);
                part.unconnected(tried, silent);
                return;
            }
        };
        show.host(&target.tried(HostResult::Connected, None));
        let open = part.open();
        let asked = open.iter().map(|&at| part.recipients[at].clone()).collect();
        let mut ended = self.delivery.converse(stream, asked, show).await;
        let failure = ended.failure.take();
        part.record(&open, ended);
        let tried = match &failure {
            None => target.tried(HostResult::Connected, None),
            Some(failure) => target.tried(HostResult::Failed, Some(Text::from(failure.to_string()))),
        };
        if failure.is_some() {
            show.host(&tried);
        }
        part.conversed(tried, failure);
    }
}

/// Why there is no connection to an address.
struct Unconnected {
    why: String,
    /// Not even a refusal came.
    silent: bool,
}

async fn connect(address: SocketAddr, patience: Duration) -> Result<TcpStream, Unconnected> {
    match timeout(patience, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            // A last small piece does not wait for what was sent before it; without this it is only slower.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            Err(Unconnected { why: "connection refused".into(), silent: false })
        }
        Ok(Err(error)) => {
            let silent = error.kind() == ErrorKind::TimedOut;
            Err(Unconnected { why: format!("it cannot be reached: {error}"), silent })
        }
        Err(_) => {
            Err(Unconnected { why: format!("no answer within {}", print_duration(patience)), silent: true })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_grouped_by_their_domains_in_any_spelling() {
        let to: Vec<ForwardPath> = ["a@x.example", "b@y.example", "c@X.Example", "d@[192.0.2.1]"]
            .map(|path| path.parse().unwrap())
            .to_vec();
        let groups = by_domain(&to).unwrap();
        let sizes: Vec<(String, usize)> =
            groups.iter().map(|(domain, group)| (domain.to_string(), group.len())).collect();
        let expected = [("x.example", 2), ("y.example", 1), ("[192.0.2.1]", 1)];
        assert_eq!(sizes, expected.map(|(domain, size)| (domain.to_owned(), size)));
        assert!(by_domain(&[ForwardPath::Postmaster]).is_err());
    }

    #[test]
    fn a_name_server_has_port_53_unless_it_is_told() {
        for (text, address) in [
            ("127.0.0.1", "127.0.0.1:53"),
            ("127.0.0.1:5353", "127.0.0.1:5353"),
            ("::1", "[::1]:53"),
            ("[::1]", "[::1]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            assert_eq!(name_server(text), Ok(address.parse().unwrap()));
        }
        for bad in ["", "ns.example", "127.0.0.1:", "127.0.0.1:x", "[127.0.0.1", "1.2.3"] {
            assert!(name_server(bad).is_err(), "{bad:?}");
        }
    }
}
