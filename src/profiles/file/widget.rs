//! The key `upload_widget`: widgets compose their parameters themselves, the timestamp included.

use super::{ProfileText, Reading};
use crate::profiles::Lifetime;
use crate::signing::cloudinary::TIMESTAMP_WINDOW_SECONDS;

impl Reading<'_> {
    /// Whether widgets may use the profile, which must then make no promise that their signatures cannot keep.
    pub(super) fn upload_widget(&mut self, text: &ProfileText, lifetime: Lifetime) -> bool {
        let is_tracked = text.single_use == Some(true) || text.max_bytes.is_some() || text.quota.is_some();
        if text.upload_widget && is_tracked {
            self.wrong(
                "upload_widget",
                "does not go with single_use, max_bytes or quota: they need a public id that the server makes, and \
                 a widget sends its own parameters",
            );
        }
        if text.upload_widget && lifetime.seconds() != TIMESTAMP_WINDOW_SECONDS {
            self.wrong(
                "upload_widget",
                "needs expires_in = \"60m\": a widget sends the current time as its timestamp, so that its signature is \
                 valid for the provider's whole hour",
            );
        }
        text.upload_widget
    }
}
