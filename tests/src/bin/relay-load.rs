//! What `cargo xtask bench relay` and `cargo xtask soak` run: each figure is a line on standard output.
//!
//! `relay-load throughput MESSAGES SESSIONS OCTETS`, `relay-load fanout RECIPIENTS`,
//! `relay-load crowd MESSAGES DOMAINS BLACK-HOLES REFUSING LIMITED THINK-MS LIMITED-THINK-MS`,
//! `relay-load siege SECONDS-ALONE SECONDS-CROWDED`

use postrider_tests::load::{Figure, crowd, fanout, siege, throughput};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(figures) = measure(&words) else {
        eprintln!(
            "relay-load is for `cargo xtask bench relay` and `cargo xtask soak`: it does not understand {words:?}"
        );
        return ExitCode::from(64);
    };
    for figure in figures {
        println!("{figure}");
    }
    ExitCode::SUCCESS
}

fn measure(words: &[String]) -> Option<Vec<Figure>> {
    let (what, numbers) = words.split_first()?;
    let numbers: Vec<u32> = numbers.iter().map(|word| word.parse().ok()).collect::<Option<_>>()?;
    Some(match (what.as_str(), &numbers[..]) {
        ("throughput", &[messages, sessions, octets]) => {
            throughput::compare(throughput::Load { messages, sessions, octets })
        }
        ("siege", &[alone, crowded]) => {
            let [alone, crowded] = [alone, crowded].map(|seconds| Duration::from_secs(u64::from(seconds)));
            siege::Siege { alone, crowded }.run()
        }
        ("fanout", &[recipients]) => fanout::compare(recipients as usize),
        ("crowd", &[messages, domains, black_holes, refusing, limited, thinks, limited_thinks]) => {
            crowd::compare(crowd::Crowd {
                messages: messages as usize,
                domains: domains as usize,
                black_holes: black_holes as usize,
                refusing: refusing as usize,
                limited: limited as usize,
                thinks: Duration::from_millis(u64::from(thinks)),
                limited_thinks: Duration::from_millis(u64::from(limited_thinks)),
            })
        }
        _ => return None,
    })
}
