//! Programs: where they are, how they are run and watched. Nothing that is run here reads standard input.

use crate::problem::{Problem, While};
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

/// The root of the checkout that this program was built from.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

/// The folder that cargo builds into.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// The cargo that runs us, in the root of the checkout.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// The program of this name that a shell would run.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    find_in(std::env::split_paths(&std::env::var_os("PATH")?), name)
}

fn find_in(folders: impl IntoIterator<Item = PathBuf>, name: &str) -> Option<PathBuf> {
    folders.into_iter().map(|folder| folder.join(name)).find(|file| {
        file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}

/// Whether we may do as we like on this machine.
pub(crate) fn are_root() -> bool {
    Path::new("/proc/self").metadata().is_ok_and(|process| process.uid() == 0)
}

/// Runs a program that shares our output; says whether it succeeded.
pub(crate) fn run(command: &mut Command) -> Result<bool, Problem> {
    announce(command);
    let status = command.stdin(Stdio::null()).status().while_(shown(command))?;
    Ok(status.success())
}

/// Runs a program whose output is passed on line by line, and heard. What `hear` returns for a line of
/// either stream is kept.
pub(crate) fn listen<T: Send>(
    command: &mut Command,
    hear: impl Fn(&str) -> Option<T> + Sync,
) -> Result<(ExitStatus, Vec<T>), Problem> {
    announce(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().while_(shown(command))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let heard = thread::scope(|scope| {
        let out = scope.spawn(|| out.map(|out| pass_on(out, io::stdout(), &hear)));
        let err = err.map(|err| pass_on(err, io::stderr(), &hear));
        let out = out.join().unwrap_or_default();
        out.into_iter().chain(err).flatten().collect()
    });
    let status = child.wait().while_(shown(command))?;
    Ok((status, heard))
}

fn pass_on<T>(from: impl Read, mut to: impl Write, hear: &impl Fn(&str) -> Option<T>) -> Vec<T> {
    let (mut from, mut line, mut heard) = (BufReader::new(from), Vec::new(), Vec::new());
    loop {
        line.clear();
        // A stream that breaks has ended: the exit status tells the rest.
        if from.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
            return heard;
        }
        let _ = to.write_all(&line).and_then(|()| to.flush());
        heard.extend(hear(&String::from_utf8_lossy(&line)));
    }
}

/// Runs a program for what it writes to standard output. `None` when it cannot be run or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn announce(command: &Command) {
    eprintln!("$ {}", shown(command));
}

/// The command as a person would type it, near enough.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut text = String::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            text.push_str(&format!("{}={:?} ", name.to_string_lossy(), value.to_string_lossy()));
        }
    }
    text.push_str(&program.to_string_lossy());
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        let plain = !argument.is_empty() && !argument.contains([' ', '(', '|', '"', '*', '&']);
        text.push_str(&if plain { format!(" {argument}") } else { format!(" '{argument}'") });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_only_where_it_can_be_run() {
        assert!(find_in(["/nowhere".into(), "/bin".into()], "sh").is_some());
        assert!(find_in(["/etc".into()], "passwd").is_none(), "it is no program");
        assert!(find_in(["/".into()], "bin").is_none(), "it is a folder");
    }

    #[test]
    fn both_streams_are_heard_and_the_status_is_told() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 1; echo two; echo 3 >&2; exit 7"]);
        let (status, mut heard) = listen(&mut command, |line| line.trim().parse::<u32>().ok()).unwrap();
        heard.sort_unstable();
        assert_eq!((status.code(), heard), (Some(7), vec![1, 3]));
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "-E", "not package(x)"]).env("A", "-D warnings");
        assert_eq!(shown(&command), "A=\"-D warnings\" cargo test -E 'not package(x)'");
    }
}
