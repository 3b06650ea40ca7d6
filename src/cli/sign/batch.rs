//! `countersign sign --batch`: one JSON object in, one signature out, line by line in constant memory.

use std::io;

use serde::Serialize;

use crate::cli::Answer;
use crate::cli::lines::Lines;
use crate::cli::output::Output;
use crate::signing::cloudinary::Signer;
use crate::signing::{ObjectSigner, Signature};

/// One line of output. The names are fixed: other programs read them.
#[derive(Serialize)]
struct Signed<'a> {
    string_to_sign: &'a str,
    signature: Signature,
}

#[derive(Serialize)]
struct NotSigned {
    error: String,
}

pub(super) fn run(signer: Signer) -> anyhow::Result<Answer> {
    let mut signer = ObjectSigner::new(signer);
    let mut lines = Lines::stdin();
    let mut output = Output::stdout();
    let mut answer = Answer::Yes;
    while let Some((number, line)) = lines.next()? {
        answer &= match line {
            Ok(text) => match signer.sign(text) {
                Ok((string_to_sign, signature)) => {
                    output.json(&Signed { string_to_sign, signature })?;
                    Answer::Yes
                }
                Err(error) => refuse(format!("line {number}: {error}"), &mut output)?,
            },
            Err(error) => refuse(format!("line {number}: {error}"), &mut output)?,
        };
        if lines.must_wait() {
            output.flush()?;
        }
    }
    output.finish()?;
    Ok(answer)
}

fn refuse(error: String, output: &mut Output) -> io::Result<Answer> {
    output.json(&NotSigned { error }).map(|()| Answer::No)
}
