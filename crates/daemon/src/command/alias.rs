//! `postrider alias …`: addresses that lead to others.

use super::users::{Home, Member, refused};
use super::{Failure, answer};
use crate::exit::Exit;
use crate::service::wall_clock;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use postrider_directory::{Alias as Known, Directory, Removed};
use postrider_mail::Mailbox;
use serde_json::json;

/// Add, remove and list aliases: addresses that lead to others
#[derive(Debug, Args)]
#[command(
    long_about = "Add, remove and list aliases: addresses that lead to others.\n\nMail for an alias reaches each of its members once, \
                  through aliases of aliases too. Members may be on other hosts, if a route leads there: the mail goes on \
                  with the sender it came with. A running server sees a change with its next look-up.",
    after_help = "\
Examples:
  postrider alias add team@example.org alice@example.org bob@example.org --config /etc/postrider.toml
  postrider alias list --config /etc/postrider.toml

Exit codes: 0 done, 64 the command line makes no sense, 65 an address is refused, 69 there is no such alias or \
folder, 71 the system refused something, 78 the configuration is broken."
)]
pub(super) struct Alias {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Add(Add),
    Remove(Remove),
    List(List),
}

/// Add an alias
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  postrider alias add team@example.org alice@example.org bob@example.org --config /etc/postrider.toml"
)]
struct Add {
    /// Its address
    #[arg(value_name = "ADDRESS")]
    address: Mailbox,
    /// Where its mail goes: accounts, other aliases, addresses on other hosts
    #[arg(value_name = "MEMBER", required = true)]
    members: Vec<Mailbox>,
    #[command(flatten)]
    home: Home,
}

/// Remove an alias; its members stay what they are
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  postrider alias remove team@example.org --config /etc/postrider.toml")]
struct Remove {
    /// Its address
    #[arg(value_name = "ADDRESS")]
    address: Mailbox,
    #[command(flatten)]
    home: Home,
}

/// Show all aliases and their members
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  postrider alias list --config /etc/postrider.toml\n  \
                        postrider alias list --json --data /var/lib/postrider")]
struct List {
    /// Answer in JSON, an object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    home: Home,
}

impl Alias {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        match &self.what {
            What::Add(add) => add.run(),
            What::Remove(remove) => remove.run(),
            What::List(list) => list.run(),
        }
    }
}

impl Add {
    fn run(&self) -> Result<Exit, Failure> {
        let users = self.home.users_to_be()?;
        users.check_local(&self.address)?;
        let places: Vec<Member> =
            self.members.iter().map(|member| users.check_member(member)).collect::<Result<_, _>>()?;
        let directory = users.open()?;
        directory.add_alias(&self.address, &self.members, wall_clock()()).map_err(|error| refused(&error))?;
        let text = format!("{} leads to {} now.\n", self.address, names(&self.members));
        Ok(answer(&(text + &remarks(&directory, self.members.iter().zip(&places))?), Exit::Ok))
    }
}

impl Remove {
    fn run(&self) -> Result<Exit, Failure> {
        let users = self.home.users()?;
        let removed = users.open()?.remove_alias(&self.address).map_err(|error| refused(&error))?;
        let text = format!("{} is no alias any more.\n", removed.address);
        Ok(answer(&(text + &left(&removed)), Exit::Ok))
    }
}

impl List {
    fn run(&self) -> Result<Exit, Failure> {
        let users = self.home.users()?;
        let aliases = match users.open_if_there()? {
            Some(directory) => every_alias(&directory)?,
            None => Vec::new(),
        };
        let text = match (self.json, aliases.is_empty()) {
            (true, _) => aliases.iter().map(as_json).collect(),
            (false, true) => "There are no aliases.\n".to_owned(),
            (false, false) => table(&aliases),
        };
        Ok(answer(&text, Exit::Ok))
    }
}

/// The aliases that a removed address was a member of.
pub(super) fn left(removed: &Removed) -> String {
    if removed.left.is_empty() {
        return String::new();
    }
    format!("It left the aliases {}.\n", names(&removed.left))
}

/// A word about members elsewhere, and about members that are nobody yet: their mail goes nowhere until they
/// are added.
fn remarks<'m>(
    directory: &Directory,
    members: impl Iterator<Item = (&'m Mailbox, &'m Member)>,
) -> Result<String, Failure> {
    use postrider_policy::port::Directory as _;
    let mut text = String::new();
    for (member, place) in members {
        let unless = match place {
            Member::Elsewhere(hop) => {
                text.push_str(&format!("Mail for {member} leaves this server: {hop}.\n"));
                continue;
            }
            Member::Local => "it is a subaddress or postmaster",
            Member::Unknown => "it is a subaddress, postmaster or on another host",
        };
        let known = directory.look_up(member).map_err(|error| Failure::unavailable(error.to_string()))?;
        if known.is_none() {
            text.push_str(&format!(
                "There is no {member} yet: until it is an account or alias, it is passed over, unless {unless}.\n"
            ));
        }
    }
    Ok(text)
}

fn every_alias(directory: &Directory) -> Result<Vec<Known>, Failure> {
    let mut all: Vec<Known> = Vec::new();
    loop {
        let after = all.last().map(|alias| alias.address.clone());
        let page = directory.list_aliases(after.as_ref()).map_err(|error| refused(&error))?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

fn names(addresses: &[Mailbox]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn as_json(alias: &Known) -> String {
    let value = json!({
        "address": alias.address.to_string(),
        "members": alias.members.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "created_at": alias.created_at.get(),
    });
    format!("{value}\n")
}

fn table(aliases: &[Known]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["ADDRESS", "MEMBERS", "ADDED"]);
    for alias in aliases {
        table.add_row([alias.address.to_string(), names(&alias.members), alias.created_at.to_string()]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}
