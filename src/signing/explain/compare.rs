//! What the client says it signed, held against what the provider received.

use std::collections::{HashMap, HashSet};

use super::case::{Case, split};
use super::cause::{Cause, Finding, listed, shown};
use super::{spelling, timing};
use crate::signing::cloudinary::NOT_SIGNED;

/// Parameters that the upload widget adds by itself.
const WIDGET: [&str; 3] = ["callback", "custom_coordinates", "source"];

/// The first difference between what the client says it signed and what the provider received.
pub(super) fn difference(case: &Case<'_>) -> Option<Finding> {
    if !case.has_claim {
        return None;
    }
    let signed: Vec<_> = case.report.signed_params().map(|(name, value)| (name, value.to_string())).collect();
    let signed: Vec<_> = signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    between(&signed, &case.pairs)
}

/// What looks wrong although both sides name the same.
pub(super) fn looks(case: &Case<'_>) -> Option<Finding> {
    order(case).or_else(|| never_signed_in(case)).or_else(|| suspicious(case))
}

/// Why these signed parameters do not give the string of those that were sent.
pub(super) fn between(signed: &[(&str, &str)], sent: &[(&str, &str)]) -> Option<Finding> {
    let signed_names: HashSet<_> = signed.iter().map(|(name, _)| *name).collect();
    let unsigned: Vec<_> =
        sent.iter().map(|(name, _)| *name).filter(|name| !signed_names.contains(name)).collect();
    if !unsigned.is_empty() {
        return Some(not_signed(&unsigned));
    }
    // The first value counts where a name is there twice.
    let received: HashMap<_, _> = sent.iter().rev().copied().collect();
    if let Some((name, value)) = signed.iter().find(|(name, _)| !received.contains_key(name)) {
        return Some(not_sent(name, value));
    }
    signed.iter().find_map(|(name, value)| {
        let received = received.get(name)?;
        (received != value).then(|| spelling::difference(name, value, received))
    })
}

/// Parameters that were sent and that the signature does not cover.
pub(super) fn not_signed(names: &[&str]) -> Finding {
    if names == ["public_id"] {
        return Finding::new(
            Cause::PublicIdAdded,
            "`public_id` was sent but not signed; some SDKs add it to the later parts of a chunked upload, after signing",
            "send the same signed parameters with every part, and leave the public_id of an answer out of the next request",
        );
    }
    let is_are = if names.len() == 1 { "was" } else { "were" };
    if names.iter().all(|name| WIDGET.contains(name)) {
        return Finding::new(
            Cause::WidgetParameterNotSigned,
            format!(
                "{} {is_are} sent but not signed, and the upload widget adds {} by itself",
                listed(names.iter().copied()),
                if names.len() == 1 { "it" } else { "them" }
            ),
            "sign what the widget hands to the uploadSignature function (params_to_sign), every parameter of it, and no fixed set",
        );
    }
    Finding::new(
        Cause::ParameterNotSigned,
        format!("{} {is_are} sent but not signed", listed(names.iter().copied())),
        "sign every parameter that is sent, except file, api_key, signature, cloud_name and resource_type, or stop sending it",
    )
}

/// A parameter that was signed and that the provider did not receive.
pub(super) fn not_sent(name: &str, value: &str) -> Finding {
    if NOT_SIGNED.contains(&name) {
        return never_signed(name);
    }
    if ["", "undefined", "null", "None"].contains(&value) {
        return Finding::new(
            Cause::EmptyValueSigned,
            format!(
                "`{name}` was signed as `{name}={value}` although it has no value, and the provider leaves it out"
            ),
            "drop parameters without a value before signing",
        );
    }
    Finding::new(
        Cause::ParameterNotSent,
        format!("`{name}` was signed as {} but not sent", shown(value)),
        "send every parameter that was signed, or leave it out of both",
    )
}

/// A parameter that must not be signed and was.
pub(super) fn never_signed(name: &str) -> Finding {
    let place = match name {
        "resource_type" | "cloud_name" => "it belongs into the address of the upload",
        _ => "it goes beside the signed parameters",
    };
    Finding::new(
        Cause::NeverSignedParameter,
        format!(
            "`{name}` was signed by mistake: {place}, and the provider leaves it out of the string to sign"
        ),
        format!(
            "take `{name}` out before signing, as well as any of file, api_key, signature, cloud_name and resource_type"
        ),
    )
}

/// The client's own string to sign, with the right parameters in it.
fn order(case: &Case<'_>) -> Option<Finding> {
    let string = case.report.string.as_deref().filter(|string| *string != case.string)?;
    let mut signed = split(string);
    signed.sort_unstable();
    let mut sent = case.pairs.clone();
    sent.sort_unstable();
    if signed == sent {
        return Some(wrong_order());
    }
    let is_escaped = string.replace("%26", "&") == case.string.replace("%26", "&");
    is_escaped.then(ampersand_between)
}

pub(super) fn wrong_order() -> Finding {
    Finding::new(
        Cause::WrongOrder,
        "the parameters were signed in another order than that of their names",
        "sort the parameters by name, A to Z, before joining them",
    )
}

/// The `&` that joins was escaped like one inside a value.
pub(super) fn ampersand_between() -> Finding {
    Finding::new(
        Cause::AmpersandEscaping,
        "the `&` was escaped in the wrong place: between the parameters, or more than once",
        "join with a plain `&`; only inside a value it is written as %26 (signature version 2)",
    )
}

/// Everything agrees, but the claim holds names that are never signed, and is no request that was sent.
fn never_signed_in(case: &Case<'_>) -> Option<Finding> {
    if case.report.signature.is_some() {
        return None;
    }
    let name = case.report.params.iter().map(|(name, _)| name).find(|name| NOT_SIGNED.contains(name))?;
    Some(never_signed(name))
}

/// What gives itself away in the provider's string alone.
fn suspicious(case: &Case<'_>) -> Option<Finding> {
    let value_of =
        |wanted: &str| case.pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    if let Some(timestamp) = value_of("timestamp").filter(|text| timing::is_in_milliseconds(text)) {
        return Some(timing::in_milliseconds(timestamp));
    }
    if case.has_claim {
        return None;
    }
    let added: Vec<_> = WIDGET.into_iter().filter(|name| value_of(name).is_some()).collect();
    (!added.is_empty()).then(|| not_signed(&added))
}
