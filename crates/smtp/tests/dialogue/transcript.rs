//! Transcripts, as `tests/dialogue/README.md` describes them.

use crate::driver::Scene;
use postrider_mail::UnixMillis;
use postrider_smtp::extension::{Extensions, FutureRelease};
use postrider_smtp::server::{BareNewlines, Dialect, LongLines, Setup};

/// A session as it must go.
pub(crate) struct Transcript {
    /// What the server is.
    pub(crate) setup: Setup,
    /// What else is around it.
    pub(crate) scene: Scene,
    /// It needs more than the engine.
    pub(crate) is_binary_only: bool,
    /// It is about what comes in one piece.
    pub(crate) is_at_once: bool,
    /// What happens, in order.
    pub(crate) turns: Vec<Turn>,
}

/// One line of a transcript.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// Octets from the client.
    Client(Vec<u8>),
    /// One reply: what may stand at its start, of its last line.
    Server(Vec<String>),
    /// A line of the next reply begins so, behind its code.
    Present(String),
    /// None does.
    Absent(String),
    /// The server has closed.
    Closed,
    /// The client closes its side.
    EndOfInput,
    /// The server waited as long as it will.
    Timeout,
    /// The server was asked to stop.
    Stop,
    /// The server stops now.
    CutOff,
    /// The content of the last message that was filed.
    Filed(Vec<u8>),
}

/// Reads one.
pub(crate) fn parse(name: &str, text: &str) -> Transcript {
    let setup = Setup {
        banner: "Postrider".into(),
        content_octets_max: 100_000,
        recipients_max: 3,
        extensions: Extensions::for_any_peer(),
        ..Setup::new("mx.local.example".parse().unwrap(), Dialect::Smtp)
    };
    let mut transcript = Transcript {
        setup,
        scene: Scene::default(),
        is_binary_only: false,
        is_at_once: false,
        turns: Vec::new(),
    };
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let turn = match line.split_at_checked(2) {
            Some(("! ", directive)) if transcript.set(directive) => {
                assert!(transcript.turns.is_empty(), "{name}: {line:?} must stand before the session");
                continue;
            }
            Some(("! ", directive)) => happening(name, directive),
            Some(("C!", raw)) => Turn::Client(unescape(raw.strip_prefix(' ').unwrap_or(raw))),
            Some(("C:", said)) => {
                Turn::Client(format!("{}\r\n", said.strip_prefix(' ').unwrap_or(said)).into_bytes())
            }
            Some(("S:", reply)) => {
                Turn::Server(reply.split('|').map(|start| start.trim().to_owned()).collect())
            }
            Some(("S+", text)) => Turn::Present(text.trim().to_owned()),
            Some(("S-", text)) => Turn::Absent(text.trim().to_owned()),
            _ => panic!("{name}: what is {line:?}?"),
        };
        transcript.turns.push(turn);
    }
    transcript
}

impl Transcript {
    /// Whether the directive is a setting.
    fn set(&mut self, directive: &str) -> bool {
        let (setup, scene) = (&mut self.setup, &mut self.scene);
        let offer = &mut setup.extensions;
        match directive {
            "at once" => self.is_at_once = true,
            "lmtp" => setup.dialect = Dialect::Lmtp,
            "normalise" => setup.bare_newlines = BareNewlines::Normalise,
            "long lines refused" => setup.long_lines = LongLines::Refuse,
            "xclient" => offer.xclient = true,
            "xforward" => offer.xforward = true,
            "etrn" => offer.etrn = true,
            "verify" => scene.tells = true,
            "early talkers refused" => scene.refuses_early_talkers = true,
            "closed listener" => scene.greets_with = Some(521),
            "future release" => {
                let until_max = UnixMillis::from_rfc3339("2026-12-01T00:00:00Z").unwrap();
                offer.future_release = Some(FutureRelease { seconds_max: 604_800, until_max });
            }
            "deliver by 60" => offer.deliver_by = Some(60),
            "no soliciting" => offer.no_soliciting = Some(None),
            "no soliciting net.example:ADV" => {
                offer.no_soliciting = Some(Some("net.example:ADV".parse().unwrap()));
            }
            "without smtputf8" => offer.smtputf8 = false,
            "without chunking" => offer.chunking = false,
            "without dsn" => offer.dsn = false,
            "without limits" => offer.limits = false,
            "without mt-priority" => offer.priority = false,
            "without deliverby" => offer.deliver_by = None,
            other => return self.set_with_value(other),
        }
        true
    }

    fn set_with_value(&mut self, directive: &str) -> bool {
        if let Some(code) = directive.strip_prefix("greets with ") {
            self.scene.greets_with = Some(code.parse().unwrap());
        } else if directive.starts_with("binary only: ") {
            self.is_binary_only = true;
        } else if directive == "proxy" {
            assert!(self.is_binary_only, "a PROXY header is read before the engine");
        } else {
            return directive.starts_with("engine only: ") || directive.starts_with("serve only: ");
        }
        true
    }
}

fn happening(name: &str, directive: &str) -> Turn {
    if let Some(content) = directive.strip_prefix("filed ") {
        return Turn::Filed(unescape(content));
    }
    match directive {
        "closed" => Turn::Closed,
        "end of input" => Turn::EndOfInput,
        "timeout" => Turn::Timeout,
        "stop" => Turn::Stop,
        "cut off" => Turn::CutOff,
        other => panic!("{name}: what is {other:?}?"),
    }
}

/// `\r`, `\n`, `\0`, `\xHH`, `\\`, and `{N:x}` for N times x.
fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((repeated, behind)) = repetition(rest) {
            octets.extend(repeated);
            rest = behind;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            octets.extend(c.to_string().bytes());
            continue;
        }
        let escape = rest.chars().next().unwrap();
        rest = &rest[1..];
        match escape {
            'r' => octets.push(b'\r'),
            'n' => octets.push(b'\n'),
            '0' => octets.push(0),
            'x' => {
                octets.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                rest = &rest[2..];
            }
            other => octets.push(other as u8),
        }
    }
    octets
}

fn repetition(text: &str) -> Option<(Vec<u8>, &str)> {
    let (inner, behind) = text.strip_prefix('{')?.split_once('}')?;
    let (count, what) = inner.split_once(':')?;
    Some((unescape(what).repeat(count.parse().ok()?), behind))
}
