//! Ordinary clients: a session, a message, and the time that both take.

use crate::client::Client;
use crate::numbered;
use crate::states::NEIGHBOUR;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A message that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) number: u64,
    /// From the connection to the reply to QUIT.
    pub(super) session: Duration,
    /// From the dot to its reply.
    pub(super) acknowledgement: Duration,
}

/// Sends the message of this number: every other one stays here. Why not, in words, otherwise.
pub(super) fn send(address: SocketAddr, number: u64) -> Result<Sent, String> {
    let began = Instant::now();
    let mut client = Client::connect(address);
    let mut dialogue = |said: &str, due: &str| {
        client.send(said.as_bytes());
        match client.reply() {
            Ok(Some(reply)) if reply.starts_with(due) => Ok(()),
            other => Err(format!("message {number}: {other:?} where {due} is due")),
        }
    };
    let recipient =
        if number.is_multiple_of(2) { NEIGHBOUR.to_owned() } else { format!("m{number}@polite.example") };
    dialogue("", "220")?;
    dialogue("EHLO ordinary.example\r\n", "250")?;
    dialogue("MAIL FROM:<sender@client.example>\r\n", "250")?;
    dialogue(&format!("RCPT TO:<{recipient}>\r\n"), "250")?;
    dialogue("DATA\r\n", "354")?;
    let dot = Instant::now();
    dialogue(&format!("{}.\r\n", numbered::content(number)), "250")?;
    let acknowledgement = dot.elapsed();
    // The message is theirs, whatever comes of this.
    let _ = dialogue("QUIT\r\n", "221");
    Ok(Sent { number, session: began.elapsed(), acknowledgement })
}

/// The number of a message whose first octets these are.
pub(super) fn number_in(start: &str) -> Option<u64> {
    start.split_once("X-Number: ")?.1.split_whitespace().next()?.parse().ok()
}

/// The number of the message to this recipient.
pub(super) fn number_of(recipient: &str) -> Option<u64> {
    recipient.strip_prefix("<m")?.split('@').next()?.parse().ok()
}
