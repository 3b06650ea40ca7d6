//! Strings that clients sign by mistake, one function for each mistake, the likely ones first.

use super::Known;
use super::case::{Case, MAX_SEARCHED_BYTES, fits, join};
use super::cause::{Cause, Finding};
use super::compare::{ampersand_between, between, never_signed, not_sent, not_signed, wrong_order};
use super::search::Trial;
use super::values::{list_repeated, other_spelling, other_timestamp};
use crate::signing::ParamValue;
use crate::signing::cloudinary::{SignatureVersion, write_string_to_sign};

/// Tries the strings of one mistake.
type Step = fn(&Case<'_>, &Known<'_>, Trial<'_>) -> Option<Finding>;

/// Every mistake with the string.
pub(super) const STEPS: [Step; 11] = [
    claimed,
    left_out,
    never_signed_added,
    other_order,
    other_separator,
    other_spelling,
    list_repeated,
    other_timestamp,
    added,
    as_json,
    escaped_between,
];

/// So many parameters are tried in every combination; of more, one or two at a time.
const MOST_COMBINED: usize = 12;
/// So many parameters are tried in every order.
const MOST_PERMUTED: usize = 6;

/// What the client says it signed: proven, the differences are the cause.
fn claimed(case: &Case<'_>, _known: &Known<'_>, trial: Trial<'_>) -> Option<Finding> {
    if !case.has_claim {
        return None;
    }
    if let Some(string) = case.report.string.as_deref().filter(|string| trial.matches(|| *string)) {
        let signed = super::case::split(string);
        return between(&signed, &case.pairs).or_else(|| Some(wrong_order()));
    }
    let all: Vec<_> = case.report.params.iter().collect();
    let signable: Vec<_> = case.report.signed_params().collect();
    let size = |(name, value): &(&str, &ParamValue)| name.len() + value.to_string().len();
    for params in [signable, all].into_iter().filter(|params| fits(params.iter().map(size))) {
        let is_signed = [SignatureVersion::V1, SignatureVersion::V2].into_iter().any(|version| {
            trial.matches(|| {
                let mut string = String::new();
                write_string_to_sign(&mut string, params.iter().copied(), version);
                string
            })
        });
        if is_signed {
            return difference_of(&params, case);
        }
        let texts: Vec<_> = params.iter().map(|(name, value)| (*name, value.to_string())).collect();
        let pairs: Vec<_> = texts.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if trial.matches(|| join(pairs.iter().copied())) {
            return between(&pairs, &case.pairs).or_else(|| Some(wrong_order()));
        }
    }
    None
}

fn difference_of(params: &[(&str, &ParamValue)], case: &Case<'_>) -> Option<Finding> {
    let texts: Vec<_> = params.iter().map(|(name, value)| (*name, value.to_string())).collect();
    let pairs: Vec<_> = texts.iter().map(|(name, value)| (*name, value.as_str())).collect();
    between(&pairs, &case.pairs)
}

/// Parameters that were sent and not signed.
fn left_out(case: &Case<'_>, _known: &Known<'_>, trial: Trial<'_>) -> Option<Finding> {
    let count = case.pairs.len();
    let left: Vec<u64> = if count <= MOST_COMBINED {
        let mut combinations: Vec<u64> = (1..1 << count).collect();
        combinations.sort_by_key(|left| left.count_ones());
        combinations
    } else {
        let count = count.min(63);
        let two = (0..count).flat_map(|a| (0..a).map(move |b| 1 << a | 1 << b));
        (0..count).map(|one| 1 << one).chain(two).collect()
    };
    left.into_iter().find_map(|left| {
        let is_left = |index: usize| index < 64 && left & (1 << index) != 0;
        let kept = case.pairs.iter().enumerate().filter(|(index, _)| !is_left(*index)).map(|(_, pair)| *pair);
        trial.matches(|| join(kept)).then(|| {
            let names = case.pairs.iter().enumerate().filter(|(index, _)| is_left(*index));
            not_signed(&names.map(|(_, (name, _))| *name).collect::<Vec<_>>())
        })
    })
}

/// Parameters that are never signed, signed.
fn never_signed_added(case: &Case<'_>, known: &Known<'_>, trial: Trial<'_>) -> Option<Finding> {
    let claimed = |name: &str| case.report.params.get(name).map(ToString::to_string);
    let mut candidates: Vec<(&str, String)> =
        ["auto", "image", "raw", "video"].map(|word| ("resource_type", word.to_owned())).into();
    candidates.extend(known.cloud.map(|cloud| ("cloud_name", cloud.to_owned())));
    candidates.extend(known.api_key.map(|key| ("api_key", key.to_owned())));
    for name in ["cloud_name", "api_key", "file", "resource_type"] {
        let value = claimed(name).filter(|value| value.len() <= MAX_SEARCHED_BYTES);
        candidates.extend(value.map(|value| (name, value)));
    }
    candidates.push(("file", "[object File]".to_owned()));
    for (index, (name, value)) in candidates.iter().enumerate() {
        let is_alone = trial.matches(|| with(case, &[(name, value)]));
        let mut beside = candidates[..index].iter().filter(|(other, _)| other != name);
        if is_alone
            || beside.any(|(other, text)| trial.matches(|| with(case, &[(name, value), (other, text)])))
        {
            return Some(never_signed(name));
        }
    }
    None
}

/// The provider's string with further parameters, sorted.
fn with(case: &Case<'_>, further: &[(&str, &str)]) -> String {
    let mut pairs = case.pairs.clone();
    pairs.extend(further);
    pairs.sort_by_key(|(name, _)| *name);
    join(pairs)
}

/// Not sorted, or sorted in another way.
fn other_order(case: &Case<'_>, _known: &Known<'_>, trial: Trial<'_>) -> Option<Finding> {
    let mut pairs = case.pairs.clone();
    let mut found = false;
    if pairs.len() <= MOST_PERMUTED {
        permutations(&mut pairs, 0, &mut |pairs| {
            found = found || trial.matches(|| join(pairs.iter().copied()));
        });
    } else {
        pairs.reverse();
        found = trial.matches(|| join(pairs));
        for from in 0..case.pairs.len() {
            for to in [0, case.pairs.len() - 1] {
                found = found || trial.matches(|| join(moved(&case.pairs, from, to)));
            }
        }
    }
    found.then(wrong_order)
}

fn moved<T: Copy>(items: &[T], from: usize, to: usize) -> Vec<T> {
    let mut items = items.to_vec();
    let item = items.remove(from);
    items.insert(to, item);
    items
}

fn permutations<T>(items: &mut [T], from: usize, visit: &mut dyn FnMut(&[T])) {
    if from == items.len() {
        return visit(items);
    }
    for index in from..items.len() {
        items.swap(from, index);
        permutations(items, from + 1, visit);
        items.swap(from, index);
    }
}

/// Joined with something else than `&`, or with something around it.
fn other_separator(case: &Case<'_>, _known: &Known<'_>, trial: Trial<'_>) -> Option<Finding> {
    const SEPARATORS: [&str; 8] = ["", ",", ";", "|", " ", "\n", "&&", ", "];
    const WRAPPERS: [(&str, &str); 4] = [("?", ""), ("&", ""), ("'", "'"), ("\"", "\"")];
    let joined = |separator: &str| {
        let pairs = case.pairs.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join(separator)
    };
    let is_joined = SEPARATORS.iter().any(|separator| trial.matches(|| joined(separator)));
    let is_wrapped =
        || WRAPPERS.iter().any(|(before, after)| trial.matches(|| format!("{before}{}{after}", case.string)));
    (is_joined || is_wrapped()).then(|| {
        Finding::new(
            Cause::WrongSeparator,
            "the parameters were joined with something else than a single `&`, or something stands before or after them",
            "join name=value pairs with `&` and nothing else, and append the secret directly",
        )
    })
}

/// Parameters that were signed and not sent, of those that clients are known to sign so.
fn added(case: &Case<'_>, _known: &Known<'_>, trial: Trial<'_>) -> Option<Finding> {
    const NAMES: [&str; 22] = [
        "allowed_formats",
        "asset_folder",
        "callback",
        "context",
        "display_name",
        "eager",
        "folder",
        "format",
        "invalidate",
        "metadata",
        "moderation",
        "notification_url",
        "overwrite",
        "public_id",
        "public_id_prefix",
        "source",
        "tags",
        "transformation",
        "type",
        "unique_filename",
        "upload_preset",
        "use_filename",
    ];
    const EMPTY: [&str; 4] = ["", "undefined", "null", "None"];
    const FULL: [(&str, &str); 16] = [
        ("source", "uw"),
        ("type", "upload"),
        ("type", "private"),
        ("type", "authenticated"),
        ("upload_preset", "ml_default"),
        ("folder", "uploads"),
        ("overwrite", "true"),
        ("overwrite", "1"),
        ("overwrite", "false"),
        ("overwrite", "0"),
        ("unique_filename", "true"),
        ("unique_filename", "1"),
        ("use_filename", "true"),
        ("use_filename", "1"),
        ("invalidate", "true"),
        ("invalidate", "1"),
    ];
    let claimed: Vec<_> =
        case.report.signed_params().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
    let claimed = claimed.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let empty = NAMES.into_iter().flat_map(|name| EMPTY.map(|value| (name, value)));
    let is_new = |name: &str| case.pairs.iter().all(|(other, _)| *other != name);
    let mut candidates = claimed.chain(empty).chain(FULL).filter(|(name, _)| is_new(name));
    candidates
        .find(|(name, value)| trial.matches(|| with(case, &[(name, value)])))
        .map(|(name, value)| not_sent(name, value))
}

/// The parameters as JSON.
fn as_json(case: &Case<'_>, _known: &Known<'_>, trial: Trial<'_>) -> Option<Finding> {
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let member = |(name, value): &(&str, &str)| {
        let is_number = *name == "timestamp" && value.bytes().all(|byte| byte.is_ascii_digit());
        let value = if is_number { (*value).to_owned() } else { text(value) };
        (text(name), value)
    };
    let object = |separator: &str, colon: &str| {
        let members = case.pairs.iter().map(member).map(|(name, value)| format!("{name}{colon}{value}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(separator))
    };
    let shapes = [(",", ":"), (", ", ": ")];
    shapes.iter().any(|(separator, colon)| trial.matches(|| object(separator, colon))).then(|| {
        Finding::new(
            Cause::JsonSigned,
            "the parameters were signed as a JSON object",
            "sign them as name=value pairs, sorted by name and joined with `&`",
        )
    })
}

/// The `&` between parameters escaped like one inside a value.
fn escaped_between(case: &Case<'_>, _known: &Known<'_>, trial: Trial<'_>) -> Option<Finding> {
    let mut spellings = ["%26", "&amp;", "%2526"].into_iter();
    let is_signed = spellings.any(|ampersand| trial.matches(|| case.string.replace('&', ampersand)));
    is_signed.then(ampersand_between)
}

/// The secret in the middle: sorted in as a parameter, or directly behind another one than the last.
pub(super) fn secret_inside(case: &Case<'_>, secret: &str, trial: Trial<'_>) -> Option<Finding> {
    let behind = |pairs: &[(&str, &str)], at: usize, separator: &str| {
        let (front, back) = pairs.split_at(at + 1);
        format!("{}{secret}{separator}{}", join(front.iter().copied()), join(back.iter().copied()))
    };
    let is_a_parameter =
        ["api_secret", "secret"].iter().any(|name| trial.matches(|| with(case, &[(name, secret)])));
    let is_behind = |at: usize| {
        trial.matches(|| behind(&case.pairs, at, "&"))
            || trial.matches(|| behind(&case.pairs, at, ""))
            // The timestamp is often written down last, whatever comes after it by name.
            || trial.matches(|| behind(&moved(&case.pairs, at, 0), 0, "&"))
    };
    (is_a_parameter || (0..case.pairs.len()).any(is_behind)).then(|| {
        Finding::new(
            Cause::SecretMisplaced,
            "the secret stands among the parameters instead of after all of them",
            "append the secret directly to the end of the whole string to sign, after the last parameter",
        )
    })
}
