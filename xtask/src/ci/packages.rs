//! Programs that the end-to-end tests talk to the server with or watch it by, and the Debian packages that
//! bring them.

use super::Outcome;
use crate::counts::Counts;
use crate::problem::Problem;
use crate::tools;
use std::process::Command;

/// A program and its Debian package.
struct Tool {
    program: &'static str,
    package: &'static str,
}

const TOOLS: [Tool; 11] = [
    Tool { program: "swaks", package: "swaks" },
    Tool { program: "msmtp", package: "msmtp" },
    Tool { program: "s-nail", package: "s-nail" },
    Tool { program: "curl", package: "curl" },
    Tool { program: "nc", package: "netcat-openbsd" },
    Tool { program: "telnet", package: "telnet" },
    Tool { program: "strace", package: "strace" },
    Tool { program: "cc", package: "gcc libc6-dev" },
    Tool { program: "python3", package: "python3 python3-pip" },
    Tool { program: "node", package: "nodejs" },
    Tool { program: "npm", package: "npm" },
];

pub(super) fn work() -> Result<Outcome, Problem> {
    let mut remark = None;
    if !missing().is_empty() {
        remark = install(&packages(&missing()))?;
    }
    let left = missing();
    let mut remarks = Vec::new();
    if !left.is_empty() {
        let programs: Vec<&str> = left.iter().map(|tool| tool.program).collect();
        let advice = format!("run `apt-get install {}` as root", packages(&left).join(" "));
        remarks.push(format!("tests that use {} cannot run: {advice}", programs.join(", ")));
        remarks.extend(remark);
    }
    let skipped = left.len() as u64;
    Ok(Outcome { counts: Counts { passed: TOOLS.len() as u64 - skipped, failed: 0, skipped }, remarks })
}

fn missing() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| tools::find(tool.program).is_none()).collect()
}

fn packages(tools: &[&Tool]) -> Vec<&'static str> {
    tools.iter().flat_map(|tool| tool.package.split(' ')).collect()
}

/// Installs with apt-get where we may; says why not otherwise. What came of it is seen by looking again.
fn install(packages: &[&str]) -> Result<Option<String>, Problem> {
    if tools::find("apt-get").is_none() {
        return Ok(Some("this is no Debian: there is no apt-get".to_owned()));
    }
    let sudo = !tools::are_root();
    if sudo && tools::output(Command::new("sudo").args(["-n", "true"])).is_none() {
        return Ok(Some("we are not root, and sudo would ask for a password".to_owned()));
    }
    let updated = tools::run(&mut apt_get(sudo, &["update"]))?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    let installed = tools::run(&mut apt_get(sudo, &arguments))?;
    Ok((!(updated && installed)).then(|| "apt-get failed, see above".to_owned()))
}

/// apt-get that asks nothing.
pub(super) fn apt_get(sudo: bool, arguments: &[&str]) -> Command {
    let mut command = Command::new(if sudo { "sudo" } else { "env" });
    if sudo {
        command.args(["-n", "env"]);
    }
    // Nothing may wait for an answer.
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_may_need_several_packages() {
        let tools: Vec<&Tool> = TOOLS.iter().filter(|tool| ["nc", "cc"].contains(&tool.program)).collect();
        assert_eq!(packages(&tools), ["netcat-openbsd", "gcc", "libc6-dev"]);
    }

    #[test]
    fn apt_get_asks_nothing() {
        for sudo in [false, true] {
            let command = apt_get(sudo, &["update"]);
            assert!(command.get_args().any(|argument| argument == "DEBIAN_FRONTEND=noninteractive"));
        }
    }
}
