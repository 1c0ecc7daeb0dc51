//! Listening sockets: bound here, before privileges are dropped, or taken from the service manager
//! (sd_listen_fds(3)). And what the service manager is told (sd_notify(3)).

use crate::command::Failure;
use postrider_mail::Service;
use rustix::net::sockopt;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use sd_notify::NotifyState;
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

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

/// The sockets that the service manager bound, as MTA listeners, in its order.
pub(crate) fn activated() -> Result<Vec<(TcpListener, Service)>, Failure> {
    let mut handed = listenfd::ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..handed.len() {
        match handed.take_tcp_listener(index) {
            Ok(Some(socket)) => sockets.push((socket, Service::Mta)),
            Ok(None) => {}
            Err(error) => {
                return Err(Failure::os(format!(
                    "the service manager's socket {index} is no TCP listener: {error}"
                )));
            }
        }
    }
    Ok(sockets)
}

/// Hands a bound socket to the runtime.
pub(super) fn into_async(socket: TcpListener) -> Result<tokio::net::TcpListener, Failure> {
    let ready = socket.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(socket));
    ready.map_err(|error| Failure::os(format!("a listening socket cannot be used: {error}")))
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
