//! The programs that send each message once, and end. Whether they succeed shows on the wire.

use postrider_tests::bodies::{Body, Kind, lf};
use postrider_tests::process::outcome;
use postrider_tests::tools::tool;
use postrider_tests::wiretap::Place;
use postrider_tests::{javascript, python, sink};
use serde_json::json;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where to send, and what.
pub(crate) struct Errand<'a> {
    pub(crate) place: &'a Place,
    pub(crate) lmtp: bool,
    pub(crate) bodies: &'a [Body],
    /// Whom senders are named after, and the domain of all.
    pub(crate) way: &'a str,
    pub(crate) domain: &'a str,
    pub(crate) folder: &'a Path,
}

impl Errand<'_> {
    fn host_and_port(&self) -> (String, String) {
        match self.place {
            Place::Tcp(address) => (address.ip().to_string(), address.port().to_string()),
            Place::Unix(path) => (path.display().to_string(), String::new()),
        }
    }

    fn envelope(&self, body: &Body) -> (String, String) {
        (body.sender(self.way, self.domain), body.recipient(self.domain))
    }

    fn file(&self, name: &str, octets: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, octets).unwrap();
        path
    }

    /// The message in a file, for programs that end its last line, whether or not it has ended.
    fn file_without_end(&self, body: &Body) -> PathBuf {
        let octets = body.as_file();
        self.file("message", octets.strip_suffix(b"\n").unwrap_or(&octets))
    }

    /// All messages, for programs that are scripts.
    fn as_json(&self, bdat: bool) -> PathBuf {
        let (host, port) = self.host_and_port();
        let mails: Vec<_> = self.bodies.iter().map(|body| {
            let (sender, recipient) = self.envelope(body);
            let parameters: Vec<&str> = body.parameters().split_whitespace().collect();
            let content: String = body.content.iter().map(|octet| format!("{octet:02x}")).collect();
            json!({"sender": sender, "recipient": recipient, "parameters": parameters, "content": content})
        }).collect();
        let port = port.parse().unwrap_or(0_u16);
        let errand = json!({"host": host, "port": port, "lmtp": self.lmtp, "bdat": bdat, "mails": mails});
        self.file("errand.json", errand.to_string().as_bytes())
    }
}

/// Runs it to its end. That it fails where its message is refused is its right.
fn run(mut command: Command, errand: &Errand<'_>, input: Option<&Path>) -> String {
    // Nobody's habits: no configuration of whoever runs the tests.
    command.env("HOME", errand.folder).env("LC_ALL", "C.UTF-8").env("MAILRC", "/dev/null");
    command.stdin(input.map_or_else(Stdio::null, |path| File::open(path).unwrap().into()));
    outcome(command).1
}

pub(crate) fn swaks(errand: &Errand<'_>) -> Option<()> {
    let program = tool("swaks")?;
    for body in errand.bodies {
        let (sender, recipient) = errand.envelope(body);
        let file = errand.file_without_end(body);
        let mut command = Command::new(&program);
        match errand.place {
            Place::Tcp(address) => {
                command.args(["--server", &address.ip().to_string(), "--port", &address.port().to_string()]);
            }
            Place::Unix(path) => {
                command.arg("--socket").arg(path);
            }
        }
        command.args(["--protocol", if errand.lmtp { "LMTP" } else { "ESMTP" }, "--helo", "swaks.example"]);
        command.args(["--from", &sender, "--to", &recipient, "--data"]).arg(format!("@{}", file.display()));
        run(command, errand, None);
    }
    Some(())
}

pub(crate) fn msmtp(errand: &Errand<'_>) -> Option<()> {
    let program = tool("msmtp")?;
    for body in errand.bodies {
        let (sender, recipient) = errand.envelope(body);
        let file = errand.file("message", &body.as_file());
        let mut command = Command::new(&program);
        let (host, port) = errand.host_and_port();
        command.args(["--file=/dev/null", "--set-from-header=off", "--set-date-header=off"]);
        match errand.place {
            Place::Tcp(_) => command.args([format!("--host={host}"), format!("--port={port}")]),
            Place::Unix(_) => command.args([
                "--host=localhost".to_owned(),
                "--port=24".to_owned(),
                format!("--socket={host}"),
            ]),
        };
        if errand.lmtp {
            command.arg("--protocol=lmtp");
        }
        command.args([&format!("--from={sender}"), "--", &recipient]);
        run(command, errand, Some(&file));
    }
    Some(())
}

/// It writes the header itself, and is given the text alone.
pub(crate) fn s_nail(errand: &Errand<'_>) -> Option<()> {
    let program = tool("s-nail")?;
    let (host, port) = errand.host_and_port();
    for body in errand.bodies.iter().filter(|body| matches!(body.kind, Kind::SevenBit | Kind::EightBit)) {
        let Some(text) = body.text() else { continue };
        let (sender, recipient) = errand.envelope(body);
        let file = errand.file("message", &lf(text));
        let mut command = Command::new(&program);
        command.arg("-:/");
        let settings =
            ["v15-compat", "smtp-auth=none", "sendwait", "mime-encoding=8bit", "sendcharsets=utf-8"];
        for setting in settings
            .map(str::to_owned)
            .into_iter()
            .chain([format!("mta=smtp://{host}:{port}"), format!("from={sender}")])
        {
            command.args(["-S", &setting]);
        }
        command.args(["-s", "a body", &recipient]);
        run(command, errand, Some(&file));
    }
    Some(())
}

pub(crate) fn smtp_source(errand: &Errand<'_>) -> Option<()> {
    for body in errand.bodies {
        let (sender, recipient) = errand.envelope(body);
        let file = errand.file("message", &body.as_file());
        let mut command = sink::source()?;
        if errand.lmtp {
            command.arg("-L");
        }
        command.args(["-f", &sender, "-t", &recipient, "-M", "source.example", "-F"]).arg(file);
        let (host, port) = errand.host_and_port();
        command.arg(match errand.place {
            Place::Tcp(_) => format!("{host}:{port}"),
            Place::Unix(path) => format!("unix:{}", path.display()),
        });
        run(command, errand, None);
    }
    Some(())
}

const NODEMAILER: &str = r#"
const nodemailer = require("nodemailer");
const errand = JSON.parse(require("fs").readFileSync(process.argv[1]));
(async () => {
    for (const mail of errand.mails) {
        const transport = nodemailer.createTransport({
            host: errand.host, port: errand.port, lmtp: errand.lmtp, ignoreTLS: true, name: "node.example"
        });
        const use8BitMime = mail.parameters.includes("BODY=8BITMIME");
        await transport.sendMail({
            envelope: { from: mail.sender, to: [mail.recipient], use8BitMime }, raw: Buffer.from(mail.content, "hex")
        }).catch((error) => console.log(mail.sender, error.message));
        transport.close();
    }
})();
"#;

pub(crate) fn nodemailer(errand: &Errand<'_>) -> Option<()> {
    let mut command = javascript::nodemailer(NODEMAILER)?;
    command.arg(errand.as_json(false));
    run(command, errand, None);
    Some(())
}

const SMTPLIB: &str = r#"
import json, smtplib, sys
errand = json.load(open(sys.argv[1]))
for mail in errand["mails"]:
    content = bytes.fromhex(mail["content"])
    parameters = mail["parameters"]
    kind = smtplib.LMTP if errand["lmtp"] else smtplib.SMTP
    smtp = kind(errand["host"], errand["port"], local_hostname="python.example")
    try:
        smtp.ehlo_or_helo_if_needed()
        if any(code != 250 for code, _ in (smtp.mail(mail["sender"], parameters), smtp.rcpt(mail["recipient"]))):
            continue
        if errand["bdat"]:
            half = len(content) // 2
            smtp.send(b"BDAT %d\r\n" % half + content[:half] + b"BDAT %d LAST\r\n" % (len(content) - half) + content[half:])
            smtp.getreply(), smtp.getreply()
        elif "BODY=BINARYMIME" not in parameters:
            smtp.data(content)
        smtp.quit()
    except (smtplib.SMTPException, UnicodeError) as error:
        print(mail["sender"], error)
    finally:
        smtp.close()
"#;

pub(crate) fn smtplib(errand: &Errand<'_>) -> Option<()> {
    python_sends(errand, false)
}

/// The words around the chunks are ours: smtplib has none for BDAT.
pub(crate) fn smtplib_by_bdat(errand: &Errand<'_>) -> Option<()> {
    python_sends(errand, true)
}

fn python_sends(errand: &Errand<'_>, bdat: bool) -> Option<()> {
    let mut command = python::python()?.command(SMTPLIB);
    command.arg(errand.as_json(bdat));
    run(command, errand, None);
    Some(())
}
