//! The published table of delivery URLs, every refusal by name, and properties over text nobody thought of.

use percent_encoding::percent_decode_str;
use proptest::prelude::*;

use super::*;

/// One row of `delivery_urls.tsv`, in the order of its columns; an empty cell is `None`.
fn expected(cells: &[&str]) -> [Option<String>; 8] {
    std::array::from_fn(|index| Some(cells[index + 2].to_owned()).filter(|cell| !cell.is_empty()))
}

fn found(url: &DeliveryUrl) -> [Option<String>; 8] {
    [
        url.cloud().map(str::to_owned),
        Some(url.resource_type().to_string()),
        Some(url.delivery_type().to_string()),
        Some(url.public_id().to_owned()),
        url.format().map(str::to_owned),
        url.version().map(str::to_owned),
        url.signature().map(str::to_owned),
        url.seo_suffix().map(str::to_owned),
    ]
}

fn table() -> impl Iterator<Item = Vec<&'static str>> {
    include_str!("../../tests/vectors/delivery_urls.tsv")
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect())
}

#[test]
fn every_row_of_the_published_table_is_read_as_it_says() {
    let mut rows = 0;
    for cells in table() {
        let url: DeliveryUrl =
            cells[1].parse().unwrap_or_else(|error| panic!("{} {}: {error}", cells[0], cells[1]));
        assert_eq!(found(&url), expected(&cells), "{} {}", cells[0], cells[1]);
        rows += 1;
    }
    assert!(rows >= 74, "the table has {rows} rows");
}

#[test]
fn every_row_prints_an_address_that_is_read_back_as_the_same_asset() {
    for cells in table() {
        let url: DeliveryUrl = cells[1].parse().unwrap();
        assert_same_asset(&url, &url.to_string().parse().unwrap());
    }
}

fn assert_same_asset(a: &DeliveryUrl, b: &DeliveryUrl) {
    let asset = |url: &DeliveryUrl| {
        let mut fields = found(url);
        fields[5] = url.version.clone().filter(|version| version != "1");
        fields[6] = None;
        (url.scheme, url.authority.clone(), fields)
    };
    assert_eq!(asset(a), asset(b), "{a} {b}");
}

/// Text that is refused, and the rule that refuses it.
const REFUSED: &[(&str, DeliveryUrlError)] = &[
    ("", DeliveryUrlError::Scheme),
    ("ftp://res.cloudinary.com/demo/image/upload/a", DeliveryUrlError::Scheme),
    ("res.cloudinary.com/demo/image/upload/a", DeliveryUrlError::Scheme),
    ("javascript:alert(1)//x", DeliveryUrlError::Scheme),
    ("https://", DeliveryUrlError::Authority(BadAuthority::NoHost)),
    ("https:///demo/image/upload/a", DeliveryUrlError::Authority(BadAuthority::NoHost)),
    (
        "https://res.cloudinary.com@evil.example/demo/image/upload/a",
        DeliveryUrlError::Authority(BadAuthority::UserInformation),
    ),
    (
        "https://res.cloudinary.com\\@evil.example/demo/image/upload/a",
        DeliveryUrlError::Authority(BadAuthority::UserInformation),
    ),
    ("https://res.cloudinary.com", DeliveryUrlError::NoPublicId),
    ("https://res.cloudinary.com/demo", DeliveryUrlError::NoPublicId),
    ("https://res.cloudinary.com/demo/", DeliveryUrlError::NoPublicId),
    ("https://res.cloudinary.com/demo/image/upload/", DeliveryUrlError::NoPublicId),
    ("https://res.cloudinary.com/demo/image/upload/v1/", DeliveryUrlError::NoPublicId),
    ("https://res.cloudinary.com//image/upload/a", DeliveryUrlError::Cloud),
    ("https://res.cloudinary.com/de%6do/image/upload/a", DeliveryUrlError::Cloud),
    ("https://res.cloudinary.com/demo/image/upload/a//b", DeliveryUrlError::EmptySegment),
    ("https://res.cloudinary.com/demo/image/upload/a/", DeliveryUrlError::EmptySegment),
    ("https://res.cloudinary.com/demo/image/upload/a%2F%2Fb", DeliveryUrlError::EmptySegment),
    ("https://res.cloudinary.com/demo/image/upload/x/../a", DeliveryUrlError::DotSegment),
    ("https://res.cloudinary.com/demo/image/upload/x/%2e%2E/a", DeliveryUrlError::DotSegment),
    ("https://res.cloudinary.com/demo/image/upload/x%2F..%2Fa", DeliveryUrlError::DotSegment),
    ("https://res.cloudinary.com/demo/image/upload/a%00", DeliveryUrlError::ControlCharacter),
    ("https://res.cloudinary.com/demo/image/upload/a%0Ab", DeliveryUrlError::ControlCharacter),
    ("https://res.cloudinary.com/demo/image/upload/a\nb", DeliveryUrlError::Character('\n')),
    ("https://res.cloudinary.com/demo/image/upload/a\0b", DeliveryUrlError::Character('\0')),
    ("https://res.cloudinary.com/demo/image\\upload/a", DeliveryUrlError::Character('\\')),
    ("https://res.cloudinary.com/demo/image/upload/a%2", DeliveryUrlError::PercentEncoding),
    ("https://res.cloudinary.com/demo/image/upload/a%zz", DeliveryUrlError::PercentEncoding),
    ("https://res.cloudinary.com/demo/image/upload/a%ff", DeliveryUrlError::NotUtf8),
    ("https://res.cloudinary.com/demo/images/test", DeliveryUrlError::NoSeoSuffix("images")),
];

#[test]
fn every_refusal_names_its_rule() {
    for (text, expected) in REFUSED {
        assert_eq!(text.parse::<DeliveryUrl>().as_ref(), Err(expected), "{text:?}");
    }
}

#[test]
fn a_space_inside_is_read_and_one_at_the_end_refused() {
    let url = "https://res.cloudinary.com/demo/image/upload/l_text:Times New Roman_30:hi/v1/a b.jpg";
    assert_eq!(url.parse::<DeliveryUrl>().unwrap().public_id(), "a b");
    assert_eq!(format!("{url} ").parse::<DeliveryUrl>(), Err(DeliveryUrlError::Character(' ')));
}

#[test]
fn the_signed_source_leaves_out_version_and_suffix() {
    for (url, source) in [
        (
            "https://res.cloudinary.com/demo/image/upload/s--Ai4Znfl3--/c_crop,h_20,w_10/v1234/image.jpg",
            "c_crop,h_20,w_10/image.jpg",
        ),
        ("https://res.cloudinary.com/demo/images/s--Ai4Znfl3--/v1/a%20b/hello.jpg", "a%20b.jpg"),
        ("https://res.cloudinary.com/demo/raw/private/v1/x/document.docx", "x/document.docx"),
    ] {
        assert_eq!(url.parse::<DeliveryUrl>().unwrap().signed_source(), source);
    }
}

/// Text made of the pieces that delivery URLs are made of, in any order.
fn any_path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just("image".to_owned()),
        Just("upload".to_owned()),
        Just("private".to_owned()),
        Just("fetch".to_owned()),
        Just("raw".to_owned()),
        Just("images".to_owned()),
        Just("iu".to_owned()),
        Just("s--Ai4Znfl3--".to_owned()),
        Just("w_100,c_fill".to_owned()),
        Just("v12".to_owned()),
        Just("..".to_owned()),
        "[a-z_%.,:$2F ]{0,8}",
        "\\PC{0,6}",
        "[a-z]{1,6}\\.(jpg|PNG|mp4|txt)",
    ];
    proptest::collection::vec(segment, 0..8).prop_map(|segments| segments.join("/"))
}

fn any_url() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        Just("https://res.cloudinary.com/demo/"),
        Just("https://demo-res.cloudinary.com/"),
        Just("https://media.example.com/"),
        Just("http://127.0.0.1:4000/demo/"),
        Just("//res-2.cloudinary.com/"),
    ];
    (host, any_path()).prop_map(|(host, path)| format!("{host}{path}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*") {
        let _ = text.parse::<DeliveryUrl>();
    }

    #[test]
    fn what_parses_prints_an_address_that_is_read_back_as_the_same_asset(text in any_url()) {
        if let Ok(url) = text.parse::<DeliveryUrl>() {
            let printed = url.to_string();
            let again = printed.parse::<DeliveryUrl>();
            prop_assert!(again.is_ok(), "{} → {} → {:?}", text, printed, again);
            assert_same_asset(&url, &again.unwrap());
        }
    }

    #[test]
    fn the_last_segment_is_never_a_transformation(transformations in "((w|fps|if|[a-c])_[a-z0-9]{1,4}/){0,4}", last in "(w|fps|if|[a-c])_[a-z0-9]{1,9}") {
        let url: DeliveryUrl =
            format!("https://res.cloudinary.com/demo/image/upload/{transformations}{last}").parse().unwrap();
        prop_assert_eq!(url.public_id(), last);
        prop_assert_eq!(url.transformation(), transformations.trim_end_matches('/'));
    }

    #[test]
    fn a_public_id_is_percent_decoded_exactly_once(id in "[a-z%+ äß]{1,20}") {
        let encoded = utf8_percent_encode(&id, NON_ALPHANUMERIC);
        let url: DeliveryUrl =
            format!("https://res.cloudinary.com/demo/image/upload/v1/{encoded}").parse().unwrap();
        prop_assert_eq!(url.public_id(), id);
    }

    /// Whatever is accepted has the same host and path for every reader that follows WHATWG.
    #[test]
    fn whatwg_sees_the_same_host_and_path(text in any_url()) {
        if let Ok(url) = text.parse::<DeliveryUrl>() {
            let absolute = if url.scheme() == Scheme::Relative { format!("https:{text}") } else { text.clone() };
            let whatwg = ::url::Url::parse(&absolute).unwrap();
            prop_assert_eq!(whatwg.host_str(), Some(url.authority().host()));
            let cut = absolute.split(['?', '#']).next().unwrap();
            let path = cut.splitn(4, '/').nth(3).unwrap_or_default();
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            prop_assert_eq!(decoded(&whatwg.path()[1..]), decoded(path));
        }
    }
}
