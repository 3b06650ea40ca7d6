//! Values that were signed in another spelling than they were sent, one function for each mistake.

use std::ops::RangeInclusive;

use super::Known;
use super::case::{Case, MAX_SEARCHED_BYTES, join};
use super::cause::{Cause, Finding};
use super::search::Trial;
use super::spelling::{SPELLINGS, difference};

/// One value spelled differently, or all of them in the same way.
pub(super) fn other_spelling(case: &Case<'_>, _known: &Known<'_>, trial: Trial<'_>) -> Option<Finding> {
    // To respell the values is work of its own.
    SPELLINGS.iter().take_while(|_| !trial.is_over()).find_map(|respell| {
        let spelled: Vec<_> = case.pairs.iter().map(|(_, value)| respell(value)).collect();
        let changed: Vec<_> = (0..spelled.len()).filter(|index| spelled[*index].is_some()).collect();
        let one_by_one = changed.iter().map(|index| vec![*index]);
        let sets = one_by_one.chain((changed.len() > 1).then(|| changed.clone()));
        sets.into_iter().find_map(|set| {
            let value = |index: usize| spelled[index].as_deref().filter(|_| set.contains(&index));
            let pairs = case.pairs.iter().enumerate();
            let pairs = pairs.map(|(index, (name, sent))| (*name, value(index).unwrap_or(sent)));
            trial.matches(|| join(pairs)).then(|| {
                let (name, sent) = case.pairs[set[0]];
                difference(name, value(set[0]).unwrap_or(sent), sent)
            })
        })
    })
}

/// A list signed as it travels: every item under the name.
pub(super) fn list_repeated(case: &Case<'_>, _known: &Known<'_>, trial: Trial<'_>) -> Option<Finding> {
    const SPELLINGS: [fn(&str, usize, &str) -> String; 3] = [
        |name, _place, item| format!("{name}[]={item}"),
        |name, _place, item| format!("{name}={item}"),
        |name, place, item| format!("{name}[{place}]={item}"),
    ];
    // A long name before every item of a long list would be far longer than what was sent.
    let is_short = |name: &str, value: &str| name.len() * value.split(',').count() <= 4 * MAX_SEARCHED_BYTES;
    let lists = case.pairs.iter().enumerate();
    let mut lists = lists.filter(|(_, (name, value))| value.contains(',') && is_short(name, value));
    lists.find_map(|(index, (name, value))| {
        let string = |spelling: fn(&str, usize, &str) -> String| {
            let items = value.split(',').enumerate().map(|(place, item)| spelling(name, place, item));
            let front = join(case.pairs[..index].iter().copied());
            let back = join(case.pairs[index + 1..].iter().copied());
            let parts = [front, join_items(items), back].into_iter();
            join_items(parts.filter(|part| !part.is_empty()))
        };
        SPELLINGS.iter().any(|spelling| trial.matches(|| string(*spelling))).then(|| {
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
pub(super) fn other_timestamp(case: &Case<'_>, _known: &Known<'_>, trial: Trial<'_>) -> Option<Finding> {
    const SECONDS_AROUND: i64 = 120;
    const HALF_HOURS_AROUND: i64 = 28;
    let index = case.pairs.iter().position(|(name, _)| *name == "timestamp")?;
    let sent = case.pairs[index].1;
    let number: i64 = sent.parse().ok()?;
    let in_seconds = [number / 1_000, number / 1_000 + 1].into_iter();
    // Two mistakes at once are rarer than looking further takes time.
    let is_only_mistake = trial.is_the_right_way();
    let or_only = |range: RangeInclusive<i64>| if is_only_mistake { range } else { 0..=0 };
    let around = or_only(-SECONDS_AROUND..=SECONDS_AROUND).map(|seconds| number.saturating_add(seconds));
    let zones =
        or_only(-HALF_HOURS_AROUND..=HALF_HOURS_AROUND).map(|half| number.saturating_add(half * 1_800));
    let in_milliseconds =
        or_only(-1_000..=1_999).map(|rest| number.saturating_mul(1_000).saturating_add(rest));
    let mut candidates = in_seconds.chain(around).chain(zones).chain(in_milliseconds);
    candidates.find_map(|candidate| {
        let signed = candidate.to_string();
        let string = || {
            let mut pairs = case.pairs.clone();
            pairs[index].1 = &signed;
            join(pairs)
        };
        (signed != sent && trial.matches(string)).then(|| difference("timestamp", &signed, sent))
    })
}
