//! `postrider account …`: who has a mailbox here.

use super::users::{Home, refused};
use super::{Failure, answer};
use crate::exit::Exit;
use crate::service::wall_clock;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use postrider_directory::{Account as Known, Directory, Password};
use postrider_mail::Mailbox;
use serde_json::json;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};

/// Octets that are read for a password, line end and all; a longer line is refused, not cut.
const PASSWORD_LINE_OCTETS_MAX: usize = 4096;

/// Add, remove and list accounts, and set their passwords
#[derive(Debug, Args)]
#[command(
    long_about = "Add, remove and list accounts, and set their passwords.\n\nAn account has a mailbox of its own, known by its address. A \
                  running server sees a change with its next look-up. Passwords are kept for logging in, which no \
                  service asks for yet.",
    after_help = "\
Examples:
  postrider account add alice@example.org --config /etc/postrider.toml
  postrider account add bob@example.org --no-password --config /etc/postrider.toml
  postrider account list --config /etc/postrider.toml

Exit codes: 0 done, 64 the command line makes no sense, 65 the address or password is refused, 66 the password \
cannot be read, 69 there is no such account or folder, 71 the system refused something, 78 the configuration is \
broken."
)]
pub(super) struct Account {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Add(Add),
    Remove(Remove),
    List(List),
    Password(SetPassword),
}

/// Add an account
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  postrider account add alice@example.org --config /etc/postrider.toml\n  \
                        pass show mail/alice | postrider account add alice@example.org --password-file - --config /etc/postrider.toml"
)]
struct Add {
    /// Its address
    #[arg(value_name = "ADDRESS")]
    address: Mailbox,
    /// Set no password: the account receives mail, and nobody can log in
    #[arg(long, conflicts_with = "password_file")]
    no_password: bool,
    #[command(flatten)]
    password: PasswordFrom,
    #[command(flatten)]
    home: Home,
}

/// Remove an account; the mail in its mailbox stays
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  postrider account remove alice@example.org --config /etc/postrider.toml")]
struct Remove {
    /// Its address
    #[arg(value_name = "ADDRESS")]
    address: Mailbox,
    #[command(flatten)]
    home: Home,
}

/// Show all accounts
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  postrider account list --config /etc/postrider.toml\n  \
                        postrider account list --json --data /var/lib/postrider")]
struct List {
    /// Answer in JSON, an object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    home: Home,
}

/// Set or replace the password of an account
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  postrider account password alice@example.org --config /etc/postrider.toml"
)]
struct SetPassword {
    /// Its address
    #[arg(value_name = "ADDRESS")]
    address: Mailbox,
    #[command(flatten)]
    password: PasswordFrom,
    #[command(flatten)]
    home: Home,
}

/// Where a password comes from: a file, or a question on the terminal.
#[derive(Debug, Args)]
struct PasswordFrom {
    /// Read the password from the first line of a file, or of standard input (-)
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Account {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        match &self.what {
            What::Add(add) => add.run(),
            What::Remove(remove) => remove.run(),
            What::List(list) => list.run(),
            What::Password(password) => password.run(),
        }
    }
}

impl Add {
    fn run(&self) -> Result<Exit, Failure> {
        let address = &self.address;
        let users = self.home.users_to_be()?;
        users.check_local(address)?;
        let password = if self.no_password { None } else { Some(self.password.read(address)?) };
        let directory = users.open()?;
        directory.add_account(address, password.as_ref(), wall_clock()()).map_err(|error| refused(&error))?;
        let login = if self.no_password { " It has no password: nobody can log in." } else { "" };
        Ok(answer(&format!("{address} is an account now.{login}\n"), Exit::Ok))
    }
}

impl Remove {
    fn run(&self) -> Result<Exit, Failure> {
        let users = self.home.users()?;
        let removed = users.open()?.remove_account(&self.address).map_err(|error| refused(&error))?;
        let mut text = format!("{} is no account any more.\n", removed.address);
        text.push_str(&super::alias::left(&removed));
        text.push_str(&format!("Mail that it received stays below {}.\n", users.mail().display()));
        Ok(answer(&text, Exit::Ok))
    }
}

impl List {
    fn run(&self) -> Result<Exit, Failure> {
        let users = self.home.users()?;
        let accounts = match users.open_if_there()? {
            Some(directory) => every_account(&directory)?,
            None => Vec::new(),
        };
        let text = match (self.json, accounts.is_empty()) {
            (true, _) => accounts.iter().map(as_json).collect(),
            (false, true) => "There are no accounts.\n".to_owned(),
            (false, false) => table(&accounts),
        };
        Ok(answer(&text, Exit::Ok))
    }
}

impl SetPassword {
    fn run(&self) -> Result<Exit, Failure> {
        let users = self.home.users()?;
        users.check_local(&self.address)?;
        let password = self.password.read(&self.address)?;
        users.open()?.set_password(&self.address, &password).map_err(|error| refused(&error))?;
        Ok(answer(&format!("The password of {} is set.\n", self.address), Exit::Ok))
    }
}

fn every_account(directory: &Directory) -> Result<Vec<Known>, Failure> {
    let mut all: Vec<Known> = Vec::new();
    loop {
        let after = all.last().map(|account| account.address.clone());
        let page = directory.list_accounts(after.as_ref()).map_err(|error| refused(&error))?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

fn as_json(account: &Known) -> String {
    let value = json!({
        "address": account.address.to_string(),
        "has_password": account.has_password,
        "created_at": account.created_at.get(),
    });
    format!("{value}\n")
}

fn table(accounts: &[Known]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["ADDRESS", "PASSWORD", "ADDED"]);
    for account in accounts {
        let password = if account.has_password { "set" } else { "none" };
        table.add_row([account.address.to_string(), password.into(), account.created_at.to_string()]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

impl PasswordFrom {
    fn read(&self, address: &Mailbox) -> Result<Password, Failure> {
        match &self.password_file {
            Some(file) if file == Path::new("-") => first_line(io::stdin().lock(), "standard input"),
            Some(file) => {
                let name = file.display().to_string();
                let opened = File::open(file).map_err(|error| unreadable(&name, &error))?;
                first_line(BufReader::new(opened), &name)
            }
            None if io::stdin().is_terminal() => ask(address),
            None => Err(Failure::usage(
                "there is no terminal to ask for the password on\n  \
                 --password-file FILE reads it from a file, --password-file - from standard input",
            )),
        }
    }
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::Said(Exit::NoInput, format!("the password cannot be read from {name}: {error}"))
}

/// The first line, without its end.
fn first_line(from: impl BufRead, name: &str) -> Result<Password, Failure> {
    // Room for all of it: no copy is left behind by growing.
    let mut line = Vec::with_capacity(PASSWORD_LINE_OCTETS_MAX);
    let read = from.take(PASSWORD_LINE_OCTETS_MAX as u64).read_until(b'\n', &mut line);
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    let password = Password::new(line);
    read.map_err(|error| unreadable(name, &error))?;
    password.map_err(|error| Failure::data(format!("{name}: {error}")))
}

/// Asks twice, without an echo.
fn ask(address: &Mailbox) -> Result<Password, Failure> {
    let prompt =
        |text: String| rpassword::prompt_password(text).map_err(|error| unreadable("the terminal", &error));
    let typed = prompt(format!("Password for {address}: "))?;
    let again = prompt("Once more: ".into())?;
    let same = typed == again;
    // Made a password to be overwritten when it goes.
    drop(Password::new(again));
    let password = Password::new(typed);
    if !same {
        return Err(Failure::data("the two are not the same; nothing was changed"));
    }
    password.map_err(|error| Failure::data(error.to_string()))
}
