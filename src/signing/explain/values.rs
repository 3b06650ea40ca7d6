//! Values that were signed in another spelling than they were sent, one function for each mistake.

use super::Known;
use super::case::{Case, join};
use super::cause::{Cause, Finding};
use super::spelling::{SPELLINGS, difference};
use super::steps::Gives;

/// One value spelled differently, or all of them in the same way.
pub(super) fn other_spelling(case: &Case<'_>, _known: &Known<'_>, gives: &Gives<'_>) -> Option<Finding> {
    SPELLINGS.iter().find_map(|respell| {
        let spelled: Vec<_> = case.pairs.iter().map(|(_, value)| respell(value)).collect();
        let changed: Vec<_> = (0..spelled.len()).filter(|index| spelled[*index].is_some()).collect();
        let one_by_one = changed.iter().map(|index| vec![*index]);
        let sets = one_by_one.chain((changed.len() > 1).then(|| changed.clone()));
        sets.into_iter().find_map(|set| {
            let value = |index: usize| spelled[index].as_deref().filter(|_| set.contains(&index));
            let pairs = case.pairs.iter().enumerate();
            let string = join(pairs.map(|(index, (name, sent))| (*name, value(index).unwrap_or(sent))));
            gives(&string).then(|| {
                let (name, sent) = case.pairs[set[0]];
                difference(name, value(set[0]).unwrap_or(sent), sent)
            })
        })
    })
}

/// A list signed as it travels: every item under the name.
pub(super) fn list_repeated(case: &Case<'_>, _known: &Known<'_>, gives: &Gives<'_>) -> Option<Finding> {
    let lists = case.pairs.iter().enumerate().filter(|(_, (_, value))| value.contains(','));
    lists.into_iter().find_map(|(index, (name, value))| {
        let items = || value.split(',').enumerate();
        let spellings = [
            join_items(items().map(|(_, item)| format!("{name}[]={item}"))),
            join_items(items().map(|(_, item)| format!("{name}={item}"))),
            join_items(items().map(|(place, item)| format!("{name}[{place}]={item}"))),
        ];
        let string = |list: &str| {
            let front = join(case.pairs[..index].iter().copied());
            let back = join(case.pairs[index + 1..].iter().copied());
            join_items([front, list.to_owned(), back].into_iter().filter(|part| !part.is_empty()))
        };
        spellings.iter().any(|list| gives(&string(list))).then(|| {
            Finding::new(
                Cause::ListJoinedDifferently,
                format!("every item of the list `{name}` was signed under a name of its own"),
                format!("sign a list as one parameter, its items joined with commas: {name}=a,b"),
            )
        })
    })
}

fn join_items(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join("&")
}

/// Another time: in milliseconds, taken again, or off by a time zone.
pub(super) fn other_timestamp(case: &Case<'_>, _known: &Known<'_>, gives: &Gives<'_>) -> Option<Finding> {
    const SECONDS_AROUND: i64 = 120;
    const HALF_HOURS_AROUND: i64 = 28;
    let index = case.pairs.iter().position(|(name, _)| *name == "timestamp")?;
    let sent = case.pairs[index].1;
    let number: i64 = sent.parse().ok()?;
    let around = (-SECONDS_AROUND..=SECONDS_AROUND).map(|seconds| number.saturating_add(seconds));
    let zones = (-HALF_HOURS_AROUND..=HALF_HOURS_AROUND).map(|half| number.saturating_add(half * 1_800));
    let in_milliseconds = (-1_000..2_000).map(|rest| number.saturating_mul(1_000).saturating_add(rest));
    let in_seconds = [number / 1_000, number / 1_000 + 1].into_iter();
    let mut candidates = in_seconds.chain(around).chain(zones).chain(in_milliseconds);
    candidates.find_map(|candidate| {
        let signed = candidate.to_string();
        let mut pairs = case.pairs.clone();
        pairs[index].1 = &signed;
        (signed != sent && gives(&join(pairs))).then(|| difference("timestamp", &signed, sent))
    })
}
