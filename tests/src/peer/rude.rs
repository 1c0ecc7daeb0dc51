//! What a host does that means to waste somebody's time and memory.

use super::Fault;
use crate::wait::pause;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

/// Octets of a flood: far more than anyone may keep of it.
const FLOOD_OCTETS_MAX: usize = 256 * 1024 * 1024;

/// Octets of a flood that are written at a time.
const WRITE_OCTETS: usize = 64 * 1024;

/// Does it until the other side has gone, or until the peer is `over`.
pub(super) fn behave(stream: &mut TcpStream, fault: Fault, over: &AtomicBool) -> io::Result<()> {
    match fault {
        Fault::Floods(first, again) => {
            stream.write_all(first.as_bytes())?;
            let wave = again.repeat(WRITE_OCTETS.div_ceil(again.len()));
            (0..FLOOD_OCTETS_MAX / wave.len()).try_for_each(|_| stream.write_all(wave.as_bytes()))?;
        }
        Fault::Drips(text) => {
            for octet in text.as_bytes().iter().cycle() {
                stream.write_all(&[*octet])?;
                pause();
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
        Fault::Gabbles(octets) => {
            stream.write_all(octets)?;
            read_on(stream)?;
        }
        Fault::HalfCloses => {
            stream.shutdown(Shutdown::Write)?;
            read_on(stream)?;
        }
        Fault::Deaf => {
            while !over.load(Ordering::Relaxed) && stream.take_error()?.is_none() {
                pause();
            }
        }
        _ => {}
    }
    Ok(())
}

fn read_on(stream: &mut impl Read) -> io::Result<()> {
    io::copy(stream, &mut io::sink()).map(drop)
}
