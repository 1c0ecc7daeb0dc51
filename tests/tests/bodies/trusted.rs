//! Proxies that no one here wrote tell us who is there: by XFORWARD, by XCLIENT, by both versions of the PROXY
//! protocol.

use postrider_tests::haproxy::Haproxy;
use postrider_tests::postfix;
use postrider_tests::process::{Server, outcome};
use postrider_tests::site::Site;
use postrider_tests::tools::tool;
use postrider_tests::wait::until;
use postrider_tests::wiretap::{Place, Tap};
use std::net::SocketAddr;
use std::process::Command;

/// The address from which clients come to a proxy: not the proxy's own.
const CLIENT: &str = "127.9.8.7";

const TO: &str = "friend@local.example";

/// A site whose configuration begins with `top`.
fn site(top: &str) -> (Site, Server) {
    let site = Site::new();
    site.configure(&format!("{top}\n[domains.\"local.example\"]\n"));
    site.add_accounts(&[TO]);
    let server = site.serve();
    (site, server)
}

/// swaks sends a message there; `None` where it is missing.
fn swaks(to: SocketAddr, more: &[&str]) -> Option<String> {
    let mut command = Command::new(tool("swaks")?);
    command.args([
        "--server",
        &to.ip().to_string(),
        "--port",
        &to.port().to_string(),
        "--helo",
        "swaks.example",
    ]);
    command.args(["--from", "ann@client.example", "--to", TO, "--body", "hello"]).args(more);
    let (status, said) = outcome(command);
    assert!(status.success(), "{more:?}: {status}\n{said}");
    Some(said)
}

/// The one message that came.
#[track_caller]
fn mail(site: &Site) -> String {
    let (_, octets) = site.delivered(TO, 1).remove(0);
    String::from_utf8(octets).unwrap()
}

/// The story of the message that came last, once it tells this.
#[track_caller]
fn story_tells(site: &Site, words: &[&str]) {
    let all = || {
        let story = site.postrider(&["trace", "last"]);
        words.iter().all(|word| story.contains(word)).then_some(())
    };
    until(&format!("the story tells {words:?}: {}", site.postrider(&["trace", "last"])), all);
}

#[test]
fn postfix_before_us_tells_by_xforward_who_its_client_is() {
    for settings in ["smtpd_proxy_filter = 127.0.0.1:PORT", "smtp_send_xforward_command = yes"] {
        let (site, server) = site("xforward_from = [\"127.0.0.1\"]");
        let tap = Tap::before(&Place::Tcp(server.address()));
        let settings = settings.replace("PORT", &tap.address().port().to_string());
        let Some(machine) = postfix::start(tap.address(), &settings) else { return };
        if swaks(machine.address(), &["--local-interface", CLIENT]).is_none() {
            return;
        }
        mail(&site);
        assert!(
            tap.said().contains("XFORWARD") && tap.said().contains(&format!("ADDR={CLIENT}")),
            "{}",
            tap.said()
        );
        story_tells(&site, &["XFORWARD", CLIENT, "swaks.example"]);
        assert!(!tap.exchanges().iter().any(|one| one.refusal().is_some()));
    }
}

#[test]
fn postfix_is_offered_no_xforward_where_it_is_not_trusted() {
    let (site, server) = site("");
    let tap = Tap::before(&Place::Tcp(server.address()));
    let Some(machine) = postfix::start(tap.address(), "smtp_send_xforward_command = yes") else { return };
    if swaks(machine.address(), &[]).is_some() {
        mail(&site);
        assert!(!tap.said().contains("XFORWARD"));
    }
}

#[test]
fn a_client_of_which_swaks_speaks_by_xclient_is_who_swaks_says() {
    let (site, server) = site("xclient_from = [\"127.0.0.1\"]");
    let told =
        ["--xclient-addr", "192.0.2.7", "--xclient-name", "client.example", "--xclient-helo", "told.example"];
    let Some(said) = swaks(server.address(), &told) else { return };
    assert!(said.contains("XCLIENT"), "{said}");
    let mail = mail(&site);
    assert!(mail.contains("Received: from told.example (client.example [192.0.2.7])\n"), "{mail}");
}

#[test]
fn swaks_is_offered_no_xclient_where_it_is_not_trusted() {
    let (_site, server) = site("");
    let Some(program) = tool("swaks") else { return };
    let mut command = Command::new(program);
    let address = server.address();
    command.args(["--server", &address.ip().to_string(), "--port", &address.port().to_string(), "--to", TO]);
    let (status, said) = outcome({
        command.args(["--xclient-addr", "192.0.2.7"]);
        command
    });
    assert!(!status.success() && said.contains("Host did not advertise XCLIENT"), "{said}");
}

#[test]
fn swaks_as_a_proxy_tells_of_its_client_in_both_versions() {
    for version in ["1", "2"] {
        let (site, server) = site("proxy_from = [\"127.0.0.1\"]");
        let family = if version == "1" { "TCP4" } else { "AF_INET" };
        let mut told = vec!["--proxy-version", version, "--proxy-family", family];
        told.extend(["--proxy-source", "192.0.2.7", "--proxy-source-port", "4711"]);
        told.extend(["--proxy-dest", "198.51.100.1", "--proxy-dest-port", "25"]);
        if version == "2" {
            told.extend(["--proxy-protocol", "STREAM", "--proxy-command", "PROXY"]);
        }
        if swaks(server.address(), &told).is_none() {
            return;
        }
        let mail = mail(&site);
        assert!(mail.contains("from swaks.example ([192.0.2.7])"), "{mail}");
        story_tells(&site, &["by the PROXY protocol, 127.0.0.1 speaks for 192.0.2.7:4711"]);
    }
}

#[test]
fn haproxy_before_us_tells_of_its_client_in_both_versions_and_knows_that_we_are_well() {
    for version in ["send-proxy", "send-proxy-v2"] {
        let (site, server) = site("proxy_from = [\"127.0.0.1\"]");
        let Some(proxy) = Haproxy::before(server.address(), version) else { return };
        if swaks(proxy.address(), &["--local-interface", CLIENT]).is_none() {
            return;
        }
        let mail = mail(&site);
        assert!(mail.contains(&format!("from swaks.example ([{CLIENT}])")), "{mail}");
    }
}
