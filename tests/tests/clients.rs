//! Mail programs that people use, each submitting a message with a UTF-8 subject and a UTF-8 attachment through a
//! proxy that keeps what they sent. What lies in the mailbox is that, octet for octet, below the trace fields.

#![expect(clippy::panic, clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_tests::process::{Server, outcome};
use postrider_tests::site::Site;
use postrider_tests::tee::Tee;
use postrider_tests::tools::tool;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FROM: &str = "sender@client.example";
const TO: &str = "friend@local.example";
const SUBJECT: &str = "Grüße aus Köln – 你好";
const ATTACHED: &str = "Zeile mit Umlauten: äöüß\n.\n..zwei Punkte am Anfang\nletzte Zeile ohne Ende";

/// The fields that we put above a message (RFC 5321 §4.4).
const TRACE: [&str; 4] = ["Return-Path:", "Delivered-To:", "X-Original-To:", "Received:"];

/// The text: lines of dots, a long line, none of it ASCII alone.
fn text() -> String {
    format!("Schöne Grüße\n\n.\n..\n.Punkt am Anfang\n{}\nEnde\n", "lang und länger ".repeat(20))
}

/// What a client is given to work with.
struct Errand {
    folder: PathBuf,
    host: String,
    port: String,
}

impl Errand {
    fn attachment(&self) -> PathBuf {
        self.written("Anhang-ä.txt", ATTACHED)
    }

    /// A whole message, as an editor would leave it in a file.
    fn message(&self) -> PathBuf {
        let message = format!(
            "From: {FROM}\nTo: {TO}\nSubject: {SUBJECT}\nMIME-Version: 1.0\n\
             Content-Type: multipart/mixed; boundary=\"=-grenze\"\n\n\
             --=-grenze\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{}\n\
             --=-grenze\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\
             Content-Disposition: attachment; filename*=utf-8''Anhang-%C3%A4.txt\n\n{ATTACHED}\n--=-grenze--\n",
            text()
        );
        self.written("message.eml", &message)
    }

    fn written(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

/// Runs the errand against `dev` and against `serve`.
fn submits(program: &str, errand: impl Fn(&mut Command, &Errand)) {
    let Some(program) = tool(program) else { return };
    let dev = Site::new();
    submits_to(&dev, dev.dev(), &program, &errand);
    let serve = Site::local_example("");
    submits_to(&serve, serve.serve(), &program, &errand);
}

fn submits_to(site: &Site, server: Server, program: &Path, errand: &impl Fn(&mut Command, &Errand)) {
    let tee = Tee::before(server.address());
    let folder = tempfile::tempdir().unwrap();
    let (host, port) = (tee.address().ip().to_string(), tee.address().port().to_string());
    let mut command = Command::new(program);
    // Nobody's habits: no configuration of whoever runs the tests.
    command.env("HOME", folder.path()).env("LC_ALL", "C.UTF-8").env("MAILRC", "/dev/null");
    command.stdin(Stdio::null());
    errand(&mut command, &Errand { folder: folder.path().to_owned(), host, port });
    let (status, said) = outcome(command);
    assert!(status.success(), "{}: {status}\n{said}", program.display());
    let (name, lies_there) = site.delivered(TO, 1).remove(0);
    is_what_was_sent(&tee.content(), &lies_there, &name);
    assert!(server.stop().success());
}

fn is_what_was_sent(sent: &[u8], lies_there: &[u8], name: &str) {
    assert!(sent.len() > 500, "{name}: the message is in here somewhere");
    let above = lies_there.len().checked_sub(sent.len()).unwrap_or_else(|| panic!("{name}: too short"));
    let (fields, message) = lies_there.split_at(above);
    if message != sent {
        let at = message.iter().zip(sent).position(|(there, sent)| there != sent);
        panic!("{name} is not what was sent, from octet {at:?} on:\n{}", String::from_utf8_lossy(message));
    }
    let fields = std::str::from_utf8(fields).unwrap();
    assert!(fields.starts_with(&format!("Return-Path: <{FROM}>\nDelivered-To: {TO}\n")), "{fields}");
    for line in fields.lines() {
        let ours = line.starts_with(['\t', ' ']) || TRACE.iter().any(|field| line.starts_with(field));
        assert!(ours, "{name}: {line:?} is no trace field");
    }
}

#[test]
fn swaks_submits_what_arrives() {
    submits("swaks", |command, errand| {
        command.args(["--server", &errand.host, "--port", &errand.port, "--from", FROM, "--to", TO]);
        command.args([
            "--h-Subject",
            SUBJECT,
            "--body",
            &text(),
            "--attach-type",
            "text/plain; charset=utf-8",
        ]);
        command.arg("--attach").arg(format!("@{}", errand.attachment().display()));
    });
}

#[test]
fn smtplib_of_python_submits_what_arrives() {
    const SCRIPT: &str = r#"
import smtplib, sys
from email.message import EmailMessage
from email.policy import SMTP
host, port, sender, recipient, subject, text, path = sys.argv[1:]
message = EmailMessage(policy=SMTP.clone(cte_type="8bit"))
message["From"], message["To"], message["Subject"] = sender, recipient, subject
message.set_content(text, cte="8bit")
message.add_attachment(open(path, encoding="utf-8").read(), subtype="plain", cte="8bit", filename="Anhang-ä.txt")
with smtplib.SMTP(host, int(port)) as smtp:
    smtp.send_message(message, mail_options=["BODY=8BITMIME"])
"#;
    submits("python3", |command, errand| {
        command.args(["-c", SCRIPT, &errand.host, &errand.port, FROM, TO, SUBJECT, &text()]);
        command.arg(errand.attachment());
    });
}

#[test]
fn curl_submits_what_arrives() {
    submits("curl", |command, errand| {
        let url = format!("smtp://{}:{}/client.example", errand.host, errand.port);
        command.args(["--silent", "--show-error", "--url", &url, "--mail-from", FROM, "--mail-rcpt", TO]);

        command.args(["--header", &format!("Subject: {SUBJECT}"), "--header", &format!("To: {TO}")]);
        // With 8bit, curl sends the line ends of the file as they are, and would hear 554 5.6.0 for LF.
        let text = errand.written("text", &text().replace('\n', "\r\n"));
        command.arg("--form").arg(format!("=<{};type=text/plain;encoder=8bit", text.display()));
        command
            .arg("--form")
            .arg(format!("file=@{};type=text/plain;encoder=base64", errand.attachment().display()));
    });
}

#[test]
fn msmtp_submits_what_arrives() {
    submits("msmtp", |command, errand| {
        command.args([
            "--file=/dev/null",
            &format!("--host={}", errand.host),
            &format!("--port={}", errand.port),
        ]);
        command.args([&format!("--from={FROM}"), TO]).stdin(File::open(errand.message()).unwrap());
    });
}

#[test]
fn s_nail_submits_what_arrives() {
    submits("s-nail", |command, errand| {
        let mta = format!("mta=smtp://{}:{}", errand.host, errand.port);
        let from = format!("from={FROM}");
        command.arg("-:/");
        for setting in ["v15-compat", &mta, "smtp-auth=none", &from, "sendwait", "mime-encoding=8bit"] {
            command.args(["-S", setting]);
        }
        command.args(["-S", "sendcharsets=utf-8", "-s", SUBJECT]).arg("-a").arg(errand.attachment()).arg(TO);
        command.stdin(File::open(errand.written("text", &text())).unwrap());
    });
}
