//! How a list and a message look, at a fixed moment.

use super::attempts::Attempts;
use super::destinations;
use super::health;
use super::list::{Part, report};
use super::route_key;
use super::show::{Around, described};
use insta::assert_snapshot;
use postrider_control::{Activity, DestinationView, Health};
use postrider_journal::event::{Attempt as Tried, Ending, Fate, HostResult, HostTried, Speaker, What};
use postrider_journal::{Story, Subject};
use postrider_mail::{AttemptId, Code, Enhanced, Host, QueueId, Reply, SessionId, UnixMillis};
use postrider_policy::route::{Hop, LmtpPeer, Way};
use postrider_queue::{PauseView, RouteKey, Stats, View};
use serde_json::{Value, json};
use std::sync::Arc;

const NOW: UnixMillis = UnixMillis::new(1_795_372_275_042);
const ALL: Part = Part { of_all: true, has_more: false };

fn ago(minutes: i64) -> i64 {
    NOW.get() - minutes * 60_000
}

fn recipient(id: u32, address: &str) -> Value {
    json!({
        "id": id, "address": address, "key": "local", "state": "waiting", "in_flight": false, "attempts": 0,
        "next_attempt": NOW.get(),
    })
}

fn message(id: &str, minutes: i64, recipients: &[Value]) -> Value {
    json!({
        "id": id, "received_at": ago(minutes), "expires_at": ago(minutes - 5 * 24 * 60), "size": 1300,
        "reverse_path": "a@client.example", "priority": 0, "recipient_count": recipients.len(),
        "recipients": recipients,
    })
}

fn with(mut value: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("an object") };
    value.as_object_mut().unwrap().extend(more);
    value
}

fn view(value: Value) -> View {
    serde_json::from_value(value).unwrap()
}

fn deferred() -> Value {
    let answer = json!({
        "key": "@local.example", "attempts": 2, "next_attempt": ago(-4), "last_mta": "mx.local.example",
        "last_time": ago(3), "last_reply": { "code": 451, "enhanced": "4.7.1", "lines": ["try later"] },
        "owed": "delay",
    });
    with(recipient(0, "b@local.example"), answer)
}

/// One waits, with an answer; one is held; one has more recipients than a table shows.
fn messages() -> Vec<View> {
    let held = json!({ "held": { "since": ago(30), "why": "operator: is this spam?" }, "reverse_path": "" });
    let many: Vec<Value> = (0..8).map(|n| recipient(n, &format!("r{n}@local.example"))).collect();
    vec![
        view(message("38g4gvap40001", 90, &[deferred()])),
        view(with(message("38g4gvap40002", 45, &[recipient(0, "c@local.example")]), held)),
        view(message("38g4gvap40003", 0, &many)),
    ]
}

fn health(paused: &[Option<&str>]) -> Health {
    let pause = |key: &Option<&str>| PauseView {
        key: key.map(|key| RouteKey::new(key).unwrap()),
        since: UnixMillis::new(ago(10)),
        why: "moving".into(),
    };
    let queue = Stats { messages: 3, ..Stats::default() };
    Health { queue, pauses: paused.iter().map(pause).collect(), troubles: Vec::new(), activity: None }
}

fn around<'a>(pauses: &'a [PauseView], destinations: &'a [DestinationView]) -> Around<'a> {
    Around { pauses, destinations, now: NOW }
}

fn resting() -> DestinationView {
    DestinationView {
        key: "@local.example".into(),
        connections: 0,
        window: 1,
        waiting: 3,
        resting_until: Some(UnixMillis::new(ago(-2))),
        why: Some("192.0.2.1:25 did not answer within 30 s".into()),
    }
}

/// A message whose sender asked for everything there is to ask for.
fn demanding() -> View {
    let requests = json!({
        "smtputf8": true, "ret": "HDRS", "envid": "QQ+2B1", "by": ago(-90), "by_mode": "RT",
        "release_at": ago(-30), "solicit": "net.example:ADV",
    });
    let asked =
        json!({ "notify": "SUCCESS,DELAY", "orcpt": "rfc822;bob@list.example", "next_attempt": ago(-30) });
    let quiet = json!({ "notify": "NEVER", "orcpt": "rfc822;c@local.example", "state": "delivered" });
    let expanded = json!({ "state": "expanded", "owed": "success" });
    let recipients = [
        with(recipient(0, "b@local.example"), asked),
        with(recipient(1, "c@local.example"), quiet),
        with(recipient(2, "team@local.example"), expanded),
    ];
    view(with(message("38g4gvap40001", 5, &recipients), json!({ "priority": 4, "requests": requests })))
}

#[test]
fn what_a_sender_asked_for_is_told() {
    let message = demanding();
    assert_snapshot!(described(&message, &around(&[], &[])), @r"
    Message 38g4gvap40001
      From         <a@client.example>
      Received     2026-11-22T18:26:15.042Z, 5 min ago
      Size         1300 octets
      Priority     4 (from 9, first, to -9, last; 0 is usual)
      Put off      by its sender until 2026-11-22T19:01:15.042Z, in 30 min
      Deliver by   2026-11-22T20:01:15.042Z, in 1 h; then it comes back; each host that passes it on tells the sender
      Envelope id  QQ+2B1 (ENVID, for notices)
      Returned     a notice of failure brings back the headers (RET=HDRS)
      Solicits     net.example:ADV
      SMTPUTF8     only to hosts that take addresses and headers beyond ASCII
      Given up     2026-11-27T18:26:15.042Z, in 4 d

    3 recipients
      <b@local.example>
          put off; next try in 30 min; not tried yet; queued under local
          its sender knows it as rfc822;bob@list.example (ORCPT)
          the sender wants notices of success, delay (NOTIFY)
      <c@local.example>
          delivered; not tried yet
          the sender wants no notice (NOTIFY=NEVER)
      <team@local.example>
          expanded; not tried yet
          the sender is owed a notice of success
    ");
    let list = report(&[message], ALL, &health(&[]), NOW, None);
    assert!(list.contains(" put off, priority 4, wanted in 1 h "), "{list}");
}

#[test]
fn a_list_has_a_line_per_recipient() {
    let list = report(&messages(), ALL, &health(&[Some("local")]), NOW, None);
    assert_snapshot!(list, @r"
    Delivery to local is paused since 2026-11-22T18:21:15.042Z: moving
    ID                AGE     SIZE  FROM              TO                KEY             STATE    TRIES  NEXT      LAST ANSWER
    38g4gvap40001     1 h  1.2 KiB  a@client.example  b@local.example   @local.example  waiting      2  in 4 min  451 4.7.1 try later; the sender is owed a notice of delay
    38g4gvap40002  45 min  1.2 KiB  <>                c@local.example   local           held         0            operator: is this spam?
    38g4gvap40003     0 s  1.2 KiB  a@client.example  r0@local.example  local           waiting      0  paused
                                                      r1@local.example  local           waiting      0  paused
                                                      r2@local.example  local           waiting      0  paused
                                                      r3@local.example  local           waiting      0  paused
                                                      r4@local.example  local           waiting      0  paused
                                                      … and 3 more
    3 messages.
    ");
}

#[test]
fn on_a_terminal_the_table_keeps_to_its_width() {
    let list = report(&messages()[..2], ALL, &health(&[]), NOW, Some(150));
    assert_snapshot!(list, @r"
    ID                AGE     SIZE  FROM              TO               KEY             STATE    TRIES  NEXT      LAST ANSWER
    38g4gvap40001     1 h  1.2 KiB  a@client.example  b@local.example  @local.example  waiting      2  in 4 min  451 4.7.1 try later; the sender is owed
                                                                                                                 a notice of delay
    38g4gvap40002  45 min  1.2 KiB  <>                c@local.example  local           held         0            operator: is this spam?
    2 messages.
    ");
}

#[test]
fn on_a_narrow_terminal_lines_are_stacked() {
    let list = report(&messages(), ALL, &health(&[]), NOW, Some(80));
    assert_snapshot!(list, @r"
    38g4gvap40001  1 h  1.2 KiB  a@client.example
      b@local.example  waiting under @local.example, tries 2, next try in 4 min
        451 4.7.1 try later; the sender is owed a notice of delay
    38g4gvap40002  45 min  1.2 KiB  <>
      c@local.example  held under local, tries 0
        operator: is this spam?
    38g4gvap40003  0 s  1.2 KiB  a@client.example
      r0@local.example  waiting under local, tries 0, next try now
      r1@local.example  waiting under local, tries 0, next try now
      r2@local.example  waiting under local, tries 0, next try now
      r3@local.example  waiting under local, tries 0, next try now
      r4@local.example  waiting under local, tries 0, next try now
      … and 3 more
    3 messages.
    ");
}

#[test]
fn what_is_not_shown_is_said() {
    let said = |messages: &[View], part| report(messages, part, &health(&[]), NOW, None);
    let one = &messages()[1..2];
    let page = said(one, Part { of_all: true, has_more: true });
    assert!(page.ends_with(
        "1 message of 3 shown; there may be more: --limit N shows more, --after 38g4gvap40002 goes on.\n"
    ));
    let page = said(one, Part { of_all: false, has_more: true });
    assert!(page.contains("\n1 message shown; there may be more"), "{page}");
    assert_eq!(said(&[], Part { of_all: false, ..ALL }), "No message agrees; the queue holds 3 messages.\n");
    let troubled = Health { troubles: vec!["the disk failed".into()], ..Health::default() };
    let list = report(&[], ALL, &troubled, NOW, None);
    assert_eq!(list, "Trouble: the disk failed\nThe queue is empty.\n");
}

#[test]
fn a_message_is_described_in_blocks() {
    let facts = json!({
        "helo": "client.example", "peer": "192.0.2.7:2525", "protocol": "ESMTP", "session": "38g4gvap40000",
        "message_id": "<1@client.example>",
    });
    let via = with(
        recipient(1, "c@local.example"),
        json!({ "given": "team@local.example", "via": "team@local.example" }),
    );
    let message = view(with(message("38g4gvap40001", 90, &[deferred(), via]), facts));
    assert_snapshot!(described(&message, &around(&health(&[Some("local")]).pauses, &[resting()])), @r"
    Message 38g4gvap40001
      From         <a@client.example>
      Received     2026-11-22T17:01:15.042Z, 1 h ago
                   from client.example at 192.0.2.7:2525 by ESMTP
      Session      38g4gvap40000 (postrider trace 38g4gvap40000)
      Message-ID   <1@client.example>
      Size         1300 octets
      Given up     2026-11-27T17:01:15.042Z, in 4 d

    2 recipients
      <b@local.example>
          waiting; next try in 4 min; tried 2 times; queued under @local.example
          last answer from mx.local.example, 3 min ago: 451 4.7.1 try later
          @local.example rests 2 min more: 192.0.2.1:25 did not answer within 30 s
          the sender is owed a notice of delay
      <c@local.example>, given as <team@local.example>, through the alias <team@local.example>
          waiting; delivery is paused; not tried yet; queued under local
    ");
    assert_snapshot!(described(&messages()[1], &around(&[], &[])), @r"
    Message 38g4gvap40002
      From         <>
      Received     2026-11-22T17:46:15.042Z, 45 min ago
      Size         1300 octets
      Held         operator: is this spam?, since 2026-11-22T18:01:15.042Z, 30 min ago
                   it is not tried and does not expire until `postrider queue release`

    1 recipient
      <c@local.example>
          held; not tried yet; queued under local
    ");
}

/// An attempt that fell over from one host to the next, with a dialogue that is not shown here.
fn attempt(n: i64, minutes: i64) -> Story {
    let at = UnixMillis::new(ago(minutes));
    let id = QueueId::from_row(1 << 60).unwrap();
    let mut story = Story::new(Subject::Attempt(AttemptId::from_row(n).unwrap()), at, None);
    let host = |host: &str, address: &str, result, why: Option<&str>| {
        let address = Some(address.parse().unwrap());
        What::Host(Box::new(HostTried { host: host.into(), address, result, why: why.map(Into::into) }))
    };
    let number = u32::try_from(n).unwrap();
    story.add(at, What::Attempt(Box::new(Tried { id, host: "local.example".into(), address: None, number })));
    story.add(at, host("mx0.local.example", "192.0.2.9:25", HostResult::Connected, None));
    story.add(at, host("mx0.local.example", "192.0.2.9:25", HostResult::Failed, Some("at EHLO: 421 busy")));
    story.add(at, host("mx1.local.example", "192.0.2.1:25", HostResult::Failed, Some("connection refused")));
    story.add(at, host("mx2.local.example", "192.0.2.2:25", HostResult::Connected, None));
    story.add(at, What::Said { who: Speaker::Theirs, text: "220 mx2.local.example".into() });
    story.add(
        at,
        What::Fate(Box::new(Fate {
            id,
            recipient: "b@local.example".parse().unwrap(),
            ending: Ending::Deferred,
            reply: Reply::new(Code::of(451), Enhanced::of(4, 7, 1), "try later"),
            next_attempt: Some(UnixMillis::new(ago(minutes - 7))),
        })),
    );
    story
}

#[test]
fn what_was_tried_is_shown_with_hosts_and_answers() {
    let id = QueueId::from_row(1 << 60).unwrap();
    let session = Story::new(Subject::Session(SessionId::from_row(7).unwrap()), NOW, None);
    let attempts = Attempts::from_stories(vec![attempt(2, 3), attempt(1, 10), session], Vec::new());
    assert_snapshot!(attempts.described(id, NOW), @r"
    2 attempts
      2026-11-22T18:21:15.042Z, 10 min ago, to local.example (postrider trace 0000000000001)
          tried mx0.local.example at 192.0.2.9:25, and failed: at EHLO: 421 busy
          tried mx1.local.example at 192.0.2.1:25, and failed: connection refused
          connected to mx2.local.example at 192.0.2.2:25
          <b@local.example> deferred: 451 4.7.1 try later; next attempt in 7 min, at 2026-11-22T18:28:15.042Z
      2026-11-22T18:28:15.042Z, 3 min ago, to local.example (postrider trace 0000000000002)
          tried mx0.local.example at 192.0.2.9:25, and failed: at EHLO: 421 busy
          tried mx1.local.example at 192.0.2.1:25, and failed: connection refused
          connected to mx2.local.example at 192.0.2.2:25
          <b@local.example> deferred: 451 4.7.1 try later; next attempt in 7 min, at 2026-11-22T18:35:15.042Z
    ");
    let json = attempts.json();
    let first = &json[0];
    assert_eq!((&first["to"], &first["number"]), (&json!("local.example"), &json!(1)));
    assert_eq!(first["hosts"][0]["why"], "at EHLO: 421 busy");
    assert_eq!(first["hosts"][1]["address"], "192.0.2.1:25");
    assert_eq!(first["hosts"][1]["why"], "connection refused");
    assert_eq!(first["hosts"][2]["result"], "connected");
    assert_eq!(first["fates"][0]["reply"]["code"], 451);
    assert_eq!(json[1]["started_at"], ago(3));
    let many = Attempts::from_stories((1..=11).rev().map(|n| attempt(n, 100 - n)).collect(), Vec::new());
    let told = many.described(id, NOW);
    let heading = format!("The last 10 attempts; `postrider trace {id} --limit N` tells more");
    assert!(told.contains(&heading) && told.contains("(postrider trace 000000000000b)"), "{told}");
    assert!(!told.contains("(postrider trace 0000000000001)"), "{told}");
    assert_eq!(Attempts::from_stories(Vec::new(), Vec::new()).described(id, NOW), "");
}

#[test]
fn what_was_given_up_without_another_try_is_shown() {
    let id = QueueId::from_row(1 << 60).unwrap();
    let at = UnixMillis::new(ago(2));
    let mut story = Story::new(Subject::Server, at, None);
    story.add(at, What::Note { text: "given up".into() });
    story.add(
        at,
        What::Fate(Box::new(Fate {
            id,
            recipient: "b@local.example".parse().unwrap(),
            ending: Ending::Failed,
            reply: Reply::new(
                Code::of(554),
                Enhanced::of(5, 4, 7),
                "the message could not be delivered in time",
            ),
            next_attempt: None,
        })),
    );
    let mut other = Story::new(Subject::Server, NOW, None);
    other.add(NOW, What::Note { text: "a notice was written".into() });
    let attempts = Attempts::from_stories(vec![other, story], Vec::new());
    assert_snapshot!(attempts.described(id, NOW), @r"

    Given up without another try: 2026-11-22T18:29:15.042Z, 2 min ago
          given up
          <b@local.example> failed: 554 5.4.7 the message could not be delivered in time
    ");
    let json = attempts.json();
    assert_eq!((&json[0]["id"], &json[0]["to"], json[1].is_null()), (&Value::Null, &Value::Null, true));
    assert_eq!(json[0]["fates"][0]["reply"]["code"], 554);
}

#[test]
fn health_is_told_in_numbers() {
    let activity = Activity { connections: 3, resting: 1, notices: 12, unreported: 2 };
    let queue = Stats {
        messages: 3,
        waiting: 5,
        in_flight: 1,
        held: 1,
        oldest: Some(UnixMillis::new(ago(90))),
        ..Stats::default()
    };
    let running = Health { queue, activity: Some(activity), ..health(&[Some("local")]) };
    assert_snapshot!(health::report(&running, NOW), @r"
    Delivery to local is paused since 2026-11-22T18:21:15.042Z: moving
    Queued        3 messages, the oldest from 1 h ago
    Held          1 message
    Waiting       5 recipients
    On the way    1 recipient
    Owed a notice 0 recipients
    In memory     0 B
    Connections   3 to other hosts
    Resting       1 destination
    Since start   12 notices written
                  2 recipients neither reached nor reported, as no notice could be sent
    ");
    let troubled = Health { troubles: vec!["the disk failed".into()], ..Health::default() };
    assert_snapshot!(health::report(&troubled, NOW), @r"
    Trouble: the disk failed
    Queued        0 messages
    Held          0 messages
    Waiting       0 recipients
    On the way    0 recipients
    Owed a notice 0 recipients
    In memory     0 B
    Server        none runs: mail moves when it is started
    ");
}

#[test]
fn destinations_say_what_keeps_them() {
    let busy = DestinationView {
        key: "relay.example:587".into(),
        connections: 12,
        window: 20,
        waiting: 0,
        resting_until: None,
        why: None,
    };
    assert_snapshot!(destinations::report(&[resting(), busy], 3, NOW), @r"
    KEY                CONNECTIONS  WAITING  STATE
    @local.example          0 of 1        3  rests 2 min more: 192.0.2.1:25 did not answer within 30 s
    relay.example:587     12 of 20        0
    … and 3 more.
    ");
    assert_eq!(destinations::report(&[], 0, NOW), "No mail is leaving now, and no destination rests.\n");
}

#[test]
fn every_destination_can_be_named_as_it_is_shown() {
    let address = "a@Bücher.example".parse().unwrap();
    let way = || Arc::new(Way { port: 587, ..Way::default() });
    let host = |text: &str| text.parse::<Host>().unwrap();
    let mut keys: Vec<String> = ["relay.example", "[192.0.2.1]", "[IPv6:2001:db8::1]"]
        .into_iter()
        .flat_map(|name| {
            let lmtp = Hop::Lmtp(LmtpPeer::Tcp(host(name)), way());
            [Hop::Smarthost(host(name), way()), lmtp].map(|hop| hop.key(&address))
        })
        .collect();
    let socket = Hop::Lmtp(LmtpPeer::Unix("/run/dovecot/lmtp".into()), way());
    keys.extend([Hop::Local, Hop::Mx(way()), socket, Hop::Discard, Hop::Hold].map(|hop| hop.key(&address)));
    keys.push(Hop::Mx(way()).key(&"a@[192.0.2.1]".parse().unwrap()));
    for key in keys {
        assert_eq!(route_key(&key).map(|key| key.to_string()), Ok(key));
    }
    for (spelled, key) in [("@Example.ORG", "@example.org"), ("Relay.Example:25", "relay.example:25")] {
        assert_eq!(route_key(spelled).map(|key| key.to_string()), Ok(key.into()));
    }
    for nothing in ["", "example.org", "relay.example:smtp", "@", "@a b", "a b"] {
        assert!(route_key(nothing).is_err(), "{nothing}");
    }
}

#[test]
fn a_final_answer_is_shown_also_where_the_others_are_held() {
    let reply = json!({ "code": 550, "enhanced": "5.1.1", "lines": ["no"] });
    let failed = with(recipient(1, "b@x.example"), json!({ "state": "failed", "last_reply": reply }));
    let two = message("38g4gvap40001", 1, &[recipient(0, "a@x.example"), failed]);
    let held = with(two, json!({ "held": { "since": ago(1), "why": "route: all of it" } }));
    let told = report(&[view(held)], ALL, &Health::default(), NOW, None);
    let ends: Vec<&str> =
        told.lines().skip(1).take(2).map(|line| line.rsplit("  ").next().unwrap()).collect();
    assert_eq!(ends, ["route: all of it", "550 5.1.1 no"], "{told}");
}
