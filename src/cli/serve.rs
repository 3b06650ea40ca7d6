//! `countersign serve`: the service, with the emulator beside it if asked for.

use anyhow::Context as _;
use tokio::net::TcpListener;

use super::shutdown;
use crate::app;
use crate::clock::Clock;
use crate::config::ServeArgs;
use crate::state::AppState;
use crate::telemetry;

pub(super) fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let config = args.check()?;
    telemetry::start(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        let state = AppState::new(&config.cloudinary, config.emulator.is_some(), Clock::system())?;
        tracing::info!(cloud = config.cloudinary.cloud, "countersign listens on http://{address}/unsigned");
        app::serve(listener, state, config.cors_allowed_origins, shutdown::requested()).await;
        Ok(())
    })
}
