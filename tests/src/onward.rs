//! A Postrider that sends mail on: its clients on loopback may relay, it is quick to give up waiting and quick to
//! try again, and it shows what it did.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::client::Client;
use crate::machine::free_address;
use crate::process::{Server, outcome};
use crate::site::Site;
use crate::wait::until;
use postrider_journal::Story;
use postrider_journal::event::{Event, Fate, HostTried, What};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Who sends, and hears what became of it.
pub const SENDER: &str = "friend@local.example";

/// How quick it is: no other host needs longer here, unless it does not answer at all.
const QUICK: &str = "\
[outbound]
connect_timeout = \"1s\"
reply_timeout = \"2s\"
rest = \"1s\"
";

/// A running server that sends on.
pub struct Origin {
    /// Its folder.
    pub site: Site,
    server: Server,
}

impl Origin {
    /// One whose configuration goes on with `sections`; messages are tried each second until `expiry`.
    #[track_caller]
    pub fn start(expiry: &str, sections: &str) -> Self {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), expiry, sections)
    }

    /// The same, at this address.
    #[track_caller]
    pub fn at(address: SocketAddr, expiry: &str, sections: &str) -> Self {
        let retry = format!(
            "[retry]\nfirst = \"1s\"\ncap = \"1s\"\nexpiry = \"{expiry}\"\ndelay_notice_after = \"never\"\n"
        );
        Self::patient(address, &format!("{retry}{QUICK}{sections}"))
    }

    /// One that waits and tries as servers do where nobody says otherwise.
    #[track_caller]
    pub fn patient(address: SocketAddr, sections: &str) -> Self {
        let site = Site::new();
        let start = "relay_from = [\"127.0.0.1\"]\n[domains.\"local.example\"]\n";
        site.configure_as("mx.local.example", address, &format!("{start}{sections}"));
        site.add_accounts(&[SENDER]);
        let server = site.serve();
        Self { site, server }
    }

    /// The process.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Hands in a message; gives its queue id.
    #[track_caller]
    pub fn send(&self, recipients: &[&str], content: &str) -> String {
        let mut client = Client::greeted(self.server.address());
        client.says(&format!("MAIL FROM:<{SENDER}>"), "250");
        for recipient in recipients {
            client.says(&format!("RCPT TO:<{recipient}>"), "250");
        }
        client.says("DATA", "354");
        client.send(content.as_bytes());
        let taken = client.says(".", "250 2.0.0");
        client.says("QUIT", "221");
        taken.rsplit(' ').next().unwrap().to_owned()
    }

    /// Every story about what `what` names, oldest first.
    #[track_caller]
    pub fn stories(&self, what: &str) -> Vec<Story> {
        let mut command = Command::new(crate::binary::postrider());
        command.args(["trace", what, "--limit", "1000", "--json", "--config"]).arg(self.site.config());
        let (status, said) = outcome(command);
        if !status.success() {
            // Nothing is told yet.
            return Vec::new();
        }
        said.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// What was tried for a message: each attempt with its hosts and fates, oldest first.
    #[track_caller]
    pub fn tries(&self, id: &str) -> Vec<Try> {
        let mut tries = Vec::new();
        for story in self.stories(id) {
            let ours = |event: &&Event| match &event.what {
                What::Attempt(attempt) => attempt.id.to_string() == id,
                What::Fate(fate) => fate.id.to_string() == id,
                What::Host(_) => true,
                _ => false,
            };
            let mut one: Option<Try> = None;
            for event in story.events().iter().filter(ours) {
                match &event.what {
                    What::Attempt(_) => tries.extend(one.replace(Try::default())),
                    What::Host(host) => one.get_or_insert_default().hosts.push((**host).clone()),
                    What::Fate(fate) => one.get_or_insert_default().fates.push((**fate).clone()),
                    _ => {}
                }
            }
            tries.extend(one);
        }
        tries
    }

    /// Waits until the fates of a message satisfy `enough`; gives its tries.
    #[track_caller]
    pub fn tries_until(&self, id: &str, enough: impl Fn(&[Try]) -> bool) -> Vec<Try> {
        until(&format!("enough is told of {id}"), || Some(self.tries(id)).filter(|tries| enough(tries)))
    }

    /// The notices in the sender's mailbox, as text.
    pub fn notices(&self) -> Vec<String> {
        let mail = self.site.mail(SENDER).into_iter();
        mail.map(|(_, octets)| String::from_utf8_lossy(&octets).into_owned()).collect()
    }

    /// Waits for the notice about this recipient, and gives it.
    #[track_caller]
    pub fn notice_about(&self, recipient: &str) -> String {
        let field = format!("\nFinal-Recipient: rfc822; {recipient}\n");
        until(&format!("a notice about {recipient}"), || {
            self.notices().into_iter().find(|notice| notice.contains(&field))
        })
    }

    /// Waits until nothing is left in the queue.
    #[track_caller]
    pub fn is_done(&self) {
        until("the queue is empty", || {
            self.site.postrider(&["queue", "list", "--json"]).is_empty().then_some(())
        });
    }

    /// SIGTERM, and a good end.
    #[track_caller]
    pub fn stop(self) -> Site {
        assert!(self.server.stop().success());
        self.site
    }
}

/// A street of hosts that listen at one port, each at an address of its own: MX records name no ports. Every test
/// has a street to itself.
#[derive(Clone, Copy, Debug)]
pub struct Street {
    network: [u8; 2],
    port: u16,
}

impl Street {
    /// The street of this test.
    #[expect(clippy::new_without_default, reason = "two calls give different streets")]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Processes that live at a time differ in their ids, and 127.0 is left to everyone else.
        let number = std::process::id().wrapping_mul(16).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let [.., high, low] = number.to_be_bytes();
        Self { network: [high.max(1), low], port: free_address().port() }
    }

    /// The address of a house.
    pub fn ip(self, house: u8) -> Ipv4Addr {
        let [high, low] = self.network;
        Ipv4Addr::new(127, high, low, house)
    }

    /// The address of a house, and the port.
    pub fn at(self, house: u8) -> SocketAddr {
        SocketAddr::from((self.ip(house), self.port))
    }

    /// A route by MX to these hosts.
    pub fn route(self) -> String {
        format!("[[route]]\nto = \"mx\"\nport = {}\nallow = [\"127.0.0.0/8\"]\n", self.port)
    }
}

/// One attempt as its story tells it, or the end of a message for which there was no time for another.
#[derive(Clone, Debug, Default)]
pub struct Try {
    /// The hosts, in the order in which they were tried or passed over.
    pub hosts: Vec<HostTried>,
    /// What became of the recipients.
    pub fates: Vec<Fate>,
}
