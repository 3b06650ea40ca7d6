//! Who may upload: the public key first, then the signature, in the order of the provider's documentation.

use crate::clock::UnixSeconds;
use crate::signing::uploadcare::upload_signature;

use super::super::fields::Fields;
use super::UploadcareProject;
use super::refusal::UploadRefusal;

/// The most digits of a time: what has more is milliseconds, or no time at all.
const MAX_EXPIRE_DIGITS: usize = 11;

impl UploadcareProject {
    /// Whether the field `name` holds this project's public key.
    pub(super) fn check_public_key(&self, fields: &Fields, name: &'static str) -> Result<(), UploadRefusal> {
        match fields.get(name) {
            None => Err(UploadRefusal::PublicKeyRequired(name)),
            Some(given) if given == self.public_key => Ok(()),
            Some(_) => Err(UploadRefusal::PublicKeyInvalid(name)),
        }
    }

    /// Whether `signature` and `expire` permit an upload at `now`. The last second still counts.
    pub(super) fn check_signature(&self, fields: &Fields, now: UnixSeconds) -> Result<(), UploadRefusal> {
        let signature = fields.get("signature").ok_or(UploadRefusal::SignatureRequired)?;
        let expire = fields.get("expire").ok_or(UploadRefusal::ExpireRequired)?;
        let is_time = expire.len() <= MAX_EXPIRE_DIGITS && expire.bytes().all(|byte| byte.is_ascii_digit());
        let expires_at =
            expire.parse::<i64>().ok().filter(|_| is_time).ok_or(UploadRefusal::ExpireInvalid)?;
        if expires_at < now.0 {
            return Err(UploadRefusal::Expired);
        }
        if upload_signature(&self.secret_key, expire).matches(signature) {
            Ok(())
        } else {
            Err(UploadRefusal::SignatureInvalid)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: &str) -> String {
        let mut fields = Fields::default();
        fields.add_urlencoded(form.as_bytes()).unwrap();
        let project = UploadcareProject { secret_key: "demo-secret".into(), ..UploadcareProject::default() };
        let outcome = project.check_signature(&fields, UnixSeconds(2_000_000_000));
        outcome.map_or_else(|refusal| refusal.to_string(), |()| "passes".to_owned())
    }

    #[test]
    fn checks_come_in_order() {
        let right = "f5b47065746349ad04203d45d468bb8b72bd56dba8308fa47c466ea5b4e914f8";
        for (form, expected) in [
            ("expire=2000000000".to_owned(), "`signature` is required."),
            ("signature=x".to_owned(), "`expire` is required."),
            ("signature=x&expire=soon".to_owned(), "`expire` must be a UNIX timestamp."),
            ("signature=x&expire=-5".to_owned(), "`expire` must be a UNIX timestamp."),
            ("signature=x&expire=2000000000000".to_owned(), "`expire` must be a UNIX timestamp."),
            (format!("signature={right}&expire=1999999999"), "Expired signature."),
            ("signature=x&expire=2000000000".to_owned(), "Invalid signature."),
            (format!("signature={right}&expire=2000000001"), "Invalid signature."),
            (format!("signature={right}&expire=2000000000"), "passes"),
        ] {
            assert_eq!(check(&form), expected, "{form}");
        }
    }
}
