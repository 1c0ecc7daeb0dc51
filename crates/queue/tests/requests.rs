//! Facts about what senders ask for: notices, deadlines, releases, priorities, and that all of it is kept.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod rig;

use postrider_mail::{
    ByMode, DeliverBy, EnvelopeId, OriginalRecipient, Priority, Recipient, Requests, Ret, Text, UnixMillis,
};
use postrider_queue::limits::{PATIENCE, STARVING_AFTER};
use postrider_queue::{
    Became, Change, Fate, Filter, Lease, Leased, Lend, NewMessage, NotAMessage, Notice, Outcome, RecipientId,
    Retry, State, SuccessNotice,
};
use rig::{Rig, START, fate};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const FROM: &str = "a@x.example";

fn by(after: Duration, mode: ByMode) -> Requests {
    let by = DeliverBy { at: START.plus(after), mode, trace: false };
    Requests { by: Some(by), ..Requests::default() }
}

fn release(after: Duration) -> Requests {
    Requests { release_at: Some(START.plus(after)), ..Requests::default() }
}

fn priority(number: i8) -> Requests {
    Requests { priority: Priority::clamped(number), ..Requests::default() }
}

/// A lease that has no room for anything: what passes by itself.
fn pass(rig: &mut Rig, now: UnixMillis) -> Leased {
    let ask = Lease { now, limit: 100, room_per_key: 0, room: Vec::new() };
    rig.drive(async |queue| queue.lease(ask).await).unwrap()
}

/// What the sender of a message to one recipient is owed after a try.
fn owed_after(
    outcome: Outcome,
    from: &str,
    notify: Option<&str>,
    success: SuccessNotice,
) -> [Option<Notice>; 2] {
    let mut rig = Rig::new();
    let message = rig.asking(from, &[("b@y.example", notify)], Requests::default(), START);
    rig.take(message);
    let attempt = rig.lease_one(START);
    let fates = vec![(attempt.recipients[0].id, Fate { success, ..fate(outcome) })];
    let settled = rig.drive(async |queue| queue.settle(attempt.id, fates, START).await).unwrap();
    let one = settled.recipients[0];
    let debts = rig.queue.owed(None).unwrap();
    let stored = debts.first().map(|owed| owed.recipients[0].notice);
    assert_eq!((stored, settled.removed), (one.owed, one.owed.is_none()), "it stays until it is told");
    [one.owed, one.forbidden]
}

#[test]
fn all_that_a_sender_asks_for_comes_back_as_it_was_given() {
    let requests = Requests {
        smtputf8: true,
        ret: Some(Ret::Headers),
        envid: Some(EnvelopeId::from_xtext("QQ+2B314+20159").unwrap()),
        by: Some(DeliverBy { at: START.plus(HOUR * 9), mode: ByMode::Notify, trace: true }),
        priority: Priority::clamped(-3),
        release_at: Some(START.plus(HOUR)),
        solicit: Some("net.example:ADV".parse().unwrap()),
    };
    let mut rig = Rig::new();
    let to = [("b@y.example", Some("SUCCESS,DELAY")), ("c@y.example", None), ("d@y.example", Some("NEVER"))];
    let id = {
        let message = rig.asking(FROM, &to, requests.clone(), START);
        rig.take(message).receipt.id()
    };
    let view = rig.queue.show(id).unwrap().unwrap();
    let shown = view.requests;
    assert_eq!((view.priority, shown.smtputf8), (-3, true));
    assert_eq!(shown.ret.unwrap().as_str(), "HDRS");
    assert_eq!(shown.envid.unwrap().as_str(), "QQ+2B314+20159");
    assert_eq!((shown.by, shown.by_mode.unwrap().as_str()), (Some(START.plus(HOUR * 9)), "NT"));
    assert_eq!(shown.release_at, requests.release_at);
    assert_eq!(shown.solicit.unwrap().as_str(), "net.example:ADV");
    let notify: Vec<_> = view.recipients.iter().map(|one| one.notify.as_ref().map(Text::as_str)).collect();
    assert_eq!(notify, [Some("SUCCESS,DELAY"), None, Some("NEVER")]);

    let mut rig = rig.reopen(START.plus(HOUR));
    let attempt = rig.lease_one(START.plus(HOUR));
    assert_eq!(attempt.message.requests, requests);
    let notify: Vec<_> =
        attempt.recipients.iter().map(|one| one.notify.map(|notify| notify.to_string())).collect();
    assert_eq!(notify, [Some("SUCCESS,DELAY".into()), None, Some("NEVER".into())]);
    rig.settle(&attempt, Outcome::Failed, START.plus(HOUR));
    let owed = rig.queue.owed(None).unwrap();
    assert_eq!(owed[0].message.requests, requests);
    assert_eq!(owed[0].recipients.len(), 1, "only the second did not say of what it hears");
}

#[test]
fn an_original_recipient_comes_back_in_any_script_and_length() {
    let long = format!("utf-8;{}\\x{{2B}}@example.org", "ö".repeat(230));
    for orcpt in ["rfc822;Bob+2Bx+40example.org", "x400;/c=de/", "utf-8;jörg@example.org", &long] {
        let Ok(orcpt) = OriginalRecipient::from_xtext(orcpt) else { continue };
        let mut rig = Rig::new();
        let sealed = rig.seal(b"Subject: hello\r\n\r\n", START);
        let mut envelope = rig::envelope(FROM, &["b@y.example"]);
        envelope.recipients[0].orcpt = Some(orcpt.clone());
        let message = NewMessage::new(sealed, envelope, START, |_| postrider_queue::RouteKey::local());
        rig.take(message.unwrap());
        let attempt = rig.lease_one(START);
        assert_eq!(attempt.recipients[0].orcpt, Some(orcpt.clone()));
        rig.settle(&attempt, Outcome::Failed, START);
        assert_eq!(rig.queue.owed(None).unwrap()[0].recipients[0].target.orcpt, Some(orcpt));
    }
}

/// RFC 3461 §5.2
#[test]
fn a_sender_hears_of_success_where_it_asked_for_it_and_no_other_host_tells_it() {
    use SuccessNotice::{Always, IfAsked, PassedOn};
    let success = [Some(Notice::Success), None];
    for outcome in [Outcome::Delivered, Outcome::Relayed, Outcome::Expanded] {
        let after = |from, notify, told| owed_after(outcome, from, notify, told);
        assert_eq!(after(FROM, Some("SUCCESS"), IfAsked), success);
        assert_eq!(after(FROM, Some("SUCCESS,FAILURE"), PassedOn), [None, None]);
        assert_eq!(after(FROM, None, IfAsked), [None, None]);
        assert_eq!(after(FROM, Some("FAILURE,DELAY"), IfAsked), [None, None]);
        assert_eq!(after(FROM, None, Always), success);
        assert_eq!(after(FROM, Some("FAILURE"), Always), success);
        assert_eq!(after(FROM, Some("NEVER"), Always), [None, None]);
        assert_eq!(after("", Some("SUCCESS"), Always), [None, None], "nobody is told at the null path");
    }
    assert_eq!(owed_after(Outcome::Discarded, FROM, Some("SUCCESS"), Always), [None, None]);
}

/// RFC 3461 §5.2.6
#[test]
fn a_sender_hears_of_failure_unless_it_asked_for_other_things() {
    let after = |from, notify| owed_after(Outcome::Failed, from, notify, SuccessNotice::Always);
    let (owed, forbidden) = ([Some(Notice::Failure), None], [None, Some(Notice::Failure)]);
    assert_eq!(after(FROM, None), owed);
    assert_eq!(after(FROM, Some("FAILURE")), owed);
    assert_eq!(after(FROM, Some("SUCCESS,DELAY")), forbidden);
    assert_eq!(after(FROM, Some("NEVER")), forbidden);
    assert_eq!(after("", Some("FAILURE")), forbidden);
}

/// RFC 3461 §5.2.5
#[test]
fn a_delay_is_told_as_notify_says_whatever_is_usual() {
    for (notify, usual, told) in [
        (None, true, true),
        (None, false, false),
        (Some("DELAY"), false, true),
        (Some("DELAY,SUCCESS"), true, true),
        (Some("FAILURE"), true, false),
        (Some("NEVER"), true, false),
    ] {
        let mut rig = Rig::new();
        let mut message = rig.asking(FROM, &[("b@y.example", notify)], Requests::default(), START);
        message.set_delay_notices(usual);
        rig.take(message);
        let late = START.plus(HOUR * 5);
        let attempt = rig.lease_one(late);
        let settled = rig.settle(&attempt, Outcome::Deferred, late).recipients[0];
        assert_eq!((settled.owed, settled.forbidden), (told.then_some(Notice::Delay), None), "{notify:?}");
    }
}

/// RFC 3461 §5.2.7
#[test]
fn a_recipient_given_twice_is_told_of_all_that_was_asked_for() {
    let hears = |one: Option<&str>, other: Option<&str>| {
        let mut rig = Rig::new();
        let to = [("b@y.example", one), ("c@y.example", None), ("b@y.example", other)];
        let message = rig.asking(FROM, &to, Requests::default(), START);
        rig.take(message);
        let attempt = rig.lease_one(START);
        assert_eq!(attempt.recipients.len(), 2);
        attempt.recipients[0].notify.map(|notify| notify.to_string())
    };
    assert_eq!(hears(Some("NEVER"), Some("SUCCESS")).as_deref(), Some("SUCCESS"));
    assert_eq!(hears(Some("FAILURE"), Some("DELAY")).as_deref(), Some("FAILURE,DELAY"));
    assert_eq!(hears(None, Some("SUCCESS")).as_deref(), Some("SUCCESS,FAILURE"));
    assert_eq!(hears(Some("NEVER"), None), None, "who does not say hears of failure");
}

#[test]
fn an_alias_that_was_expanded_is_told_of_by_the_commit_that_accepts_the_message() {
    let mut rig = Rig::new();
    let asked = |address: &str, notify: Option<&str>| Recipient {
        notify: notify.map(|notify| notify.parse().unwrap()),
        ..Recipient::direct(address.parse().unwrap())
    };
    let expanded = vec![
        asked("list@x.example", Some("SUCCESS")),
        asked("other@x.example", Some("FAILURE")),
        asked("third@x.example", None),
    ];
    let mut message = rig.message(b"Subject: hello\r\n\r\n", FROM, &["b@y.example", "c@y.example"], START);
    message.set_expanded(expanded.clone()).unwrap();
    message.lend = Lend::All;
    let accepted = rig.take(message);
    let id = accepted.receipt.id();
    let mut rig = rig.reopen(START);
    let owed = rig.queue.owed(None).unwrap();
    let [one] = owed[0].recipients.as_slice() else { panic!("{owed:?}") };
    assert_eq!((one.target.address.to_string(), one.notice), ("list@x.example".into(), Notice::Success));
    assert_eq!((one.state, one.target.id), (State::Expanded, RecipientId::from(2)));

    let now = START.plus(HOUR);
    let attempt = rig.lease_one(now);
    assert_eq!(attempt.recipients.len(), 2);
    assert!(!rig.settle(&attempt, Outcome::Delivered, now).removed, "the notice is still owed");
    let told = vec![Change::Told { message: id, recipients: vec![(one.target.id, Notice::Success)] }];
    let applied = rig.drive(async |queue| queue.apply(told, now).await).unwrap();
    assert_eq!(applied.removed, [id]);

    let mut message = rig.message(b"Subject: hello\r\n\r\n", "", &["b@y.example"], now);
    message.set_expanded(expanded.clone()).unwrap();
    rig.take(message);
    assert_eq!(rig.queue.owed(None).unwrap().len(), 0, "nobody is told at the null path");
    let mut message = rig.message(b"Subject: hello\r\n\r\n", FROM, &["b@y.example"], now);
    let many = (0..10_000).map(|n| asked(&format!("u{n}@x.example"), Some("SUCCESS"))).collect();
    assert_eq!(message.set_expanded(many), Err(NotAMessage::ManyRecipients));
}

#[test]
fn a_message_with_a_deadline_comes_back_at_it_whatever_the_room() {
    for tried in [false, true] {
        let mut rig = Rig::new();
        let message = rig.asking(FROM, &[("b@y.example", None)], by(HOUR, ByMode::Return), START);
        rig.take(message);
        if tried {
            let attempt = rig.lease_one(START);
            assert_eq!(attempt.message.expires_at, START.plus(HOUR));
            rig.settle(&attempt, Outcome::Deferred, START);
        }
        let before = pass(&mut rig, UnixMillis::new(START.plus(HOUR).get() - 1));
        assert_eq!((before.expired.len(), before.next_due), (0, Some(START.plus(HOUR))));
        let leased = rig.lease(START.plus(HOUR));
        assert_eq!(
            (leased.attempts.len(), leased.expired.len()),
            (0, 1),
            "it is not tried behind its deadline"
        );
        let one = &leased.expired[0].recipients[0];
        assert_eq!(one.settlement.became, Became::Final(State::Expired));
        assert_eq!(one.settlement.owed, Some(Notice::Failure));
        let reply = if tried { "451 said so" } else { "554 5.4.7 " };
        assert!(one.reply.to_string().starts_with(reply), "{}", one.reply);
        assert_eq!(pass(&mut rig, START.plus(HOUR)).expired.len(), 0, "once");
    }
}

#[test]
fn a_deadline_that_passes_while_a_try_is_out_is_kept_when_it_ends() {
    for given_back in [false, true] {
        let mut rig = Rig::new();
        let message = rig.asking(FROM, &[("b@y.example", None)], by(HOUR, ByMode::Return), START);
        rig.take(message);
        let attempt = rig.lease_one(START);
        let now = START.plus(HOUR * 2);
        let leased = pass(&mut rig, now);
        assert_eq!(leased.expired.len(), 0, "it may be delivered at this moment");
        let settled = if given_back {
            rig.drive(async |queue| queue.give_back(attempt.id, now).await).unwrap()
        } else {
            rig.settle(&attempt, Outcome::Deferred, now)
        };
        assert_eq!(settled.recipients[0].became, Became::Final(State::Expired));
        assert_eq!(settled.recipients[0].owed, Some(Notice::Failure));
    }
}

#[test]
fn a_message_that_goes_another_way_behind_its_deadline_goes_nowhere() {
    let mut rig = Rig::new();
    let message = rig.asking(FROM, &[("b@y.example", None)], by(HOUR, ByMode::Return), START);
    rig.take(message);
    let attempt = rig.lease_one(START);
    let now = START.plus(HOUR * 2);
    pass(&mut rig, now);
    let to = vec![(attempt.recipients[0].id, postrider_queue::RouteKey::local())];
    rig.drive(async |queue| queue.reroute(attempt.id, to, now).await).unwrap();
    let leased = rig.lease(now);
    assert_eq!((leased.attempts.len(), leased.expired.len()), (0, 1));
}

#[test]
fn many_deadlines_that_passed_together_are_kept_before_anything_is_lent() {
    let mut rig = Rig::new();
    for _ in 0..150 {
        let message = rig.asking(FROM, &[("b@y.example", None)], by(HOUR, ByMode::Return), START);
        rig.take(message);
    }
    rig.accept(b"Subject: plain\r\n\r\n", FROM, &["c@z.example"], START);
    let now = START.plus(HOUR);
    let first = rig.lease(now);
    assert_eq!((first.attempts.len(), first.expired.len()), (0, 100));
    assert!(first.next_due.is_some_and(|due| due <= now), "there is more to do");
    let second = rig.lease(now);
    assert_eq!((second.attempts.len(), second.expired.len()), (1, 50));
}

#[test]
fn held_mail_keeps_its_deadline_and_comes_back_when_it_is_released() {
    let mut rig = Rig::new();
    let message = rig.asking(FROM, &[("b@y.example", None)], by(HOUR, ByMode::Return), START);
    rig.take(message);
    let why = postrider_mail::Reason::new("test", "held");
    rig.drive(async |queue| queue.hold(Filter::default(), None, why, START).await).unwrap();
    let now = START.plus(HOUR * 3);
    assert_eq!(pass(&mut rig, now).expired.len(), 0);
    rig.drive(async |queue| queue.release(Filter::default(), None, now).await).unwrap();
    assert_eq!(rig.lease(now).expired.len(), 1);
}

/// RFC 2852 §4
#[test]
fn a_missed_deadline_is_told_once_and_the_message_is_tried_on() {
    for (from, notify, told) in
        [(FROM, None, true), (FROM, Some("FAILURE"), true), (FROM, Some("NEVER"), false), ("", None, false)]
    {
        let mut rig = Rig::new();
        let message = rig.asking(from, &[("b@y.example", notify)], by(HOUR, ByMode::Notify), START);
        let id = message.id();
        rig.take(message);
        let leased = pass(&mut rig, START.plus(HOUR));
        assert_eq!((leased.owing, leased.expired.len()), (told, 0));
        assert_eq!(!rig.queue.owed(None).unwrap().is_empty(), told, "{notify:?}");
        let one = vec![(RecipientId::from(0), Notice::Delay)];
        let one = vec![Change::Told { message: id, recipients: one }];
        rig.drive(async |queue| queue.apply(one, START).await).unwrap();
        let mut rig = rig.reopen(START.plus(HOUR));
        assert!(!pass(&mut rig, START.plus(HOUR * 2)).owing, "once, also after a restart");
        let attempt = rig.lease_one(START.plus(HOUR * 2));
        let settled = rig.settle(&attempt, Outcome::Deferred, START.plus(HOUR * 2));
        assert_eq!(settled.recipients[0].owed, None);
        assert_ne!(settled.recipients[0].became, Became::Final(State::Expired));
    }
}

#[test]
fn a_try_falls_on_the_deadline_and_its_failure_tells_of_it() {
    let mut rig = Rig::new();
    let message = rig.asking(FROM, &[("b@y.example", None)], by(HOUR / 60, ByMode::Notify), START);
    rig.take(message);
    let attempt = rig.lease_one(START);
    let settled = rig.settle(&attempt, Outcome::Deferred, START);
    let deadline = START.plus(HOUR / 60);
    assert_eq!(settled.recipients[0].became, Became::Waiting { next_attempt: deadline });
    let leased = rig.lease(deadline);
    assert!(leased.owing);
    let attempt = &leased.attempts[0];
    assert_eq!(rig.settle(attempt, Outcome::Deferred, deadline).recipients[0].owed, None, "told of already");

    let message = rig.asking(FROM, &[("c@z.example", None)], by(HOUR, ByMode::Notify), deadline);
    rig.take(message);
    let out = rig.lease(deadline).attempts.remove(0);
    let now = START.plus(HOUR * 2);
    assert!(!pass(&mut rig, now).owing, "it may be delivered at this moment");
    assert_eq!(rig.settle(&out, Outcome::Deferred, now).recipients[0].owed, Some(Notice::Delay));
}

/// RFC 4865 §4
#[test]
fn a_message_is_kept_until_its_release_and_its_time_counts_from_there() {
    let later = HOUR * 24 * 6;
    let mut rig = Rig::new();
    let mut message = rig.asking(FROM, &[("b@y.example", Some("DELAY"))], release(later), START);
    message.lend = Lend::All;
    assert_eq!(rig.take(message).attempts.len(), 0, "no commit lends it");
    let released = START.plus(later);
    // A restart and a step of the clock look at all moments, and leave this one alone.
    let mut rig = rig.reopen(START.plus(HOUR));
    for now in [START.plus(HOUR), START, UnixMillis::new(released.get() - 1)] {
        let leased = rig.lease(now);
        assert_eq!((leased.attempts.len(), leased.expired.len()), (0, 0));
        assert_eq!(leased.next_due, Some(released));
    }
    let attempt = rig.lease_one(released);
    assert_eq!(attempt.message.expires_at, released.plus(Retry::default().expiry));
    assert_eq!(rig.settle(&attempt, Outcome::Deferred, released).recipients[0].owed, None, "not late yet");
}

#[test]
fn an_operator_may_send_what_was_to_be_kept() {
    let mut rig = Rig::new();
    let message = rig.asking(FROM, &[("b@y.example", None)], release(HOUR * 100), START);
    let id = message.id();
    rig.take(message);
    let why = postrider_mail::Reason::new("test", "held");
    rig.drive(async |queue| queue.hold(Filter::default(), None, why, START).await).unwrap();
    rig.drive(async |queue| queue.release(Filter::default(), None, START).await).unwrap();
    assert_eq!(rig.lease(START).attempts.len(), 0, "who lets it go on lets it wait");
    let now = START.plus(HOUR);
    rig.drive(async |queue| queue.retry(Filter::default(), None, now).await).unwrap();
    assert_eq!(rig.queue.show(id).unwrap().unwrap().requests.release_at, Some(now));
    assert_eq!(rig.lease_one(now).message.id, id);
}

#[test]
fn a_release_that_has_passed_is_none_and_one_without_end_has_one() {
    let mut rig = Rig::new();
    let past = Requests { release_at: Some(START), ..Requests::default() };
    let message = rig.asking(FROM, &[("b@y.example", None)], past, START);
    rig.take(message);
    assert_eq!(rig.lease_one(START).message.requests.release_at, None);
    let never = Requests { release_at: Some(UnixMillis::new(i64::MAX)), ..Requests::default() };
    let message = rig.asking(FROM, &[("b@y.example", None)], never, START);
    let id = message.id();
    rig.take(message);
    let year = START.plus(postrider_queue::limits::EXPIRY_MAX);
    assert_eq!(rig.queue.show(id).unwrap().unwrap().requests.release_at, Some(year));
}

/// RFC 6710 §4.1
#[test]
fn the_higher_priority_goes_first_under_its_key() {
    let mut rig = Rig::new();
    let mut ids = Vec::new();
    for number in [0, -9, 4, 9, -1] {
        let message = rig.asking(FROM, &[("b@y.example", None)], priority(number), START);
        ids.push((number, message.id()));
        rig.take(message);
    }
    let lent: Vec<_> = rig.lease(START).attempts.iter().map(|attempt| attempt.message.id).collect();
    ids.sort_by_key(|(number, _)| -number);
    assert_eq!(lent, ids.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
}

#[test]
fn the_lowest_priority_does_not_starve_for_ever() {
    let mut rig = Rig::new();
    let low = rig.asking(FROM, &[("b@y.example", None)], priority(-9), START);
    let id = low.id();
    rig.take(low);
    let one_turn = |rig: &mut Rig, now: UnixMillis| {
        let high = rig.asking(FROM, &[("b@y.example", None)], priority(9), now);
        rig.take(high);
        let ask = Lease { now, limit: 1, room_per_key: 1, room: Vec::new() };
        rig.drive(async |queue| queue.lease(ask).await).unwrap().attempts[0].message.id == id
    };
    let soon = UnixMillis::new(START.plus(STARVING_AFTER).get() - 1);
    assert!((0..100).all(|_| !one_turn(&mut rig, soon)), "at first it waits behind the others");
    let turns = (1..1000u64).find(|_| one_turn(&mut rig, START.plus(STARVING_AFTER)));
    assert!(turns.unwrap() < 10 * PATIENCE, "{turns:?}");
}
