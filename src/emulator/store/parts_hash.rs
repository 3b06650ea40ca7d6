//! MD5 of parts, computed in the background while more parts arrive.

use std::io;

use md5::{Digest as _, Md5};
use tokio::task::{JoinHandle, spawn_blocking};

use super::Incoming;
use super::content::ContentReader;
use super::incoming::WrittenFile;

/// The MD5 of the first parts of an upload, as far as they have been received.
#[derive(Debug, Default)]
pub(in crate::emulator) struct PartsHash {
    /// The files that are covered, in order.
    names: Vec<String>,
    md5: Option<JoinHandle<io::Result<Md5>>>,
}

impl PartsHash {
    /// Covers `parts`, which are all that follow each other from the first. Continues after those that are covered, or
    /// starts again if one of them was replaced.
    pub(in crate::emulator) fn cover<'a>(&mut self, parts: impl Iterator<Item = &'a Incoming>) {
        let files: Vec<_> = parts.flat_map(|part| &part.files).collect();
        if !files.iter().map(|file| &file.content.name).take(self.names.len()).eq(&self.names) {
            *self = Self::default();
        }
        let new = &files[self.names.len()..];
        self.names.extend(new.iter().map(|file| file.content.name.clone()));
        let mut reader = ContentReader::new(new.iter().map(|file| WrittenFile::location(file)).collect());
        let before = self.md5.take();
        self.md5 = Some(tokio::spawn(async move {
            let md5 = match before {
                Some(before) => before.await.map_err(io::Error::other)??,
                None => Md5::new(),
            };
            spawn_blocking(move || reader.hash(md5)).await.map_err(io::Error::other)?
        }));
    }

    /// Waits for what is covered.
    pub(super) async fn finish(self) -> io::Result<Md5> {
        match self.md5 {
            Some(md5) => md5.await.map_err(io::Error::other)?,
            None => Ok(Md5::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use axum::body::Bytes;

    use super::super::Store;
    use super::*;

    async fn part(store: &Store, text: &'static str) -> Incoming {
        let mut file = store.incoming(u64::MAX, true);
        file.write(Bytes::from_static(text.as_bytes())).await.unwrap();
        file.finish().await.unwrap()
    }

    async fn md5_of(parts: Vec<Incoming>, hash: PartsHash) -> String {
        Incoming::join(parts, hash).await.unwrap().md5().await.unwrap()
    }

    #[tokio::test]
    async fn covered_parts_are_not_read_again() {
        let store = Store::open(None).unwrap();
        let parts = vec![part(&store, "a").await, part(&store, "b").await, part(&store, "c").await];
        let mut hash = PartsHash::default();
        hash.cover(parts[..1].iter());
        hash.cover(parts[..2].iter());
        hash.md5.as_mut().unwrap().await.unwrap().unwrap();
        hash.md5 = Some(tokio::spawn(async { Ok(Md5::new_with_prefix("ab")) }));
        for file in parts[..2].iter().flat_map(|part| &part.files) {
            fs::remove_file(&file.path).unwrap();
        }
        assert_eq!(md5_of(parts, hash).await, hex::encode(Md5::digest("abc")));
    }

    #[tokio::test]
    async fn a_replaced_part_starts_the_hash_again() {
        let store = Store::open(None).unwrap();
        let mut parts = vec![part(&store, "a").await, part(&store, "x").await];
        let mut hash = PartsHash::default();
        hash.cover(parts.iter());
        parts[1] = part(&store, "b").await;
        hash.cover(parts.iter());
        assert_eq!(md5_of(parts, hash).await, hex::encode(Md5::digest("ab")));
    }
}
