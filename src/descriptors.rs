//! How many connections the process may hold: as many as it may open descriptors for, less what everything else takes.

/// The most connections, whatever the system allows.
const MAX_CONNECTIONS: usize = 10_000;
/// What the database, the provider's connections, files and pipes take.
const RESERVED: u64 = 100;

/// Raises the soft limit of open descriptors to the hard one, and says how many connections that allows.
pub(crate) fn connections_allowed() -> usize {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1_024);
    let allowed = usize::try_from(limit.saturating_sub(RESERVED)).unwrap_or(MAX_CONNECTIONS);
    allowed.clamp(1, MAX_CONNECTIONS)
}
