//! Machines that run out of things: descriptors, places for sessions, disk. Peers are told, and all is well again
//! as soon as there is more.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_tests::client::{Client, bystander};
use postrider_tests::limits::GROWTH_KIB_MAX;
use postrider_tests::memory::Memory;
use postrider_tests::process::Server;
use postrider_tests::site::Site;
use postrider_tests::states::{FRIEND, Scene, State};
use postrider_tests::tools::left_out;
use postrider_tests::wait::until_true;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const TO: &str = "friend@local.example";

#[test]
fn whoever_finds_no_place_is_turned_away_with_421() {
    let site = Site::local_example("");
    // 256 are kept for everything else.
    let server = limited(&site, 276);
    let mut seated: Vec<Client> = (0..20).map(|_| Client::greeted(server.address())).collect();
    let mut late = Client::connect(server.address());
    println!("{}", late.hears("421 4.3.2"));
    late.hears_the_end();
    for client in &mut seated {
        client.says("NOOP", "250");
    }
    seated[0].sends(&[TO], "Subject: x\r\n\r\nthe seated are served\r\n");
    seated.truncate(10);
    until_true("a place is free again", || {
        Client::connect(server.address()).reply().unwrap().is_some_and(|reply| reply.starts_with("220"))
    });
    bystander(server.address(), TO, "welcome again");
    site.delivered(TO, 2);
    assert!(server.stop().success());
}

#[test]
fn without_descriptors_connections_wait_and_sessions_go_on() {
    let site = Site::local_example("");
    let server = site.serve();
    let at_rest = server.descriptors();
    assert!(server.stop().success());
    let server = limited(&site, at_rest + 6);
    let mut connections: Vec<Client> = (0..12).map(|_| Client::connect(server.address())).collect();
    server.says("cannot accept connections now");
    connections[0].hears("220");
    connections[0].says("NOOP", "250");
    // The first ones leave, one after the other, and the last is heard in the end.
    let mut last = connections.pop().unwrap();
    drop(connections);
    last.hears("220");
    last.says("NOOP", "250");
    drop(last);
    assert!(server.stop().success());
}

/// A server that may open so many descriptors.
fn limited(site: &Site, descriptors: usize) -> Server {
    let serve = site.serve_command();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"")]);
    command.arg(serve.get_program()).args(serve.get_args());
    Server::start(command)
}

/// A small disk, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts a tmpfs of this size, where this machine allows it: to root, or through a sudo that asks nothing.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        let options = format!("size={size},mode=0700,uid={user},gid={group}");
        let mounted = as_root("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        match mounted {
            Ok(done) if done.status.success() => Some(Self(at.to_owned())),
            other => {
                left_out(&format!("no small disk can be mounted here: {other:?}"));
                None
            }
        }
    }

    /// Fills it to the last octet; gives the file to remove.
    fn fill(&self) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut file = File::create(&ballast).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = as_root("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn as_root(program: &str) -> Command {
    let mut command = Command::new(if rustix::process::geteuid().is_root() { "env" } else { "sudo" });
    if !rustix::process::geteuid().is_root() {
        command.arg("-n");
    }
    command.arg(program);
    command
}

/// Sends mail to a server whose disk is full until it refuses the transaction itself; gives how much it still took.
fn until_refused(client: &mut Client, large: &str) -> usize {
    let mut accepted = 0;
    until_true("a new transaction is refused", || {
        client.send(b"MAIL FROM:<sender@client.example>\r\n");
        let reply = client.reply().unwrap().unwrap();
        if reply.starts_with("452 4.3.1") {
            println!("MAIL: {reply}");
            return true;
        }
        assert!(reply.starts_with("250"), "{reply}");
        client.says(&format!("RCPT TO:<{TO}>"), "250");
        client.says("DATA", "354");
        // A small one may still find room in what the database holds already.
        let content = if accepted == 0 { "Subject: x\r\n\r\nsmall\r\n" } else { large };
        client.send(format!("{content}.\r\n").as_bytes());
        let reply = client.reply().unwrap().unwrap();
        let is_taken = accepted == 0 && reply.starts_with("250");
        assert!(is_taken || reply.starts_with("452 4.3.1"), "{} octets: {reply}", content.len());
        accepted += usize::from(is_taken);
        false
    });
    accepted
}

#[test]
fn a_full_disk_is_452_and_421_to_new_sessions_and_all_is_well_once_there_is_room() {
    let site = Site::local_example("");
    fs::rename(site.data(), site.home().join("data.kept")).unwrap();
    fs::create_dir(site.data()).unwrap();
    let Some(disk) = SmallDisk::mount(&site.data(), "64m") else { return };
    for entry in fs::read_dir(site.home().join("data.kept")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), site.data().join(entry.file_name())).unwrap();
    }
    site.hand_over();
    let server = site.serve();
    let mut client = Client::greeted(server.address());
    client.sends(&[TO], "Subject: x\r\n\r\nwhile there is room\r\n");
    site.delivered(TO, 1);
    let ballast = disk.fill();
    let large = format!("Subject: x\r\n\r\n{}", "a line of content\r\n".repeat(30_000));
    let accepted_meanwhile = until_refused(&mut client, &large);
    let mut late = Client::connect(server.address());
    println!("a new session: {}", late.hears("421 4.3.1"));
    late.hears_the_end();
    client.says("NOOP", "250");
    fs::remove_file(ballast).unwrap();
    until_true("new sessions are taken again", || {
        Client::connect(server.address()).reply().unwrap().is_some_and(|reply| reply.starts_with("220"))
    });
    // Some room is kept in reserve, and is taken back first.
    until_true("mail is taken again", || {
        client.opens(&[TO]);
        client.send(format!("{large}.\r\n").as_bytes());
        client.reply().unwrap().unwrap().starts_with("250")
    });
    bystander(server.address(), TO, "room again");
    site.delivered(TO, 3 + accepted_meanwhile);
    assert!(server.stop().success());
}

/// Sessions in the middle of a header section, and octets that each has sent of it: what memory holds of them cannot
/// go to disk.
const HEADERS: usize = 1400;
const HEADER_OCTETS: usize = 15 * 1024;

#[test]
fn with_the_memory_for_content_spent_new_sessions_hear_421_and_running_ones_452_until_there_is_more() {
    let scene = Scene::start_with("content_in_flight = \"1MiB\"\n");
    let server = scene.server();
    let mut running = scene.enter(State::Greeted);
    let mut in_transaction = scene.enter(State::Rcpt);
    let memory = Memory::watch(server);
    let field = format!("X-Filler: {}\r\n", "x".repeat(500));
    let section = field.repeat(HEADER_OCTETS / field.len());
    let mut crowd: Vec<Client> = Vec::new();
    // What a new session hears, if it is not one more of the crowd.
    let one_more = |crowd: &mut Vec<Client>| {
        let mut client = Client::connect(server.address());
        match client.reply().unwrap() {
            Some(reply) if reply.starts_with("220") => {}
            other => return other,
        }
        client.says("EHLO client.example", "250");
        client.send(b"MAIL FROM:<sender@client.example>\r\n");
        // Memory may run short between its greeting and its MAIL.
        if client.reply().unwrap()?.starts_with("250") {
            client.says(&format!("RCPT TO:<{FRIEND}>"), "250");
            client.says("DATA", "354");
            client.send(section.as_bytes());
            crowd.push(client);
        }
        None
    };
    let told = (0..HEADERS).find_map(|_| one_more(&mut crowd)).unwrap();
    println!("after {} header sections of {HEADER_OCTETS} octets, a new session: {told}", crowd.len());
    assert!(told.starts_with("421 4.3.2"), "{told}");
    // What is counted still moves a little: whoever is let in meanwhile takes his part.
    let refused = (0..HEADERS).find_map(|_| {
        running.send(b"MAIL FROM:<sender@client.example>\r\n");
        let reply = running.reply().unwrap().unwrap();
        if reply.starts_with("250") {
            running.says("RSET", "250");
            one_more(&mut crowd);
            return None;
        }
        Some(reply)
    });
    let refused = refused.unwrap();
    println!("a running one: {refused}");
    assert!(refused.starts_with("452 4.3.1"), "{refused}");
    // What has begun may end.
    in_transaction.says("DATA", "354");
    in_transaction.says("Subject: begun before\r\n\r\nhello\r\n.", "250 2.0.0");
    memory.stays_below("header sections in memory", 3 * GROWTH_KIB_MAX);
    // All that were begun end well, and make room for others.
    for client in &mut crowd {
        client.says("\r\nhello\r\n.", "250 2.0.0");
    }
    running.sends(&[FRIEND], "Subject: room again\r\n\r\nhello\r\n");
    bystander(server.address(), FRIEND, "room again");
    scene.site.delivered(FRIEND, crowd.len() + 3);
    drop((crowd, running, in_transaction));
    scene.stop();
}
