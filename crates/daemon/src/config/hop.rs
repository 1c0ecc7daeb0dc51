//! `[[route]]`: where mail goes, and how. A key that means nothing for where a route leads is refused.

use super::addresses::{host_and_port, list, network, pattern, source};
use super::limits::CONNECTIONS;
use super::problem::{Problem, Span, enumerated, quoted};
use super::reader::{Section, Value};
use super::values::{self, text};
use postrider_mail::Host;
use postrider_policy::limits::SMTP_PORT;
use postrider_policy::route::{EightBit, Family, Hop, LmtpPeer, Pattern, Way};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use toml::Spanned;

/// The port of LMTP, where none is written: what is usual, as RFC 2033 §5 names none.
const LMTP_PORT: u16 = 24;

/// How `to` is written.
const WRITE: &str = "write \"mx\", \"smtp://relay.example.org:587\", \"lmtp://127.0.0.1:24\", \"lmtp:/run/dovecot/lmtp\", \
                     \"local\", \"discard\" or \"hold\"";

/// A `[[route]]` as read.
#[derive(Debug)]
pub(super) struct DraftRoute {
    /// Where its header stands.
    pub(super) at: Span,
    /// The domains it is for; `None`: whatever no other rule is for.
    pub(super) domains: Option<Spanned<Vec<Spanned<Pattern>>>>,
    pub(super) to: Spanned<Hop>,
    /// Where `connections` stands, for comparison with all of them.
    pub(super) connections: Option<Spanned<u32>>,
}

/// Reads one `[[route]]`.
pub(super) fn route(
    mut section: Section<'_, '_>,
    at: Span,
    problems: &mut Vec<Problem>,
) -> Option<DraftRoute> {
    let to = section.required("to", "to = \"mx\"", target, problems);
    let domains = section.raw("domains").map(|(_, value)| {
        Spanned::new(value.span(), list(value, ("domains", "[\"example.org\"]"), pattern, problems))
    });
    let keys = Keys::read(&mut section, problems);
    section.close(problems);
    let to = to?;
    keys.check(&to, problems);
    let connections = keys.connections.clone();
    let hop = match to.get_ref() {
        Target::Local => Hop::Local,
        Target::Discard => Hop::Discard,
        Target::Hold => Hop::Hold,
        Target::Mx => Hop::Mx(keys.way(SMTP_PORT)),
        Target::Smarthost(host, port) => Hop::Smarthost(host.clone(), keys.way(*port)),
        Target::Lmtp(peer, port) => Hop::Lmtp(peer.clone(), keys.way(*port)),
    };
    Some(DraftRoute { at, domains, to: Spanned::new(to.span(), hop), connections })
}

/// The value of `to`.
#[derive(Debug)]
enum Target {
    Local,
    Mx,
    Smarthost(Host, u16),
    /// A Unix socket has no port; the number is not used there.
    Lmtp(LmtpPeer, u16),
    Discard,
    Hold,
}

fn target(value: &Value<'_>) -> Result<Target, Problem> {
    let text = text(value, "a destination such as \"mx\" or \"smtp://relay.example.org:587\"")?;
    let unknown = || Problem::at(value.span(), format!("is no destination: {}", quoted(text)));
    match text {
        "local" => return Ok(Target::Local),
        "mx" => return Ok(Target::Mx),
        "discard" => return Ok(Target::Discard),
        "hold" => return Ok(Target::Hold),
        _ => {}
    }
    if let Some(host) = text.strip_prefix("smtp://") {
        return host_and_port(value, host, SMTP_PORT).map(|(host, port)| Target::Smarthost(host, port));
    }
    if let Some(host) = text.strip_prefix("lmtp://") {
        let (host, port) = host_and_port(value, host, LMTP_PORT)?;
        return Ok(Target::Lmtp(LmtpPeer::Tcp(host), port));
    }
    if let Some(path) = text.strip_prefix("lmtp:") {
        if path.starts_with('/') && !path.chars().any(char::is_control) {
            return Ok(Target::Lmtp(LmtpPeer::Unix(PathBuf::from(path)), LMTP_PORT));
        }
        return Err(unknown().help("a socket's path is absolute: \"lmtp:/run/dovecot/lmtp\""));
    }
    if text.starts_with("smtps:") || text.starts_with("submission") {
        return Err(unknown().here("does not work yet").help("TLS to other hosts arrives with STARTTLS"));
    }
    let is_host = text.contains(['.', ':', '[']) && host_and_port(value, text, SMTP_PORT).is_ok();
    Err(if is_host {
        unknown().here("a host").help(format!("write \"smtp://{text}\", or \"lmtp://{text}\""))
    } else {
        unknown().help(WRITE)
    })
}

/// The keys that say how a hop is reached.
#[derive(Debug, Default)]
struct Keys {
    port: Option<Spanned<u32>>,
    ip: Option<Spanned<Family>>,
    source: Vec<Spanned<IpAddr>>,
    source_at: Option<Span>,
    eight_bit: Option<Spanned<EightBit>>,
    connections: Option<Spanned<u32>>,
    allow: Vec<Spanned<ipnet::IpNet>>,
    allow_at: Option<Span>,
}

impl Keys {
    fn read(section: &mut Section<'_, '_>, problems: &mut Vec<Problem>) -> Self {
        let mut keys = Self {
            port: section.optional("port", |value| values::count(value, 1..=u32::from(u16::MAX)), problems),
            ip: section.optional("ip", family, problems),
            eight_bit: section.optional("eight_bit", eight_bit, problems),
            connections: section.optional("connections", |value| values::count(value, CONNECTIONS), problems),
            ..Self::default()
        };
        if let Some((at, value)) = section.raw("source") {
            keys.source_at = Some(at);
            keys.source = list(value, ("source", "[\"192.0.2.1\", \"2001:db8::1\"]"), source, problems);
        }
        if let Some((at, value)) = section.raw("allow") {
            keys.allow_at = Some(at);
            keys.allow = list(value, ("allow", "[\"127.0.0.0/8\"]"), network, problems);
        }
        keys
    }

    /// Which of the written keys mean nothing for this target, and which contradict each other.
    fn check(&self, to: &Spanned<Target>, problems: &mut Vec<Problem>) {
        let (meant, where_): (&[&str], _) = match to.get_ref() {
            Target::Mx => (&["port", "ip", "source", "eight_bit", "connections", "allow"], ""),
            Target::Smarthost(Host::Domain(_), _) | Target::Lmtp(LmtpPeer::Tcp(Host::Domain(_)), _) => {
                (&["ip", "source", "eight_bit", "connections"], "where one host is named")
            }
            Target::Smarthost(..) | Target::Lmtp(LmtpPeer::Tcp(_), _) => {
                (&["source", "eight_bit", "connections"], "where one address is named")
            }
            Target::Lmtp(LmtpPeer::Unix(_), _) => {
                (&["eight_bit", "connections"], "where a socket of this host is named")
            }
            Target::Local => (&[], "where mail stays here"),
            Target::Discard | Target::Hold => (&[], "where mail goes nowhere"),
        };
        for (key, at) in self.written() {
            if meant.contains(&key) {
                continue;
            }
            let problem = Problem::at(at, format!("`{key}` means nothing {where_}"));
            let problem = problem.and(to.span(), "as this line says");
            problems.push(match (key, meant) {
                ("port", [_, ..]) => {
                    problem.help("write the port behind the host, as in \"smtp://relay.example.org:587\"")
                }
                (_, []) => problem.help("remove the line"),
                (_, meant) => problem.help(format!("what means something here: {}", enumerated(meant))),
            });
        }
        self.check_sources(problems);
    }

    /// One source address for each family that is used.
    fn check_sources(&self, problems: &mut Vec<Problem>) {
        for (at, address) in self.source.iter().enumerate() {
            let of_family =
                |other: &&Spanned<IpAddr>| other.get_ref().is_ipv4() == address.get_ref().is_ipv4();
            if let Some(first) = self.source[..at].iter().find(of_family) {
                let problem = Problem::at(address.span(), "`source` has two addresses of one family");
                problems.push(problem.here("the second").and(first.span(), "the first"));
            }
            let unused = match self.ip.as_ref().map(Spanned::get_ref) {
                Some(Family::V4) => address.get_ref().is_ipv6(),
                Some(Family::V6) => address.get_ref().is_ipv4(),
                Some(Family::Any | Family::PreferV4) | None => false,
            };
            if let (true, Some(ip)) = (unused, &self.ip) {
                let message = format!("`source` {} is never used", address.get_ref());
                problems.push(
                    Problem::at(address.span(), message).and(ip.span(), "the other family alone is used"),
                );
            }
        }
    }

    fn written(&self) -> impl Iterator<Item = (&'static str, Span)> {
        let place = |key, span: Option<Span>| span.map(|span| (key, span));
        [
            place("port", self.port.as_ref().map(Spanned::span)),
            place("ip", self.ip.as_ref().map(Spanned::span)),
            place("source", self.source_at.clone()),
            place("eight_bit", self.eight_bit.as_ref().map(Spanned::span)),
            place("connections", self.connections.as_ref().map(Spanned::span)),
            place("allow", self.allow_at.clone()),
        ]
        .into_iter()
        .flatten()
    }

    /// `port` stands where nothing else is written.
    fn way(&self, port: u16) -> Arc<Way> {
        let default = Way::default();
        let value = |given: &Option<Spanned<u32>>, default| given.as_ref().map_or(default, |v| *v.get_ref());
        let mut way = Way {
            port: u16::try_from(value(&self.port, port.into())).unwrap_or(port),
            family: self.ip.as_ref().map_or(default.family, |ip| *ip.get_ref()),
            eight_bit: self.eight_bit.as_ref().map_or(default.eight_bit, |choice| *choice.get_ref()),
            connections_max: value(&self.connections, default.connections_max),
            allow: self.allow.iter().map(|network| *network.get_ref()).collect(),
            ..default
        };
        for address in &self.source {
            match *address.get_ref() {
                IpAddr::V4(v4) => way.source_v4 = Some(v4),
                IpAddr::V6(v6) => way.source_v6 = Some(v6),
            }
        }
        Arc::new(way)
    }
}

fn family(value: &Value<'_>) -> Result<Family, Problem> {
    let wanted = "\"any\", \"4\", \"6\" or \"prefer-4\"";
    match text(value, wanted)? {
        "any" => Ok(Family::Any),
        "4" => Ok(Family::V4),
        "6" => Ok(Family::V6),
        "prefer-4" => Ok(Family::PreferV4),
        other => Err(Problem::at(value.span(), format!("should be {wanted}, not {}", quoted(other)))),
    }
}

fn eight_bit(value: &Value<'_>) -> Result<EightBit, Problem> {
    let wanted = "\"send\" or \"refuse\"";
    match text(value, wanted)? {
        "send" => Ok(EightBit::Send),
        "refuse" => Ok(EightBit::Refuse),
        other => Err(Problem::at(value.span(), format!("should be {wanted}, not {}", quoted(other)))
            .help("what happens to 8-bit content for a host that does not offer 8BITMIME")),
    }
}
