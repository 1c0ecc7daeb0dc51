//! Who stands behind an address of ours: accounts, and addresses elsewhere, through aliases of aliases, each
//! once (RFC 5321 §3.9.1). The reverse-path is kept: this is an alias, not a list (RFC 5321 §3.9.2).
//!
//! A domain is local whatever its route: also where its mailboxes are in another process, reached by LMTP,
//! an address must be known here to be taken.

use crate::limits::{DESTINATIONS_MAX, LOOK_UPS_MAX};
use crate::local::{self, Local};
use crate::port::{Directory, Entry, Unavailable};
use crate::route::{self, Rule};
use postrider_mail::Mailbox;
use std::collections::BTreeSet;

/// One address that an address leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The account's primary address, postmaster's, or an address elsewhere.
    pub address: Mailbox,
    /// The alias that named it, when one did.
    pub via: Option<Mailbox>,
}

/// What an address leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expansion {
    /// These addresses, at least one.
    Destinations(Vec<Destination>),
    /// The directory does not know it.
    NoSuchUser,
    /// An alias is larger than the limits allow.
    TooMany,
    /// The alias has this member elsewhere, and no route leads there.
    Elsewhere(Mailbox),
    /// The alias leads to nobody: its members are gone, or are each other.
    Nobody(Mailbox),
}

/// Follows `address`, which must be local. Members elsewhere need a route, and no permission to relay: the
/// alias is the operator's. Blocks where the directory does.
///
/// # Errors
/// The directory cannot be read now.
pub fn expand(
    directory: &dyn Directory,
    local: &Local,
    routes: &[Rule],
    address: &Mailbox,
) -> Result<Expansion, Unavailable> {
    if local.is_every() {
        let all = vec![Destination { address: address.clone(), via: None }];
        return Ok(Expansion::Destinations(all));
    }
    let Some(found) = find(directory, local, address)? else {
        return Ok(Expansion::NoSuchUser);
    };
    let mut walk = Walk {
        directory,
        local,
        routes,
        seen: BTreeSet::from([address.key()]),
        found: Vec::new(),
        pending: vec![(found, None, address.clone())],
    };
    walk.run()
}

/// A walk through aliases, without recursion: pending entries are a stack, members in their order.
struct Walk<'a> {
    directory: &'a dyn Directory,
    local: &'a Local,
    routes: &'a [Rule],
    /// Keys of every address looked at: cycles and repetitions end here.
    seen: BTreeSet<String>,
    found: Vec<Destination>,
    pending: Vec<(Entry, Option<Mailbox>, Mailbox)>,
}

impl Walk<'_> {
    fn run(&mut self) -> Result<Expansion, Unavailable> {
        let mut start = None;
        while let Some((entry, via, address)) = self.pending.pop() {
            let start = start.get_or_insert_with(|| address.clone()).clone();
            match entry {
                Entry::Account(primary) => {
                    let is_new = !self.found.iter().any(|found| self.same(&found.address, &primary));
                    if is_new {
                        self.found.push(Destination { address: primary, via });
                    }
                }
                Entry::Alias(members) => {
                    if let Some(elsewhere) = self.follow(&members, &address)? {
                        return Ok(Expansion::Elsewhere(elsewhere));
                    }
                }
            }
            if self.found.len() > DESTINATIONS_MAX || self.seen.len() > LOOK_UPS_MAX {
                return Ok(Expansion::TooMany);
            }
            if self.pending.is_empty() && self.found.is_empty() {
                if local::is_postmaster(&start) {
                    // Whoever was meant is gone; postmaster is somebody all the same (RFC 5321 §4.5.1).
                    let address = self.local.own_postmaster();
                    return Ok(Expansion::Destinations(vec![Destination { address, via: None }]));
                }
                return Ok(Expansion::Nobody(start));
            }
        }
        Ok(Expansion::Destinations(std::mem::take(&mut self.found)))
    }

    /// Looks at the members of the alias `via`; gives the first that is elsewhere and has no route.
    fn follow(&mut self, members: &[Mailbox], via: &Mailbox) -> Result<Option<Mailbox>, Unavailable> {
        for member in members.iter().rev() {
            if self.seen.len() > LOOK_UPS_MAX || !self.seen.insert(self.key(member)) {
                continue;
            }
            if self.local.rules(member).is_none() {
                if route::onward(self.routes, self.local, member).is_none() {
                    return Ok(Some(member.clone()));
                }
                self.pending.push((Entry::Account(member.clone()), Some(via.clone()), member.clone()));
                continue;
            }
            // A member whose account is gone is passed over: the others still get their mail.
            if let Some(entry) = find(self.directory, self.local, member)? {
                self.pending.push((entry, Some(via.clone()), member.clone()));
            }
        }
        Ok(None)
    }

    /// What decides whether two addresses are one. The case of a local part elsewhere is not ours to ignore.
    fn key(&self, address: &Mailbox) -> String {
        match self.local.rules(address) {
            Some(_) => address.key(),
            None => format!("{}@{}", address.local(), address.host().key()),
        }
    }

    fn same(&self, a: &Mailbox, b: &Mailbox) -> bool {
        a == b || self.key(a) == self.key(b)
    }
}

/// What the directory knows of a local address: exactly, then without its detail; then postmaster, who is
/// always known.
fn find(directory: &dyn Directory, local: &Local, address: &Mailbox) -> Result<Option<Entry>, Unavailable> {
    if let Some(entry) = directory.look_up(address)? {
        return Ok(Some(entry));
    }
    let separator = local.rules(address).and_then(|rules| rules.subaddress);
    if let Some(plain) = local::without_detail(address, separator)
        && let Some(entry) = directory.look_up(&plain)?
    {
        return Ok(Some(entry));
    }
    if local::is_postmaster(address) {
        return Ok(Some(match &local.postmaster {
            Some(postmaster) if postmaster.key() != address.key() => Entry::Alias(vec![postmaster.clone()]),
            _ => Entry::Account(local.own_postmaster()),
        }));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::{DomainRules, Domains};
    use crate::route::{Hop, Matches, Pattern};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    struct Table(BTreeMap<String, Entry>);

    impl Directory for Table {
        fn look_up(&self, address: &Mailbox) -> Result<Option<Entry>, Unavailable> {
            Ok(self.0.get(&address.key()).cloned())
        }
    }

    fn mailbox(local: &str) -> Mailbox {
        format!("{local}@local.example").parse().unwrap()
    }

    fn directory(accounts: &[&str], aliases: &[(&str, &[&str])]) -> Table {
        let mut table = BTreeMap::new();
        for account in accounts {
            table.insert(mailbox(account).key(), Entry::Account(mailbox(account)));
        }
        for (alias, members) in aliases {
            let members = members
                .iter()
                .map(|m| if m.contains('@') { m.parse().unwrap() } else { mailbox(m) })
                .collect();
            table.insert(mailbox(alias).key(), Entry::Alias(members));
        }
        Table(table)
    }

    fn local(postmaster: Option<&str>) -> Local {
        Local {
            hostname: "mx.local.example".parse().unwrap(),
            domains: Domains::These(BTreeMap::from([(
                "local.example".parse().unwrap(),
                DomainRules::default(),
            )])),
            postmaster: postmaster.map(mailbox),
        }
    }

    fn names(directory: &Table, address: &str) -> Vec<String> {
        match expand(directory, &local(None), &[], &mailbox(address)).unwrap() {
            Expansion::Destinations(all) => {
                all.iter().map(|d| d.address.local().as_str().to_owned()).collect()
            }
            other => vec![format!("{other:?}").split('(').next().unwrap_or_default().to_owned()],
        }
    }

    #[test]
    fn an_alias_gives_each_member_once_in_order() {
        let directory = directory(
            &["ann", "ben", "cat"],
            &[("staff", &["ben", "team", "ann"]), ("team", &["ann", "cat", "staff"])],
        );
        assert_eq!(names(&directory, "staff"), ["ben", "cat", "ann"]);
        assert_eq!(names(&directory, "ann"), ["ann"]);
        assert_eq!(names(&directory, "nobody"), ["NoSuchUser"]);
    }

    #[test]
    fn a_destination_names_the_alias_it_came_by() {
        let directory = directory(&["ann"], &[("staff", &["team"]), ("team", &["ann"])]);
        let Ok(Expansion::Destinations(all)) = expand(&directory, &local(None), &[], &mailbox("staff"))
        else {
            panic!()
        };
        assert_eq!(all, [Destination { address: mailbox("ann"), via: Some(mailbox("team")) }]);
    }

    #[test]
    fn cycles_and_gone_members_end_in_a_word() {
        let directory = directory(&[], &[("a", &["b"]), ("b", &["a"]), ("c", &["gone"])]);
        assert_eq!(names(&directory, "a"), ["Nobody"]);
        assert_eq!(names(&directory, "c"), ["Nobody"]);
    }

    #[test]
    fn a_member_elsewhere_without_a_route_is_named() {
        let directory = directory(&["ann"], &[("a", &["ann", "x@elsewhere.example"])]);
        assert_eq!(names(&directory, "a"), ["Elsewhere"]);
    }

    #[test]
    fn members_elsewhere_with_a_route_are_destinations() {
        let to = |domain: &str| Rule {
            matches: Matches::These(vec![Pattern::Exactly(domain.parse().unwrap())]),
            hop: Hop::Mx(Arc::default()),
        };
        let routes = [to("x.example"), to("y.example")];
        let directory = directory(
            &["ann"],
            &[
                ("a", &["X@x.example", "ann", "b", "x@X.example", "X@X.example"]),
                ("b", &["y@y.example", "x@x.example"]),
                ("c", &["ann", "z@z.example"]),
                ("us", &["x@mx.local.example"]),
            ],
        );
        let at = |address: &str| expand(&directory, &local(None), &routes, &mailbox(address)).unwrap();
        let Expansion::Destinations(all) = at("a") else { panic!() };
        let told: Vec<String> =
            all.iter().map(|d| format!("{} via {}", d.address, d.via.as_ref().unwrap().local())).collect();
        // The case of a local part elsewhere may mean something there.
        assert_eq!(
            told,
            ["ann@local.example via a", "y@y.example via b", "x@X.example via a", "X@X.example via a"]
        );
        assert_eq!(at("c"), Expansion::Elsewhere("z@z.example".parse().unwrap()));
        let everything = [Rule { matches: Matches::Everything, hop: Hop::Mx(Arc::default()) }];
        let us = expand(&directory, &local(None), &everything, &mailbox("us")).unwrap();
        assert_eq!(
            us,
            Expansion::Elsewhere("x@mx.local.example".parse().unwrap()),
            "it would come back to us"
        );
    }

    #[test]
    fn a_detail_leads_to_its_user_unless_it_has_an_entry_of_its_own() {
        let directory = directory(&["ann", "ann+lists"], &[("staff", &["ann"])]);
        assert_eq!(names(&directory, "ann+shop"), ["ann"]);
        assert_eq!(names(&directory, "ann+lists"), ["ann+lists"]);
        assert_eq!(names(&directory, "staff+x"), ["ann"]);
        assert_eq!(names(&directory, "+x"), ["NoSuchUser"]);
    }

    #[test]
    fn postmaster_is_always_somebody() {
        let directory = directory(&["ann"], &[]);
        let at = |address: &str, postmaster| match expand(
            &directory,
            &local(postmaster),
            &[],
            &address.parse().unwrap(),
        ) {
            Ok(Expansion::Destinations(all)) => all[0].address.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(at("Postmaster@local.example", None), "postmaster@mx.local.example");
        assert_eq!(at("postmaster@local.example", Some("ann")), "ann@local.example");
        assert_eq!(at("postmaster@mx.local.example", Some("ann")), "ann@local.example");
        assert_eq!(at("postmaster@local.example", Some("gone")), "postmaster@mx.local.example");
        assert_eq!(at("postmaster@local.example", Some("postmaster")), "postmaster@mx.local.example");
    }

    #[test]
    fn a_huge_alias_is_refused_and_a_deep_one_is_walked() {
        let members: Vec<String> = (0..=DESTINATIONS_MAX).map(|n| format!("u{n}")).collect();
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        assert_eq!(names(&directory(&members, &[("all", &members)]), "all"), ["TooMany"]);
        let names_: Vec<String> = (0..900).map(|n| format!("d{n}")).collect();
        let mut table = directory(&["end"], &[]);
        for pair in names_.windows(2) {
            table.0.insert(mailbox(&pair[0]).key(), Entry::Alias(vec![mailbox(&pair[1])]));
        }
        table.0.insert(mailbox("d899").key(), Entry::Alias(vec![mailbox("end")]));
        assert_eq!(names(&table, "d0"), ["end"]);
    }
}
