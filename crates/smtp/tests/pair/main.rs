//! The client engine against the server engine, in memory: what one says, the other must understand.
//!
//! A session is generated with what the server is to decide written into its addresses. What must come of it
//! is worked out beside the engines, and must come however the octets are split in either direction.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod drivers;
mod plan;

use drivers::{Draft, run};
use plan::{ANOTHER, LOST, UNDECIDED, expect, plans};
use postrider_mail::{Body, ForwardPath, ReversePath};
use postrider_smtp::client::{self, Fate, PassedOn, Stage, Transaction};
use postrider_smtp::server::Dialect;
use postrider_smtp::{Out, Silent};
use proptest::prelude::*;
use std::time::Instant;

/// Holds a fate against what was expected of it.
fn agrees(fate: &Fate, (stage, code, about): &(Option<Stage>, u16, Option<String>)) -> bool {
    let (got_stage, got_code) = match fate {
        Fate::Accepted(reply) => (Some(Stage::End), reply.code().number()),
        Fate::Refused { stage, refusal } => (Some(*stage), refusal.reply().code().number()),
        Fate::AnotherTransaction(_) => (None, ANOTHER),
        Fate::Undecided => (None, UNDECIDED),
        Fate::LostAfterDot => (None, LOST),
    };
    let said = fate.reply().map(ToString::to_string).unwrap_or_default();
    (got_stage, got_code) == (*stage, *code)
        && about.as_ref().is_none_or(|about| said.ends_with(about.as_str()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_session_ends_as_it_must_however_its_octets_are_split(
        plan in plans(), sizes in prop::collection::vec(1usize..40, 1..6),
    ) {
        let story = run(&plan, &[usize::MAX]);
        prop_assert_eq!(&run(&plan, &sizes), &story, "split otherwise");

        let mut outcomes = story.outcomes.iter();
        let mut filed = story.filed.iter();
        let mut over = false;
        for message in plan.messages.iter() {
            let expected = expect(message, &plan);
            over = expected.over;
            let fates = if over {
                &story.failure.as_ref().expect("the server hung up").fates
            } else {
                let outcome = outcomes.next();
                prop_assert!(outcome.is_some(), "no outcome for {:?} in {:?}", message, story);
                let outcome = outcome.unwrap();
                let undeclared = plan.plain && message.body == Some(Body::EightBitMime);
                prop_assert_eq!(outcome.body_undeclared, undeclared);
                let all = PassedOn { dsn: true, deliver_by: true, priority: true, solicit: true };
                let passed_on = if plan.extended() { all } else { PassedOn::default() };
                prop_assert_eq!(outcome.passed_on, passed_on);
                &outcome.fates
            };
            prop_assert_eq!(fates.len(), expected.fates.len());
            for (fate, expected) in fates.iter().zip(&expected.fates) {
                prop_assert!(agrees(fate, expected), "{:?} is not {:?}", fate, expected);
            }
            if expected.filed {
                let heard = message.heard(&plan);
                let taken = fates.iter().zip(heard.recipients).filter(|(fate, _)| matches!(fate, Fate::Accepted(_)));
                let draft = Draft {
                    mail: Some(heard.mail),
                    recipients: taken.map(|(_, rcpt)| rcpt).collect(),
                    content: message.content.clone(),
                };
                prop_assert_eq!(filed.next(), Some(&draft));
            }
            if over {
                break;
            }
        }
        prop_assert_eq!((outcomes.next(), filed.next()), (None, None));
        prop_assert_eq!((story.closed, story.failure.is_some()), (!over, over));
    }
}

#[test]
fn addresses_cross_the_wire_unharmed() {
    let paths = ["\"a b\"@y.example", "a+b@[IPv6:2001:db8::1]", "Postmaster", "x.y@Y.Example"];
    let now = Instant::now();
    let mut wire = Vec::new();
    let mut out = Out { now, wire: &mut wire, dialogue: &mut Silent };
    let mut session = client::Session::new(Dialect::Smtp, "client.example".parse().unwrap(), now);
    session.receive(b"220 mx\r\n", &mut out);
    let step = session.receive(b"250-mx\r\n250 PIPELINING\r\n", &mut out);
    let client::Event::Ready(idle) = step.event else { panic!("{step:?}") };
    let recipients: Vec<ForwardPath> = paths.iter().map(|path| path.parse().unwrap()).collect();
    let reverse_path = ReversePath::Null;
    let transaction = Transaction::new(reverse_path, recipients.clone());
    session.begin(idle, transaction, &mut out);
    let said = String::from_utf8(wire).unwrap();
    let understood = said.lines().filter_map(|line| match postrider_smtp::command::parse(line.as_bytes()) {
        Ok(postrider_smtp::command::Command::Rcpt(rcpt)) => Some(rcpt.forward_path),
        _ => None,
    });
    assert_eq!(understood.collect::<Vec<_>>(), recipients);
}
