//! Which bytes of a file a client asks for.
//!
//! ```text
//! Range: bytes=<first>-<last> | bytes=<first>- | bytes=-<length of the end>
//! ```

/// What part of a file to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: no range, or one that is not understood, which RFC 9110 says to pass over.
    Everything,
    /// From the first byte to the last, inclusive.
    Bytes { first: u64, last: u64 },
    /// Nothing of the file is within the range.
    Unsatisfiable,
}

impl Wanted {
    /// What `header` asks for of a file of `size` bytes. Several ranges at once count as none.
    pub(super) fn parse(header: &str, size: u64) -> Self {
        let Some((first, last)) =
            header.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-'))
        else {
            return Self::Everything;
        };
        match (digits(first), digits(last)) {
            (Some(first), _) if first >= size && (last.is_empty() || digits(last).is_some()) => {
                Self::Unsatisfiable
            }
            (Some(first), None) if last.is_empty() => Self::Bytes { first, last: size - 1 },
            (Some(first), Some(last)) if first <= last => Self::Bytes { first, last: last.min(size - 1) },
            (None, Some(0)) if first.is_empty() => Self::Unsatisfiable,
            (None, Some(_)) if first.is_empty() && size == 0 => Self::Unsatisfiable,
            (None, Some(length)) if first.is_empty() => {
                Self::Bytes { first: size.saturating_sub(length), last: size - 1 }
            }
            _ => Self::Everything,
        }
    }
}

fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn bytes(first: u64, last: u64) -> Wanted {
        Wanted::Bytes { first, last }
    }

    #[test]
    fn single_ranges_are_cut_to_the_file() {
        assert_eq!(Wanted::parse("bytes=0-3", 10), bytes(0, 3));
        assert_eq!(Wanted::parse("bytes=4-", 10), bytes(4, 9));
        assert_eq!(Wanted::parse("bytes=4-99", 10), bytes(4, 9));
        assert_eq!(Wanted::parse("bytes=-4", 10), bytes(6, 9));
        assert_eq!(Wanted::parse("bytes=-40", 10), bytes(0, 9));
    }

    #[test]
    fn ranges_outside_the_file_cannot_be_satisfied() {
        for range in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
            assert_eq!(Wanted::parse(range, 10), Wanted::Unsatisfiable, "{range}");
        }
    }

    #[test]
    fn what_is_not_a_single_range_is_passed_over() {
        for range in
            ["", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "bytes=0-1,3-4", "items=0-1", "bytes=+1-2"]
        {
            assert_eq!(Wanted::parse(range, 10), Wanted::Everything, "{range}");
        }
    }

    proptest! {
        #[test]
        fn a_range_never_leaves_the_file(text in "(bytes=)?[0-9]{0,21}-?[0-9a,]{0,21}", size in any::<u64>()) {
            if let Wanted::Bytes { first, last } = Wanted::parse(&text, size) {
                prop_assert!(first <= last && last < size, "{first}-{last} of {size}");
            }
        }
    }
}
