//! `listen` and `[[listener]]`: where mail comes in, and what a door is for. Each is read, then compared with
//! the others: no two want the same place.

use super::addresses::list;
use super::limits::{LISTENERS_MAX, SOCKET_MODE_DEFAULT, SOCKET_PATH_OCTETS_MAX};
use super::problem::{Problem, quoted};
use super::reader::{Section, Value};
use super::values::{self, text};
use super::{Listener, Place};
use postrider_mail::Service;
use postrider_mta::listen::Purpose;
use postrider_policy::limits::SMTP_PORT;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::DeValue;

/// A listener as read: a Unix socket with the mode it is to have.
#[derive(Debug)]
pub(super) struct DraftListener {
    pub(super) place: Spanned<Place>,
    pub(super) purpose: Purpose,
}

impl From<DraftListener> for Listener {
    fn from(draft: DraftListener) -> Self {
        Self { place: draft.place.into_inner(), purpose: draft.purpose }
    }
}

/// `listen = ["0.0.0.0:25", "[::]:25"]`: short for listeners of the service mta.
pub(super) fn listen(value: &Value<'_>, listeners: &mut Vec<DraftListener>, problems: &mut Vec<Problem>) {
    let read = |value: &Value<'_>| match text(value, "an address and a port such as \"0.0.0.0:25\"")? {
        path if path.starts_with('/') => {
            Err(Problem::at(value.span(), format!("is no address and port: {}", quoted(path)))
                .here("a path")
                .help("write a [[listener]] for a Unix socket: it says what the socket is for"))
        }
        _ => values::socket_address(value),
    };
    for address in list(value, ("listen", "[\"0.0.0.0:25\", \"[::]:25\"]"), read, problems) {
        let place = Spanned::new(address.span(), Place::Tcp(address.into_inner()));
        listeners.push(DraftListener { place, purpose: Purpose::Serve(Service::Mta) });
    }
}

/// `[[listener]]`: one door, by TCP or by a Unix socket.
pub(super) fn listener(mut section: Section<'_, '_>, problems: &mut Vec<Problem>) -> Option<DraftListener> {
    let place = section.required("address", "address = \"0.0.0.0:25\"", place, problems);
    let service = section.optional("service", service, problems);
    let mode = section.optional("mode", mode, problems);
    section.optional("tls", values::tls, problems);
    section.close(problems);
    let mut place = place?;
    match (place.as_mut(), &mode) {
        (Place::Unix { mode, .. }, Some(given)) => *mode = *given.get_ref(),
        (Place::Tcp(_), Some(given)) => problems.push(
            Problem::at(given.span(), "`mode` is for a Unix socket")
                .and(place.span(), "an address and a port")
                .help("leave it out, or give the listener a path as its address"),
        ),
        (_, None) => {}
    }
    let closed = service.as_ref().filter(|service| *service.get_ref() == Purpose::Closed);
    if let (Place::Unix { .. }, Some(closed)) = (place.get_ref(), closed) {
        let problem = Problem::at(closed.span(), "\"closed\" is for an address that others may still try");
        problems.push(problem.and(place.span(), "a Unix socket").help("remove this [[listener]]"));
    }
    Some(DraftListener { place, purpose: service.map_or(Purpose::Serve(Service::Mta), Spanned::into_inner) })
}

/// An address and a port, or the absolute path of a Unix socket.
fn place(value: &Value<'_>) -> Result<Place, Problem> {
    let text = text(value, "an address and a port such as \"0.0.0.0:25\", or the path of a Unix socket")?;
    if text.starts_with('/') {
        let path = socket_path(value, text)?;
        return Ok(Place::Unix { path, mode: SOCKET_MODE_DEFAULT });
    }
    if text.contains('/') {
        let problem = Problem::at(value.span(), format!("is no place to listen: {}", quoted(text)));
        let meant = text.strip_prefix("unix:").filter(|path| path.starts_with('/'));
        return Err(match meant {
            Some(path) => problem.help(format!("write the path alone: {}", quoted(path))),
            None => problem
                .here("the path of a Unix socket begins with /")
                .help("where a relative path leads depends on who starts the server"),
        });
    }
    values::socket_address(value).map(Place::Tcp)
}

/// A path that the system can bind (unix(7)).
fn socket_path(value: &Value<'_>, text: &str) -> Result<PathBuf, Problem> {
    let path = Path::new(text);
    if text.chars().any(char::is_control) {
        return Err(Problem::at(value.span(), "may not contain control characters"));
    }
    if text.ends_with('/') || path.file_name().is_none() {
        return Err(Problem::at(value.span(), "names a folder")
            .here("the socket needs a name of its own")
            .help("write a path such as \"/run/postrider/lmtp\""));
    }
    if text.len() > SOCKET_PATH_OCTETS_MAX {
        let message = "is too long for the path of a Unix socket".to_owned();
        let here = format!("{} octets, at most {SOCKET_PATH_OCTETS_MAX} are possible", text.len());
        return Err(Problem::at(value.span(), message).here(here));
    }
    Ok(path.components().collect())
}

/// Which door this is.
fn service(value: &Value<'_>) -> Result<Purpose, Problem> {
    let wanted = "\"mta\", \"lmtp\" or \"closed\"";
    match text(value, wanted)? {
        "mta" => Ok(Purpose::Serve(Service::Mta)),
        "lmtp" => Ok(Purpose::Serve(Service::Lmtp)),
        "closed" => Ok(Purpose::Closed),
        other => Err(Problem::at(value.span(), format!("should be {wanted}, not {}", quoted(other))).help(
            "\"mta\" takes mail from other mail servers, \"lmtp\" from programs by LMTP; \"closed\" says that \
             there is no mail here",
        )),
    }
}

/// Who may connect to a Unix socket, as chmod(1) has it: `"0660"`.
fn mode(value: &Value<'_>) -> Result<u32, Problem> {
    if let DeValue::Integer(number) = value.get_ref() {
        let digits = number.as_str().trim_start_matches("0o");
        return Err(Problem::at(value.span(), "should be octal digits in quotes")
            .here("a bare number")
            .help(format!("write \"{digits:0>4}\" if that is what is meant")));
    }
    let text = text(value, "octal digits in quotes, such as \"0660\"")?;
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| octal).ok_or_else(|| {
        Problem::at(value.span(), format!("is no mode: {}", quoted(text)))
            .help("three octal digits for owner, group and others, as in \"0660\"")
    })?;
    if mode > 0o777 {
        return Err(Problem::at(value.span(), "may have the permissions of owner, group and others only")
            .here("the first of four digits is 0"));
    }
    if mode & 0o200 == 0 {
        return Err(Problem::at(value.span(), "lets not even the owner connect")
            .here("connecting needs the right to write: 2"));
    }
    Ok(mode)
}

/// No two listeners want the same place; a wildcard wants every address. IPv6 listeners take IPv6 only, so
/// `0.0.0.0:25` and `[::]:25` stand beside each other. `control` is a socket that is taken already.
pub(super) fn differ(listeners: &[DraftListener], control: Option<&Path>, problems: &mut Vec<Problem>) {
    if let Some(surplus) = listeners.get(LISTENERS_MAX) {
        let message = format!("there are more than {LISTENERS_MAX} listeners");
        return problems.push(Problem::at(surplus.place.span(), message).here("one too many"));
    }
    for (at, later) in listeners.iter().enumerate() {
        let (place, here) = (later.place.get_ref(), later.place.span());
        if let (Place::Unix { path, .. }, Some(control)) = (place, control)
            && path == control
        {
            let problem = Problem::at(here.clone(), "this is the socket of `postrider queue` and its like");
            problems.push(problem.here("taken").help("give the listener a path of its own"));
        }
        let Some(earlier) = listeners[..at].iter().find(|earlier| collide(earlier.place.get_ref(), place))
        else {
            continue;
        };
        let (first, there) = (earlier.place.get_ref(), earlier.place.span());
        problems.push(if same(first, place) {
            Problem::at(here, format!("two listeners want {place}"))
                .here("again here")
                .and(there, "first here")
        } else {
            let (all, one) = ("all addresses of this host", "one of them");
            let (here_is, there_is) = if is_wildcard(place) { (all, one) } else { (one, all) };
            Problem::at(here, format!("{place} and {first} cannot both be listened on"))
                .here(here_is)
                .and(there, there_is)
                .help("keep the one for all addresses, or name each address")
        });
    }
}

/// RFC 2033 §5: other mail servers expect SMTP there.
pub(super) fn lmtp_is_not_on_port_25(listeners: &[DraftListener], problems: &mut Vec<Problem>) {
    for listener in listeners {
        let Place::Tcp(address) = listener.place.get_ref() else { continue };
        if listener.purpose == Purpose::Serve(Service::Lmtp) && address.port() == SMTP_PORT {
            let problem =
                Problem::at(listener.place.span(), "LMTP may not be spoken on port 25 (RFC 2033 §5)");
            problems.push(problem.here("the port of SMTP").help("give it another port: 24 is usual"));
        }
    }
}

/// Whether two places are one, whatever the modes of a socket.
fn same(a: &Place, b: &Place) -> bool {
    match (a, b) {
        (Place::Tcp(a), Place::Tcp(b)) => a == b,
        (Place::Unix { path: a, .. }, Place::Unix { path: b, .. }) => a == b,
        (Place::Tcp(_), Place::Unix { .. }) | (Place::Unix { .. }, Place::Tcp(_)) => false,
    }
}

fn is_wildcard(place: &Place) -> bool {
    matches!(place, Place::Tcp(address) if address.ip().is_unspecified())
}

fn collide(a: &Place, b: &Place) -> bool {
    let (Place::Tcp(one), Place::Tcp(other)) = (a, b) else { return same(a, b) };
    let same_address = one.ip() == other.ip() && scope(*one) == scope(*other);
    let wildcard = one.is_ipv4() == other.is_ipv4() && (is_wildcard(a) || is_wildcard(b));
    // Port 0 asks the system for a free one.
    one.port() == other.port() && one.port() != 0 && (same_address || wildcard)
}

/// The interface a link-local IPv6 address is meant for.
fn scope(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V6(v6) => v6.scope_id(),
        SocketAddr::V4(_) => 0,
    }
}
