//! Which domains are ours, and how addresses in them are spelled.

use postrider_mail::{Domain, Host, LocalPart, Mailbox};
use std::collections::BTreeMap;

/// What is ours.
#[derive(Clone, Debug)]
pub struct Local {
    /// Our own name. Mail for postmaster without a domain is for postmaster at this name.
    pub hostname: Domain,
    /// The domains whose addresses the directory knows.
    pub domains: Domains,
    /// Who gets the mail for postmaster, where the directory knows no postmaster.
    pub postmaster: Option<Mailbox>,
}

/// The domains that are local.
#[derive(Clone, Debug)]
pub enum Domains {
    /// Every address of every domain is a mailbox here: a development server, which sends nothing onward.
    Every,
    /// These.
    These(BTreeMap<Domain, DomainRules>),
}

/// How one local domain is treated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainRules {
    /// What separates a user from a detail in `user+detail` (RFC 5233), if anything does.
    pub subaddress: Option<char>,
    /// Whether VRFY and EXPN tell what the directory knows (RFC 5321 §7.3), and RCPT where an alias leads.
    pub verify: bool,
    /// Whether the domain takes mail at all: one that does not refuses every address (RFC 7504 §4).
    pub mail: bool,
}

impl Default for DomainRules {
    fn default() -> Self {
        Self { subaddress: Some('+'), verify: false, mail: true }
    }
}

impl Local {
    /// The rules of the address's domain, where that is local. The host's own name is local for
    /// postmaster alone, unless it is listed.
    pub fn rules(&self, address: &Mailbox) -> Option<DomainRules> {
        match (&self.domains, address.host()) {
            (Domains::Every, _) => Some(DomainRules { subaddress: None, verify: false, mail: true }),
            (Domains::These(domains), Host::Domain(domain)) => match domains.get(domain) {
                Some(rules) => Some(rules.clone()),
                None if *domain == self.hostname && is_postmaster(address) => Some(DomainRules::default()),
                None => None,
            },
            (Domains::These(_), Host::Literal(_)) => None,
        }
    }

    /// Whether mail for everyone is kept.
    pub fn is_every(&self) -> bool {
        matches!(self.domains, Domains::Every)
    }

    /// Postmaster of this host.
    pub fn own_postmaster(&self) -> Mailbox {
        #[expect(clippy::expect_used, reason = "the text is a well-formed local part")]
        let local = LocalPart::new("postmaster").expect("postmaster is a local part");
        Mailbox::new(local, Host::Domain(self.hostname.clone()))
    }
}

/// Whether this is the one local part that every domain must have (RFC 5321 §4.5.1).
pub fn is_postmaster(address: &Mailbox) -> bool {
    address.local().as_str().eq_ignore_ascii_case("postmaster")
}

/// The address without its detail: `user@host` for `user+detail@host`.
pub(crate) fn without_detail(address: &Mailbox, separator: Option<char>) -> Option<Mailbox> {
    let (user, _) = address.local().as_str().split_once(separator?)?;
    Some(Mailbox::new(LocalPart::new(user).ok()?, address.host().clone()))
}
