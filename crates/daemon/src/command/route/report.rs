//! How a finding is told: in sentences, or as JSON.

use super::{Finding, Looked, Way, Who};
use crate::command::check::route_as_json;
use crate::config::enumerated;
use postrider_journal::event::HostTried;
use postrider_mail::Text;
use postrider_mta::hosts::Target;
use serde_json::{Value, json};
use std::fmt::Write as _;

impl Finding {
    /// In sentences.
    pub(super) fn as_text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}: {}", self.address, self.who());
        for (at, way) in self.ways.iter().enumerate() {
            if self.ways.len() > 1 || way.destination.address != self.address {
                let destination = &way.destination;
                let _ = match &destination.via {
                    Some(via) => writeln!(text, "\n{}, through the alias {via}", destination.address),
                    None => writeln!(text, "\n{}", destination.address),
                };
            }
            self.tell(at, way, &mut text);
        }
        text
    }

    fn who(&self) -> String {
        match &self.who {
            Who::Everyone => "local; whoever connects may send to it".into(),
            Who::Nobody { local: true, refusal } => format!("local, and refused: {refusal}"),
            Who::Nobody { local: false, refusal } => format!("not local, and refused: {refusal}"),
            Who::Relayed { networks, pattern: Some(pattern) } if networks.is_empty() => {
                format!("not local; whoever connects may send to it (relay_domains {pattern})")
            }
            Who::Relayed { pattern: Some(pattern), .. } => {
                format!("not local; whoever connects may send to it (relay_domains {pattern}, and relay_from)")
            }
            Who::Relayed { networks, pattern: None } if networks.is_empty() => {
                "not local; no client may send to it (550 5.7.1: no relay_from or relay_domains allows it), aliases and notices may"
                    .into()
            }
            Who::Relayed { networks, pattern: None } => format!(
                "not local; clients in {} may send to it (relay_from), others hear 550 5.7.1",
                enumerated(networks)
            ),
        }
    }

    fn tell(&self, at: usize, way: &Way, text: &mut String) {
        let _ = writeln!(text, "  route {} ({}): {}", way.number, way.route.origin, way.route);
        match &way.hosts {
            Looked::NotNeeded => {}
            Looked::SameAs(first) if *first == at => {}
            Looked::SameAs(first) => {
                if let Some(first) = self.ways.get(*first) {
                    let _ = writeln!(text, "  the same hosts as for {}", first.destination.address);
                }
            }
            Looked::TooMany => {
                text.push_str("  its hosts were not looked up: there are too many destinations\n");
            }
            Looked::Found(Ok(hosts)) => {
                lines(&hosts.told, &hosts.passed_over, text);
                for (at, target) in hosts.targets.iter().enumerate() {
                    let _ = writeln!(text, "  {}. {}", at + 1, host(target));
                }
            }
            Looked::Found(Err(no)) => {
                lines(&no.told, &no.passed_over, text);
                let _ = writeln!(text, "  no host: {}", no.refusal);
            }
        }
    }
}

/// What DNS said, and which hosts are left out.
fn lines(told: &[Text], passed_over: &[HostTried], text: &mut String) {
    for line in told {
        let _ = writeln!(text, "  {line}");
    }
    for host in passed_over {
        let address = host.address.map(|address| format!(" {address}")).unwrap_or_default();
        let why = host.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let _ = writeln!(text, "  passed over: {}{address}{why}", host.host);
    }
}

fn host(target: &Target) -> String {
    let mut line = target.name().to_string();
    let endpoint = target.endpoint.to_string();
    if endpoint != line {
        let _ = write!(line, " at {endpoint}");
    }
    if let Some(preference) = target.preference {
        let _ = write!(line, ", preference {preference}");
    }
    if let Some(source) = target.source {
        let _ = write!(line, ", from {source}");
    }
    line
}

impl Finding {
    /// One object.
    pub(super) fn as_json(&self) -> String {
        let refusal = match &self.who {
            Who::Nobody { refusal, .. } => Some(refusal.to_string()),
            Who::Everyone | Who::Relayed { .. } => None,
        };
        let (networks, pattern) = match &self.who {
            Who::Relayed { networks, pattern } => (Some(networks), pattern.as_ref()),
            Who::Everyone | Who::Nobody { .. } => (None, None),
        };
        let value = json!({
            "address": self.address.to_string(),
            "local": matches!(self.who, Who::Everyone | Who::Nobody { local: true, .. }),
            "refused": refusal,
            "accepted_from_everyone": matches!(self.who, Who::Everyone) || pattern.is_some(),
            "relay_from": networks,
            "relay_domains": pattern,
            "destinations": self.ways.iter().map(|way| self.way_as_json(way)).collect::<Vec<_>>(),
        });
        format!("{value:#}\n")
    }

    fn way_as_json(&self, way: &Way) -> Value {
        let mut route = route_as_json(&way.route);
        route["number"] = way.number.into();
        let mut value = json!({
            "address": way.destination.address.to_string(),
            "via": way.destination.via.as_ref().map(ToString::to_string),
            "route": route,
        });
        let found = match &way.hosts {
            Looked::Found(found) => Some(found),
            Looked::SameAs(first) => self.ways.get(*first).and_then(|first| match &first.hosts {
                Looked::Found(found) => Some(found),
                _ => None,
            }),
            Looked::NotNeeded | Looked::TooMany => None,
        };
        match found {
            Some(Ok(hosts)) => {
                value["hosts"] = hosts.targets.iter().map(target_as_json).collect();
                value["dns"] = texts(&hosts.told);
                value["passed_over"] = passed_over(&hosts.passed_over);
            }
            Some(Err(no)) => {
                value["hosts"] = json!([]);
                value["no_host"] = no.refusal.to_string().into();
                value["dns"] = texts(&no.told);
                value["passed_over"] = passed_over(&no.passed_over);
            }
            None => {}
        }
        value
    }
}

fn texts(lines: &[Text]) -> Value {
    lines.iter().map(|line| line.as_str().to_owned()).collect()
}

fn target_as_json(target: &Target) -> Value {
    json!({
        "host": target.name().as_str(),
        "at": target.endpoint.to_string(),
        "preference": target.preference,
        "source": target.source.map(|source| source.to_string()),
    })
}

fn passed_over(hosts: &[HostTried]) -> Value {
    let one = |host: &HostTried| {
        json!({
            "host": host.host.as_str(),
            "address": host.address.map(|address| address.to_string()),
            "why": host.why.as_ref().map(Text::as_str),
        })
    };
    hosts.iter().map(one).collect()
}
