//! Notices as others read them: Python's `email`, and flufl.bounce, by which GNU Mailman understands bounces. Some
//! come from the real binary, some from the composer, in forms that would take days to come about.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_mail::dsn::{self, Action, Original, Reader, Recipient, Report, Returned, Said};
use postrider_mail::{Code, Enhanced, EnvelopeId, OriginalRecipient, QueueId, Reply, UnixMillis};
use postrider_tests::client::Client;
use postrider_tests::crash::control::Operator;
use postrider_tests::process::Server;
use postrider_tests::python::python;
use postrider_tests::site::Site;
use postrider_tests::wait::until_true;
use serde_json::{Value, json};

/// Prints what a program learns from a notice, as JSON.
const SCRIPT: &str = r#"
import email, email.policy, json, sys
from flufl.bounce import all_failures
octets = sys.stdin.buffer.read()
notice = email.message_from_bytes(octets, policy=email.policy.default)
defects = [repr(defect) for part in notice.walk() for defect in part.defects]
text, status, *original = notice.get_payload()
head, *groups = status.get_payload()
permanent_and_temporary = [sorted(a.decode() for a in found)
    for found in reversed(all_failures(email.message_from_bytes(octets)))]
print(json.dumps({
    "defects": defects,
    "type": notice.get_content_type(),
    "report": notice.get_param("report-type"),
    "parts": [part.get_content_type() for part in notice.get_payload()],
    "automatic": notice["Auto-Submitted"],
    "from": notice["From"].addresses[0].addr_spec,
    "to": [address.addr_spec for address in notice["To"].addresses],
    "subject": notice["Subject"],
    "about": notice["References"],
    "text": text.get_content().replace("\r\n", "\n"),
    "mta": head["Reporting-MTA"],
    "envid": head["Original-Envelope-Id"],
    "recipients": [dict(group.items()) for group in groups],
    "original": original[0].get_content().items() if original and original[0].get_content_type() == "message/rfc822"
        else email.message_from_string(original[0].get_content(), policy=email.policy.default).items() if original
        else None,
    "permanent": permanent_and_temporary[0],
    "temporary": permanent_and_temporary[1],
}, default=str))
"#;

/// What Python and flufl.bounce make of a notice; `None` where they are missing.
#[track_caller]
fn read(notice: &[u8]) -> Option<Value> {
    let said = python()?.run(SCRIPT, notice);
    let read: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(read["defects"], json!([]), "{}", String::from_utf8_lossy(notice));
    assert_eq!((&read["type"], &read["report"]), (&json!("multipart/report"), &json!("delivery-status")));
    assert_eq!(read["automatic"], "auto-replied");
    Some(read)
}

/// A site where ann writes, and gone is about to go.
fn site(more: &str) -> (Site, Server) {
    let site = Site::new();
    site.configure(&format!("[domains.\"local.example\"]\n{more}"));
    site.add_accounts(&["ann@local.example", "gone@local.example", "bert@local.example"]);
    site.add_alias("team@local.example", &["gone@local.example", "bert@local.example"]);
    let server = site.serve();
    (site, server)
}

/// Sends while nothing is delivered, lets gone go, and lets deliveries go on.
fn fails(site: &Site, server: &Server, from: &str, to: &[&str], content: &[u8]) {
    let mut operator = Operator::connect(&site.data()).unwrap();
    operator.pause().unwrap();
    let mut client = Client::greeted(server.address());
    client.says(&format!("MAIL FROM:<{from}> BODY=8BITMIME"), "250");
    for recipient in to {
        client.says(&format!("RCPT TO:<{recipient}>"), "250");
    }
    client.says("DATA", "354");
    client.send(content);
    client.says(".", "250");
    site.postrider(&["account", "remove", "gone@local.example"]);
    operator.hurry().unwrap();
    until_true("the queue is empty", || operator.is_done().unwrap());
}

#[test]
fn a_failure_of_the_real_server_is_understood_by_programs() {
    let (site, server) = site("");
    let content = "From: Ann <ann@local.example>\r\nSubject: Gr\u{fc}\u{df}e\r\nMessage-ID: <1@local.example>\r\n\r\n\u{e4}\r\n";
    fails(
        &site,
        &server,
        "ann@local.example",
        &["gone@local.example", "bert@local.example"],
        content.as_bytes(),
    );
    site.delivered("bert@local.example", 1);
    let (_, notice) = site.delivered("ann@local.example", 1).remove(0);
    assert!(notice.is_ascii() && notice.starts_with(b"Return-Path: <>\n"));
    let Some(read) = read(&notice) else { return };
    assert_eq!(
        read["parts"],
        json!(["text/plain", "message/delivery-status", "text/rfc822-headers"]),
        "{read:#}"
    );
    assert_eq!(read["permanent"], json!(["gone@local.example"]));
    assert_eq!(read["temporary"], json!([]));
    assert_eq!(read["from"], "postmaster@mx.local.example");
    assert_eq!(read["to"], json!(["ann@local.example"]));
    assert_eq!(read["about"], "<1@local.example>");
    let [group] = read["recipients"].as_array().unwrap().as_slice() else { panic!("{read:#}") };
    assert_eq!((&group["Action"], &group["Status"]), (&json!("failed"), &json!("5.1.1")));
    let original = read["original"].to_string();
    assert!(original.contains("Gr\u{fc}\u{df}e") && original.contains("Received"), "{original}");
    let text: Vec<&str> = read["text"].as_str().unwrap().split_whitespace().collect();
    let first = "Your message to <gone@local.example> could not be delivered, and will not be tried again.";
    assert!(text.join(" ").starts_with(first), "{read:#}");
}

#[test]
fn a_whole_message_comes_back_as_one_and_an_alias_as_its_sender_wrote_it() {
    let (site, server) = site("[notices]\nreturned = \"message\"\n");
    let content = b"From: ann@local.example\r\nSubject: hello\r\n\r\nthe body\r\n";
    fails(&site, &server, "ann@local.example", &["team@local.example"], content);
    let (_, notice) = site.delivered("ann@local.example", 1).remove(0);
    let Some(read) = read(&notice) else { return };
    assert_eq!(read["parts"][2], "message/rfc822");
    assert_eq!(read["permanent"], json!(["team@local.example"]));
    assert_eq!(read["recipients"][0]["Final-Recipient"], "rfc822; gone@local.example");
    assert_eq!(read["subject"], "Not delivered: your message to team@local.example");
}

#[test]
fn a_message_from_the_null_path_is_answered_by_nothing() {
    let (site, server) = site("");
    fails(&site, &server, "", &["gone@local.example"], b"From: ann@local.example\r\n\r\nx\r\n");
    assert!(site.files_in_mailboxes().is_empty());
    let story = site.postrider(&["trace", "gone@local.example"]);
    assert!(story.contains("no notice is sent (null reverse-path"), "{story}");
}

#[test]
fn the_story_of_a_message_leads_to_its_notice_and_back() {
    let (site, server) = site("");
    let content = b"From: ann@local.example\r\nMessage-ID: <2@local.example>\r\n\r\nx\r\n";
    fails(&site, &server, "ann@local.example", &["gone@local.example"], content);
    let story = site.postrider(&["trace", "<2@local.example>"]);
    let (_, notice) = story.split_once("=> notice ").unwrap_or_else(|| panic!("{story}"));
    let id = notice.split(' ').next().unwrap();
    let story = site.postrider(&["trace", id]);
    assert!(story.contains("<ann@local.example> delivered"), "{story}");
    assert!(story.contains("not delivered to 1 recipient"), "{story}");
}

fn recipient(address: &str, action: Action, reply: Reply) -> Recipient {
    Recipient {
        address: address.parse().unwrap(),
        given: address.parse().unwrap(),
        orcpt: None,
        action,
        reply: Some(reply),
        remote: Some("mx.x.example [192.0.2.25]".into()),
        tried_at: Some(UnixMillis::new(1_795_372_275_042)),
        tried: vec!["Sun, 22 Nov 2026 18:31:15 +0000: connected to mx.x.example".into()],
        dialogue: vec![Said::Ours("RCPT TO:<x>".into()), Said::Theirs("550 no".into())],
    }
}

fn compose(recipients: &[Recipient], header: &[u8]) -> Vec<u8> {
    dsn::compose(&Report {
        id: QueueId::from_row(1 << 60).unwrap(),
        date: UnixMillis::new(1_795_372_275_042),
        hostname: &"mx.local.example".parse().unwrap(),
        reader: Reader::Sender(&"ann@local.example".parse().unwrap()),
        about: QueueId::from_row(1 << 59).unwrap(),
        arrived: UnixMillis::new(1_795_000_000_000),
        message_id: None,
        envelope_id: EnvelopeId::from_xtext("QQ314159").ok().as_ref(),
        deliver_by: None,
        recipients,
        original: Original::Content(header, Returned::Header),
    })
}

#[test]
fn failures_delays_and_expiries_are_told_apart() {
    let no = Reply::of_lines(
        Code::of(550),
        Enhanced::of(5, 7, 1),
        ["refused, see".into(), "https://x.example/why?this=so".into()],
    );
    let later = || Reply::new(Code::of(451), None, "sp\u{e4}ter");
    let until = UnixMillis::new(1_796_000_000_000);
    let both = compose(
        &[
            recipient("a@x.example", Action::Failed, no),
            recipient("b@x.example", Action::Expired, later()),
            recipient("\"c d\"@x.example", Action::Failed, later()),
        ],
        b"Subject: x\r\n\r\n",
    );
    let Some(read_both) = read(&both) else { return };
    assert_eq!(read_both["permanent"], json!(["\"c d\"@x.example", "a@x.example", "b@x.example"]));
    let status = |n: usize| {
        (read_both["recipients"][n]["Status"].clone(), read_both["recipients"][n]["Action"].clone())
    };
    assert_eq!(status(0), (json!("5.7.1"), json!("failed")));
    assert_eq!(status(1), (json!("4.4.7"), json!("failed")));
    assert_eq!(
        read_both["recipients"][0]["Diagnostic-Code"],
        "smtp; 550 5.7.1 refused, see https://x.example/why?this=so"
    );
    assert_eq!(read_both["recipients"][0]["Remote-MTA"], "dns; mx.x.example");
    assert!(read_both["text"].as_str().unwrap().contains("\n    451 sp\u{e4}ter\n"), "{read_both:#}");
    let delay =
        compose(&[recipient("b@x.example", Action::Delayed { until }, later())], b"Subject: x\r\n\r\n");
    let delay = read(&delay).unwrap();
    assert_eq!((&delay["permanent"], &delay["temporary"]), (&json!([]), &json!(["b@x.example"])));
    assert!(delay["recipients"][0]["Will-Retry-Until"].is_string());
}

#[test]
fn good_news_of_the_real_server_is_read_as_such_by_programs() {
    let (site, server) = site("");
    let mut operator = Operator::connect(&site.data()).unwrap();
    let mut client = Client::greeted(server.address());
    client.says("MAIL FROM:<ann@local.example> RET=FULL ENVID=QQ+2B1", "250");
    client.says("RCPT TO:<bert@local.example> NOTIFY=SUCCESS ORCPT=rfc822;Bert+2B1@else.example", "250");
    client.says("RCPT TO:<team@local.example> NOTIFY=SUCCESS", "250");
    client.says("DATA", "354");
    client.send(b"From: ann@local.example\r\nSubject: hello\r\n\r\nthe body\r\n");
    client.says(".", "250");
    operator.hurry().unwrap();
    until_true("the queue is empty", || operator.is_done().unwrap());
    let mut told: Vec<(String, String, String)> = Vec::new();
    for (_, notice) in site.mail("ann@local.example") {
        let Some(read) = read(&notice) else { return };
        assert_eq!((&read["permanent"], &read["temporary"]), (&json!([]), &json!([])), "{read:#}");
        assert_eq!(read["parts"][2], "text/rfc822-headers");
        assert_eq!(read["envid"], "QQ+1");
        for group in read["recipients"].as_array().unwrap() {
            let field = |name: &str| group[name].as_str().unwrap_or_default().to_owned();
            told.push((field("Final-Recipient"), field("Action"), field("Original-Recipient")));
        }
    }
    told.sort();
    let row = |address: &str, action: &str, original: &str| {
        (format!("rfc822; {address}@local.example"), action.to_owned(), original.to_owned())
    };
    assert_eq!(told, [row("bert", "delivered", "rfc822; Bert+1@else.example"), row("team", "expanded", "")]);
}

#[test]
fn every_kind_of_good_news_is_well_formed_and_no_failure() {
    let taken = || Reply::new(Code::of(250), Enhanced::of(2, 0, 0), "taken");
    let orcpt = OriginalRecipient::from_xtext("utf-8;j\\x{F6}rg@else.example").ok();
    let all = [Action::Delivered, Action::Relayed, Action::Expanded]
        .map(|action| Recipient { orcpt: orcpt.clone(), ..recipient("a@x.example", action, taken()) });
    let Some(read) = read(&compose(&all, b"Subject: x\r\n\r\n")) else { return };
    assert_eq!((&read["permanent"], &read["temporary"]), (&json!([]), &json!([])));
    assert_eq!(
        (&read["envid"], &read["subject"]),
        (&json!("QQ314159"), &json!("Passed on: your message to 3 recipients"))
    );
    for (group, action) in
        read["recipients"].as_array().unwrap().iter().zip(["delivered", "relayed", "expanded"])
    {
        assert_eq!((&group["Action"], &group["Status"]), (&json!(action), &json!("2.0.0")));
        assert_eq!(group["Original-Recipient"], "utf-8; j\\x{F6}rg@else.example");
    }
}

#[test]
fn hostile_words_stay_words_for_every_reader() {
    let words = [
        "\r\nX-Injected: yes\r\n\r\n--=_1000000000000.0--\r\n",
        "--=_1000000000000.0",
        "Final-Recipient: rfc822; victim@x.example",
        "\u{202e}\u{0}\u{1b}[31m<script>",
        &"w\u{f6}rd".repeat(300),
    ];
    let lines = words.iter().map(|word| (*word).into());
    let mut failed = recipient("a@x.example", Action::Failed, Reply::of_lines(Code::of(550), None, lines));
    failed.tried = words.iter().map(|word| (*word).into()).collect();
    failed.dialogue = words.iter().map(|word| Said::Theirs((*word).into())).collect();
    failed.remote = Some(words[0].into());
    failed.orcpt = OriginalRecipient::from_xtext("rfc822;a@x.example+20+20Action:+20delivered").ok();
    let header = format!("Subject: {}\r\nX: a\rb\nc\0d\r\n{}\r\n\r\n", words[1], "e".repeat(2000));
    let Some(read) = read(&compose(&[failed], header.as_bytes())) else { return };
    assert_eq!(read["parts"], json!(["text/plain", "message/delivery-status", "text/rfc822-headers"]));
    let [group] = read["recipients"].as_array().unwrap().as_slice() else { panic!("{read:#}") };
    assert_eq!(group["Action"], "failed");
    assert!(group.get("X-Injected").is_none() && !read["permanent"].to_string().contains("victim"));
}
