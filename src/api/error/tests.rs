//! Every error answers the same, bare or as the error of one item of a list; only the message names the item.

use axum::http::HeaderMap;
use serde_json::json;

use super::*;
use crate::auth::Action;
use crate::auth::Caller;
use crate::profiles::{Measure, Profiles};

/// Fails to compile when a variant is added, until [`every_variant`] has it too.
fn place_in_the_list(error: &ApiError) -> usize {
    match error {
        ApiError::InvalidQuery(_) => 0,
        ApiError::InvalidBody(_) => 1,
        ApiError::InvalidItems(_) => 2,
        ApiError::Unauthenticated => 3,
        ApiError::CredentialRefused => 4,
        ApiError::TokenExpired => 5,
        ApiError::Forbidden(_) => 6,
        ApiError::AssetNotFound => 7,
        ApiError::UploadNotFound => 8,
        ApiError::ProfileNotFound(_) => 9,
        ApiError::NoUploadcare => 10,
        ApiError::NoSecureDelivery => 11,
        ApiError::NoWebhookSecret => 12,
        ApiError::BodyTimeout(_) => 13,
        ApiError::GrantUsed => 14,
        ApiError::GrantOver(_) => 15,
        ApiError::BodyTooLarge(_) => 16,
        ApiError::UnsupportedMediaType => 17,
        ApiError::Refused(_) => 18,
        ApiError::ConfirmationRefused(_) => 19,
        ApiError::NotificationRefused(_) => 20,
        ApiError::InsidersOnly => 21,
        ApiError::TooManyRequests { .. } => 22,
        ApiError::QuotaExceeded { .. } => 23,
        ApiError::TooManyOpenGrants { .. } => 24,
        ApiError::ProviderFailed { .. } => 25,
        ApiError::IssuerUnreachable => 26,
        ApiError::LedgerUnreachable => 27,
        ApiError::ProviderUnreachable => 28,
        ApiError::ShuttingDown => 29,
        ApiError::Internal => 30,
        ApiError::ExplainBusy => 31,
        ApiError::OriginNotAllowed => 32,
        ApiError::HostNotAllowed => 33,
        ApiError::InvalidHost(_) => 34,
        ApiError::UnknownTransferEncoding => 35,
        ApiError::At { .. } => 36,
    }
}

fn every_variant() -> Vec<ApiError> {
    let exceeded = QuotaExceeded {
        profile: "kyc".to_owned(),
        measure: Measure::Uploads,
        limit: 3,
        resets_at: UnixSeconds(1_720_000_000),
    };
    let open = TooManyOpen { profile: "kyc".to_owned(), limit: 3, free_at: UnixSeconds(1_720_000_000) };
    let item = InvalidItem { index: 7, field: Some("url"), message: "is missing".to_owned() };
    vec![
        ApiError::InvalidQuery("a".to_owned()),
        ApiError::InvalidBody("a".to_owned()),
        ApiError::InvalidItems(vec![item]),
        ApiError::Unauthenticated,
        ApiError::CredentialRefused,
        ApiError::TokenExpired,
        Caller::Anonymous.may(Action::Administer).unwrap_err().into(),
        ApiError::AssetNotFound,
        ApiError::UploadNotFound,
        Profiles::reference().get("nope").unwrap_err().into(),
        ApiError::NoUploadcare,
        ApiError::NoSecureDelivery,
        ApiError::NoWebhookSecret,
        ApiError::BodyTimeout(10),
        ApiError::GrantUsed,
        ApiError::GrantOver("ran out"),
        ApiError::BodyTooLarge(10),
        ApiError::UnsupportedMediaType,
        Refusal::NeedsCaller { profile: "kyc".to_owned() }.into(),
        ApiError::ConfirmationRefused("a"),
        ApiError::NotificationRefused("a"),
        ApiError::InsidersOnly,
        ApiError::TooManyRequests { retry_after_seconds: 3 },
        ApiError::QuotaExceeded { exceeded, retry_after_seconds: 800 },
        ApiError::TooManyOpenGrants { exceeded: open, retry_after_seconds: 60 },
        ApiError::ProviderFailed { message: "a".to_owned(), data: json!({ "left": 1 }) },
        ApiError::IssuerUnreachable,
        ApiError::LedgerUnreachable,
        ApiError::ProviderUnreachable,
        ApiError::ShuttingDown,
        ApiError::Internal,
        ApiError::ExplainBusy,
        ApiError::OriginNotAllowed,
        ApiError::HostNotAllowed,
        ApiError::InvalidHost("a"),
        ApiError::UnknownTransferEncoding,
        ApiError::LedgerUnreachable.at("first"),
    ]
}

/// Status, headers and body, the message apart.
fn answer(error: ApiError) -> (StatusCode, HeaderMap, Value, String) {
    let mut response = error.into_response();
    let failure = response.extensions_mut().remove::<Failure>().unwrap();
    let mut body = serde_json::to_value(&failure).unwrap();
    let message = body.as_object_mut().unwrap().remove("message").unwrap();
    (response.status(), response.headers().clone(), body, message.as_str().unwrap().to_owned())
}

#[test]
fn an_error_of_one_item_answers_all_that_the_bare_error_does() {
    let (bare, once, twice) = (every_variant(), every_variant(), every_variant());
    for (index, ((bare, once), twice)) in bare.into_iter().zip(once).zip(twice).enumerate() {
        assert_eq!(place_in_the_list(&bare), index);
        let (status, headers, body, message) = answer(bare);
        for (wrapped, place) in [
            (once.at("uploads[7]"), "uploads[7]"),
            (twice.at("uploads[7]").at("batches[1]"), "batches[1]: uploads[7]"),
        ] {
            let expected = (status, headers.clone(), body.clone(), format!("{place}: {message}"));
            assert_eq!(answer(wrapped), expected);
        }
    }
}

#[test]
fn errors_that_pass_say_when_to_come_again_and_credentials_what_is_asked_for() {
    let header = |error: ApiError, name| answer(error.at("uploads[0]")).1.get(name).cloned();
    assert_eq!(header(ApiError::LedgerUnreachable, RETRY_AFTER).unwrap(), "5");
    assert_eq!(header(ApiError::ExplainBusy, RETRY_AFTER).unwrap(), "1");
    assert_eq!(header(ApiError::TooManyRequests { retry_after_seconds: 3 }, RETRY_AFTER).unwrap(), "3");
    assert_eq!(header(ApiError::Unauthenticated, WWW_AUTHENTICATE).unwrap(), "Bearer");
    assert_eq!(header(ApiError::GrantUsed, RETRY_AFTER), None);
}
