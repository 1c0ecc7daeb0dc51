//! Facts about mail on its way to other hosts: routes that change, messages to many, delays, expiry, room.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod rig;

use postrider_mail::{Reason, Text, UnixMillis};
use postrider_queue::limits::{ATTEMPTS_PER_MESSAGE_MAX, EXPIRED_PER_LEASE_MAX, RECIPIENTS_PER_ATTEMPT_MAX};
use postrider_queue::{
    Attempt, Became, Filter, Lease, Leased, Lend, Notice, Outcome, Retry, RouteKey, State,
};
use rig::{Rig, START, fate};
use std::time::Duration;

const SMALL: &[u8] = b"Subject: hello\r\n\r\nHello.\r\n";

fn key(name: &str) -> RouteKey {
    RouteKey::new(name).unwrap()
}

fn ask(rig: &mut Rig, now: UnixMillis, room_per_key: u32, room: &[(&str, u32)]) -> Leased {
    let room = room.iter().map(|(name, room)| (key(name), *room)).collect();
    let ask = Lease { now, limit: 100, room_per_key, room };
    rig.drive(async |queue| queue.lease(ask).await).unwrap()
}

fn keys(attempts: &[Attempt]) -> Vec<&str> {
    attempts.iter().map(|attempt| attempt.key.as_str()).collect()
}

/// When a message that came at the start is given up untried.
fn given_up() -> UnixMillis {
    START.plus(Retry::default().expiry + Retry::default().grace())
}

fn accept_to(rig: &mut Rig, count: usize, at: &str) {
    let to: Vec<String> = (0..count).map(|n| format!("u{n}@{at}")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    rig.accept(SMALL, "a@x.example", &to, START);
}

fn pause(rig: &mut Rig, name: Option<&str>) {
    let name = name.map(key);
    rig.drive(async |queue| queue.pause(name, Text::literal("test"), START).await).unwrap();
}

#[test]
fn a_recipient_that_is_routed_elsewhere_goes_out_there_and_the_try_does_not_count() {
    let mut rig = Rig::new();
    rig.accept(SMALL, "a@x.example", &["b@y.example", "c@y.example"], START);
    let attempt = rig.lease_one(START);
    let to = vec![(attempt.recipients[0].id, key("smart.example:25"))];
    let settled = rig.drive(async |queue| queue.reroute(attempt.id, to, START).await).unwrap();
    assert_eq!(settled.recipients[0].became, Became::Waiting { next_attempt: START });
    let again = rig.lease_one(START);
    assert_eq!((again.key.as_str(), again.recipients.len()), ("smart.example:25", 1));
    assert_eq!((again.recipients[0].id, again.recipients[0].attempts), (attempt.recipients[0].id, 0));
    let settled = rig.settle(&attempt, Outcome::Relayed, START);
    assert_eq!(settled.recipients[0].became, Became::Gone, "it is no part of this attempt any more");
    assert_eq!(settled.recipients[1].became, Became::Final(State::Relayed));
    assert!(rig.settle(&again, Outcome::Relayed, START).removed);
}

#[test]
fn mail_rerouted_while_it_is_held_waits_for_the_release() {
    let mut rig = Rig::new();
    let id = rig.accept(SMALL, "a@x.example", &["b@y.example"], START);
    let attempt = rig.lease_one(START);
    let why = Reason::new("operator", "wait");
    rig.drive(async |queue| queue.hold(Filter::of(id), None, why, START).await).unwrap();
    let to = vec![(attempt.recipients[0].id, key("@z.example"))];
    rig.drive(async |queue| queue.reroute(attempt.id, to, START).await).unwrap();
    assert_eq!(rig.lease(START).attempts.len(), 0);
    rig.drive(async |queue| queue.release(Filter::default(), None, START).await).unwrap();
    assert_eq!(rig.lease_one(START).key.as_str(), "@z.example");
}

#[test]
fn after_every_route_has_changed_everything_still_goes_out() {
    let mut rig = Rig::new();
    for n in 0..30 {
        rig.accept(SMALL, "a@x.example", &[&format!("b@d{}.example", n % 10), "c@y.example"], START);
    }
    // Keys in the queue are hints of another time: all mail goes to one host by now.
    let now_routed = key("smart.example:25");
    let mut rig = rig.reopen(START);
    let mut relayed = 0;
    for _ in 0..10 {
        for attempt in rig.lease(START).attempts {
            if attempt.key == now_routed {
                rig.settle(&attempt, Outcome::Relayed, START);
                relayed += attempt.recipients.len();
            } else {
                let to = attempt.recipients.iter().map(|target| (target.id, now_routed.clone())).collect();
                rig.drive(async |queue| queue.reroute(attempt.id, to, START).await).unwrap();
            }
        }
    }
    assert_eq!((relayed, rig.queue.stats().unwrap().messages), (60, 0));
}

#[test]
fn a_message_remembers_that_it_was_released() {
    let mut rig = Rig::new();
    rig.accept(SMALL, "a@x.example", &["b@y.example"], START);
    let attempt = rig.lease_one(START);
    assert!(!attempt.message.released);
    let why = Reason::new("route", "held here");
    let held = rig.drive(async |queue| queue.hold_attempt(attempt.id, why, START).await).unwrap();
    assert_eq!(held.recipients[0].became, Became::Waiting { next_attempt: START });
    let view = rig.queue.show(attempt.message.id).unwrap().unwrap();
    assert_eq!(view.held.unwrap().why.as_str(), "route: held here");
    assert_eq!(rig.lease(START).attempts.len(), 0);
    rig.drive(async |queue| queue.release(Filter::default(), None, START).await).unwrap();
    let mut rig = rig.reopen(START);
    assert_eq!(rig.queue.show(attempt.message.id).unwrap().unwrap().held, None);
    assert!(rig.lease_one(START).message.released);
}

#[test]
fn discarded_mail_ends_and_nobody_is_told() {
    let mut rig = Rig::new();
    let id = rig.accept(SMALL, "a@x.example", &["b@y.example", "c@y.example"], START);
    let attempt = rig.lease_one(START);
    let first = vec![(attempt.recipients[0].id, fate(Outcome::Discarded))];
    let settled = rig.drive(async |queue| queue.settle(attempt.id, first, START).await).unwrap();
    let one = settled.recipients[0];
    assert_eq!((one.became, one.owed, one.forbidden), (Became::Final(State::Discarded), None, None));
    let filter = Filter { state: Some(State::Discarded), ..Filter::default() };
    assert_eq!(rig.queue.list(&filter, None, 10).unwrap().messages[0].id, id);
    assert!(rig.settle(&attempt, Outcome::Discarded, START).removed);
}

#[test]
fn a_delay_is_told_four_hours_after_reception_and_only_to_those_who_are_to_hear_of_it() {
    let mut rig = Rig::new();
    for (from, wanted) in [("a@x.example", true), ("b@x.example", false), ("", true)] {
        let mut message = rig.message(SMALL, from, &["c@y.example"], START);
        message.set_delay_notices(wanted);
        rig.drive(async |queue| queue.accept(message).await).unwrap();
    }
    let mut told = Vec::new();
    let mut now = START;
    while now < START.plus(Duration::from_secs(20 * 3600)) {
        for attempt in rig.lease(now).attempts {
            let settled = rig.settle(&attempt, Outcome::Deferred, now);
            if settled.recipients[0].owed.is_some() {
                told.push((attempt.message.reverse_path.to_string(), settled.recipients[0].owed, now));
            }
        }
        now = rig.lease(now).next_due.unwrap();
    }
    let late = START.plus(Duration::from_secs(4 * 3600));
    assert_eq!(told, [("a@x.example".to_owned(), Some(Notice::Delay), late)]);
}

#[test]
fn mail_whose_key_is_paused_or_has_no_room_or_is_never_asked_for_still_expires() {
    let mut rig = Rig::new();
    let to = ["b@paused.example", "c@full.example", "d@quiet.example"];
    let ids: Vec<_> = to.iter().map(|to| rig.accept(SMALL, "a@x.example", &[to], START)).collect();
    pause(&mut rig, Some("@paused.example"));
    let before = UnixMillis::new(given_up().get() - 1);
    let leased = ask(&mut rig, before, 0, &[("@full.example", 0)]);
    assert_eq!((leased.attempts.len(), leased.expired.len()), (0, 0));
    assert_eq!(leased.next_due, Some(given_up()));
    let leased = ask(&mut rig, given_up(), 0, &[("@full.example", 0)]);
    assert_eq!(leased.expired.iter().map(|expired| expired.message.id).collect::<Vec<_>>(), ids);
    for expired in &leased.expired {
        let one = &expired.recipients[0];
        assert_eq!(one.settlement.became, Became::Final(State::Expired));
        assert_eq!((one.settlement.owed, expired.removed), (Some(Notice::Failure), false));
        assert!(one.reply.to_string().starts_with("554 5.4.7 "), "{}", one.reply);
    }
    assert_eq!(rig.queue.owed(None).unwrap().len(), 3);
    assert_eq!(ask(&mut rig, given_up(), 0, &[]).expired.len(), 0, "once");
}

#[test]
fn an_expired_message_shows_what_its_last_try_was_answered() {
    let mut rig = Rig::new();
    rig.accept(SMALL, "", &["b@y.example"], START);
    let attempt = rig.lease_one(START);
    rig.settle(&attempt, Outcome::Deferred, START);
    let leased = ask(&mut rig, given_up(), 0, &[]);
    assert_eq!(leased.expired[0].recipients[0].reply.to_string(), "451 said so");
    assert_eq!(leased.expired[0].recipients[0].settlement.forbidden, Some(Notice::Failure));
    assert!(leased.expired[0].removed, "nothing is owed to the null path");
    assert_eq!(rig.queue.stats().unwrap().messages, 0);
}

#[test]
fn failures_of_null_paths_are_owed_where_postmaster_is_to_hear_of_them() {
    let mut rig = Rig::new();
    rig.queue.owe_for_null_paths(true);
    let ids = [Outcome::Failed, Outcome::Deferred].map(|outcome| {
        let id = rig.accept(SMALL, "", &["b@y.example"], START);
        let attempt = rig.lease_one(START);
        rig.settle(&attempt, outcome, START);
        id
    });
    let leased = ask(&mut rig, given_up(), 0, &[]);
    assert_eq!(leased.expired[0].recipients[0].settlement.owed, Some(Notice::Failure));
    let owed = rig.queue.owed(None).unwrap();
    assert_eq!(owed.iter().map(|owed| owed.message.id).collect::<Vec<_>>(), ids);
    rig.queue.owe_for_null_paths(false);
    rig.accept(SMALL, "", &["b@y.example"], given_up());
    let attempt = rig.lease_one(given_up());
    assert_eq!(rig.settle(&attempt, Outcome::Failed, given_up()).recipients[0].owed, None);
}

#[test]
fn an_attempt_that_was_out_when_its_message_expired_ends_when_it_is_given_back() {
    let mut rig = Rig::new();
    rig.accept(SMALL, "a@x.example", &["b@y.example"], START);
    let attempt = rig.lease_one(START);
    assert_eq!(ask(&mut rig, given_up(), 0, &[]).expired.len(), 0, "whoever holds it settles it");
    let settled = rig.drive(async |queue| queue.give_back(attempt.id, given_up()).await).unwrap();
    assert_eq!(settled.recipients[0].became, Became::Final(State::Expired));
}

#[test]
fn an_attempt_rerouted_to_a_paused_key_after_its_time_ends_too() {
    let mut rig = Rig::new();
    rig.accept(SMALL, "a@x.example", &["b@y.example"], START);
    pause(&mut rig, Some("@z.example"));
    let attempt = rig.lease_one(START);
    assert_eq!(ask(&mut rig, given_up(), 0, &[]).expired.len(), 0);
    let to = vec![(attempt.recipients[0].id, key("@z.example"))];
    rig.drive(async |queue| queue.reroute(attempt.id, to, given_up()).await).unwrap();
    assert_eq!(ask(&mut rig, given_up(), 100, &[]).expired.len(), 1);
}

#[test]
fn after_a_long_standstill_mail_is_tried_once_more_before_it_is_given_up() {
    let mut rig = Rig::new();
    rig.accept(SMALL, "a@x.example", &["b@tried.example"], START);
    rig.accept(SMALL, "a@x.example", &["b@full.example"], START);
    let back = START.plus(3 * Retry::default().expiry);
    let mut rig = rig.reopen(back);
    let leased = ask(&mut rig, back, 100, &[("@full.example", 0)]);
    assert_eq!((keys(&leased.attempts), leased.expired.len()), (vec!["@tried.example"], 0));
    let settled = rig.settle(&leased.attempts[0], Outcome::Deferred, back);
    assert_eq!(settled.recipients[0].became, Became::Final(State::Expired));
    let due = back.plus(Retry::default().grace());
    assert_eq!(leased.next_due, Some(due));
    assert_eq!(ask(&mut rig, due, 100, &[("@full.example", 0)]).expired.len(), 1);
}

#[test]
fn a_clock_that_was_far_ahead_or_trembles_does_not_put_expiry_off() {
    let mut rig = Rig::new();
    rig.accept(SMALL, "a@x.example", &["b@y.example"], START);
    let mut rig = rig.reopen(START.plus(Duration::from_secs(365 * 86_400)));
    assert_eq!(ask(&mut rig, START, 0, &[]).expired.len(), 0);
    ask(&mut rig, UnixMillis::new(given_up().get() - 1), 0, &[]);
    ask(&mut rig, UnixMillis::new(given_up().get() - 2), 0, &[]);
    assert_eq!(ask(&mut rig, given_up(), 0, &[]).expired.len(), 1);
}

#[test]
fn mail_released_after_a_hold_expires_later_by_as_much() {
    let mut rig = Rig::new();
    let id = rig.accept(SMALL, "a@x.example", &["b@y.example"], START);
    let hour = Duration::from_secs(3600);
    let why = Reason::new("operator", "wait");
    rig.drive(async |queue| queue.hold(Filter::of(id), None, why, START).await).unwrap();
    assert_eq!(ask(&mut rig, given_up(), 0, &[]).expired.len(), 0);
    let released = given_up().plus(hour);
    rig.drive(async |queue| queue.release(Filter::of(id), None, released).await).unwrap();
    let expires = released.plus(Retry::default().expiry + Retry::default().grace());
    assert_eq!(ask(&mut rig, UnixMillis::new(expires.get() - 1), 0, &[]).expired.len(), 0);
    assert_eq!(ask(&mut rig, expires, 0, &[]).expired.len(), 1);
}

#[test]
fn a_lease_gives_up_a_bounded_lot_and_says_that_there_is_more() {
    let mut rig = Rig::new();
    accept_to(&mut rig, 250, "y.example");
    for _ in 0..EXPIRED_PER_LEASE_MAX {
        rig.accept(SMALL, "a@x.example", &["b@z.example"], START);
    }
    let first = ask(&mut rig, given_up(), 0, &[]);
    let sizes: Vec<usize> = first.expired.iter().map(|expired| expired.recipients.len()).collect();
    assert_eq!(sizes.len(), EXPIRED_PER_LEASE_MAX);
    assert_eq!(sizes[..3], [RECIPIENTS_PER_ATTEMPT_MAX, RECIPIENTS_PER_ATTEMPT_MAX, 50]);
    assert_eq!(first.next_due, Some(given_up()));
    let second = ask(&mut rig, given_up(), 0, &[]);
    assert_eq!((second.expired.len(), second.next_due), (3, None));
}

#[test]
fn the_attempts_of_one_message_come_together_and_count_as_one() {
    let mut rig = Rig::new();
    accept_to(&mut rig, 1000, "y.example");
    accept_to(&mut rig, 150, "y.example");
    rig.accept(SMALL, "a@x.example", &["b@z.example"], START);
    let leased = ask(&mut rig, START, 1, &[]);
    let sizes: Vec<usize> = leased.attempts.iter().map(|attempt| attempt.recipients.len()).collect();
    assert_eq!(sizes, [vec![RECIPIENTS_PER_ATTEMPT_MAX; ATTEMPTS_PER_MESSAGE_MAX], vec![1]].concat());
    let siblings = &leased.attempts[..ATTEMPTS_PER_MESSAGE_MAX];
    assert!(siblings.iter().all(|sibling| std::sync::Arc::ptr_eq(&sibling.message, &siblings[0].message)));
    let leased = ask(&mut rig, START, 1, &[]);
    assert_eq!(leased.attempts.iter().map(|attempt| attempt.recipients.len()).sum::<usize>(), 150);
}

#[test]
fn an_accept_lends_all_attempts_of_a_free_key_together() {
    let mut rig = Rig::new();
    let to: Vec<String> =
        (0..1000).flat_map(|n| [format!("u{n}@y.example"), format!("u{n}@z.example")]).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let mut message = rig.message(SMALL, "a@x.example", &to, START);
    message.lend = Lend::Keys(vec![key("@y.example")]);
    let accepted = rig.drive(async |queue| queue.accept(message).await).unwrap();
    assert_eq!(keys(&accepted.attempts), vec!["@y.example"; ATTEMPTS_PER_MESSAGE_MAX]);
    let mut message = rig.message(SMALL, "a@x.example", &to[..400], START);
    message.lend = Lend::All;
    let accepted = rig.drive(async |queue| queue.accept(message).await).unwrap();
    assert_eq!(keys(&accepted.attempts), ["@y.example", "@y.example", "@z.example", "@z.example"]);
}

#[test]
fn recipients_of_one_message_that_failed_within_seconds_come_back_in_one_attempt() {
    let mut rig = Rig::new();
    accept_to(&mut rig, 20, "y.example");
    let attempt = rig.lease_one(START);
    let mut now = START;
    let mut due = START;
    for target in &attempt.recipients {
        let one = vec![(target.id, fate(Outcome::Deferred))];
        let settled = rig.drive(async |queue| queue.settle(attempt.id, one, now).await).unwrap();
        let Became::Waiting { next_attempt } = settled.recipients[0].became else { panic!("it waits") };
        due = if due == START { next_attempt } else { due };
        now = now.plus(Duration::from_secs(1));
    }
    assert_eq!(rig.lease_one(due).recipients.len(), 20);
}

#[test]
fn keys_without_room_hide_no_others() {
    let mut rig = Rig::new();
    for n in 0..50 {
        rig.accept(SMALL, "a@x.example", &[&format!("b@full{n}.example")], START);
    }
    let later = START.plus(Duration::from_secs(1));
    rig.accept(SMALL, "a@x.example", &["b@free.example"], later);
    let full: Vec<(String, u32)> = (0..50).map(|n| (format!("@full{n}.example"), 0)).collect();
    let full: Vec<(&str, u32)> = full.iter().map(|(name, room)| (name.as_str(), *room)).collect();
    let leased = ask(&mut rig, later, 1, &full);
    assert_eq!(keys(&leased.attempts), ["@free.example"]);
}

#[test]
fn when_only_named_keys_have_room_only_they_are_looked_at() {
    let mut rig = Rig::new();
    for n in 0..50 {
        rig.accept(SMALL, "a@x.example", &[&format!("b@d{n}.example")], START);
    }
    // What the schedule holds is found by the first lease.
    ask(&mut rig, START, 0, &[]);
    let leased = ask(&mut rig, START, 0, &[("@d7.example", 1), ("@d9.example", 0), ("@none.example", 5)]);
    assert_eq!(keys(&leased.attempts), ["@d7.example"]);
    pause(&mut rig, Some("@d8.example"));
    assert_eq!(ask(&mut rig, START, 0, &[("@d8.example", 1)]).attempts.len(), 0);
    pause(&mut rig, None);
    assert_eq!(ask(&mut rig, START, 5, &[]).attempts.len(), 0);
}
