//! What a story keeps, counts and is found by.

use super::*;
use crate::event::{Accepted, Attempt, HostTried, Speaker};
use postrider_mail::ReversePath;

const START: UnixMillis = UnixMillis::new(1_795_372_275_042);

fn session() -> Story {
    let peer = Some("192.0.2.7:2525".parse().unwrap());
    Story::new(Subject::Session(SessionId::from_row(7).unwrap()), START, peer)
}

fn said(text: &str) -> What {
    What::Said { who: Speaker::Theirs, text: text.into() }
}

fn accepted(row: i64, recipients: usize) -> What {
    What::Accepted(Box::new(Accepted {
        id: QueueId::from_row(row).unwrap(),
        reverse_path: ReversePath::Null,
        recipients: (0..recipients).map(|n| format!("r{n}@x.example").parse().unwrap()).collect(),
        recipients_unlisted: 0,
        message_id: None,
        octets: 1,
    }))
}

#[test]
fn lines_beyond_the_limit_are_counted_and_outcomes_are_still_kept() {
    let mut story = session();
    for _ in 0..LINES_MAX + 30 {
        story.add(START, said("NOOP"));
    }
    story.add(START, What::Closed { why: "QUIT".into() });
    assert_eq!(story.left_out().lines, 30);
    assert_eq!(story.events().len(), LINES_MAX as usize + 1);
}

#[test]
fn octets_of_lines_are_bounded_across_parts() {
    let mut story = session();
    let mut kept = 0;
    for _ in 0..3 {
        for _ in 0..60 {
            story.add(START, said(&"x".repeat(1000)));
        }
        kept += story.hand_over().events().len();
    }
    assert_eq!(kept, LINE_OCTETS_MAX / 1000);
}

#[test]
fn an_accepted_message_grants_as_many_lines_again() {
    let mut story = session();
    for message in 0..3 {
        for _ in 0..LINES_MAX {
            story.add(START, said("NOOP"));
        }
        story.add(START, accepted(message, 1));
        let part = story.hand_over();
        assert_eq!(part.part(), u32::try_from(message).unwrap());
        assert!(part.left_out().is_nothing());
        assert_eq!(part.events().len(), LINES_MAX as usize + 1);
    }
}

#[test]
fn outcomes_keys_and_recipients_are_bounded_and_counted() {
    let mut story = session();
    story.add(START, accepted(1, 1000));
    let What::Accepted(first) = &story.events()[0].what else { panic!() };
    assert_eq!(first.recipients.len(), RECIPIENTS_LISTED_MAX);
    assert_eq!(first.recipients_unlisted, 1000 - 100);
    assert_eq!(story.keys().len(), KEYS_MAX);
    assert_eq!(story.left_out().keys as usize, 1000 + 2 - KEYS_MAX);
    for row in 0..1000 {
        story.add(START, accepted(row, 0));
    }
    assert_eq!(story.events().len(), OUTCOMES_MAX as usize);
    assert_eq!(story.left_out().outcomes, 1001 - OUTCOMES_MAX);
}

#[test]
fn a_part_without_content_takes_no_number() {
    let mut story = session();
    assert_eq!(story.hand_over().part(), 0, "its key is content");
    assert!(story.hand_over().is_empty());
    story.add(START, said("NOOP"));
    assert_eq!(story.hand_over().part(), 1);
}

#[test]
fn a_key_is_indexed_once_in_all_parts() {
    let mut story = session();
    story.add(START, accepted(1, 2));
    assert_eq!(story.hand_over().keys().len(), 4, "peer, queue id and two recipients");
    story.add(START, accepted(1, 2));
    assert!(story.hand_over().keys().is_empty());
}

#[test]
fn an_attempt_is_found_by_its_destination_and_by_the_hosts_it_tried() {
    let mut story = Story::new(Subject::Attempt(AttemptId::from_row(8).unwrap()), START, None);
    let attempt = |host: &str| Attempt {
        id: QueueId::from_row(1).unwrap(),
        host: host.into(),
        address: None,
        number: 1,
    };
    let tried = |host: &str, address: &str, result| {
        let address = Some(address.parse().unwrap());
        What::Host(Box::new(HostTried { host: host.into(), address, result, why: None }))
    };
    story.add(START, What::Attempt(Box::new(attempt("example.org"))));
    story.add(START, tried("mx1.example.org", "192.0.2.1:25", HostResult::Failed));
    story.add(START, tried("MX2.example.org", "192.0.2.2:25", HostResult::PassedOver));
    story.add(START, tried("[192.0.2.3]", "192.0.2.3:25", HostResult::Connected));
    story.add(START, tried("/run/lmtp.example.sock", "192.0.2.4:25", HostResult::PassedOver));
    let host = |name: &str| Key::host(&name.parse().unwrap());
    let peer = |ip: &str| Key::peer(ip.parse().unwrap());
    for key in [host("example.org"), host("mx1.example.org"), host("mx2.example.org")] {
        assert!(story.keys().contains(&key));
    }
    assert!(story.keys().contains(&peer("192.0.2.1")) && story.keys().contains(&peer("192.0.2.3")));
    assert_eq!(story.keys().len(), 6, "the queue id, three names, two addresses: no more");
    let mut local = session();
    local.add(START, What::Attempt(Box::new(attempt("local"))));
    assert!(!local.keys().contains(&host("local")));
}

#[test]
fn a_clock_that_steps_back_gives_no_negative_times() {
    let mut story = session();
    story.add(UnixMillis::new(0), What::Note { text: Text::literal("back") });
    assert_eq!(story.events()[0].at_ms, 0);
}
