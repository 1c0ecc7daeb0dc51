//! Who is told: the reverse-path, wherever mail for it goes now.

use crate::server::{Server, Settings};
use postrider_mail::dsn::Reader;
use postrider_mail::{ForwardPath, Mailbox, Recipient, ReversePath, Text};
use postrider_policy::expand::{Expansion, expand};
use postrider_policy::route::onward;
use postrider_queue::{Notice, Owed};

/// Who is told of a message's failure or delay.
#[derive(Debug)]
pub(super) enum Addressee {
    /// Its sender, whose mail goes to these.
    Sender(Mailbox, Vec<Recipient>),
    /// Postmaster, as the sender cannot be told for this reason.
    Postmaster(Mailbox, Vec<Recipient>, Text),
    /// Nobody, for this reason.
    Nobody(Text),
}

impl Addressee {
    /// Whom the notice is written for.
    pub(super) fn reader(&self) -> Option<Reader<'_>> {
        match self {
            Self::Sender(mailbox, _) => Some(Reader::Sender(mailbox)),
            Self::Postmaster(mailbox, _, why) => Some(Reader::Postmaster(mailbox, why)),
            Self::Nobody(_) => None,
        }
    }

    /// The notice's recipients.
    pub(super) fn recipients(&self) -> Option<&[Recipient]> {
        match self {
            Self::Sender(_, recipients) | Self::Postmaster(_, recipients, _) => Some(recipients),
            Self::Nobody(_) => None,
        }
    }

    /// Whether they hear of it: of a delay, the sender alone.
    pub(super) fn hears_of(&self, kind: Notice) -> bool {
        match self {
            Self::Sender(..) => true,
            Self::Postmaster(..) => kind == Notice::Failure,
            Self::Nobody(_) => false,
        }
    }

    /// Why the sender is not told.
    pub(super) fn trouble(&self) -> Option<&Text> {
        match self {
            Self::Sender(..) => None,
            Self::Postmaster(_, _, why) | Self::Nobody(why) => Some(why),
        }
    }
}

/// Who is told of this debt. Blocks where the directory does.
///
/// # Errors
/// The directory cannot be read now.
pub(super) fn addressee(server: &Server, settings: &Settings, owed: &Owed) -> Result<Addressee, Text> {
    let why = match &owed.message.reverse_path {
        ReversePath::Mailbox(sender) => match destinations(server, settings, sender)? {
            Ok(to) => return Ok(Addressee::Sender(sender.clone(), to)),
            Err(why) => why,
        },
        ReversePath::Null => Text::literal("no notice is ever sent about a notice (RFC 5321 §4.5.5)"),
    };
    let postmaster = settings.rules.local.own_postmaster();
    // What postmaster cannot be brought is not brought to postmaster.
    let is_for_postmaster = owed.recipients.iter().any(|recipient| {
        recipient.target.given == ForwardPath::Mailbox(postmaster.clone())
            || recipient.target.address == postmaster
    });
    if !settings.notices.undeliverable_to_postmaster || is_for_postmaster {
        return Ok(Addressee::Nobody(why));
    }
    Ok(match destinations(server, settings, &postmaster)? {
        Ok(to) => Addressee::Postmaster(postmaster, to, why),
        Err(_) => Addressee::Nobody(why),
    })
}

/// Where mail for an address goes; the inner error says why nowhere.
fn destinations(
    server: &Server,
    settings: &Settings,
    address: &Mailbox,
) -> Result<Result<Vec<Recipient>, Text>, Text> {
    let rules = &settings.rules;
    if rules.local.rules(address).is_none() {
        return Ok(match onward(&rules.routes, &rules.local, address) {
            Some(_) => Ok(vec![Recipient::direct(address.clone())]),
            None => Err(format!("no route leads to its sender, {address}").into()),
        });
    }
    let expansion = expand(&*server.directory, &rules.local, &rules.routes, address)
        .map_err(|unavailable| Text::from(unavailable.to_string()))?;
    Ok(match expansion {
        Expansion::Destinations(all) => {
            let given = ForwardPath::Mailbox(address.clone());
            let recipient = |to: postrider_policy::expand::Destination| Recipient {
                address: to.address,
                given: given.clone(),
                via: to.via,
                notify: None,
                orcpt: None,
            };
            Ok(all.into_iter().map(recipient).collect())
        }
        Expansion::NoSuchUser => Err(format!("its sender, {address}, does not exist here").into()),
        Expansion::Nobody(_) | Expansion::TooMany | Expansion::Elsewhere(_) => {
            Err(format!("the alias of its sender, {address}, leads nowhere").into())
        }
    })
}
