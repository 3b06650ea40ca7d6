//! The emulator over HTTP.

#[test]
fn x() {
    Some(1).unwrap();
}
