//! The cURL command that performs an upload, for any file name, in words that bash and POSIX sh read alike.
//!
//! ```text
//! one request     curl … --form-string 'name=value' … --form 'file=@"path"' URL
//! over 100 MB     a subshell that cuts the file with dd and sends 20 MB at a time, all under one upload id
//! ```
//!
//! Two languages are quoted here: the shell's (single quotes, in which only `'` is special) and that of cURL's `--form`
//! (double quotes, in which `"` and `\` are). File names are bytes, not text, and stay as they are.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::upload::SignedUpload;
use crate::cli::Usage;

/// Stands where the file's name goes when none was given.
pub(super) const PLACEHOLDER: &str = "PATH/TO/FILE";

/// The largest file that goes up in one request, in bytes.
const MAX_WHOLE_BYTES: u64 = 100_000_000;
/// The size of dd's blocks, in bytes.
const BLOCK_BYTES: u64 = 1_000_000;
/// How many blocks make a part: 20 MB, as in the official SDKs.
const BLOCKS_A_PART: u64 = 20;

/// The command, ready to paste.
pub(super) fn command(upload: &SignedUpload, file: Option<&Path>) -> Result<Vec<u8>, Usage> {
    let Some(path) = file else {
        return Ok(whole(upload, PLACEHOLDER.as_bytes()));
    };
    let unreadable =
        |why: &dyn std::fmt::Display| Usage(format!("--file: `{}` cannot be read: {why}", path.display()));
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        return Err(unreadable(&"it is not a file"));
    }
    let name = plain_path(path.as_os_str());
    Ok(match metadata.len() {
        bytes if bytes > MAX_WHOLE_BYTES => in_parts(upload, path, &name, bytes),
        _ => whole(upload, &name),
    })
}

/// A name that begins with a dash would read as an option, or as standard input.
fn plain_path(path: &OsStr) -> Vec<u8> {
    let prefix: &[u8] = if path.as_bytes().starts_with(b"-") { b"./" } else { b"" };
    [prefix, path.as_bytes()].concat()
}

fn whole(upload: &SignedUpload, path: &[u8]) -> Vec<u8> {
    let file = [b"file=@".as_slice(), &form_quoted(path)].concat();
    let mut words = curl_words(upload);
    words.extend([b"--form".to_vec(), shell_quoted(&file), shell_quoted(upload.upload_url.as_bytes())]);
    join(&words, b" \\\n  ")
}

/// `curl`, and what every request carries: the signed parameters, the key and the signature.
fn curl_words(upload: &SignedUpload) -> Vec<Vec<u8>> {
    let mut words = vec![b"curl --fail-with-body --silent --show-error".to_vec()];
    let mut field = |name: &str, value: &str| {
        let pair = shell_quoted(format!("{name}={value}").as_bytes());
        words.push([b"--form-string ".as_slice(), &pair].concat());
    };
    for (name, value) in upload.payload.iter() {
        field(name, &value.to_string());
    }
    field("api_key", &upload.api_key);
    field("signature", upload.signature.as_str());
    words
}

fn in_parts(upload: &SignedUpload, path: &Path, name: &[u8], bytes: u64) -> Vec<u8> {
    let upload_id = format!("{:016x}", rand::random::<u64>());
    let file_name = path.file_name().unwrap_or_default().as_bytes();
    let part = [b"file=@-;filename=".as_slice(), &form_quoted(file_name)].concat();
    let mut words = curl_words(upload);
    words.push(format!("--header 'X-Unique-Upload-Id: {upload_id}'").into_bytes());
    words.push(br#"--header "Content-Range: bytes $start-$((end - 1))/$bytes""#.to_vec());
    words.extend([b"--form".to_vec(), shell_quoted(&part), shell_quoted(upload.upload_url.as_bytes())]);
    let head = format!("bytes={bytes} part={} start=0", BLOCK_BYTES * BLOCKS_A_PART);
    let cut = format!(
        "dd if=\"$file\" bs={BLOCK_BYTES} skip=$((start / {BLOCK_BYTES})) count={BLOCKS_A_PART} 2>/dev/null |"
    );
    [
        b"(\nfile=".as_slice(),
        &shell_quoted(name),
        b"\n",
        head.as_bytes(),
        b"\nwhile [ \"$start\" -lt \"$bytes\" ]; do\n  end=$((start + part))\n  if [ \"$end\" -gt \"$bytes\" ]; then end=$bytes; fi\n  ",
        cut.as_bytes(),
        b"\n  ",
        &join(&words, b" \\\n    "),
        b" || exit\n  echo\n  start=$end\ndone\n)",
    ]
    .concat()
}

/// The words, `--form` kept on the line of its value.
fn join(words: &[Vec<u8>], separator: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for (index, word) in words.iter().enumerate() {
        match index {
            0 => {}
            _ if words[index - 1] == b"--form" => text.push(b' '),
            _ => text.extend_from_slice(separator),
        }
        text.extend_from_slice(word);
    }
    text
}

/// One word of the shell's.
fn shell_quoted(text: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in text {
        match byte {
            b'\'' => quoted.extend_from_slice(br"'\''"),
            other => quoted.push(*other),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// One name inside a value of `--form`.
fn form_quoted(name: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in name {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    quoted
}
