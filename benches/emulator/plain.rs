//! A server that writes every body to a file of its own and syncs it, and does nothing else.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

/// Where files go, and how many there are.
struct Folder {
    path: std::path::PathBuf,
    count: AtomicU64,
}

/// Everything it serves.
pub(crate) fn router(path: &Path) -> Router {
    std::fs::create_dir_all(path).unwrap();
    let folder = Arc::new(Folder { path: path.to_owned(), count: AtomicU64::new(0) });
    Router::new().fallback(post(store)).layer(DefaultBodyLimit::disable()).with_state(folder)
}

async fn store(State(folder): State<Arc<Folder>>, body: Body) {
    let name = folder.count.fetch_add(1, Ordering::Relaxed).to_string();
    let mut file = tokio::fs::File::create(folder.path.join(name)).await.unwrap();
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        file.write_all(&piece.unwrap()).await.unwrap();
    }
    file.sync_all().await.unwrap();
}
