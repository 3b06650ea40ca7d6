//! How often one caller may sign, link and delete: known callers by name, others by address.
//!
//! A request costs one cell of its caller's bucket when the caller becomes known, before anything of it is read. What it asks
//! for beyond one signature, one link or one call of a provider is charged once that is known and before any of it is done,
//! all or nothing. No request costs more than the bucket holds.
//!
//! Addresses are IPv4 addresses and IPv6 networks of 64 bits (what one customer gets). Behind trusted proxies the address is
//! taken from `X-Forwarded-For`, counted from the right: what stands further left is the client's own invention. Memory is
//! bounded: buckets that are full again are forgotten, and if strangers still fill the table they share one bucket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use axum::http::HeaderMap;
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use super::ApiError;
use super::standing::{Policy, Standing, StandingCell};
use crate::auth::Caller;
use crate::config::RateLimitConfig;

/// How many buckets there may be before full ones are forgotten.
const MAX_BUCKETS: usize = 100_000;
/// The table is looked over once in so many requests.
const SWEEP_EVERY: u32 = 1_024;

/// Limits requests by caller.
#[derive(Debug, Default)]
pub struct RateLimit {
    limiter: Option<Limiter>,
    trusted_proxy_hops: usize,
}

#[derive(Debug)]
struct Limiter {
    buckets: Buckets,
    policy: Policy,
    requests: AtomicU32,
    crowded: AtomicBool,
}

/// Says how full a bucket is when it counts, so that nothing is looked up twice.
type Buckets = RateLimiter<Bucket, DefaultKeyedStateStore<Bucket>, DefaultClock, StateInformationMiddleware>;

/// Who shares a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Bucket {
    Subject(String),
    Ipv4(Ipv4Addr),
    /// The first 64 bits of the address.
    Ipv6([u16; 4]),
    /// Strangers when there are too many of them.
    Crowd,
}

impl RateLimit {
    /// A limit as configured; `None` is no limit. `trusted_proxy_hops` proxies in front are ours.
    pub fn new(config: Option<RateLimitConfig>, trusted_proxy_hops: usize) -> Self {
        let limiter = config.map(|config| Limiter {
            buckets: RateLimiter::keyed(Quota::per_minute(config.per_minute).allow_burst(config.burst))
                .with_middleware(),
            policy: Policy::new(config),
            requests: AtomicU32::new(0),
            crowded: AtomicBool::new(false),
        });
        Self { limiter, trusted_proxy_hops }
    }

    /// Charges one request to `caller`, or to the address it came from if nobody is known, and leaves in `cell` how they
    /// stand after it. Without a limit nothing is charged and nothing left.
    pub(super) fn admit(
        &self,
        caller: Option<&Caller>,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
        cell: &StandingCell,
    ) -> Result<(), ApiError> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        let bucket = match caller.and_then(Caller::subject) {
            Some(subject) => Bucket::Subject(subject.to_owned()),
            None => bucket_of(self.address(headers, peer)),
        };
        let (bucket, standing) = limiter.count(bucket);
        let admitted = standing.admit();
        cell.set(bucket, standing);
        admitted
    }

    /// Charges what a request costs beyond the one cell it was admitted for, all or nothing: `price` is the whole, of which
    /// nobody pays more than the burst.
    pub(super) fn charge(&self, cell: &StandingCell, price: usize) -> Result<(), ApiError> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        let price = u32::try_from(price).unwrap_or(u32::MAX).min(limiter.policy.burst());
        match NonZeroU32::new(price.saturating_sub(1)) {
            Some(further) => cell.update(|bucket, standing| limiter.charge(bucket, standing, further)),
            None => Ok(()),
        }
    }

    /// Where a request came from: the peer, or what the outermost of our own proxies saw.
    pub(super) fn address(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<IpAddr> {
        forwarded_for(headers, self.trusted_proxy_hops).or(peer).map(|address| address.to_canonical())
    }
}

impl Limiter {
    fn count(&self, bucket: Bucket) -> (Bucket, Standing) {
        let bucket =
            if self.is_crowded() && !matches!(bucket, Bucket::Subject(_)) { Bucket::Crowd } else { bucket };
        let standing = match self.buckets.check_key(&bucket) {
            Ok(state) => self.policy.heard(state.remaining_burst_capacity()),
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                self.policy.refused(whole_seconds(wait))
            }
        };
        (bucket, standing)
    }

    fn charge(&self, bucket: &Bucket, standing: &mut Standing, further: NonZeroU32) -> Result<(), ApiError> {
        match self.buckets.check_key_n(bucket, further) {
            Ok(Ok(state)) => {
                *standing = self.policy.heard(state.remaining_burst_capacity());
                Ok(())
            }
            Ok(Err(not_until)) => {
                // The next try is charged the cell of its own request first.
                let wait = not_until.wait_time_from(DefaultClock::default().now()) + self.policy.cell();
                Err(ApiError::TooManyRequests { retry_after_seconds: whole_seconds(wait) })
            }
            Err(_more_than_the_burst) => Ok(()),
        }
    }

    /// Whether the table is full of buckets in use. Looked over now and then; those that are full again are forgotten.
    fn is_crowded(&self) -> bool {
        if self.requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP_EVERY) {
            if self.buckets.len() > MAX_BUCKETS {
                self.buckets.retain_recent();
                self.buckets.shrink_to_fit();
            }
            self.crowded.store(self.buckets.len() > MAX_BUCKETS, Ordering::Relaxed);
        }
        self.crowded.load(Ordering::Relaxed)
    }
}

fn bucket_of(address: Option<IpAddr>) -> Bucket {
    match address {
        Some(IpAddr::V4(address)) => Bucket::Ipv4(address),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            Bucket::Ipv6([a, b, c, d])
        }
        None => Bucket::Crowd,
    }
}

/// The address that stands for everybody who shares a bucket with `address`.
pub(super) fn network_of(address: IpAddr) -> String {
    match bucket_of(Some(address)) {
        Bucket::Ipv6([a, b, c, d]) => format!("{}/64", Ipv6Addr::from([a, b, c, d, 0, 0, 0, 0])),
        _ => address.to_string(),
    }
}

/// The address that the outermost of `hops` trusted proxies saw.
fn forwarded_for(headers: &HeaderMap, hops: usize) -> Option<IpAddr> {
    let from_the_right = headers.get_all("x-forwarded-for").iter().rev();
    let entries = from_the_right.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    entries.map(str::trim).nth(hops.checked_sub(1)?)?.parse().ok()
}

/// Rounded up: a client that comes back earlier is refused again.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| ("x-forwarded-for".parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_address_is_counted_from_the_right() {
        let spoofed = headers(&["6.6.6.6, 1.1.1.1", "2.2.2.2"]);
        for (hops, expected) in
            [(0, None), (1, Some("2.2.2.2")), (2, Some("1.1.1.1")), (3, Some("6.6.6.6")), (4, None)]
        {
            assert_eq!(forwarded_for(&spoofed, hops), expected.map(|text| text.parse().unwrap()), "{hops}");
        }
        assert_eq!(forwarded_for(&headers(&["not an address"]), 1), None);
    }

    fn limiter(per_minute: u32, burst: u32, trusted_proxy_hops: usize) -> RateLimit {
        let (per_minute, burst) = (per_minute.try_into().unwrap(), burst.try_into().unwrap());
        RateLimit::new(Some(RateLimitConfig { per_minute, burst }), trusted_proxy_hops)
    }

    fn count(limit: &RateLimit, headers: &HeaderMap, peer: &str) -> bool {
        limit.admit(None, headers, Some(peer.parse().unwrap()), &StandingCell::default()).is_ok()
    }

    #[test]
    fn a_request_is_charged_all_it_costs_or_its_one_cell() {
        let limit = limiter(1, 10, 0);
        let admit = || {
            let cell = StandingCell::default();
            limit.admit(None, &HeaderMap::new(), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), &cell).map(|()| cell)
        };
        let left = |cell: &StandingCell| {
            let mut headers = HeaderMap::new();
            cell.write(&mut headers);
            headers["ratelimit"].to_str().unwrap().to_owned()
        };
        let cell = admit().unwrap();
        limit.charge(&cell, 4).unwrap();
        assert_eq!(left(&cell), "\"default\";r=6;t=240");
        let cell = admit().unwrap();
        assert!(limit.charge(&cell, 7).is_err());
        assert_eq!(left(&cell), "\"default\";r=5;t=300");
        limit.charge(&cell, 1).unwrap();
        limit.charge(&cell, 0).unwrap();
        assert_eq!(left(&cell), "\"default\";r=5;t=300");
        let cell = admit().unwrap();
        limit.charge(&cell, 5).unwrap();
        assert_eq!(left(&cell), "\"default\";r=0;t=60");
        assert!(admit().is_err());
    }

    #[test]
    fn nobody_pays_more_than_the_burst_and_the_wait_is_long_enough() {
        let limit = limiter(60, 5, 0);
        let cell = StandingCell::default();
        limit.admit(None, &HeaderMap::new(), None, &cell).unwrap();
        limit.charge(&cell, usize::MAX).unwrap();
        let limit = limiter(60, 5, 0);
        limit.admit(None, &HeaderMap::new(), None, &cell).unwrap();
        limit.admit(None, &HeaderMap::new(), None, &cell).unwrap();
        // Three of five are left; the next try needs all five, its own cell among them.
        let ApiError::TooManyRequests { retry_after_seconds } = limit.charge(&cell, 100).unwrap_err() else {
            panic!()
        };
        assert_eq!(retry_after_seconds, 2);
    }

    #[test]
    fn networks_are_what_shares_a_bucket() {
        for (address, network) in
            [("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("::1", "::/64")]
        {
            assert_eq!(network_of(address.parse().unwrap()), network);
        }
    }

    #[test]
    fn a_forged_header_makes_no_new_bucket() {
        let limit = limiter(1, 1, 0);
        assert!(count(&limit, &headers(&["1.1.1.1"]), "9.9.9.9"));
        assert!(!count(&limit, &headers(&["1.1.1.2"]), "9.9.9.9"));
        assert!(count(&limit, &headers(&[]), "9.9.9.8"));
    }

    #[test]
    fn one_ipv6_network_shares_a_bucket_and_mapped_addresses_are_ipv4() {
        let limit = limiter(1, 1, 0);
        assert!(count(&limit, &headers(&[]), "2001:db8:1:2::1"));
        assert!(!count(&limit, &headers(&[]), "2001:db8:1:2:ffff::9"));
        assert!(count(&limit, &headers(&[]), "2001:db8:1:3::1"));
        assert!(count(&limit, &headers(&[]), "9.9.9.9"));
        assert!(!count(&limit, &headers(&[]), "::ffff:9.9.9.9"));
    }

    #[test]
    fn strangers_cannot_fill_the_memory() {
        let limit = limiter(1, 1, 0);
        for number in 0..120_000_u32 {
            let peer = Some(IpAddr::V4(Ipv4Addr::from(number)));
            let _ = limit.admit(None, &HeaderMap::new(), peer, &StandingCell::default());
        }
        let buckets = limit.limiter.as_ref().unwrap().buckets.len();
        assert!(buckets <= MAX_BUCKETS + 1 + SWEEP_EVERY as usize, "{buckets}");
    }
}
