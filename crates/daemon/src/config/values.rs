//! Readers of single values. Each takes a value of the file and gives a typed one, or a problem whose
//! message is a predicate (`is no duration`): the section knows the key to put before it.

use super::limits::USER_OCTETS_MAX;
use super::problem::{Problem, Span, quoted};
use super::reader::Value;
use super::units::{UnitError, parse_duration, parse_size, print_size};
use super::{Subaddress, UserName};
use postrider_mail::address::AddressError;
use postrider_mail::name::NameError;
use postrider_mail::{Domain, Mailbox};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// A string, as it is.
pub(super) fn text<'v>(value: &'v Value<'_>, wanted: &str) -> Result<&'v str, Problem> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text),
        _ => Err(wrong_kind(value, wanted)),
    }
}

/// A table; `write` says how one is written.
pub(super) fn table<'v, 'i>(value: &'v Value<'i>, write: &str) -> Result<&'v DeTable<'i>, Problem> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        _ => Err(wrong_kind(value, "a section").help(format!("write {write}"))),
    }
}

/// `true` or `false`.
pub(super) fn boolean(value: &Value<'_>) -> Result<bool, Problem> {
    match value.get_ref() {
        DeValue::Boolean(boolean) => Ok(*boolean),
        _ => Err(wrong_kind(value, "true or false")),
    }
}

/// A whole number within bounds.
pub(super) fn count(value: &Value<'_>, bounds: RangeInclusive<u32>) -> Result<u32, Problem> {
    let wanted = format!("a number from {} to {}", bounds.start(), bounds.end());
    let DeValue::Integer(integer) = value.get_ref() else {
        let problem = wrong_kind(value, &wanted);
        return Err(match value.get_ref() {
            DeValue::String(text) if text.parse::<u32>().is_ok() => problem.help("write it without quotes"),
            _ => problem,
        });
    };
    u32::from_str_radix(integer.as_str(), integer.radix())
        .ok()
        .filter(|number| bounds.contains(number))
        .ok_or_else(|| Problem::at(value.span(), format!("should be {wanted}")).here("out of bounds"))
}

/// A number within bounds, with or without a fraction.
pub(super) fn number(value: &Value<'_>, bounds: RangeInclusive<f64>) -> Result<f64, Problem> {
    let wanted = format!("a number from {:?} to {:?}", bounds.start(), bounds.end());
    let read = match value.get_ref() {
        DeValue::Float(float) => float.as_str().parse::<f64>(),
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse::<f64>(),
        _ => return Err(wrong_kind(value, &wanted)),
    };
    read.ok()
        .filter(|number| bounds.contains(number))
        .ok_or_else(|| Problem::at(value.span(), format!("should be {wanted}")).here("out of bounds"))
}

/// A duration, or `"never"`.
pub(super) fn duration_or_never(value: &Value<'_>) -> Result<Option<Duration>, Problem> {
    match value.get_ref() {
        DeValue::String(text) if text == "never" => Ok(None),
        _ => duration(value)
            .map(Some)
            .map_err(|problem| problem.help("write a duration such as \"4h\" or \"1h30m\", or \"never\"")),
    }
}

/// `"5m"`, longer than nothing.
pub(super) fn duration(value: &Value<'_>) -> Result<Duration, Problem> {
    if let DeValue::Integer(number) = value.get_ref() {
        return Err(Problem::at(value.span(), "needs a unit")
            .here("a bare number")
            .help(format!("write \"{number}s\" for seconds, or use ms, m, h or d")));
    }
    let text = text(value, "a duration such as \"5m\" or \"1h30m\"")?;
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err(Problem::at(value.span(), "may not be zero")),
        Ok(duration) => Ok(duration),
        Err(error) => Err(unit_problem(value, text, &error, "duration", "s")
            .help("durations look like \"5m\", \"1h30m\" or \"5d\"; the units are d, h, m, s and ms")),
    }
}

/// `"50MiB"`, larger than nothing.
pub(super) fn size(value: &Value<'_>) -> Result<u64, Problem> {
    if let DeValue::Integer(number) = value.get_ref() {
        let octets = u64::from_str_radix(number.as_str(), number.radix()).unwrap_or(0);
        let write = match octets {
            0..1024 => format!("{octets}MiB"),
            _ => print_size(octets),
        };
        return Err(Problem::at(value.span(), "needs a unit").here("a bare number").help(format!(
            "write \"{write}\" if that is what is meant; the units are B, KiB, MiB, GiB, TiB, kB, MB, GB and TB"
        )));
    }
    let text = text(value, "a size such as \"50MiB\"")?;
    match parse_size(text) {
        Ok(0) => Err(Problem::at(value.span(), "may not be zero")),
        Ok(octets) => Ok(octets),
        Err(error) => Err(unit_problem(value, text, &error, "size", "MiB")
            .help("sizes look like \"64KiB\", \"50MiB\" or \"10MB\"; the units are B, KiB, MiB, GiB, TiB, kB, MB, GB and TB")),
    }
}

fn unit_problem(value: &Value<'_>, text: &str, error: &UnitError, noun: &str, likely: &str) -> Problem {
    let at = value.span();
    match error {
        UnitError::Malformed => Problem::at(at, format!("is no {noun}: {}", quoted(text))),
        UnitError::NoUnit(number) => {
            Problem::at(at, "needs a unit").here(format!("perhaps \"{number}{likely}\"?"))
        }
        UnitError::UnknownUnit(unit, meant) => {
            let problem = Problem::at(at, format!("has an unknown unit: {}", quoted(unit)));
            match meant {
                Some(meant) => problem.here(format!("did you mean `{meant}`?")),
                None => problem,
            }
        }
        UnitError::Order => Problem::at(at, format!("is no {noun}: {}", quoted(text)))
            .here("units go from large to small, each once"),
        UnitError::TooLarge => Problem::at(at, format!("is too large a {noun}: {}", quoted(text))),
    }
}

/// A domain name: neither an IP address nor a pattern.
pub(super) fn domain(value: &Value<'_>) -> Result<Domain, Problem> {
    domain_name(text(value, "a domain name")?, value.span())
}

/// A domain name that stands in these octets of the file.
pub(super) fn domain_name(text: &str, at: Span) -> Result<Domain, Problem> {
    let no_domain = || Problem::at(at.clone(), format!("is no domain name: {}", quoted(text)));
    if text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Err(no_domain().here("an IP address").help("write a name that points to it"));
    }
    text.parse().map_err(|error: NameError| {
        let problem = no_domain().here(error.to_string());
        match text {
            _ if text.contains('*') => problem.help("patterns do not work: write each domain"),
            _ if text.ends_with('.') => problem.help("write it without the dot at the end"),
            _ if text.contains('@') => problem.help("write only what is behind the @"),
            _ => problem,
        }
    })
}

/// Our own name: a domain that can stand in a banner and in Received as it is.
pub(super) fn hostname(value: &Value<'_>) -> Result<Domain, Problem> {
    let name = domain(value)?;
    if name.as_str().is_ascii() {
        return Ok(name);
    }
    Err(Problem::at(value.span(), "must be written in ASCII: it stands in replies and in Received fields")
        .here("has other letters")
        .help(format!("write \"{}\", which is the same name", name.ascii())))
}

/// An address such as `alice@example.org`.
pub(super) fn mailbox(value: &Value<'_>) -> Result<Mailbox, Problem> {
    let text = text(value, "an address such as \"alice@example.org\"")?;
    text.parse().map_err(|error: AddressError| {
        Problem::at(value.span(), format!("is no address: {}", quoted(text))).here(error.to_string())
    })
}

/// An absolute path without control characters.
pub(super) fn folder(value: &Value<'_>) -> Result<PathBuf, Problem> {
    let text = text(value, "a path such as \"/var/lib/postrider\"")?;
    if text.chars().any(char::is_control) {
        return Err(Problem::at(value.span(), "may not contain control characters"));
    }
    if text.starts_with('/') {
        return Ok(PathBuf::from(text));
    }
    let problem = Problem::at(value.span(), "must be an absolute path");
    Err(if text.starts_with('~') {
        problem.here("~ is not expanded")
    } else {
        problem
            .here("does not begin with /")
            .help("where a relative path leads depends on who starts the server")
    })
}

/// `0.0.0.0:25` or `[::]:25`: an IP address and a port.
pub(super) fn socket_address(value: &Value<'_>) -> Result<SocketAddr, Problem> {
    let text = text(value, "an address and a port such as \"0.0.0.0:25\"")?;
    let problem = Problem::at(value.span(), format!("is no address and port: {}", quoted(text)));
    match text.parse::<SocketAddr>() {
        Ok(SocketAddr::V6(v6)) if v6.ip().to_ipv4_mapped().is_some() => {
            let canonical = SocketAddr::new(v6.ip().to_canonical(), v6.port());
            Err(problem.here("an IPv4 address in IPv6 clothes").help(format!("write \"{canonical}\"")))
        }
        Ok(address) => Ok(address),
        Err(_) => Err(explain_address(text, problem)),
    }
}

/// What is missing in what should be `address:port`.
fn explain_address(text: &str, problem: Problem) -> Problem {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    if text.parse::<Ipv6Addr>().is_ok() {
        let meant = match (host.parse::<Ipv6Addr>(), port.parse::<u16>()) {
            (Ok(ip), Ok(port)) => SocketAddr::new(ip.into(), port).to_string(),
            _ => format!("[{text}]:25"),
        };
        return problem
            .here("an IPv6 address stands in [ ], and the port behind it")
            .help(format!("write \"{meant}\""));
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return problem.here("the port is missing").help(format!("write \"{}\"", SocketAddr::new(ip, 25)));
    }
    if !port.bytes().all(|b| b.is_ascii_digit()) || (!port.is_empty() && port.parse::<u16>().is_err()) {
        return problem.here("a port is a number from 1 to 65535");
    }
    if matches!(host, "" | "*") {
        let port = if port.is_empty() { "25" } else { port };
        return problem.here("the address is missing").help(format!(
            "\"0.0.0.0:{port}\" is every IPv4 address of this host, \"[::]:{port}\" every IPv6 address"
        ));
    }
    if port.is_empty() {
        return problem
            .here("the port is missing")
            .help("write an address and a port, such as \"0.0.0.0:25\"");
    }
    problem
        .here("the address is not an IP address")
        .help("names are not looked up here: write 127.0.0.1 for localhost, and put IPv6 addresses in [ ]")
}

/// TLS on a listener: only its absence works yet.
pub(super) fn tls(value: &Value<'_>) -> Result<(), Problem> {
    match value.get_ref() {
        DeValue::String(text) if text == "none" => Ok(()),
        _ => Err(Problem::at(value.span(), "does not work yet: the only value is \"none\"")
            .help("leave the line out; TLS arrives with STARTTLS and certificates")),
    }
}

/// A character, or `""` or `false` for none.
pub(super) fn subaddress(value: &Value<'_>) -> Result<Subaddress, Problem> {
    let wanted = "one character such as \"+\", or false for none";
    if let DeValue::Boolean(false) = value.get_ref() {
        return Ok(Subaddress::off());
    }
    let text = text(value, wanted)?;
    text.parse().map_err(|()| {
        Problem::at(value.span(), format!("should be {wanted}, not {}", quoted(text)))
            .help("the characters that work: + - = _ ! # $ % & ' * / ? ^ ` { | } ~")
    })
}

/// The name of a user of this system, not root.
pub(super) fn user(value: &Value<'_>) -> Result<UserName, Problem> {
    let text = text(value, "the name of a user")?;
    match text.parse::<UserName>() {
        Ok(name) if name.as_str() == "root" => Err(Problem::at(
            value.span(),
            "may not be root: a mail server runs without rights over the system",
        )),
        Ok(name) => Ok(name),
        Err(()) => {
            Err(Problem::at(value.span(), format!("is no user's name: {}", quoted(text))).here(format!(
                "1 to {USER_OCTETS_MAX} letters, digits, `_`, `-` and `.`, not all digits, no `-` in front"
            )))
        }
    }
}

/// `should be a duration such as "5m"`, and it is an integer.
pub(super) fn wrong_kind(value: &Value<'_>, wanted: &str) -> Problem {
    let found = match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    };
    Problem::at(value.span(), format!("should be {wanted}")).here(found)
}
