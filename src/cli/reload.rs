//! SIGHUP: the profiles file is read again. A file that is wrong in any way is refused as a whole.

use std::io;

use secrecy::SecretString;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::profile;
use crate::config::{Problems, ProfilesFile};
use crate::profiles::Profiles;
use crate::state::AppState;

/// Every SIGHUP from now on; from now on none of them ends the process.
pub(super) fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Reads the profiles again at each of `hangups`, for as long as the service runs.
pub(super) async fn at_each(mut hangups: Signal, file: Option<ProfilesFile>, state: AppState) {
    while hangups.recv().await.is_some() {
        let Some(file) = file.clone() else {
            tracing::info!("SIGHUP: there is no PROFILES_FILE, so there is nothing to reload");
            continue;
        };
        reload(file, &state).await;
    }
}

async fn reload(file: ProfilesFile, state: &AppState) {
    // A disk may be slow: not on a thread that answers requests.
    let secret = state.uploadcare.as_ref().map(|uploadcare| uploadcare.webhook_secret.clone());
    let reading = tokio::task::spawn_blocking(move || read_again(&file, secret.as_ref())).await;
    match reading {
        Ok(Ok(profiles)) => {
            if state.uploadcare.is_some() {
                warn_of_short_lifetimes(&profiles);
            }
            let count = profiles.count();
            state.replace_profiles(profiles);
            tracing::info!(profiles = count, "SIGHUP: the profiles file was read again and is in force");
        }
        Ok(Err(problems)) => {
            problems.iter().for_each(|problem| tracing::error!("{}", in_one_line(problem)));
            tracing::error!("SIGHUP: the profiles file is refused; the profiles from before stay in force");
        }
        Err(cause) => tracing::error!(%cause, "SIGHUP: the profiles file could not be read"),
    }
}

/// Signatures that the component takes for expired at once still work, but cost a request for every file.
pub(super) fn warn_of_short_lifetimes(profiles: &Profiles) {
    for profile in profiles.iter_uploadcare() {
        if profile.is_shorter_than_the_components_threshold() {
            tracing::warn!(
                profile = profile.name(),
                minutes = profile.lifetime_minutes(),
                "the Uploadcare component asks for a signature for every file unless expires_in is above 10m, \
                 or its secure-uploads-expire-threshold is lowered"
            );
        }
    }
}

/// `secret` is that of the Uploadcare project's webhooks, if there is a project.
fn read_again(file: &ProfilesFile, secret: Option<&Option<SecretString>>) -> Result<Profiles, Problems> {
    let profiles = profile::read(Some(&file.read_again()?))?;
    if let Some(secret) = secret {
        profile::check_webhooks(&profiles, secret.as_ref())?;
    }
    Ok(profiles)
}

/// What is wrong with a pattern is told in several lines; a log has one for each problem.
fn in_one_line(problem: &str) -> String {
    problem.split_whitespace().collect::<Vec<_>>().join(" ")
}
