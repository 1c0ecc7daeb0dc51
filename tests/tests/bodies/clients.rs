//! Clients to us.

use crate::programs::{self, Errand};
use crate::relays::{self, LMTP, LMTP_TCP, SMTP, Wires, hand_in};
use crate::{from, judge, lies_there};
use postrider_tests::bodies::{self, Body, Fate};
use postrider_tests::machine::Machine;
use postrider_tests::matrix::Matrix;
use postrider_tests::process::Server;
use postrider_tests::site::Site;
use postrider_tests::wait::until;
use postrider_tests::wiretap::{Exchange, Place, Tap, socket_folder};
use tempfile::TempDir;

/// Each program on each way that it has, and what becomes of each body. What holds a CR, LF or NUL that stands alone
/// is refused (5.6.0) from those who send it as it is, and so is UTF-8 in an address from those who do not ask for
/// SMTPUTF8 (5.6.7). Postfix folds long lines and Exim returns them (5.0.0 is its word); many write or mend a header
/// where they find none.
const EXPECTED: &str = "
way              7bit 8bit octets utf8  dots spaces long  100kb empty header blank words nothing noend cr    lf    nul   binary
postfix-smtp     =    =    =      =     =    =      ~     ~     =     =      =     ~     =       +     ~     ~     5.6.0 -
postfix-lmtp     =    =    =      =     =    =      ~     ~     =     =      =     ~     =       +     ~     ~     5.6.0 -
postfix-tcp      =    =    =      =     =    =      ~     ~     =     =      =     ~     =       +     ~     ~     5.6.0 -
exim-smtp        =    =    =      =     =    =      5.0.0 5.0.0 =     +      =     ~     +       +     ~     ~     5.6.0 -
exim-lmtp        =    =    =      5.6.7 =    =      =     =     =     +      =     ~     +       +     ~     ~     5.6.0 -
exim-tcp         =    =    =      =     =    =      5.0.0 5.0.0 =     +      =     ~     +       +     ~     ~     5.6.0 -
opensmtpd-smtp   =    =    =      -     =    =      =     -     =     ~      ~     -     ~       +     5.6.0 ~     ~     -
opensmtpd-lmtp   =    =    =      -     =    =      =     -     =     ~      ~     -     ~       +     5.6.0 ~     ~     -
opensmtpd-tcp    =    =    =      -     =    =      =     -     =     ~      ~     -     ~       +     5.6.0 ~     ~     -
smtp-source      +    +    +      5.6.7 +    +      +     +     +     +      +     +     ~       ~     5.6.0 ~     5.6.0 5.6.0
smtp-source-lmtp +    +    +      5.6.7 +    +      +     +     +     +      +     +     ~       ~     5.6.0 ~     5.6.0 5.6.0
swaks            =    =    =      5.6.7 =    =      =     =     +     ~      ~     ~     -       ~     5.6.0 ~     5.6.0 5.6.0
swaks-lmtp       =    =    =      5.6.7 =    =      =     =     +     ~      ~     ~     -       ~     5.6.0 ~     5.6.0 5.6.0
msmtp            =    =    =      5.6.7 =    =      =     =     =     ~      ~     ~     ~       +     5.6.0 ~     5.6.0 5.6.0
msmtp-lmtp       =    =    =      5.6.7 =    =      =     =     =     ~      ~     ~     ~       +     5.6.0 ~     5.6.0 5.6.0
s-nail           =    =    ~      -     =    =      ~     ~     =     -      -     =     -       ~     -     -     -     -
nodemailer       =    =    =      =     =    =      =     =     =     =      =     =     +       +     ~     ~     5.6.0 5.6.0
nodemailer-tcp   =    =    =      =     =    =      =     =     =     =      =     =     +       +     ~     ~     5.6.0 5.6.0
smtplib          =    =    =      =     =    =      =     =     =     =      =     =     +       +     5.6.0 5.6.0 5.6.0 -
smtplib-lmtp     =    =    =      =     =    =      =     =     =     =      =     =     +       +     5.6.0 5.6.0 5.6.0 -
smtplib-tcp      =    =    =      =     =    =      =     =     =     =      =     =     +       +     5.6.0 5.6.0 5.6.0 -
bdat             =    =    =      =     =    =      =     =     =     =      =     =     =       =     5.6.0 5.6.0 5.6.0 =
bdat-lmtp        =    =    =      =     =    =      =     =     =     =      =     =     =       =     5.6.0 5.6.0 5.6.0 =
";

/// Us, with a mailbox for each way.
struct Host {
    site: Site,
    server: Server,
    socket: Place,
    _folder: TempDir,
}

impl Host {
    fn start() -> Self {
        let (folder, path) = socket_folder();
        let site = Site::new();
        let domains: String =
            [SMTP, LMTP, LMTP_TCP].map(|domain| format!("[domains.\"{domain}\"]\n")).concat();
        site.configure(&format!(
            "{domains}[[listener]]\naddress = \"127.0.0.2:0\"\nservice = \"lmtp\"\n\
             [[listener]]\naddress = \"{}\"\nservice = \"lmtp\"\nmode = \"0666\"\n",
            path.display()
        ));
        for domain in [SMTP, LMTP, LMTP_TCP] {
            site.add_accounts(&[&format!("box@{domain}"), &format!("jörg@{domain}")]);
        }
        // Who binds the socket may be root, who removes it is not.
        let server = site.serve();
        Self { site, server, socket: Place::Unix(path), _folder: folder }
    }

    /// Wires to each of its listeners.
    fn taps(&self) -> [Tap; 3] {
        let [smtp, tcp] = *self.server.addresses() else { panic!("{:?}", self.server.addresses()) };
        [Place::Tcp(smtp), self.socket.clone(), Place::Tcp(tcp)].map(|place| Tap::before(&place))
    }

    /// Everything that lies in its mailboxes.
    fn mail(&self) -> Vec<Vec<u8>> {
        let files = self.site.files_in_mailboxes().into_iter();
        let whole = files.filter(|path| path.parent().is_some_and(|folder| folder.ends_with("new")));
        whole.map(|path| std::fs::read(path).unwrap()).collect()
    }

    /// Waits until all is delivered.
    fn is_done(&self) {
        until("the queue is empty", || {
            self.site.postrider(&["queue", "list", "--json"]).is_empty().then_some(())
        });
    }
}

/// What became of a message that was seen on the wire; where it passed, it lies there as it passed.
#[track_caller]
fn fate(way: &str, body: &Body, seen: &Exchange, mail: &[Vec<u8>], sender: &str, text_only: bool) -> Fate {
    if let Some(refusal) = seen.refusal() {
        return status(refusal);
    }
    let Some(content) = &seen.content else { return Fate::Unsent };
    lies_there(from(mail, sender), content, body, way);
    match judge(body, content) {
        Fate::Theirs if text_only && body.text().is_some_and(|text| content.ends_with(text)) => Fate::Same,
        fate => fate,
    }
}

/// The status of a reply, or else its code.
fn status(reply: &str) -> Fate {
    let (code, words) = reply.split_at_checked(4).unwrap_or((reply, ""));
    let enhanced = words.split(' ').next().filter(|word| word.split('.').count() == 3);
    Fate::Status(enhanced.unwrap_or(code).trim_end().to_owned())
}

/// The status in a notice.
fn notice_status(notice: &[u8]) -> Fate {
    let text = String::from_utf8_lossy(notice);
    let field = text.lines().find_map(|line| line.strip_prefix("Status: "));
    Fate::Status(field.map_or("a notice", str::trim).to_owned())
}

/// A program sends all of them and ends; `text_only` says that it writes the header itself.
fn program(
    host: &Host,
    matrix: &mut Matrix,
    way: &str,
    lmtp: bool,
    server: usize,
    send: impl Fn(&Errand<'_>) -> Option<()>,
) {
    let bodies = bodies::all();
    let tap = &host.taps()[server];
    let folder = tempfile::tempdir().unwrap();
    let errand =
        Errand { place: tap.place(), lmtp, bodies: &bodies, way, domain: SMTP, folder: folder.path() };
    if send(&errand).is_none() {
        return matrix.leave_out(way);
    }
    host.is_done();
    let (seen, mail) = (tap.exchanges(), host.mail());
    let fates = bodies.iter().map(|body| {
        let sender = body.sender(way, SMTP);
        let one = seen.iter().find(|one| one.is_from(&sender) && (one.over || one.refusal().is_some()));
        one.map_or(Fate::Unsent, |one| fate(way, body, one, &mail, &sender, way == "s-nail"))
    });
    matrix.row(way, fates.collect());
}

/// A mail server passes all of them on, on each of its ways.
fn relay(
    host: &Host,
    matrix: &mut Matrix,
    name: &str,
    ways: &[&str],
    bdat: bool,
    start: impl Fn(&Wires<'_>) -> Option<Machine>,
) {
    let bodies = bodies::all();
    let [smtp, lmtp, tcp] = host.taps();
    let way_name = |domain: &str| format!("{name} {}", domain.trim_end_matches(".example"));
    let Some(machine) = start(&Wires { smtp: &smtp, lmtp: &lmtp, tcp: &tcp }) else {
        return ways.iter().for_each(|domain| matrix.leave_out(&way_name(domain)));
    };
    let handed: Vec<Vec<bool>> = ways
        .iter()
        .map(|way| {
            let hand = |body: &Body| {
                hand_in(
                    machine.address(),
                    body,
                    &body.sender(&way_name(way), SMTP),
                    &body.recipient(way),
                    bdat,
                )
            };
            bodies.iter().map(hand).collect()
        })
        .collect();
    for (way, handed) in ways.iter().zip(handed) {
        let tap = [&smtp, &lmtp, &tcp][[SMTP, LMTP, LMTP_TCP].iter().position(|one| one == way).unwrap()];
        let end = |body: &Body| {
            let sender = body.sender(&way_name(way), SMTP);
            until(&format!("{name} sends {} by {way}", body.name), || {
                let over = |seen: &Exchange| seen.over || seen.refusal().is_some();
                let sent = tap.exchanges().into_iter().find(|seen| seen.is_from(&sender) && over(seen));
                let notice =
                    || smtp.exchanges().into_iter().find(|seen| seen.is_notice_to(&sender) && over(seen));
                sent.or_else(notice)
            })
        };
        let seen: Vec<Option<Exchange>> =
            bodies.iter().zip(handed).map(|(body, handed)| handed.then(|| end(body))).collect();
        host.is_done();
        let mail = host.mail();
        let fates = bodies.iter().zip(&seen).map(|(body, seen)| match seen {
            None => Fate::Unsent,
            Some(seen) if seen.is_from("") => seen.content.as_deref().map_or(Fate::Unsent, notice_status),
            Some(seen) => fate(name, body, seen, &mail, &body.sender(&way_name(way), SMTP), false),
        });
        matrix.row(&way_name(way), fates.collect());
    }
}

#[test]
fn every_body_from_every_client_comes_through_unharmed_or_is_refused_with_the_right_code() {
    let host = Host::start();
    let mut matrix = Matrix::default();
    let all = &mut matrix;
    let every = [SMTP, LMTP, LMTP_TCP];
    relay(&host, all, "postfix", &every, true, relays::postfix);
    relay(&host, all, "exim", &every, true, relays::exim);
    relay(&host, all, "opensmtpd", &every, false, relays::opensmtpd);
    program(&host, all, "smtp-source", false, 0, programs::smtp_source);
    program(&host, all, "smtp-source lmtp", true, 1, programs::smtp_source);
    program(&host, all, "swaks", false, 0, programs::swaks);
    program(&host, all, "swaks lmtp", true, 1, programs::swaks);
    program(&host, all, "msmtp", false, 0, programs::msmtp);
    program(&host, all, "msmtp lmtp", true, 1, programs::msmtp);
    program(&host, all, "s-nail", false, 0, programs::s_nail);
    program(&host, all, "nodemailer", false, 0, programs::nodemailer);
    program(&host, all, "nodemailer tcp", true, 2, programs::nodemailer);
    program(&host, all, "smtplib", false, 0, programs::smtplib);
    program(&host, all, "smtplib lmtp", true, 1, programs::smtplib);
    program(&host, all, "smtplib tcp", true, 2, programs::smtplib);
    program(&host, all, "bdat", false, 0, programs::smtplib_by_bdat);
    program(&host, all, "bdat lmtp", true, 1, programs::smtplib_by_bdat);
    matrix.is(&bodies::all(), EXPECTED);
    assert!(host.server.stop().success());
}
