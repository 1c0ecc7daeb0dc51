//! VRFY and EXPN: what the directory knows, told where the domain's rules allow it (RFC 5321 §3.5, §7.3).

use crate::limits::FACT_TIMEOUT;
use crate::server::{Server, Settings};
use postrider_mail::limits::REPLY_LINES_MAX;
use postrider_mail::{Class, Code, Enhanced, Host, LocalPart, Mailbox, Reply, Text};
use postrider_policy::Decision;
use postrider_policy::admit::{Rules, forwards_to, known_recipient, moved_to, takes_no_mail};
use postrider_policy::expand::{Expansion, expand as expansion};
use postrider_policy::local::{Domains, Local};
use postrider_policy::port::{Directory, Unavailable};
use postrider_smtp::command::Sought;
use std::future::Future;
use std::sync::Arc;

/// Members that EXPN lists; the rest is counted.
const LISTED_MAX: usize = REPLY_LINES_MAX - 1;

/// The reply to VRFY.
pub(crate) fn verify(
    server: &Server,
    settings: &Arc<Settings>,
    what: &Sought,
) -> impl Future<Output = Reply> + Send + use<> {
    let not_told = Reply::new(
        Code::of(252),
        Enhanced::of(2, 1, 5),
        "not told here; send the message, and RCPT will say whether the address exists",
    );
    look_up(server, settings, what, not_told, |local, address, expansion| match expansion {
        Expansion::Destinations(_) => match forwards_to(local, address, expansion) {
            Some(elsewhere) => will_forward(elsewhere),
            None => Reply::new(Code::of(250), Enhanced::of(2, 1, 5), format!("<{address}>")),
        },
        other => not_a_mailbox(address, other),
    })
}

/// The reply to EXPN.
pub(crate) fn expand(
    server: &Server,
    settings: &Arc<Settings>,
    what: &Sought,
) -> impl Future<Output = Reply> + Send + use<> {
    let not_told =
        Reply::new(Code::of(252), Enhanced::of(2, 1, 5), "the members of aliases are not told here");
    look_up(server, settings, what, not_told, |_, address, expansion| match expansion {
        Expansion::Destinations(all) => {
            let lines = all.iter().map(|destination| Text::from(format!("<{}>", destination.address)));
            let unlisted = all.len().saturating_sub(LISTED_MAX);
            let more = (unlisted > 0).then(|| Text::from(format!("and {unlisted} more")));
            Reply::of_lines(Code::of(250), Enhanced::of(2, 1, 5), lines.take(LISTED_MAX).chain(more))
        }
        other => not_a_mailbox(address, other),
    })
}

/// What RCPT and VRFY say where all mail of an address goes on to one address elsewhere (RFC 5321 §3.4).
pub(crate) fn will_forward(elsewhere: &Mailbox) -> Reply {
    Reply::new(Code::of(251), Enhanced::of(2, 1, 5), format!("the mail goes on to <{elsewhere}>"))
}

/// Whether a client that knows ASCII alone can read a reply. The ellipsis of a text that was cut is printed as dots.
pub(crate) fn is_ascii(reply: &Reply) -> bool {
    reply.to_string().chars().all(|c| c.is_ascii() || c == '…')
}

/// The words in which RCPT refuses the same address.
fn not_a_mailbox(address: &Mailbox, expansion: &Expansion) -> Reply {
    match known_recipient(address, expansion).decision {
        Decision::Refuse(refusal) | Decision::Disconnect(refusal) => refusal.into(),
        Decision::Accept => Reply::new(Code::of(250), Enhanced::of(2, 1, 5), format!("<{address}>")),
    }
}

/// The words for one address and what it leads to.
type Word = fn(&Local, &Mailbox, &Expansion) -> Reply;

/// Looks up every local address that `what` may mean, in domains whose rules allow it.
fn look_up(
    server: &Server,
    settings: &Arc<Settings>,
    what: &Sought,
    not_told: Reply,
    word: Word,
) -> impl Future<Output = Reply> + Send + use<> {
    let candidates = candidates(&settings.rules.local, what.string.as_str());
    let takes_utf8 = what.smtputf8;
    let answer = (!candidates.is_empty()).then(|| {
        let directory = Arc::clone(&server.directory);
        let settings = Arc::clone(settings);
        server.world.blocking(move || answer(&*directory, &settings.rules, &candidates, word))
    });
    async move {
        let Some(answer) = answer else { return not_told };
        let answer = tokio::time::timeout(FACT_TIMEOUT, answer).await;
        match answer.map(|answer| answer.ok().and_then(Result::ok)) {
            Ok(Some(reply)) if takes_utf8 || is_ascii(&reply) => reply,
            Ok(Some(_)) => needs_utf8(),
            Ok(None) | Err(_) => {
                Reply::new(Code::of(451), Enhanced::of(4, 3, 0), "the directory of users cannot be read now")
            }
        }
    }
}

/// The one candidate that is known, or all that are.
fn answer(
    directory: &dyn Directory,
    rules: &Rules,
    candidates: &[Mailbox],
    word: Word,
) -> Result<Reply, Unavailable> {
    let mut known = Vec::new();
    let mut unknown = None;
    for address in candidates {
        let reply = reply(directory, rules, address, word)?;
        if reply.code().class() == Class::Completed {
            known.push((address, reply));
        } else {
            unknown.get_or_insert(reply);
        }
    }
    match known.len() {
        0 => {}
        1 => return Ok(known.swap_remove(0).1),
        _ => return Ok(ambiguous(known.into_iter().map(|(address, _)| address))),
    }
    Ok(unknown.unwrap_or_else(|| {
        Reply::new(Code::of(252), Enhanced::of(2, 1, 5), "nothing is known here of what this may mean")
    }))
}

fn reply(
    directory: &dyn Directory,
    rules: &Rules,
    address: &Mailbox,
    word: Word,
) -> Result<Reply, Unavailable> {
    if rules.local.rules(address).is_some_and(|domain| !domain.mail) {
        return Ok(takes_no_mail(address.host()).into());
    }
    if let Some(new) = rules.moved.to(address) {
        return Ok(moved_to(new).into());
    }
    let expansion = expansion(directory, &rules.local, &rules.routes, address)?;
    Ok(word(&rules.local, address, &expansion))
}

/// A user's name that several of our domains know (RFC 5321 §3.5.1).
fn ambiguous<'a>(addresses: impl Iterator<Item = &'a Mailbox>) -> Reply {
    let first = Text::literal("user ambiguous; it may be one of these");
    let lines = addresses.map(|address| Text::from(format!("<{address}>"))).take(LISTED_MAX);
    Reply::of_lines(Code::of(553), Enhanced::of(5, 1, 4), std::iter::once(first).chain(lines))
}

/// The answer holds UTF-8, and the client has not said that it understands it (RFC 6531 §3.7.4.2).
fn needs_utf8() -> Reply {
    Reply::new(Code::of(252), Enhanced::of(2, 6, 8), "the answer needs UTF-8; ask for it with SMTPUTF8")
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
