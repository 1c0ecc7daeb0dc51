//! The executor over a real spool and journal, stepped from one thread; and commands and answers as JSON.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use postrider_control::{
    Activity, Answer, Changed, Command, DestinationView, Destinations, Executor, Health, Pauses, Who,
};
use postrider_journal::{Story, Subject, What, Writer};
use postrider_mail::id::IdMaker;
use postrider_mail::{Envelope, QueueId, Recipient, ReversePath, Text, UnixMillis};
use postrider_queue::{Committer, Filter, Listing, NewMessage, Opened, Queue, RouteKey, State};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tempfile::TempDir;

const NOW: UnixMillis = UnixMillis::new(1_795_372_275_042);

struct Rig {
    _folder: TempDir,
    executor: Executor,
    queue: Queue,
    /// `None`: the queue is closed.
    committer: Option<Committer>,
    writer: Writer,
    ids: IdMaker,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let queue = folder.path().join("queue");
        let Opened { queue, committer, .. } =
            postrider_queue::open(&queue, postrider_queue::Settings::default(), 1, NOW).unwrap();
        let journal = folder.path().join("journal");
        let (journal, writer, reader) =
            postrider_journal::open(&journal, postrider_journal::Settings::default(), NOW).unwrap();
        let executor = Executor::new(queue.clone(), journal, reader, Arc::new(|| NOW));
        let committer = Some(committer);
        Self { _folder: folder, executor, queue, committer, writer, ids: IdMaker::new(0, 0, NOW, None) }
    }

    fn drive<T>(&mut self, ask: impl AsyncFnOnce(Executor, Queue) -> T) -> T {
        let mut ask = pin!(ask(self.executor.clone(), self.queue.clone()));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(answer) = ask.as_mut().poll(&mut context) {
                self.writer.step();
                return answer;
            }
            if let Some(committer) = &mut self.committer {
                let _ = committer.step();
            }
        }
    }

    fn change(&mut self, command: Command) -> Answer {
        assert!(!Executor::is_look(&command));
        self.drive(async |executor, _| executor.change(&Who("uid 7".into()), command).await)
    }

    fn changed(&mut self, command: Command) -> Changed {
        match self.change(command) {
            Answer::Changed(changed) => changed,
            other => panic!("{other:?}"),
        }
    }

    fn look(&self, command: &Command) -> Answer {
        assert!(Executor::is_look(command));
        self.executor.look(command)
    }

    fn accept(&mut self, from: &str) -> QueueId {
        let mut draft = self.queue.draft(self.ids.queue_id(NOW));
        draft.pour(b"Subject: x\r\n\r\nx\r\n");
        let recipients = vec![Recipient::direct("b@y.example".parse().unwrap())];
        let reverse_path = ReversePath::Mailbox(from.parse().unwrap());
        let envelope =
            Envelope { reverse_path, body: None, requests: postrider_mail::Requests::default(), recipients };
        let sealed = draft.seal().unwrap();
        let message = NewMessage::new(sealed, envelope, NOW, |_| RouteKey::local()).unwrap();
        self.drive(async |_, queue| queue.accept(message).await).unwrap().receipt.id()
    }

    fn listed(&self, filter: Filter) -> Vec<QueueId> {
        match self.look(&Command::List { filter, after: None, limit: 1000 }) {
            Answer::Listing(Listing { messages, .. }) => messages.iter().map(|view| view.id).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// What the journal keeps of the commands that match, newest first.
    fn recorded(&self, words: &str) -> Vec<String> {
        match self.look(&Command::Trace { what: words.into(), limit: 100 }) {
            Answer::Stories { stories, remarks } => {
                assert!(remarks.is_empty(), "{remarks:?}");
                stories.iter().map(command_of).collect()
            }
            other => panic!("{other:?}"),
        }
    }
}

fn command_of(story: &Story) -> String {
    assert_eq!(story.subject(), Subject::Operator);
    match &story.events()[0].what {
        What::Command { who, text } => format!("{who}: {text}"),
        other => panic!("{other:?}"),
    }
}

fn sender(part: &str) -> Filter {
    Filter { sender: Some(part.into()), ..Filter::default() }
}

#[test]
fn a_command_changes_what_its_filter_names_and_is_recorded_with_who_gave_it() {
    let mut rig = Rig::new();
    let (first, second) = (rig.accept("a@x.example"), rig.accept("b@x.example"));
    let hold = Command::Hold { filter: sender("a@"), why: "odd".into() };
    assert_eq!(rig.changed(hold.clone()), Changed { messages: 1, ids: vec![first] });
    assert_eq!(rig.changed(hold).messages, 0, "held already");
    assert_eq!(rig.listed(Filter { held: Some(true), ..Filter::default() }), [first]);
    assert_eq!(rig.changed(Command::Retry { filter: Filter::default() }).ids, [second]);
    assert_eq!(rig.changed(Command::Release { filter: Filter::default() }).ids, [first]);
    let delete = Command::Delete { filter: Filter::default() };
    assert_eq!(rig.changed(delete), Changed { messages: 2, ids: vec![first, second] });
    assert!(rig.listed(Filter::default()).is_empty());
    assert_eq!(
        rig.recorded("queue hold"),
        [
            "uid 7: queue hold sender=a@ (odd): 0 messages changed",
            &format!("uid 7: queue hold sender=a@ (odd): 1 message changed {first}")
        ]
    );
    assert_eq!(
        rig.recorded("queue delete"),
        [format!("uid 7: queue delete all messages: 2 messages changed {first} {second}")]
    );
}

#[test]
fn a_command_goes_through_the_whole_queue_and_lists_the_first_ids() {
    let mut rig = Rig::new();
    // More than one step of the queue looks at.
    let ids: Vec<QueueId> = (0..1100).map(|_| rig.accept("a@x.example")).collect();
    let changed = rig.changed(Command::Hold { filter: Filter::default(), why: "all".into() });
    assert_eq!(changed.messages, 1100);
    assert_eq!(changed.ids, ids[..20]);
    assert!(rig.recorded("queue hold")[0].ends_with(" …"));
}

#[test]
fn a_pause_is_told_until_it_is_resumed() {
    let mut rig = Rig::new();
    let paused = |answer| match answer {
        Answer::Pauses(Pauses { pauses }) => pauses,
        other => panic!("{other:?}"),
    };
    let local = Some(RouteKey::local());
    let one = paused(rig.change(Command::Pause { key: local.clone(), why: "moving".into() }));
    assert_eq!((one.len(), one[0].key.clone(), one[0].since), (1, local.clone(), NOW));
    let two = paused(rig.change(Command::Pause { key: None, why: "everything".into() }));
    assert_eq!(two.len(), 2);
    let Answer::Health(Health { pauses, troubles, .. }) = rig.look(&Command::Health) else { panic!() };
    assert_eq!((pauses, troubles), (two, Vec::<Text>::new()));
    assert_eq!(paused(rig.change(Command::Resume { key: None })), one);
    assert_eq!(paused(rig.change(Command::Resume { key: local })), []);
    assert_eq!(rig.recorded("queue resume").len(), 2);
}

#[test]
fn a_message_that_is_not_there_is_no_failure_of_looking() {
    let mut rig = Rig::new();
    let id = rig.accept("a@x.example");
    let Answer::Message { message: Some(view) } = rig.look(&Command::Show { id }) else { panic!() };
    assert_eq!((view.id, view.recipients[0].state), (id, Some(State::Waiting)));
    rig.changed(Command::Delete { filter: Filter::of(id) });
    assert_eq!(rig.look(&Command::Show { id }), Answer::Message { message: None });
}

fn destination(key: &str, resting_until: Option<i64>) -> DestinationView {
    DestinationView {
        key: key.into(),
        connections: 1,
        window: 5,
        waiting: 2,
        resting_until: resting_until.map(UnixMillis::new),
        why: resting_until.map(|_| "no host answers".into()),
    }
}

/// As many as a busy server has, one of them at rest.
struct Many;

impl Destinations for Many {
    fn activity(&self) -> Option<Activity> {
        Some(Activity { connections: 3, resting: 1, notices: 4, unreported: 1 })
    }

    fn view(&self) -> Vec<DestinationView> {
        (0..1200).map(|n| destination(&format!("@d{n:04}.example"), (n == 700).then_some(5))).collect()
    }

    fn forget_rests(&self) {}
}

#[test]
fn destinations_are_listed_those_at_rest_first() {
    let rig = Rig::new();
    let nowhere = Answer::Destinations { destinations: Vec::new(), unlisted: 0 };
    assert_eq!(rig.look(&Command::Destinations), nowhere);
    let answer = rig.executor.clone().with_destinations(Arc::new(Many)).look(&Command::Destinations);
    let Answer::Destinations { destinations, unlisted } = answer else { panic!("{answer:?}") };
    let keys: Vec<&str> = destinations.iter().take(3).map(|one| one.key.as_str()).collect();
    assert_eq!(keys, ["@d0700.example", "@d0000.example", "@d0001.example"]);
    assert_eq!((destinations.len(), unlisted), (1000, 200));
}

#[test]
fn health_tells_what_a_running_server_does() {
    let rig = Rig::new();
    let activity = |executor: &Executor| match executor.look(&Command::Health) {
        Answer::Health(health) => health.activity,
        other => panic!("{other:?}"),
    };
    assert_eq!(activity(&rig.executor), None);
    let busy = Activity { connections: 3, resting: 1, notices: 4, unreported: 1 };
    assert_eq!(activity(&rig.executor.clone().with_destinations(Arc::new(Many))), Some(busy));
}

#[test]
fn a_stopped_queue_says_so_and_the_failure_is_recorded() {
    let mut rig = Rig::new();
    rig.committer = None;
    let answer = rig.change(Command::Hold { filter: Filter::default(), why: "late".into() });
    let Answer::Failed { why } = answer else { panic!("{answer:?}") };
    assert!(why.as_str().starts_with("after 0 messages: the spool is closed"), "{why}");
    assert_eq!(rig.recorded("queue hold"), [format!("uid 7: queue hold all messages (late): {why}")]);
}

#[test]
fn commands_and_answers_are_read_back_as_they_were_written() {
    let mut rig = Rig::new();
    let id = rig.accept("a@x.example");
    let filter = Filter { id: Some(id), key: Some(RouteKey::local()), held: Some(false), ..sender("a") };
    let commands = [
        Command::List { filter: filter.clone(), after: Some(id), limit: 3 },
        Command::Show { id },
        Command::Hold { filter: filter.clone(), why: "because".into() },
        Command::Release { filter: filter.clone() },
        Command::Retry { filter: filter.clone() },
        Command::Delete { filter },
        Command::Pause { key: None, why: "because".into() },
        Command::Resume { key: Some(RouteKey::local()) },
        Command::Health,
        Command::Destinations,
        Command::Trace { what: "last".into(), limit: 1 },
    ];
    for command in &commands {
        let json = serde_json::to_string(command).unwrap();
        assert_eq!(&serde_json::from_str::<Command>(&json).unwrap(), command, "{json}");
        assert!(!json.contains('\n'));
    }
    rig.changed(Command::Hold { filter: Filter::default(), why: "because".into() });
    let answers = [
        rig.look(&Command::List { filter: Filter::default(), after: None, limit: 3 }),
        rig.look(&Command::Show { id }),
        rig.look(&Command::Health),
        Answer::Destinations { destinations: vec![destination("@x.example", Some(5))], unlisted: 1 },
        rig.look(&Command::Trace { what: "because".into(), limit: 3 }),
        rig.change(Command::Pause { key: Some(RouteKey::local()), why: "because".into() }),
        rig.change(Command::Retry { filter: Filter::default() }),
        Answer::Message { message: None },
        Answer::Failed { why: "because".into() },
    ];
    for answer in &answers {
        let json = serde_json::to_string(answer).unwrap();
        assert_eq!(&serde_json::from_str::<Answer>(&json).unwrap(), answer, "{json}");
    }
}

#[test]
fn a_command_with_a_field_too_many_is_refused_whole() {
    let json = r#"{"command":"delete","filter":{"id":"38g4gvap40001","sendr":"a"}}"#;
    assert!(
        serde_json::from_str::<Command>(json).is_err(),
        "a misspelled filter would mean more than was asked"
    );
    assert!(serde_json::from_str::<Command>(r#"{"command":"resume","key":null,"why":"x"}"#).is_err());
}
