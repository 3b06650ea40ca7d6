//! MD5 of what arrives: at once while it is little; then beside, on a thread that may block, while more arrives.

use axum::body::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, watch};
use tokio::task::spawn_blocking;

use super::StoreError;
use super::md5::Md5;

/// How much may wait to be hashed, in all uploads together; whoever brings more waits. It is enough to go on with while
/// a client prepares its next part.
const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;

/// One for the process, because its memory is one.
static ROOM: Semaphore = Semaphore::const_new(MAX_WAITING_BYTES);

/// How many blocks are hashed in one go.
const BLOCKS_AT_ONCE: usize = 8;

/// Pieces that are handed on together, as they came: nothing is copied.
pub(super) type Block = Vec<Bytes>;

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
    pub(super) async fn add_block(&mut self, block: Block) -> Result<(), StoreError> {
        match self {
            Self::Beside(hashing) => hashing.add(block).await,
            Self::AtOnce(md5) => {
                *self = Self::Beside(Hashing::start(Hash::known(md5.clone())));
                Ok(())
            }
        }
    }

    /// Ends it; `rest` are the pieces since the last block.
    pub(super) async fn finish(self, rest: Block) -> Result<Hash, StoreError> {
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
    blocks: mpsc::UnboundedSender<Waiting>,
    hash: Hash,
}

/// A block, and its share of the room.
type Waiting = (Block, SemaphorePermit<'static>);

/// The hash of what has been fed, once it is known.
#[derive(Clone, Debug)]
pub(super) struct Hash(watch::Receiver<Option<Md5>>);

impl Hashing {
    /// Goes on after what another hash covers.
    fn start(before: Hash) -> Self {
        let (blocks, waiting) = mpsc::unbounded_channel();
        let (known, hash) = watch::channel(None);
        tokio::spawn(async move {
            let md5 = hash_all(before.state().await?, waiting).await?;
            known.send(Some(md5)).ok()
        });
        Self { blocks, hash: Hash(hash) }
    }

    /// Adds what comes next.
    async fn add(&self, block: Block) -> Result<(), StoreError> {
        let bytes = block.iter().map(Bytes::len).sum::<usize>().min(MAX_WAITING_BYTES);
        let share = ROOM.acquire_many(u32::try_from(bytes).unwrap_or(u32::MAX)).await;
        let waiting = share.map(|share| (block, share)).ok();
        waiting.and_then(|waiting| self.blocks.send(waiting).ok()).ok_or(StoreError::ShuttingDown)
    }
}

async fn hash_all(mut md5: Md5, mut waiting: mpsc::UnboundedReceiver<Waiting>) -> Option<Md5> {
    let mut blocks: Vec<Waiting> = Vec::new();
    while waiting.recv_many(&mut blocks, BLOCKS_AT_ONCE).await > 0 {
        let hash = move || {
            for (block, _share) in blocks.drain(..) {
                for piece in block {
                    md5.update(&piece);
                }
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
        Ok(md5.into_hex())
    }
}

#[cfg(test)]
mod tests {
    use md5::Digest as _;

    use super::*;

    #[tokio::test]
    async fn a_hash_goes_on_after_another_that_is_not_known_yet() {
        let first = Hashing::start(Hash::known(Md5::new()));
        let mut second = Hasher::new(Some(first.hash.clone()));
        second.add_block(vec![Bytes::from_static(b"c")]).await.unwrap();
        let second = second.finish(vec![Bytes::from_static(b"d")]).await.unwrap();
        for block in ["a", "b"] {
            first.add(vec![Bytes::from(block)]).await.unwrap();
        }
        let Hashing { hash: first, blocks } = first;
        drop(blocks);
        assert_eq!(first.hex().await.unwrap(), hex::encode(::md5::Md5::digest("ab")));
        assert_eq!(second.hex().await.unwrap(), hex::encode(::md5::Md5::digest("abcd")));
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
                hasher.add_block(vec![block]).await.unwrap();
            }
            hasher.add_piece(b"rest");
            md5.update(b"rest");
            let hash = hasher.finish(vec![Bytes::from_static(b"rest")]).await.unwrap();
            assert_eq!(hash.hex().await.unwrap(), md5.into_hex(), "{blocks}");
        }
    }
}
