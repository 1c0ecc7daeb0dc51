//! Listening sockets: bound here, before privileges are dropped, or taken from the service manager
//! (sd_listen_fds(3)). And what the service manager is told (sd_notify(3)).

use super::privileges::Account;
use crate::command::Failure;
use crate::config::{Listener, Place};
use postrider_mail::Service;
use postrider_mta::listen::{Purpose, Socket};
use rustix::net::sockopt;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use sd_notify::NotifyState;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::lchown;
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A bound socket, and what it is for.
pub(crate) type Bound = (Socket, Purpose);

/// Opens a configured listener. A Unix socket is given to `owner`, whom the process becomes.
pub(crate) fn bind_listener(listener: &Listener, owner: Option<&Account>) -> Result<Bound, Failure> {
    let socket = match &listener.place {
        Place::Tcp(address) => bind(*address)?.into(),
        Place::Unix { path, mode } => bind_unix(path, *mode, owner)?,
    };
    Ok((socket, listener.purpose))
}

fn bind_unix(path: &Path, mode: u32, owner: Option<&Account>) -> Result<Socket, Failure> {
    let failed = |error: &io::Error, hint: &str| {
        Failure::os(format!("cannot listen on {}: {error}\n  {hint}", path.display()))
    };
    let socket = Socket::bind_unix(path, mode).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => "`ss -lxp` says which",
            io::ErrorKind::AlreadyExists => "move it away, or give the listener another path",
            io::ErrorKind::NotFound => {
                "make the folder of the socket first; for /run, `RuntimeDirectory=` of systemd makes it at each start"
            }
            io::ErrorKind::PermissionDenied => "the user that starts the server must be able to write its folder",
            _ => "see unix(7)",
        };
        failed(&error, hint)
    })?;
    if let Some(owner) = owner {
        // Not what a link leads to, should the folder be another's to write.
        lchown(path, Some(owner.user()), Some(owner.group()))
            .map_err(|error| failed(&error, "the socket cannot be given to the user the server becomes"))?;
    }
    Ok(socket)
}

/// Binds one address. An IPv6 socket is for IPv6 alone: both families are written down where both are meant.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    open(address).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => "another program listens there; `ss -ltnp` says which",
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need root (with `user = …`), socket activation, or the capability CAP_NET_BIND_SERVICE"
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address; `ip addr` lists those it has",
            _ => "see ip(7)",
        };
        Failure::os(format!("cannot listen on {address}: {error}\n  {hint}"))
    })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// The sockets that the service manager bound, in its order. One that a listener of the configuration names
/// is for what that says; else TCP is for other mail servers, and a Unix socket for LMTP.
pub(crate) fn activated(listeners: &[Listener]) -> Result<Vec<Bound>, Failure> {
    let mut handed = listenfd::ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..handed.len() {
        if let Ok(Some(socket)) = handed.take_unix_listener(index) {
            let purpose = purpose_of_unix(&socket, listeners);
            sockets.push((socket.into(), purpose));
            continue;
        }
        match handed.take_tcp_listener(index) {
            Ok(Some(socket)) => {
                let purpose = purpose_of_tcp(&socket, listeners);
                sockets.push((socket.into(), purpose));
            }
            Ok(None) => {}
            Err(error) => {
                return Err(Failure::os(format!(
                    "the service manager's socket {index} is no listener by TCP or by a Unix socket: {error}"
                )));
            }
        }
    }
    Ok(sockets)
}

fn purpose_of_tcp(socket: &TcpListener, listeners: &[Listener]) -> Purpose {
    let address = socket.local_addr().ok();
    let is_it = |place: &Place| matches!(place, Place::Tcp(it) if Some(*it) == address);
    let named = listeners.iter().find(|listener| is_it(&listener.place));
    named.map_or(Purpose::Serve(Service::Mta), |listener| listener.purpose)
}

fn purpose_of_unix(socket: &UnixListener, listeners: &[Listener]) -> Purpose {
    let address = socket.local_addr().ok();
    let path = address.as_ref().and_then(std::os::unix::net::SocketAddr::as_pathname);
    let is_it = |place: &Place| matches!(place, Place::Unix { path: it, .. } if Some(it.as_path()) == path);
    let named = listeners.iter().find(|listener| is_it(&listener.place));
    named.map_or(Purpose::Serve(Service::Lmtp), |listener| listener.purpose)
}

pub(super) fn notify_ready() {
    notify(&[NotifyState::Ready]);
}

pub(super) fn notify_stopping() {
    notify(&[NotifyState::Stopping]);
}

pub(super) fn notify_reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the service manager was not told of the reload"),
    }
}

/// Does nothing when no service manager listens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager was not told");
    }
}
