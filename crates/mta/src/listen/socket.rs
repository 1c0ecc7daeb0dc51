//! Listening sockets, and the connections they give: TCP, or streams of Unix sockets in the file system.

use super::Purpose;
use postrider_mail::{Peer, Service};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A bound socket, before the runtime has it: bound while the process may, used when it is nobody any more.
#[derive(Debug)]
pub struct Socket(Bound);

#[derive(Debug)]
enum Bound {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener, Option<SocketFile>),
}

impl Socket {
    /// Makes a Unix socket at `path`, open to whom `mode` says. A socket file that nobody listens on is
    /// replaced; the file is removed when the listener ends.
    ///
    /// # Errors
    /// [`AddrInUse`](io::ErrorKind::AddrInUse): somebody listens there;
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists): what lies there is no socket; else what the system says.
    pub fn bind_unix(path: &Path, mode: u32) -> io::Result<Self> {
        make_room(path)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        let file = SocketFile::made(path, mode)?;
        // Only now can anyone connect.
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(Self(Bound::Unix(socket.into(), Some(file))))
    }

    /// The address, of a TCP socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Bound::Tcp(listener) => listener.local_addr().ok(),
            Bound::Unix(..) => None,
        }
    }
}

impl From<std::net::TcpListener> for Socket {
    fn from(listener: std::net::TcpListener) -> Self {
        Self(Bound::Tcp(listener))
    }
}

/// A socket that a service manager made: its file is not ours to remove.
impl From<std::os::unix::net::UnixListener> for Socket {
    fn from(listener: std::os::unix::net::UnixListener) -> Self {
        Self(Bound::Unix(listener, None))
    }
}

/// The address or the path.
impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Bound::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(error) => write!(f, "a TCP socket ({error})"),
            },
            Bound::Unix(listener, _) => {
                let address = listener.local_addr().ok();
                match address.as_ref().and_then(std::os::unix::net::SocketAddr::as_pathname) {
                    Some(path) => path.display().fmt(f),
                    None => f.write_str("a Unix socket without a path"),
                }
            }
        }
    }
}

/// Removes what a dead server left at `path`, and nothing else.
fn make_room(path: &Path) -> io::Result<()> {
    let there = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        there => there?,
    };
    if !there.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "what lies there is no socket"));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens there")),
    }
}

/// The file of a socket we made, removed when dropped.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// The file at `path` of the socket just bound, made open to whom `mode` says. The folder may be another's to
    /// write: what lies there now is held, and not what a link there leads to.
    fn made(path: &Path, mode: u32) -> io::Result<Self> {
        let held = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let made = rustix::fs::fstat(&held)?;
        if FileType::from_raw_mode(made.st_mode) != FileType::Socket {
            return Err(io::Error::other("the socket was replaced as it was made"));
        }
        let itself = format!("/proc/self/fd/{}", held.as_raw_fd());
        fs::set_permissions(itself, Permissions::from_mode(mode))?;
        Ok(Self { path: path.to_owned(), device: made.st_dev, inode: made.st_ino })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|there| (there.dev(), there.ino()) == (self.device, self.inode));
        // A file that stays, because the folder is not ours any more, is replaced at the next start.
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "the socket's file stays");
        }
    }
}

/// A socket that the runtime listens on, and what for.
#[derive(Debug)]
pub struct Listener {
    acceptor: Acceptor,
    pub(super) purpose: Purpose,
}

#[derive(Debug)]
enum Acceptor {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener, #[expect(dead_code, reason = "removes the file")] Option<SocketFile>),
}

impl Listener {
    /// Hands a bound socket to the runtime, in which this must be called.
    ///
    /// # Errors
    /// The system cannot make it ready.
    pub fn new(socket: Socket, purpose: Purpose) -> io::Result<Self> {
        let acceptor = match socket.0 {
            Bound::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Acceptor::Tcp(tokio::net::TcpListener::from_std(listener)?)
            }
            Bound::Unix(listener, file) => {
                listener.set_nonblocking(true)?;
                Acceptor::Unix(tokio::net::UnixListener::from_std(listener)?, file)
            }
        };
        Ok(Self { acceptor, purpose })
    }

    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        let service = match self.purpose {
            Purpose::Serve(service) => service,
            Purpose::Closed => Service::Mta,
        };
        match &self.acceptor {
            Acceptor::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(peer = %address, %error, "no TCP_NODELAY");
                }
                Ok((Stream::Tcp(stream), Peer::new(address, service)))
            }
            Acceptor::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), Peer::local(service)))
            }
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

impl Stream {
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
        }
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            Self::Unix(stream) => stream.writable().await,
        }
    }

    /// Reads once: octets read, zero at the end of input, `None` when there was nothing after all.
    pub(crate) fn try_read(&self, into: &mut [u8]) -> io::Result<Option<usize>> {
        unless_blocked(match self {
            Self::Tcp(stream) => stream.try_read(into),
            Self::Unix(stream) => stream.try_read(into),
        })
    }

    /// The same without a word from the runtime that there is something: one system call that does not wait.
    pub(crate) fn read_now(&self, into: &mut [u8]) -> io::Result<Option<usize>> {
        let flags = rustix::net::RecvFlags::DONTWAIT;
        let read = match self {
            Self::Tcp(stream) => rustix::net::recv(stream, into, flags),
            Self::Unix(stream) => rustix::net::recv(stream, into, flags),
        };
        unless_blocked(read.map(|(octets, _)| octets).map_err(io::Error::from))
    }

    /// Writes once: octets written, `None` when there was no room after all.
    pub(crate) fn try_write(&self, octets: &[u8]) -> io::Result<Option<usize>> {
        unless_blocked(match self {
            Self::Tcp(stream) => stream.try_write(octets),
            Self::Unix(stream) => stream.try_write(octets),
        })
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        use tokio::io::AsyncWriteExt;
        match self {
            Self::Tcp(stream) => stream.shutdown().await,
            Self::Unix(stream) => stream.shutdown().await,
        }
    }
}

fn unless_blocked(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Ok(octets) => Ok(Some(octets)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_a_dead_server_left_is_replaced_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lmtp.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left behind");
        let first = Socket::bind_unix(&path, 0o660).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        assert_eq!(first.to_string(), path.display().to_string());
        assert_eq!(Socket::bind_unix(&path, 0o660).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists(), "removed at the end");
        fs::write(&path, "a file").unwrap();
        assert_eq!(Socket::bind_unix(&path, 0o660).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"a file");
    }

    #[test]
    fn a_socket_that_another_has_made_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mta.sock");
        let ours = Socket::bind_unix(&path, 0o600).unwrap();
        fs::rename(&path, folder.path().join("aside")).unwrap();
        let _theirs = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(ours);
        assert!(path.exists());
    }
}
