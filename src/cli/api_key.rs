//! `countersign api-key new`: makes a key for a caller, and the line that lets the service know it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use rand::TryRng as _;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};

use super::Answer;
use super::output::{Output, say};
use crate::auth::{KEY_PREFIX, Scope};

const EXAMPLES: &str = "\
Examples:
  countersign api-key new web-shop --scope upload:kyc --scope download
  countersign api-key new web-shop | sed -n 2p >> api-keys.txt

The first line of output is the key: give it to the caller, who sends it as
Authorization: Bearer KEY. It is shown this once and kept nowhere. The second line is for the file
that API_KEYS_FILE names; it holds the key's SHA-256 hash only, so that who reads the file cannot
call with it.";

/// How many random bytes a key has.
const KEY_BYTES: usize = 32;
/// What a key may do unless told otherwise.
const DEFAULT_SCOPE: &str = "upload:default";

/// Keys of callers.
#[derive(Args, Debug)]
pub(super) struct ApiKeyCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::doc_markdown, reason = "docs become help")]
enum Action {
    /// Make a key and the line for API_KEYS_FILE
    New(NewKey),
}

/// Whose key it is, and what it may do.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
struct NewKey {
    /// Who will call with it, in one word
    #[arg(value_parser = parse_name)]
    name: String,
    /// What the key may do, such as upload:kyc, download, delete or admin; can be given again
    #[arg(long = "scope", value_name = "SCOPE", default_value = DEFAULT_SCOPE)]
    scopes: Vec<Scope>,
}

pub(super) fn run(command: &ApiKeyCommand) -> anyhow::Result<Answer> {
    let Action::New(new) = &command.action;
    let mut random = [0; KEY_BYTES];
    SysRng.try_fill_bytes(&mut random)?;
    let key = format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let mut output = Output::stdout();
    output.line(&key)?;
    output.line(new.line(&key))?;
    output.finish()?;
    say("the key is on the first line and is not shown again; the second line goes into API_KEYS_FILE");
    Ok(Answer::Yes)
}

impl NewKey {
    /// `NAME SHA256-HEX SCOPE[,SCOPE…]`
    fn line(&self, key: &str) -> String {
        let scopes: Vec<_> = self.scopes.iter().map(ToString::to_string).collect();
        format!("{} {} {}", self.name, hex::encode(Sha256::digest(key)), scopes.join(","))
    }
}

fn parse_name(text: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = (1..=100).contains(&text.len()) && text.bytes().all(allowed);
    if is_name { Ok(text.to_owned()) } else { Err("must be 1 to 100 letters, digits and `._-`") }
}
