//! What signals lead to: SIGTERM and SIGINT stop, SIGHUP reads the configuration again.

use super::{Reload, sockets};
use crate::command::Failure;
use postrider_mta::Settings;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

const SIGXFSZ: i32 = nix::libc::SIGXFSZ;

pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// Heard so that a file that grows beyond the process's limit is a failed write, not the end.
    _file_too_large: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::os(format!("signals cannot be heard: {error}")));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
            _file_too_large: listen(SignalKind::from_raw(SIGXFSZ))?,
        })
    }

    /// Waits for the signal that stops the server, and reloads meanwhile. Gives its name.
    pub(super) async fn wait(
        &mut self,
        mut reload: Option<Reload>,
        settings: &watch::Sender<Arc<Settings>>,
    ) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hang_up.recv() => match &mut reload {
                    Some(reload) => read_again(reload, settings),
                    None => tracing::info!("SIGHUP: there is no configuration to read again"),
                },
            }
        }
    }

    /// A second request to stop, which does not wait any more.
    pub(super) async fn again(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// New sessions and deliveries use what is read; running ones keep what they began with.
fn read_again(reload: &mut Reload, settings: &watch::Sender<Arc<Settings>>) {
    sockets::notify_reloading();
    match reload() {
        Ok((new, needing_restart)) => {
            settings.send_replace(Arc::new(new));
            tracing::info!("SIGHUP: the configuration was read again");
            for what in needing_restart {
                tracing::warn!("SIGHUP: {what} takes effect after a restart");
            }
        }
        Err(why) => tracing::error!("SIGHUP: the old configuration stays in force\n{why}"),
    }
    sockets::notify_ready();
}
