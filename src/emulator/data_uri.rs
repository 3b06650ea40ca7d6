//! A `file` that is text: a data URI is decoded to disk while it streams in, an address is handed on, anything else is
//! refused.
//!
//! ```text
//! data:[<mime>][;<name>=<value>]*;base64,<base64>
//! ```

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Backend;
use super::refusal::Refusal;
use super::store::{Incoming, IncomingFile};

/// Longest address, and longest beginning of a data URI up to its comma.
const MAX_ADDRESS_BYTES: usize = 8 * 1024;

/// How much of a text that is no file a refusal repeats.
const MAX_REPEATED: usize = 1_024;

/// Padding is optional at the end of a data URI.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The text of `file`, as far as it has come.
pub(super) struct Source<'a> {
    backend: &'a Backend,
    /// Whether the file is a part of a larger one.
    is_part: bool,
    state: State,
}

enum State {
    /// Up to the comma.
    Header(Vec<u8>),
    /// The file, and base64 that does not yet make a group of four.
    Content(Box<IncomingFile>, Vec<u8>),
    /// Something else: an address, perhaps.
    Other(Vec<u8>),
    Refused(Refusal),
}

impl<'a> Source<'a> {
    pub(super) const fn new(backend: &'a Backend, is_part: bool) -> Self {
        Self { backend, is_part, state: State::Header(Vec::new()) }
    }

    /// Takes the next piece. Fails only when the disk does; a bad text is refused at the end.
    pub(super) async fn push(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        match &mut self.state {
            State::Refused(_) => Ok(()),
            State::Other(text) => {
                let room = MAX_ADDRESS_BYTES.saturating_sub(text.len());
                text.extend(piece.iter().take(room));
                Ok(())
            }
            State::Content(file, pending) => {
                let outcome = write(file, pending, piece).await?;
                if let Err(NotBase64) = outcome {
                    self.state = State::Refused(not_base64());
                }
                Ok(())
            }
            State::Header(header) => {
                let Some(comma) = piece.iter().position(|byte| *byte == b',') else {
                    let room = MAX_ADDRESS_BYTES.saturating_sub(header.len());
                    header.extend(piece.iter().take(room));
                    return Ok(());
                };
                header.extend(&piece[..comma]);
                if is_data_uri(header) {
                    return self.begin(&piece[comma + 1..]).await;
                }
                let mut text = std::mem::take(header);
                text.extend(&piece[comma..]);
                text.truncate(MAX_ADDRESS_BYTES);
                self.state = State::Other(text);
                Ok(())
            }
        }
    }

    /// The header is complete: what follows is the content.
    async fn begin(&mut self, rest: &[u8]) -> Result<(), Refusal> {
        let keep_bytes = self.backend.limits.request_file_bytes;
        let mut file = self.backend.store.incoming(keep_bytes, self.is_part);
        let mut pending = Vec::new();
        self.state = match write(&mut file, &mut pending, rest).await? {
            Ok(()) => State::Content(Box::new(file), pending),
            Err(NotBase64) => State::Refused(not_base64()),
        };
        Ok(())
    }

    /// The file, or why there is none.
    pub(super) async fn finish(self) -> Result<Incoming, Refusal> {
        match self.state {
            State::Header(text) | State::Other(text) => Err(refuse(&text)),
            State::Refused(refusal) => Err(refusal),
            State::Content(mut file, pending) => {
                let last = BASE64.decode(pending).ok().ok_or_else(not_base64)?;
                file.write(last.into()).await?;
                Ok(file.finish().await?)
            }
        }
    }
}

/// The text is not base64.
struct NotBase64;

/// Decodes whole groups of four; the outer error is the disk's.
async fn write(
    file: &mut IncomingFile,
    pending: &mut Vec<u8>,
    piece: &[u8],
) -> Result<Result<(), NotBase64>, Refusal> {
    pending.extend(piece.iter().filter(|byte| !byte.is_ascii_whitespace()));
    let rest = pending.split_off(pending.len() / 4 * 4);
    let whole = std::mem::replace(pending, rest);
    let Ok(decoded) = BASE64.decode(whole) else {
        return Ok(Err(NotBase64));
    };
    file.write(decoded.into()).await?;
    Ok(Ok(()))
}

fn is_data_uri(header: &[u8]) -> bool {
    header.starts_with(b"data:") && header.ends_with(b";base64")
}

fn not_base64() -> Refusal {
    Refusal::UnsupportedSource("data URI that is not base64".to_owned())
}

/// Why this text, cut where it gets long, is not a file.
fn refuse(text: &[u8]) -> Refusal {
    let text = String::from_utf8_lossy(text).into_owned();
    let is_remote = ["http:", "https:", "ftp:", "s3:", "gs:"].iter().any(|scheme| text.starts_with(scheme));
    if text.is_empty() {
        Refusal::MissingParameter("file")
    } else if is_remote {
        Refusal::RemoteFile(text)
    } else {
        Refusal::UnsupportedSource(text.chars().take(MAX_REPEATED).collect())
    }
}
