//! The SMTP and LMTP protocol engine, server and client, sans-IO (RFC 5321 and RFC 2033, with the extensions that
//! [`extension`] lists).
//!
//! What this crate does not do: it never touches a socket, a clock or a file, decides nothing, and knows no
//! runtime. Octets and the time go in; events and octets come out. So it fits under any runtime or none, and every
//! split of the octets, every delay and every failure can be tried in a test without a network.
//!
//! # The shape
//!
//! ```text
//!           octets read                      events: questions, content, ends
//!   socket ------------->  Session::receive  ---------------------------------> your program
//!          <-------------                    <---------------------------------
//!            Out::wire                         answers; for a client, commands
//! ```
//!
//! There are two engines, [`server::Session`] and [`client::Session`], one value for each connection. The program
//! around them, the *driver*, owns the socket and the clock. It is a loop over four things:
//!
//! - **Input.** `receive` is given what was read and is not consumed yet, and says how much of it is done with.
//!   How the octets were cut into reads changes nothing.
//! - **An event.** The server asks (may this client, sender, recipient …?) and hands out content; the client says
//!   when a message may begin, when its content may follow, and what became of each recipient. A question comes
//!   with a token that its answer consumes: it is answered once, and may be answered later.
//! - **Output.** What is to be sent is appended to [`Out::wire`]. Send it before you wait for input.
//! - **Time.** `deadline` says until when to wait; after it call `timed_out`. The engine has each time limit of
//!   RFC 5321 §4.5.3.2, and the driver none.
//!
//! [`Out::dialogue`] hears every line of the conversation, for a log; [`Silent`] does not listen.
//!
//! The documentation of [`server`] and [`client`] begins with a whole driver over memory. The package's
//! `examples/server.rs` and `examples/client.rs` are the same over the standard library's sockets, as programs.
//!
//! # What is promised
//!
//! - The 250 after content is said for [`server::Filed::Queued`] and nothing else. It holds a proof of your own
//!   type: make that type a thing that only a synced file can give.
//! - Content ends at CRLF.CRLF only. A bare CR, LF or NUL in it is refused, or made CRLF where you say so; never is
//!   one message two to a reader who sees line ends where this one does not.
//! - Everything is bounded: [`limits`] has each bound with its unit and its source. A session between two commands
//!   owns no buffer.
//! - No octets from a peer make it panic, and no octets of a peer stand in a reply or a command but through a type
//!   that cannot hold a line end.
//! - An extension that you do not offer does not exist: its verbs and parameters are refused.
//!
//! # Where to look
//!
//! | module | what is in it |
//! |---|---|
//! | [`server`] | receives: the session, its questions, its setup |
//! | [`client`] | sends: the session, what the peer offers, the fate of each recipient |
//! | [`extension`] | what a server offers |
//! | [`command`] | command lines, parsed and printed |
//! | [`mod@reply`] | replies, printed strictly and read tolerantly |
//! | [`forward`] | what XCLIENT and XFORWARD tell |
//! | [`dialogue`] | what the engines write into, and who listens |
//! | [`limits`] | every size and every time |
//!
//! Addresses, paths, replies and codes are those of `postrider-mail`, the one crate of this project that it needs.

mod chunk;
pub mod client;
pub mod command;
mod data;
pub mod dialogue;
pub mod extension;
pub mod forward;
pub mod limits;
mod line;
pub mod reply;
mod ruler;
pub mod server;

pub use dialogue::{Dialogue, Line, Out, Silent};
