//! Next hops of ours.

use crate::relays::hand_in;
use crate::{are_trace, from, judge};
use postrider_tests::aiosmtpd::Aiosmtpd;
use postrider_tests::bodies::{self, Body, Fate, Kind, lf};
use postrider_tests::machine::{Machine, free_address};
use postrider_tests::matrix::Matrix;
use postrider_tests::onward::Origin;
use postrider_tests::process::Server;
use postrider_tests::sink::Sink;
use postrider_tests::site::Site;
use postrider_tests::wait::until;
use postrider_tests::wiretap::{Exchange, Place, Tap};
use postrider_tests::{exim, opensmtpd, postfix};

/// Each next hop, and what becomes of each body that we take. Nobody else takes binary content (5.6.3); who has no
/// SMTPUTF8 gets no address that needs it (5.6.7); aiosmtpd takes no line above 1,001 octets, OpenSMTPD none of 65,536,
/// and neither says more than 500 (5.0.0). Where Postfix, Exim or OpenSMTPD find no header, they write one.
const EXPECTED: &str = "
way                 7bit 8bit  octets utf8  dots spaces long  100kb empty header blank words nothing noend binary
postfix             =    =     =      =     =    =      =     =     =     =      =     ~     =       +     5.6.3
exim                =    =     =      =     =    =      =     =     =     ~      =     ~     ~       +     5.6.3
opensmtpd           =    =     =      5.6.7 =    =      =     5.0.0 =     ~      ~     5.7.1 ~       +     5.6.3
sink                =    =     =      5.6.7 =    =      =     =     =     =      =     =     =       +     5.6.3
sink-no-8bit        =    =     =      5.6.7 =    =      =     =     =     =      =     =     =       +     5.6.3
sink-no-8bit-strict =    5.6.3 5.6.3  5.6.3 =    =      =     =     =     =      =     =     =       +     5.6.3
sink-helo           =    =     =      5.6.7 =    =      =     =     =     =      =     =     =       +     5.6.3
sink-no-pipelining  =    =     =      5.6.7 =    =      =     =     =     =      =     =     =       +     5.6.3
sink-lmtp           =    =     =      5.6.7 =    =      =     =     =     =      =     =     =       +     5.6.3
aiosmtpd            =    =     =      =     =    =      5.0.0 5.0.0 =     =      =     =     =       +     5.6.3
aiosmtpd-ascii      =    =     =      5.6.7 =    =      5.0.0 5.0.0 =     =      =     =     =       +     5.6.3
aiosmtpd-lmtp       =    =     =      =     =    =      5.0.0 5.0.0 =     =      =     =     =       +     5.6.3
aiosmtpd-unix       =    =     =      =     =    =      5.0.0 5.0.0 =     =      =     =     =       +     5.6.3
postrider           =    =     =      =     =    =      =     =     =     =      =     =     =       +     =
";

/// Postfix mends headers of clients on its own host, unless it is told that none are.
const HEADER_AS_IT_IS: &str = "local_header_rewrite_clients =\n";

/// What runs there.
enum Program {
    Machine(Machine),
    Sink(Sink),
    Aiosmtpd(Aiosmtpd),
    /// Ourselves, who take what no other takes.
    Postrider(Site, Server),
}

/// A next hop, and the wire to it.
struct Hop {
    name: &'static str,
    program: Program,
    tap: Tap,
    /// The scheme of the route to it, and what else its route says.
    route: (&'static str, &'static str),
}

impl Hop {
    fn new(name: &'static str, program: Program, route: (&'static str, &'static str)) -> Self {
        let place = match &program {
            Program::Machine(machine) => Place::Tcp(machine.address()),
            Program::Sink(sink) => Place::Tcp(sink.address()),
            Program::Aiosmtpd(server) => server.place().clone(),
            Program::Postrider(_, server) => Place::Tcp(server.address()),
        };
        Self { name, program, tap: Tap::before(&place), route }
    }

    fn domain(&self) -> String {
        format!("{}.example", self.name)
    }

    /// The section of our configuration that leads there.
    fn section(&self) -> String {
        let (scheme, more) = self.route;
        let to = match self.tap.place() {
            Place::Tcp(address) => format!("{scheme}://{address}"),
            Place::Unix(path) => format!("{scheme}:{}", path.display()),
        };
        format!("[[route]]\ndomains = [\"{}\"]\nto = \"{to}\"\n{more}", self.domain())
    }

    /// How many messages it has stored.
    fn count(&self) -> usize {
        match &self.program {
            Program::Machine(machine) => machine.mail_count(),
            Program::Sink(sink) => sink.taken().len(),
            Program::Aiosmtpd(server) => server.kept().len(),
            Program::Postrider(site, _) => site.files_in_mailboxes().len(),
        }
    }

    /// Whether it has stored this content of this sender, below trace fields.
    fn stores(&self, sender: &str, body: &Body, content: &[u8]) -> bool {
        let is_from = |mail: &str| mail.trim_matches(['<', '>']).starts_with(sender);
        let (stored, exact) = match &self.program {
            Program::Machine(machine) => (from(&machine.mail(), sender).to_vec(), false),
            Program::Sink(sink) => {
                (sink.taken().into_iter().find(|one| is_from(&one.mail)).unwrap().message, false)
            }
            Program::Aiosmtpd(server) => {
                (server.kept().into_iter().find(|one| is_from(&one.mail)).unwrap().content, true)
            }
            Program::Postrider(site, _) => {
                let files = site.files_in_mailboxes().into_iter();
                let mail: Vec<Vec<u8>> = files.map(|path| std::fs::read(path).unwrap()).collect();
                (from(&mail, sender).to_vec(), body.kind == Kind::Binary)
            }
        };
        let content = if exact { content.to_vec() } else { lf(content) };
        stored.strip_suffix(content.as_slice()).is_some_and(are_trace)
    }
}

/// Each that can be had; the others are left out of the table.
fn hops(matrix: &mut Matrix) -> Vec<Hop> {
    let nobody = free_address();
    let machine = |machine: Option<Machine>| machine.map(Program::Machine);
    let sink = |flags: &[&str]| Sink::start(flags).map(Program::Sink);
    let aiosmtpd = |flags| Aiosmtpd::start(flags).map(Program::Aiosmtpd);
    let (smtp, lmtp) = (("smtp", ""), ("lmtp", ""));
    let all = [
        ("postfix", machine(postfix::start(nobody, HEADER_AS_IT_IS)), smtp),
        ("exim", machine(exim::start(nobody)), smtp),
        ("opensmtpd", machine(opensmtpd::start(nobody)), smtp),
        ("sink", sink(&[]), smtp),
        ("sink-no-8bit", sink(&["-8"]), smtp),
        ("sink-no-8bit-strict", sink(&["-8"]), ("smtp", "eight_bit = \"refuse\"\n")),
        ("sink-helo", sink(&["-e"]), smtp),
        ("sink-no-pipelining", sink(&["-p"]), smtp),
        ("sink-lmtp", sink(&["-L"]), lmtp),
        ("aiosmtpd", aiosmtpd("utf8"), smtp),
        ("aiosmtpd-ascii", aiosmtpd(""), smtp),
        ("aiosmtpd-lmtp", aiosmtpd("utf8 lmtp"), lmtp),
        ("aiosmtpd-unix", aiosmtpd("utf8 lmtp unix"), lmtp),
        ("postrider", Some(postrider()), smtp),
    ];
    let mut hops = Vec::new();
    for (name, program, route) in all {
        match program {
            Some(program) => hops.push(Hop::new(name, program, route)),
            None => matrix.leave_out(name),
        }
    }
    hops
}

fn postrider() -> Program {
    let site = Site::new();
    site.configure_as("mx.postrider.example", free_address(), "[domains.\"postrider.example\"]\n");
    site.add_accounts(&["box@postrider.example", "jörg@postrider.example"]);
    let server = site.serve();
    Program::Postrider(site, server)
}

const OURS: &str = "local.example";

/// What became of a message on its way to a hop, when nothing is under way any more.
#[track_caller]
fn fate(origin: &Origin, hop: &Hop, body: &Body, seen: &[Exchange]) -> Fate {
    let sender = body.sender(hop.name, OURS);
    let sent = seen.iter().find(|one| one.is_from(&sender) && one.over && one.refusal().is_none());
    let notice = || {
        let about = format!("+{}.{}@", body.name, hop.name);
        let mail = ["box", "j%C3%B6rg"].map(|local| origin.site.mail(&format!("{local}@{OURS}")));
        let texts =
            mail.into_iter().flatten().map(|(_, octets)| String::from_utf8_lossy(&octets).into_owned());
        let notice = texts.into_iter().find(|text| text.contains(&about));
        let status =
            notice.as_ref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("Status: ")));
        status.map(str::to_owned)
    };
    let (Some(sent), None) = (sent, notice()) else {
        let status = notice();
        return Fate::Status(
            status.unwrap_or_else(|| panic!("{} is nowhere on its way to {}", body.name, hop.name)),
        );
    };
    let content = sent.content.as_deref().unwrap();
    let fate = judge(body, content);
    assert_ne!(fate, Fate::Theirs, "{} to {}: {:?}", body.name, hop.name, String::from_utf8_lossy(content));
    assert_eq!(sent.chunked, body.kind == Kind::Binary, "{} to {}", body.name, hop.name);
    if hop.stores(&sender, body, content) { fate } else { Fate::Theirs }
}

#[test]
fn every_body_reaches_every_next_hop_unharmed_or_comes_back_with_the_right_code() {
    let mut matrix = Matrix::default();
    let hops = hops(&mut matrix);
    let sections: String = hops.iter().map(Hop::section).collect();
    let origin = Origin::start("20s", &sections);
    origin.site.add_accounts(&["box@local.example", "jörg@local.example"]);
    let mut bodies = bodies::all();
    bodies.retain(|body| body.kind != Kind::Odd);
    for hop in &hops {
        for body in &bodies {
            let (sender, recipient) = (body.sender(hop.name, OURS), body.recipient(&hop.domain()));
            assert!(hand_in(origin.server().address(), body, &sender, &recipient, true), "{sender}");
        }
    }
    origin.is_done();
    for hop in &hops {
        let seen = hop.tap.exchanges();
        let taken = seen.iter().filter(|one| one.over && one.refusal().is_none()).count();
        until(&format!("{} stores what it took", hop.name), || (hop.count() >= taken).then_some(()));
        matrix.row(hop.name, bodies.iter().map(|body| fate(&origin, hop, body, &seen)).collect());
    }
    matrix.is(&bodies, EXPECTED);
}
