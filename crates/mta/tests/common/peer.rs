//! A host that fails: at one step of the dialogue, in one way; and the table of what must come of it.
//!
//! It knows no socket: octets go in, octets and what to do next come out, so it plays over a stream in
//! memory as over TCP. It takes two recipients and any content, and writes down what it was told.

/// Where in the dialogue it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Instead of the greeting.
    Greeting,
    /// At EHLO, HELO or LHLO.
    Hello,
    /// At MAIL.
    Mail,
    /// At the first RCPT of a transaction.
    FirstRcpt,
    /// At the second.
    SecondRcpt,
    /// At DATA.
    Data,
    /// Amid the content.
    Content,
    /// After the final dot.
    End,
    /// Right behind the reply to the content, unasked.
    Idle,
    /// At QUIT.
    Quit,
}

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It closes the connection without a word.
    Close,
    /// It says 421 and closes the connection.
    Closing,
    /// It says 451.
    Transient,
    /// It says 550.
    Permanent,
    /// It says nothing more.
    Silence,
    /// What it says is no SMTP.
    Garbage,
    /// It closes the connection amid a reply.
    Partial,
}

/// What the peer does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It listens.
    Listen,
    /// It closes the connection.
    Close,
    /// It keeps the connection, and neither speaks nor listens.
    Nothing,
}

/// A message as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// The command lines of its envelope.
    pub(crate) envelope: Vec<String>,
    /// Its content, dots unstuffed, without the final one.
    pub(crate) content: String,
}

/// How a host behaves.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// Where and how it fails.
    pub(crate) fault: Option<(Step, Fault)>,
    /// Messages it takes before it fails.
    pub(crate) fails_after: usize,
    /// Keywords of its reply to EHLO.
    pub(crate) offer: Vec<&'static str>,
    /// Recipients it takes in one transaction; those beyond hear 452 4.5.3.
    pub(crate) recipients_max: usize,
    /// Answers each recipient behind the dot, as LMTP does.
    pub(crate) lmtp: bool,
    /// Replies in place of 250 to RCPT, for addresses that begin so.
    pub(crate) refuse: Vec<(&'static str, &'static str)>,
    /// Replies behind the dot in place of 250, for such addresses, in LMTP.
    pub(crate) refuse_behind_dot: Vec<(&'static str, &'static str)>,
    /// The reply to each chunk of BDAT in place of 250.
    pub(crate) refuse_chunks: Option<&'static str>,
}

impl Manner {
    /// A host that does not fail.
    pub(crate) fn sound() -> Self {
        Self {
            fault: None,
            fails_after: 0,
            offer: vec!["PIPELINING", "8BITMIME", "SIZE 1000000"],
            recipients_max: usize::MAX,
            lmtp: false,
            refuse: Vec::new(),
            refuse_behind_dot: Vec::new(),
            refuse_chunks: None,
        }
    }

    /// A host that fails here, in this way.
    pub(crate) fn failing(step: Step, fault: Fault) -> Self {
        Self { fault: Some((step, fault)), ..Self::sound() }
    }
}

/// The other end of one connection.
#[derive(Debug)]
pub(crate) struct Peer {
    manner: Manner,
    /// What it was told, command by command.
    pub(crate) commands: Vec<String>,
    /// The messages it said yes to.
    pub(crate) arrived: Vec<Arrived>,
    input: Vec<u8>,
    /// How far the content was searched for its end.
    searched: usize,
    in_content: bool,
    /// The octets of a chunk that is coming, and whether it is the last.
    chunk: Option<(usize, bool)>,
    silent: bool,
    rcpts: usize,
    taken: Vec<String>,
    message: Arrived,
}

impl Peer {
    /// A host of this manner, and nobody connected yet.
    pub(crate) fn new(manner: Manner) -> Self {
        Self {
            manner,
            commands: Vec::new(),
            arrived: Vec::new(),
            input: Vec::new(),
            searched: 0,
            in_content: false,
            chunk: None,
            silent: false,
            rcpts: 0,
            taken: Vec::new(),
            message: Arrived::default(),
        }
    }

    /// A client has connected.
    pub(crate) fn connected(&mut self) -> (Vec<u8>, Then) {
        let mut said = Vec::new();
        let then = self.say(Step::Greeting, "220 peer.example ESMTP", &mut said);
        (said, then)
    }

    /// The client has said this.
    pub(crate) fn heard(&mut self, octets: &[u8]) -> (Vec<u8>, Then) {
        self.input.extend_from_slice(octets);
        let mut said = Vec::new();
        while !self.silent {
            let then = if self.in_content {
                self.hear_content(&mut said)
            } else if self.chunk.is_some() {
                self.hear_chunk(&mut said)
            } else {
                self.hear_command(&mut said)
            };
            match then {
                Some(Then::Listen) => {}
                Some(then) => return (said, then),
                None => break,
            }
        }
        (said, Then::Listen)
    }

    fn hear_command(&mut self, said: &mut Vec<u8>) -> Option<Then> {
        let end = self.input.windows(2).position(|pair| pair == b"\r\n")?;
        let line: Vec<u8> = self.input.drain(..end + 2).take(end).collect();
        let line = String::from_utf8(line).unwrap();
        self.commands.push(line.clone());
        let verb = line.split(' ').next().unwrap_or_default();
        Some(match verb {
            "EHLO" | "LHLO" => {
                let mut lines = vec!["peer.example"];
                lines.extend(&self.manner.offer);
                let last = lines.pop().unwrap();
                let before: String = lines.iter().map(|line| format!("250-{line}\r\n")).collect();
                self.say(Step::Hello, &format!("{before}250 {last}"), said)
            }
            "HELO" => self.say(Step::Hello, "250 peer.example", said),
            "MAIL" => {
                self.forget();
                let before = said.len();
                let then = self.say(Step::Mail, "250 2.1.0 go on", said);
                if said[before..].starts_with(b"250 ") {
                    self.message.envelope.push(line);
                }
                then
            }
            "RCPT" | "DATA" if self.message.envelope.is_empty() => {
                said.extend_from_slice(b"503 5.5.1 MAIL first\r\n");
                Then::Listen
            }
            "RCPT" => self.hear_rcpt(line, said),
            "DATA" if self.taken.is_empty() => self.say(Step::Data, "554 5.5.1 nobody to send to", said),
            "DATA" => {
                self.in_content = true;
                self.say(Step::Data, "354 go on", said)
            }
            "BDAT" => {
                let mut words = line.split(' ').skip(1);
                let octets = words.next().and_then(|octets| octets.parse().ok()).unwrap();
                self.chunk = Some((octets, words.next() == Some("LAST")));
                Then::Listen
            }
            "RSET" => {
                self.forget();
                said.extend_from_slice(b"250 2.0.0 forgotten\r\n");
                Then::Listen
            }
            "QUIT" => match self.say(Step::Quit, "221 2.0.0 bye", said) {
                Then::Listen => Then::Close,
                then => then,
            },
            _ => {
                said.extend_from_slice(b"500 5.5.2 what?\r\n");
                Then::Listen
            }
        })
    }

    fn forget(&mut self) {
        (self.rcpts, self.taken, self.message) = (0, Vec::new(), Arrived::default());
    }

    fn hear_rcpt(&mut self, line: String, said: &mut Vec<u8>) -> Then {
        let step = if self.rcpts == 0 { Step::FirstRcpt } else { Step::SecondRcpt };
        self.rcpts += 1;
        let address = line.trim_start_matches("RCPT TO:<").split('>').next().unwrap().to_owned();
        let refusal = self.manner.refuse.iter().find(|(start, _)| address.starts_with(start));
        let reply = match refusal {
            Some((_, reply)) => *reply,
            None if self.taken.len() == self.manner.recipients_max => "452 4.5.3 too many recipients",
            None => "250 2.1.5 go on",
        };
        let before = said.len();
        let then = self.say(step, reply, said);
        if said[before..].starts_with(b"250 ") {
            self.taken.push(address);
            self.message.envelope.push(line);
        }
        then
    }

    fn hear_chunk(&mut self, said: &mut Vec<u8>) -> Option<Then> {
        let (octets, is_last) = self.chunk.filter(|(octets, _)| self.input.len() >= *octets)?;
        self.chunk = None;
        let chunk: Vec<u8> = self.input.drain(..octets).collect();
        self.message.content.push_str(&String::from_utf8(chunk).unwrap());
        let refusal = self.manner.refuse_chunks;
        if self.taken.is_empty() {
            said.extend_from_slice(b"503 5.5.1 no recipient\r\n");
        } else if let Some(refusal) = refusal {
            said.extend_from_slice(format!("{refusal}\r\n").as_bytes());
            self.forget();
        } else if is_last {
            said.extend_from_slice(b"250 2.6.0 taken\r\n");
            self.arrived.push(std::mem::take(&mut self.message));
            self.forget();
        } else {
            said.extend_from_slice(b"250 2.0.0 go on\r\n");
        }
        Some(Then::Listen)
    }

    fn hear_content(&mut self, said: &mut Vec<u8>) -> Option<Then> {
        let whole = self.input.starts_with(b".\r\n").then_some(0);
        let end = whole.or_else(|| {
            let from = self.searched.saturating_sub(4);
            let found = self.input[from..].windows(5).position(|window| window == b"\r\n.\r\n");
            found.map(|at| from + at + 2)
        });
        self.searched = if end.is_some() { 0 } else { self.input.len() };
        if self.fails_at(Step::Content) && end.is_none() && !self.input.is_empty() {
            return Some(self.say(Step::Content, "", said));
        }
        let end = end?;
        let content: Vec<u8> = self.input.drain(..end + 3).take(end).collect();
        let content = format!("\r\n{}", String::from_utf8(content).unwrap());
        self.message.content = content.replace("\r\n.", "\r\n")[2..].to_owned();
        self.in_content = false;
        let taken = if self.manner.lmtp { self.taken.clone() } else { vec![String::new()] };
        let before = said.len();
        for address in taken {
            let refusal = self.manner.refuse_behind_dot.iter().find(|(start, _)| address.starts_with(start));
            let then = self.say(Step::End, refusal.map_or("250 2.6.0 taken", |(_, reply)| reply), said);
            if then != Then::Listen {
                return Some(then);
            }
        }
        if said[before..].starts_with(b"250 ") {
            self.arrived.push(std::mem::take(&mut self.message));
        }
        self.forget();
        Some(if self.fails_at(Step::Idle) { self.say(Step::Idle, "", said) } else { Then::Listen })
    }

    fn fails_at(&self, step: Step) -> bool {
        self.arrived.len() >= self.manner.fails_after && self.manner.fault.is_some_and(|(at, _)| at == step)
    }

    /// Says this, or fails here.
    fn say(&mut self, step: Step, reply: &str, said: &mut Vec<u8>) -> Then {
        let fault = self.manner.fault.filter(|_| self.fails_at(step)).map(|(_, fault)| fault);
        let (words, then) = match fault {
            None => (format!("{reply}\r\n"), Then::Listen),
            Some(Fault::Close) => (String::new(), Then::Close),
            Some(Fault::Closing) => ("421 4.3.2 going down\r\n".into(), Then::Close),
            Some(Fault::Transient) => ("451 4.7.1 not now\r\n".into(), Then::Listen),
            Some(Fault::Permanent) => ("550 5.7.1 never\r\n".into(), Then::Listen),
            Some(Fault::Silence) => (String::new(), Then::Nothing),
            Some(Fault::Garbage) => ("\u{16}\u{3}\u{1} what is this?\r\n".into(), Then::Listen),
            Some(Fault::Partial) => ("250-half a rep".into(), Then::Close),
        };
        let refuses = matches!(fault, Some(Fault::Transient | Fault::Permanent));
        // Who refuses DATA waits for no content; who talks amid it, or nonsense, says no more.
        self.in_content &= !(refuses && step == Step::Data);
        self.silent |= fault == Some(Fault::Garbage) || (refuses && step == Step::Content);
        said.extend_from_slice(words.as_bytes());
        then
    }
}

/// What comes of a message to two recipients when the only host for it fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Where the host fails.
    pub(crate) step: Step,
    /// How: each of these comes to the same.
    pub(crate) faults: &'static [Fault],
    /// What becomes of each recipient.
    pub(crate) ends: [End; 2],
    /// Whether the connection may carry another message afterwards.
    pub(crate) usable: bool,
}

/// What becomes of a recipient at one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The next host has the message.
    Relayed,
    /// Another host may be asked at once; where there is none, it is tried later, or has failed where the
    /// host's word was 5yz.
    Open,
    /// It is tried later.
    Deferred,
    /// It is tried later, and may arrive twice.
    Twice,
    /// It has failed.
    Failed,
}

/// The session ends before anything is decided.
const BREAKS: &[Fault] = &[Fault::Close, Fault::Closing, Fault::Silence, Fault::Garbage, Fault::Partial];
const TRANSIENT: &[Fault] = &[Fault::Transient];
const PERMANENT: &[Fault] = &[Fault::Permanent];
const EVERY: &[Fault] = &[
    Fault::Close,
    Fault::Closing,
    Fault::Transient,
    Fault::Permanent,
    Fault::Silence,
    Fault::Garbage,
    Fault::Partial,
];

const fn gone(step: Step, faults: &'static [Fault], ends: [End; 2]) -> Row {
    Row { step, faults, ends, usable: false }
}

const fn usable(step: Step, faults: &'static [Fault], ends: [End; 2]) -> Row {
    Row { step, faults, ends, usable: true }
}

/// Every step, every fault.
pub(crate) const TABLE: &[Row] = &[
    gone(Step::Greeting, EVERY, [End::Open, End::Open]),
    gone(Step::Hello, EVERY, [End::Open, End::Open]),
    gone(Step::Mail, BREAKS, [End::Open, End::Open]),
    usable(Step::Mail, TRANSIENT, [End::Deferred, End::Deferred]),
    usable(Step::Mail, PERMANENT, [End::Failed, End::Failed]),
    gone(Step::FirstRcpt, BREAKS, [End::Open, End::Open]),
    usable(Step::FirstRcpt, TRANSIENT, [End::Deferred, End::Relayed]),
    usable(Step::FirstRcpt, PERMANENT, [End::Failed, End::Relayed]),
    gone(Step::SecondRcpt, BREAKS, [End::Open, End::Open]),
    usable(Step::SecondRcpt, TRANSIENT, [End::Relayed, End::Deferred]),
    usable(Step::SecondRcpt, PERMANENT, [End::Relayed, End::Failed]),
    gone(Step::Data, BREAKS, [End::Open, End::Open]),
    usable(Step::Data, TRANSIENT, [End::Deferred, End::Deferred]),
    usable(Step::Data, PERMANENT, [End::Failed, End::Failed]),
    gone(Step::Content, BREAKS, [End::Open, End::Open]),
    gone(Step::Content, TRANSIENT, [End::Deferred, End::Deferred]),
    gone(Step::Content, PERMANENT, [End::Failed, End::Failed]),
    gone(Step::End, &[Fault::Closing], [End::Open, End::Open]),
    gone(
        Step::End,
        &[Fault::Close, Fault::Silence, Fault::Garbage, Fault::Partial],
        [End::Twice, End::Twice],
    ),
    usable(Step::End, TRANSIENT, [End::Deferred, End::Deferred]),
    usable(Step::End, PERMANENT, [End::Failed, End::Failed]),
    usable(Step::Idle, &[Fault::Silence], [End::Relayed, End::Relayed]),
    gone(
        Step::Idle,
        &[Fault::Close, Fault::Closing, Fault::Transient, Fault::Permanent, Fault::Garbage, Fault::Partial],
        [End::Relayed, End::Relayed],
    ),
    usable(Step::Quit, EVERY, [End::Relayed, End::Relayed]),
];
