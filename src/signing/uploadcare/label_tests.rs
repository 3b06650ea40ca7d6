use std::collections::BTreeSet;

use super::*;

const ID: LabelId = LabelId::new([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);

fn label(subject: &str, profile: &str, files: LabelledFiles) -> UploadLabel {
    let (subject, profile) = (subject.to_owned(), profile.to_owned());
    UploadLabel { subject, profile, expires_at: 1_720_001_800, files }
}

fn key(secret: &str, public_key: &str) -> LabelKey {
    LabelKey::derive(&secret.into(), public_key)
}

fn demo_key() -> LabelKey {
    key("demosecretkey", "demopublickey")
}

#[test]
fn a_label_equals_the_one_that_another_implementation_makes() {
    // Made by Python's `cryptography` (HKDF, AESGCMSIV).
    for (files, expected) in [
        (LabelledFiles::UpTo(25), "AAECAwQFBgcICQoLU0Mmz1vbsXmVESDK_6K97n23DsZI5BUEBuGSBJucAw59"),
        (LabelledFiles::One, "AAECAwQFBgcICQoLsXQyo-95sEjhc2M4vw79pQLFYczVICGIZZXdcug4oC-J"),
    ] {
        let label = label("ann", "papers", files);
        assert_eq!(demo_key().seal(ID, &label), expected);
        assert_eq!(demo_key().open(expected), Some((ID, label)));
    }
    assert_eq!(ID.to_string(), "000102030405060708090a0b");
}

#[test]
fn a_label_is_read_by_its_own_project_and_tells_others_nothing() {
    for one in [
        label("ann@example.com", "papers", LabelledFiles::One),
        label("", "uploadcare", LabelledFiles::UpTo(1)),
        label("ünïcode \u{0}\"", "p", LabelledFiles::UpTo(LabelledFiles::MAX)),
    ] {
        let sealed = demo_key().seal(ID, &one);
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"papers"));
        assert_eq!(demo_key().open(&sealed), Some((ID, one)));
        for (secret, public_key) in
            [("another", "demopublickey"), ("demosecretkey", "another"), ("demosecretkey", "")]
        {
            assert_eq!(key(secret, public_key).open(&sealed), None, "{secret} {public_key}");
        }
    }
}

#[test]
fn no_two_labels_are_alike() {
    let labels = [
        label("b", "a", LabelledFiles::One),
        label("", "ab", LabelledFiles::One),
        label("ab", "", LabelledFiles::One),
        label("b", "a", LabelledFiles::UpTo(1)),
        label("b", "a", LabelledFiles::UpTo(2)),
    ];
    let mut sealed: BTreeSet<_> = labels.iter().map(|one| demo_key().seal(ID, one)).collect();
    sealed.insert(demo_key().seal(LabelId::new([7; 12]), &labels[0]));
    assert_eq!(sealed.len(), labels.len() + 1);
}

#[test]
fn a_label_with_any_bit_changed_is_refused() {
    let sealed = demo_key().seal(ID, &label("ann", "papers", LabelledFiles::UpTo(25)));
    let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(demo_key().open(&URL_SAFE_NO_PAD.encode(changed)), None, "bit {bit}");
    }
    for text in ["", "a", "====", &sealed[1..], &sealed[..sealed.len() - 1], &format!("{sealed}A")] {
        assert_eq!(demo_key().open(text), None, "{text}");
    }
    // The cipher of earlier versions.
    assert_eq!(demo_key().open("eOq7Abwc2ZfFVd5Dm0xVbAwY5zMCksyVySwtYdIZ8bc7tfU"), None);
}

#[test]
fn the_longest_names_fit_the_providers_limit() {
    let longest = label(&"s".repeat(255), &"p".repeat(93), LabelledFiles::UpTo(LabelledFiles::MAX));
    let sealed = demo_key().seal(ID, &longest);
    assert_eq!(sealed.len(), MAX_CHARACTERS);
    assert_eq!(demo_key().open(&sealed), Some((ID, longest)));
}
