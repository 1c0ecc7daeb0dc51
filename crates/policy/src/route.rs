//! Where a recipient's message goes next: ordered rules, the first that matches decides, none refuses.

use crate::local::Local;
use postrider_mail::{Domain, Mailbox};

/// The next hop of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// A mailbox on this host.
    Local,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The domains it is for; `None` for all that are local.
    pub domains: Option<Vec<Domain>>,
    /// Where it leads.
    pub hop: Hop,
}

/// The next hop for an address, or `None` where no rule matches.
pub fn route(rules: &[Rule], local: &Local, address: &Mailbox) -> Option<Hop> {
    let is_local = local.rules(address).is_some();
    let matching = rules.iter().find(|rule| match (&rule.domains, address.host().domain()) {
        (None, _) => is_local,
        (Some(domains), Some(domain)) => domains.contains(domain),
        (Some(_), None) => false,
    });
    matching.map(|rule| rule.hop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::{DomainRules, Domains};

    #[test]
    fn the_first_rule_that_matches_decides_and_none_refuses() {
        let domain = |name: &str| name.parse::<Domain>().unwrap();
        let local = Local {
            hostname: domain("mx.example"),
            domains: Domains::These([(domain("a.example"), DomainRules::default())].into()),
            postmaster: None,
        };
        let to = |rules: &[Rule], address: &str| route(rules, &local, &address.parse().unwrap());
        let ours = [Rule { domains: None, hop: Hop::Local }];
        assert_eq!(to(&[], "x@a.example"), None);
        assert_eq!(to(&ours, "x@a.example"), Some(Hop::Local));
        assert_eq!(to(&ours, "x@b.example"), None);
        assert_eq!(to(&ours, "postmaster@mx.example"), Some(Hop::Local));
        let rule = [Rule { domains: Some(vec![domain("B.example")]), hop: Hop::Local }];
        assert_eq!(to(&rule, "x@b.example"), Some(Hop::Local));
        assert_eq!(to(&rule, "x@a.example"), None);
        assert_eq!(to(&rule, "x@[192.0.2.1]"), None);
    }
}
