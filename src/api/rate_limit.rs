//! How often one caller may sign, link and delete: known callers by name, others by address.
//!
//! Addresses are IPv4 addresses and IPv6 networks of 64 bits (what one customer gets). Behind trusted proxies the address is
//! taken from `X-Forwarded-For`, counted from the right: what stands further left is the client's own invention. Memory is
//! bounded: buckets that are full again are forgotten, and if strangers still fill the table they share one bucket.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use axum::http::HeaderMap;
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use super::standing::{Policy, Standing};
use crate::auth::Caller;
use crate::config::RateLimitConfig;

/// How many buckets there may be before full ones are forgotten.
const MAX_BUCKETS: usize = 100_000;
/// The table is looked over once in so many requests.
const SWEEP_EVERY: u32 = 1_024;

/// Limits requests by caller.
#[derive(Debug, Default)]
pub struct RateLimit(Option<Limiter>);

#[derive(Debug)]
struct Limiter {
    buckets: Buckets,
    policy: Policy,
    trusted_proxy_hops: usize,
    requests: AtomicU32,
    crowded: AtomicBool,
}

/// Says how full a bucket is when it counts, so that nothing is looked up twice.
type Buckets = RateLimiter<Bucket, DefaultKeyedStateStore<Bucket>, DefaultClock, StateInformationMiddleware>;

/// Who shares a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Bucket {
    Subject(String),
    Ipv4(Ipv4Addr),
    /// The first 64 bits of the address.
    Ipv6([u16; 4]),
    /// Strangers when there are too many of them.
    Crowd,
}

impl RateLimit {
    /// A limit as configured; `None` is no limit.
    pub fn new(config: Option<RateLimitConfig>) -> Self {
        Self(config.map(|config| {
            Limiter {
                buckets: RateLimiter::keyed(Quota::per_minute(config.per_minute).allow_burst(config.burst))
                    .with_middleware(),
                policy: Policy::new(&config),
                trusted_proxy_hops: config.trusted_proxy_hops,
                requests: AtomicU32::new(0),
                crowded: AtomicBool::new(false),
            }
        }))
    }

    /// Counts one request of `caller`, or of the address it came from if nobody is known; how they stand after it, unless
    /// there is no limit.
    pub(super) fn count(
        &self,
        caller: Option<&Caller>,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Option<Standing> {
        let limiter = self.0.as_ref()?;
        let bucket = match caller.and_then(Caller::subject) {
            Some(subject) => Bucket::Subject(subject.to_owned()),
            None => limiter.bucket_of(headers, peer),
        };
        Some(limiter.count(bucket))
    }
}

impl Limiter {
    fn count(&self, bucket: Bucket) -> Standing {
        let bucket =
            if self.is_crowded() && !matches!(bucket, Bucket::Subject(_)) { Bucket::Crowd } else { bucket };
        match self.buckets.check_key(&bucket) {
            Ok(state) => self.policy.heard(state.remaining_burst_capacity()),
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                self.policy.refused(whole_seconds(wait))
            }
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

    fn bucket_of(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Bucket {
        match forwarded_for(headers, self.trusted_proxy_hops).or(peer).map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Bucket::Ipv4(address),
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                Bucket::Ipv6([a, b, c, d])
            }
            None => Bucket::Crowd,
        }
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
        RateLimit::new(Some(RateLimitConfig { per_minute, burst, trusted_proxy_hops }))
    }

    fn count(limit: &RateLimit, headers: &HeaderMap, peer: &str) -> bool {
        limit.count(None, headers, Some(peer.parse().unwrap())).unwrap().admit().is_ok()
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
            let _ = limit.count(None, &HeaderMap::new(), Some(IpAddr::V4(Ipv4Addr::from(number))));
        }
        let buckets = limit.0.as_ref().unwrap().buckets.len();
        assert!(buckets <= MAX_BUCKETS + 1 + SWEEP_EVERY as usize, "{buckets}");
    }
}
