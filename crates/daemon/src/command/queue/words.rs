//! Durations, sizes and states as people read them.

use postrider_mail::UnixMillis;
use postrider_queue::{Notice, PauseView, RecipientView, State, View};
use std::fmt::Write as _;
use std::time::Duration;

/// `4 min`: one unit, rounded down.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `4 min ago`.
pub(super) fn ago(then: UnixMillis, now: UnixMillis) -> String {
    format!("{} ago", span(now.since(then)))
}

/// `in 4 min`, or `now`.
pub(super) fn due(at: UnixMillis, now: UnixMillis) -> String {
    let wait = at.since(now);
    if wait.is_zero() { "now".into() } else { format!("in {}", span(wait)) }
}

/// `in 4 min`, or `4 min ago`: of a moment that may have passed.
pub(super) fn moment(at: UnixMillis, now: UnixMillis) -> String {
    if at < now { ago(at, now) } else { due(at, now) }
}

/// `1.2 KiB`.
pub(super) fn size(octets: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if octets < 1024 {
        return format!("{octets} B");
    }
    let mut tenths = octets.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// `1 message`, `3 messages`.
pub(super) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// An address in brackets; `<>` for the null path.
pub(super) fn path(address: &str) -> String {
    format!("<{address}>")
}

/// Where a recipient of this message stands.
pub(super) fn standing(message: &View, recipient: &RecipientView, now: UnixMillis) -> &'static str {
    match recipient.state {
        Some(State::Waiting) if recipient.in_flight => "being delivered",
        Some(State::Waiting) if message.held.is_some() => "held",
        Some(State::Waiting) if put_off(message, now).is_some() => "put off",
        Some(State::Waiting) => "waiting",
        Some(State::Delivered) => "delivered",
        Some(State::Relayed) => "relayed",
        Some(State::Expanded) => "expanded",
        Some(State::Failed) => "failed",
        Some(State::Expired) => "expired",
        Some(State::Discarded) => "discarded",
        None => "unknown to this version",
    }
}

/// Until when the sender has put a message off, while that lies ahead.
pub(super) fn put_off(message: &View, now: UnixMillis) -> Option<UnixMillis> {
    message.requests.release_at.filter(|release| *release > now)
}

/// What is to happen at the deadline that the sender gave.
pub(super) fn by_mode(mode: &str) -> &'static str {
    match mode {
        "R" => "then it comes back",
        "RT" => "then it comes back; each host that passes it on tells the sender",
        "N" => "then its sender is told, and it is tried on",
        "NT" => "then its sender is told, and it is tried on; each host that passes it on tells the sender",
        _ => "what happens then this version does not know",
    }
}

/// What the sender wants to hear about a recipient, as NOTIFY says it.
pub(super) fn wanted(notify: &str) -> String {
    match notify {
        "NEVER" => "the sender wants no notice (NOTIFY=NEVER)".into(),
        list => format!("the sender wants notices of {} (NOTIFY)", list.to_lowercase().replace(',', ", ")),
    }
}

/// Whether the recipient waits for its next try, paused or not.
pub(super) fn waits(message: &View, recipient: &RecipientView) -> bool {
    recipient.state == Some(State::Waiting) && !recipient.in_flight && message.held.is_none()
}

/// Whether one of the pauses keeps this recipient.
pub(super) fn is_paused(recipient: &RecipientView, pauses: &[PauseView]) -> bool {
    let covers =
        |pause: &PauseView| pause.key.as_ref().is_none_or(|key| key.as_str() == recipient.key.as_str());
    pauses.iter().any(covers)
}

/// What the sender is to be told.
pub(super) fn notice(notice: Notice) -> &'static str {
    match notice {
        Notice::Failure => "the sender is owed a notice of failure",
        Notice::Delay => "the sender is owed a notice of delay",
        Notice::Success => "the sender is owed a notice of success",
    }
}

/// A line per pause.
pub(super) fn pauses(pauses: &[PauseView]) -> String {
    let mut text = String::new();
    for pause in pauses {
        // Writing to a String cannot fail.
        let _ = match &pause.key {
            Some(key) => writeln!(text, "Delivery to {key} is paused since {}: {}", pause.since, pause.why),
            None => writeln!(text, "All delivery is paused since {}: {}", pause.since, pause.why),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_one_unit() {
        let said: Vec<String> = [0, 59, 60, 3599, 3600, 172_799, 172_800, u64::MAX]
            .map(|seconds| span(Duration::from_secs(seconds)))
            .to_vec();
        assert_eq!(said[..7], ["0 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 d"]);
    }

    #[test]
    fn what_is_due_is_due_now() {
        let now = UnixMillis::new(1000);
        assert_eq!(due(UnixMillis::new(0), now), "now");
        assert_eq!(due(UnixMillis::new(1000), now), "now");
        assert_eq!(due(UnixMillis::new(241_000), now), "in 4 min");
        assert_eq!(moment(UnixMillis::new(241_000), now), "in 4 min");
        assert_eq!(moment(now, UnixMillis::new(241_000)), "4 min ago");
    }

    #[test]
    fn sizes_have_one_digit_behind_the_point() {
        let said = [0, 1023, 1024, 1300, 1024 * 1024, u64::MAX].map(size);
        assert_eq!(said[..5], ["0 B", "1023 B", "1.0 KiB", "1.2 KiB", "1.0 MiB"]);
        assert!(said[5].ends_with(" TiB"));
    }
}
