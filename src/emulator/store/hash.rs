//! MD5 of what arrives: at once while it is little; then beside, on a thread that may block, while more arrives.

use axum::body::Bytes;
use md5::{Digest, Md5};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

use super::StoreError;

/// How many blocks may wait to be hashed; whoever brings more waits.
const MAX_WAITING: usize = 8;

/// Hashes what arrives in pieces, which may be gathered to blocks.
#[derive(Debug)]
pub(super) enum Hasher {
    /// Up to the first block: to hand on what is small would take longer than to hash it.
    AtOnce(Md5),
    Beside(Hashing),
}

impl Hasher {
    /// Begins with nothing, or goes on after what another hash covers.
    pub(super) fn new(before: Option<Hash>) -> Self {
        match before {
            None => Self::AtOnce(Md5::new()),
            Some(before) => Self::Beside(Hashing::start(before)),
        }
    }

    /// Takes a piece that will be in the next block.
    pub(super) fn add_piece(&mut self, piece: &[u8]) {
        if let Self::AtOnce(md5) = self {
            md5.update(piece);
        }
    }

    /// Takes the pieces since the last block.
    pub(super) async fn add_block(&mut self, block: Bytes) -> Result<(), StoreError> {
        match self {
            Self::Beside(hashing) => hashing.add(block).await,
            Self::AtOnce(md5) => {
                *self = Self::Beside(Hashing::start(Hash::known(md5.clone())));
                Ok(())
            }
        }
    }

    /// Ends it; `rest` are the pieces since the last block.
    pub(super) async fn finish(self, rest: Bytes) -> Result<Hash, StoreError> {
        match self {
            Self::AtOnce(md5) => Ok(Hash::known(md5)),
            Self::Beside(hashing) => {
                hashing.add(rest).await?;
                Ok(hashing.hash)
            }
        }
    }
}

/// Hashes blocks elsewhere.
#[derive(Debug)]
pub(super) struct Hashing {
    blocks: mpsc::Sender<Bytes>,
    hash: Hash,
}

/// The hash of what has been fed, once it is known.
#[derive(Clone, Debug)]
pub(super) struct Hash(watch::Receiver<Option<Md5>>);

impl Hashing {
    /// Goes on after what another hash covers.
    fn start(before: Hash) -> Self {
        let (blocks, waiting) = mpsc::channel(MAX_WAITING);
        let (known, hash) = watch::channel(None);
        tokio::spawn(async move {
            let md5 = hash_all(before.state().await?, waiting).await?;
            known.send(Some(md5)).ok()
        });
        Self { blocks, hash: Hash(hash) }
    }

    /// Adds what comes next.
    async fn add(&self, block: Bytes) -> Result<(), StoreError> {
        self.blocks.send(block).await.map_err(|_runtime_is_gone| StoreError::ShuttingDown)
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
    /// One that is known already.
    pub(super) fn known(md5: Md5) -> Self {
        Self(watch::channel(Some(md5)).1)
    }

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
        let first = Hashing::start(Hash::known(Md5::new()));
        let mut second = Hasher::new(Some(first.hash.clone()));
        second.add_block(Bytes::from_static(b"c")).await.unwrap();
        let second = second.finish(Bytes::from_static(b"d")).await.unwrap();
        for block in ["a", "b"] {
            first.add(Bytes::from(block)).await.unwrap();
        }
        let Hashing { hash: first, blocks } = first;
        drop(blocks);
        assert_eq!(first.hex().await.unwrap(), hex::encode(Md5::digest("ab")));
        assert_eq!(second.hex().await.unwrap(), hex::encode(Md5::digest("abcd")));
    }

    #[tokio::test]
    async fn every_piece_counts_once_whether_it_comes_to_a_block_or_not() {
        for blocks in 0..4 {
            let (mut hasher, mut md5) = (Hasher::new(None), Md5::new());
            for block in 0..blocks {
                let block = Bytes::from(vec![block; 3]);
                hasher.add_piece(&block[..1]);
                hasher.add_piece(&block[1..]);
                md5.update(&block);
                hasher.add_block(block).await.unwrap();
            }
            hasher.add_piece(b"rest");
            let hash = hasher.finish(Bytes::from_static(b"rest")).await.unwrap();
            assert_eq!(
                hash.hex().await.unwrap(),
                hex::encode(md5.chain_update("rest").finalize()),
                "{blocks}"
            );
        }
    }
}
