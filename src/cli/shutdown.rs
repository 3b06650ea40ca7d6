//! When to stop.

use tokio::signal::unix::{SignalKind, signal};

use crate::telemetry;

/// Resolves at the first SIGTERM or SIGINT; a second one ends the process at once.
pub(super) async fn requested() {
    next_signal().await;
    tracing::info!("shutting down: finishing what is under way; a second signal stops at once");
    tokio::spawn(async {
        next_signal().await;
        telemetry::flush();
        std::process::exit(1);
    });
}

async fn next_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be received: stop this process with SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
