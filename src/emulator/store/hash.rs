//! MD5 beside the writing: what arrives is hashed on a thread that may block, while more arrives.

use axum::body::Bytes;
use md5::{Digest, Md5};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

use super::StoreError;

/// How many blocks may wait to be hashed; whoever brings more waits.
const MAX_WAITING: usize = 8;

/// A hash that is still being fed.
#[derive(Debug)]
pub(super) struct Hashing {
    blocks: mpsc::Sender<Bytes>,
    hash: Hash,
}

/// The hash of what has been fed, once it is known.
#[derive(Clone, Debug)]
pub(super) struct Hash(watch::Receiver<Option<Md5>>);

impl Hashing {
    /// Begins with nothing, or goes on after what another hash covers.
    pub(super) fn start(before: Option<Hash>) -> Self {
        let (blocks, waiting) = mpsc::channel(MAX_WAITING);
        let (known, hash) = watch::channel(None);
        tokio::spawn(async move {
            let md5 = match before {
                None => Md5::new(),
                Some(before) => before.state().await?,
            };
            known.send(Some(hash_all(md5, waiting).await?)).ok()
        });
        Self { blocks, hash: Hash(hash) }
    }

    /// Adds what comes next.
    pub(super) async fn add(&self, block: Bytes) -> Result<(), StoreError> {
        self.blocks.send(block).await.map_err(|_runtime_is_gone| StoreError::ShuttingDown)
    }

    /// Ends it. The hash may be known only later.
    pub(super) fn finish(self) -> Hash {
        self.hash
    }
}

async fn hash_all(mut md5: Md5, mut waiting: mpsc::Receiver<Bytes>) -> Option<Md5> {
    let mut blocks: Vec<Bytes> = Vec::new();
    while waiting.recv_many(&mut blocks, MAX_WAITING).await > 0 {
        let hash = move || {
            for block in blocks.drain(..) {
                md5.update(block);
            }
            (md5, blocks)
        };
        (md5, blocks) = spawn_blocking(hash).await.ok()?;
    }
    Some(md5)
}

impl Hash {
    /// The state that further bytes can be added to; `None` when the runtime is going down.
    pub(super) async fn state(mut self) -> Option<Md5> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// In hexadecimal.
    pub(super) async fn hex(&self) -> Result<String, StoreError> {
        let md5 = self.clone().state().await.ok_or(StoreError::ShuttingDown)?;
        Ok(hex::encode(md5.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_goes_on_after_another_that_is_not_known_yet() {
        let first = Hashing::start(None);
        let second = Hashing::start(Some(first.hash.clone()));
        second.add(Bytes::from_static(b"c")).await.unwrap();
        let second = second.finish();
        for piece in ["a", "b"] {
            first.add(Bytes::from(piece)).await.unwrap();
        }
        let first = first.finish();
        assert_eq!(first.hex().await.unwrap(), hex::encode(Md5::digest("ab")));
        assert_eq!(second.hex().await.unwrap(), hex::encode(Md5::digest("abc")));
    }
}
