//! VRFY and EXPN: what the directory knows, told where the domain's rules allow it (RFC 5321 §3.5, §7.3).

use crate::limits::FACT_TIMEOUT;
use crate::server::{Server, Settings};
use postrider_mail::limits::REPLY_LINES_MAX;
use postrider_mail::{Code, Enhanced, Host, LocalPart, Mailbox, Reply, Text};
use postrider_policy::Decision;
use postrider_policy::admit::known_recipient;
use postrider_policy::expand::{Expansion, expand as expansion};
use postrider_policy::local::{Domains, Local};
use std::future::Future;
use std::sync::Arc;

/// Members that EXPN lists; the rest is counted.
const LISTED_MAX: usize = REPLY_LINES_MAX - 1;

/// The reply to VRFY.
pub(crate) fn verify(
    server: &Server,
    settings: &Arc<Settings>,
    what: &Text,
) -> impl Future<Output = Reply> + Send + use<> {
    let not_told = Reply::new(
        Code::of(252),
        Enhanced::of(2, 1, 5),
        "not told here; send the message, and RCPT will say whether the address exists",
    );
    look_up(server, settings, what, not_told, |address, expansion| match expansion {
        Expansion::Destinations(_) => {
            Reply::new(Code::of(250), Enhanced::of(2, 1, 5), format!("<{address}>"))
        }
        other => not_a_mailbox(address, other),
    })
}

/// The reply to EXPN.
pub(crate) fn expand(
    server: &Server,
    settings: &Arc<Settings>,
    what: &Text,
) -> impl Future<Output = Reply> + Send + use<> {
    let not_told =
        Reply::new(Code::of(252), Enhanced::of(2, 1, 5), "the members of aliases are not told here");
    look_up(server, settings, what, not_told, |address, expansion| match expansion {
        Expansion::Destinations(all) => {
            let lines = all.iter().map(|destination| Text::from(format!("<{}>", destination.address)));
            let unlisted = all.len().saturating_sub(LISTED_MAX);
            let more = (unlisted > 0).then(|| Text::from(format!("and {unlisted} more")));
            Reply::of_lines(Code::of(250), Enhanced::of(2, 1, 5), lines.take(LISTED_MAX).chain(more))
        }
        other => not_a_mailbox(address, other),
    })
}

/// The words in which RCPT refuses the same address.
fn not_a_mailbox(address: &Mailbox, expansion: &Expansion) -> Reply {
    match known_recipient(address, expansion).decision {
        Decision::Refuse(refusal) | Decision::Disconnect(refusal) => refusal.into(),
        Decision::Accept => Reply::new(Code::of(250), Enhanced::of(2, 1, 5), format!("<{address}>")),
    }
}

/// Looks up every local address that `what` may mean, in domains whose rules allow it.
fn look_up(
    server: &Server,
    settings: &Arc<Settings>,
    what: &Text,
    not_told: Reply,
    word: fn(&Mailbox, &Expansion) -> Reply,
) -> impl Future<Output = Reply> + Send + use<> {
    let candidates = candidates(&settings.rules.local, what.as_str());
    let answer = (!candidates.is_empty()).then(|| {
        let directory = Arc::clone(&server.directory);
        let settings = Arc::clone(settings);
        server.world.blocking(move || {
            let mut unknown = None;
            for address in candidates {
                let rules = &settings.rules;
                match expansion(&*directory, &rules.local, &rules.routes, &address) {
                    Ok(Expansion::NoSuchUser) => unknown = Some(word(&address, &Expansion::NoSuchUser)),
                    Ok(known) => return Some(word(&address, &known)),
                    Err(_) => return None,
                }
            }
            unknown
        })
    });
    async move {
        let Some(answer) = answer else { return not_told };
        let answer = tokio::time::timeout(FACT_TIMEOUT, answer).await;
        answer.ok().and_then(Result::ok).flatten().unwrap_or_else(|| {
            Reply::new(Code::of(451), Enhanced::of(4, 3, 0), "the directory of users cannot be read now")
        })
    }
}

/// `friend@local.example`, `<friend@local.example>`, or `friend` in each domain that tells.
fn candidates(local: &Local, what: &str) -> Vec<Mailbox> {
    let Domains::These(domains) = &local.domains else { return Vec::new() };
    let what = what.strip_prefix('<').and_then(|w| w.strip_suffix('>')).unwrap_or(what);
    let telling = domains.iter().filter(|(_, rules)| rules.verify).map(|(domain, _)| domain);
    if let Ok(address) = what.parse::<Mailbox>() {
        return telling
            .filter(|domain| address.host() == &Host::Domain((*domain).clone()))
            .map(|_| address.clone())
            .collect();
    }
    let Ok(user) = LocalPart::new(what) else { return Vec::new() };
    telling.map(|domain| Mailbox::new(user.clone(), Host::Domain(domain.clone()))).collect()
}
