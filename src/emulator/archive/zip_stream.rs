//! A ZIP file as a stream: a thread writes it, and waits while nobody takes what it has written.

use std::io::{self, BufWriter, Write};

use axum::body::Bytes;
use futures_util::{Stream, stream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::super::store::Store;
use super::entries::Entry;

/// How much is written at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// How many pieces may wait to be taken.
const MAX_WAITING: usize = 4;

type Piece = Result<Bytes, io::Error>;

/// The archive of these files. What cannot be read breaks it off.
pub(super) fn write(store: Store, entries: Vec<Entry>) -> impl Stream<Item = Piece> + Send + Unpin + 'static {
    let (pieces, taken) = mpsc::channel(MAX_WAITING);
    let runtime = Handle::current();
    spawn_blocking(move || {
        if let Err(cause) = write_all(&runtime, &store, &entries, &pieces) {
            // An error here means that the client has gone.
            let _ = pieces.blocking_send(Err(cause));
        }
    });
    Box::pin(stream::unfold(taken, |mut taken| async move {
        let piece = taken.recv().await?;
        Some((piece, taken))
    }))
}

fn write_all(
    runtime: &Handle,
    store: &Store,
    entries: &[Entry],
    pieces: &mpsc::Sender<Piece>,
) -> io::Result<()> {
    let mut archive = ZipWriter::new_stream(BufWriter::with_capacity(PIECE_BYTES, Pieces(pieces)));
    for entry in entries {
        let is_large = entry.asset.bytes >= u64::from(u32::MAX);
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(is_large);
        let content = runtime.block_on(store.open_content(&entry.asset.key)).map_err(io::Error::other)?;
        let (_, mut content) = content.ok_or(io::ErrorKind::NotFound)?;
        archive.start_file(entry.name.as_str(), options)?;
        io::copy(&mut content, &mut archive)?;
    }
    archive.finish()?.into_inner().flush()
}

/// Hands everything that is written to the other side of a channel.
struct Pieces<'a>(&'a mpsc::Sender<Piece>);

impl Write for Pieces<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(buffer);
        self.0.blocking_send(Ok(piece)).map_err(|_gone| io::ErrorKind::BrokenPipe)?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
