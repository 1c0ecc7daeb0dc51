//! How a server starts, stops and reads its configuration again; whose its files are; what it tells a service
//! manager.

use postrider_tests::binary::postrider;
use postrider_tests::client::{Client, bystander};
use postrider_tests::limits::PATIENCE;
use postrider_tests::process::{Server, outcome};
use postrider_tests::site::{Site, walk};
use postrider_tests::tools::tool;
use postrider_tests::wait::until_true;
use rustix::process::Signal;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::process::Command;

const TO: &str = "friend@local.example";

#[test]
fn sigterm_lets_an_open_transaction_finish_and_says_goodbye_to_an_idle_session() {
    for serve in [true, false] {
        let site = Site::local_example("");
        let mut server = if serve { site.serve() } else { site.dev() };
        let mut idle = Client::greeted(server.address());
        let mut stranger = Client::connect(server.address());
        stranger.hears("220");
        let mut busy = Client::greeted(server.address());
        busy.opens(&[TO]);
        busy.send(b"Subject: x\r\n\r\nhalf");
        server.signal(Signal::TERM);
        for client in [&mut idle, &mut stranger] {
            client.hears("421 4.3.2");
            client.hears_the_end();
        }
        assert!(server.runs());
        busy.says(" and whole\r\n.", "250 2.0.0");
        busy.hears("421 4.3.2");
        busy.hears_the_end();
        assert!(server.ended().success());
        // What was lent to a delivery that did not begin is delivered by the next server.
        let next = if serve { site.serve() } else { site.dev() };
        let (_, message) = site.delivered(TO, 1).remove(0);
        assert!(message.ends_with(b"Subject: x\n\nhalf and whole\n"));
        assert!(next.stop().success());
    }
}

#[test]
fn a_second_sigterm_does_not_wait() {
    let site = Site::local_example("");
    let mut server = site.serve();
    let mut busy = Client::greeted(server.address());
    busy.opens(&[TO]);
    server.signal(Signal::TERM);
    server.says("open transactions may end");
    server.signal(Signal::TERM);
    assert!(server.ended().success());
    assert_eq!(site.mail(TO), []);
}

#[test]
fn sighup_reads_the_configuration_again_and_drops_nobody() {
    let site = Site::local_example("");
    let server = site.serve();
    let mut open = Client::greeted(server.address());
    open.says("MAIL FROM:<sender@client.example>", "250");
    open.says("RCPT TO:<new@new.example>", "550 5.7.1");
    open.says(&format!("RCPT TO:<{TO}>"), "250");
    site.write_config(&format!("{}\n[domains.\"new.example\"]\n", site.read_config()));
    site.add_accounts(&["new@new.example"]);
    server.signal(Signal::HUP);
    server.says("the configuration was read again");
    open.says("DATA", "354");
    open.says("Subject: x\r\n\r\nbegun before\r\n.", "250 2.0.0");
    open.says("QUIT", "221");
    bystander(server.address(), "new@new.example", "hello");
    site.delivered(TO, 1);
    site.delivered("new@new.example", 1);
    assert!(server.stop().success());
}

#[test]
fn sighup_with_a_broken_file_says_where_it_is_broken_and_changes_nothing() {
    let site = Site::local_example("");
    let server = site.serve();
    let good = site.read_config();
    site.write_config(&format!("{good}\n[limits]\nrecipiants = 5\n"));
    let line = site.read_config().lines().position(|line| line.starts_with("recipiants")).unwrap() + 1;
    let mut open = Client::greeted(server.address());
    server.signal(Signal::HUP);
    server.says("the old configuration stays in force");
    server.says(&format!("postrider.toml:{line}:"));
    server.says("recipients");
    open.sends(&[TO], "Subject: x\r\n\r\nstill here\r\n");
    bystander(server.address(), TO, "and new ones too");
    // Mended, it is read.
    site.write_config(&format!("{good}\n[limits]\nrecipients = 1\n"));
    server.signal(Signal::HUP);
    server.says("the configuration was read again");
    let mut strict = Client::greeted(server.address());
    strict.says("MAIL FROM:<sender@client.example>", "250");
    strict.says(&format!("RCPT TO:<{TO}>"), "250");
    strict.says("RCPT TO:<afair@local.example>", "452 4.5.3");
    // An open transaction would be waited for.
    drop(strict);
    site.delivered(TO, 2);
    assert!(server.stop().success());
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let site = Site::local_example("");
    let server = site.serve();
    for command in [site.serve_command(), site.dev_command()] {
        let (status, said) = outcome(command);
        println!("{status}: {said}");
        assert_eq!(status.code(), Some(69), "{said}");
        assert!(said.contains("another") && said.contains("data"), "{said}");
    }
    bystander(server.address(), TO, "undisturbed");
    site.delivered(TO, 1);
    assert!(server.stop().success());
    // The lock ends with its holder.
    assert!(site.serve().stop().success());
}

#[test]
fn root_without_a_user_to_become_is_refused() {
    let site = Site::new();
    let data = site.data();
    site.write_config(&format!(
        "hostname = \"mx.local.example\"\ndata = \"{}\"\nlisten = [\"127.0.0.1:0\"]\n",
        data.display()
    ));
    let mut command = site.serve_command();
    if !rustix::process::geteuid().is_root() {
        let Some(unshare) = tool("unshare") else { return };
        let mut as_root = Command::new(unshare);
        as_root.arg("--map-root-user").arg(command.get_program()).args(command.get_args());
        command = as_root;
    }
    let (status, said) = outcome(command);
    println!("{status}: {said}");
    assert_eq!(status.code(), Some(78), "{said}");
    assert!(said.contains("root") && said.contains("user = "), "{said}");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0, "nothing was written");
}

#[test]
fn everything_on_disk_is_for_the_servers_user_alone() {
    let site = Site::local_example("");
    let server = site.serve();
    bystander(server.address(), TO, "hello");
    let mut client = Client::greeted(server.address());
    client.opens(&[TO]);
    // Large enough to be in a file of its own.
    client.send(format!("Subject: x\r\n\r\n{}", "a line of content\r\n".repeat(20_000)).as_bytes());
    site.delivered(TO, 1);
    until_true("the large one is in a file", || {
        fs::read_dir(site.data().join("queue/incoming")).unwrap().count() > 0
    });
    let (mut files, mut folders, mut sockets) = (0, 0, 0);
    walk(&site.data(), &mut |path| {
        let Ok(found) = path.symlink_metadata() else { return };
        let mode = found.permissions().mode() & 0o7777;
        let (kind, due) = match found.file_type() {
            kind if kind.is_dir() => (&mut folders, 0o700),
            kind if kind.is_socket() => (&mut sockets, 0o600),
            _ => (&mut files, 0o600),
        };
        *kind += 1;
        assert_eq!(mode, due, "{} has mode {mode:o}", path.display());
    });
    println!("{files} files and {sockets} socket of 0600, {folders} folders of 0700");
    assert!(files > 3 && folders > 5 && sockets == 1);
    client.says(".", "250");
    assert!(server.stop().success());
    assert!(!site.data().join("control.sock").exists());
}

#[test]
fn a_socket_from_the_service_manager_is_used_instead_of_the_configured_ones() {
    let site = Site::local_example("");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = site.serve_command();
    // The shell moves the socket to descriptor 3 and becomes the server, so that the id in LISTEN_PID is right.
    let mut command = Command::new("sh");
    command.args(["-c", "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\""]);
    command.arg(serve.get_program()).args(serve.get_args()).stdin(OwnedFd::from(listener));
    let server = Server::start(command);
    assert_eq!(server.addresses(), [address]);
    bystander(address, TO, "through the handed socket");
    site.delivered(TO, 1);
    assert!(server.stop().success());
}

#[test]
fn the_service_manager_hears_what_goes_on() {
    let site = Site::local_example("");
    let path = site.home().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let hears = |word: &str| {
        let mut room = [0; 256];
        let octets = manager.recv(&mut room).unwrap();
        let said = String::from_utf8_lossy(&room[..octets]).into_owned();
        assert!(said.lines().any(|line| line == word), "{said:?} where {word} is due");
    };
    let mut command = site.serve_command();
    command.env("NOTIFY_SOCKET", &path);
    let server = Server::start(command);
    hears("READY=1");
    bystander(server.address(), TO, "ready is ready");
    server.signal(Signal::HUP);
    hears("RELOADING=1");
    hears("READY=1");
    server.signal(Signal::TERM);
    hears("STOPPING=1");
    assert!(server.stop().success());
}

#[test]
fn dev_listens_beyond_this_machine_only_when_told_to() {
    let mut command = Command::new(postrider());
    let site = Site::new();
    command.args(["dev", "--listen", "0.0.0.0:0", "--data"]).arg(site.data());
    let (status, said) = outcome(command);
    assert_eq!(status.code(), Some(64), "{said}");
    assert!(said.contains("--public"), "{said}");
}
