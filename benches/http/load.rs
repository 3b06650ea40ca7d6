//! The load: keep-alive connections that each send a request, read the answer, and send the next.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How hard and how long.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) seconds: usize,
}

/// Runs one load and prints the number of answers: `PORT PATH CONNECTIONS SECONDS [TOKENS]`, each request with the next
/// line of the file of tokens.
#[expect(clippy::print_stdout, reason = "the parent reads the number")]
pub(crate) fn run(arguments: &[String]) {
    let [port, path, connections, seconds, rest @ ..] = arguments else {
        panic!("PORT PATH CONNECTIONS SECONDS [TOKENS]")
    };
    let port: u16 = port.parse().unwrap();
    let (connections, seconds) = (connections.parse::<usize>().unwrap(), seconds.parse().unwrap());
    let head = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\naccept: */*\r\n");
    let requests: Rc<[String]> = match rest.first() {
        None => Rc::new([format!("{head}\r\n")]),
        Some(file) => {
            let tokens = std::fs::read_to_string(file).unwrap();
            tokens.lines().map(|token| format!("{head}authorization: Bearer {token}\r\n\r\n")).collect()
        }
    };
    let next = Rc::new(Cell::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answers = runtime.block_on(async {
        let end = Instant::now() + Duration::from_secs(seconds);
        let drives = (0..connections).map(|_| drive(port, Rc::clone(&requests), Rc::clone(&next), end));
        join_all(drives).await.into_iter().sum::<u64>()
    });
    println!("{answers}");
}

async fn drive(port: u16, requests: Rc<[String]>, next: Rc<Cell<usize>>, end: Instant) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 16 * 1024];
    let mut answers = 0;
    while Instant::now() < end {
        let number = next.get();
        next.set((number + 1) % requests.len());
        stream.write_all(requests[number].as_bytes()).await.unwrap();
        read_answer(&mut stream, &mut buffer).await;
        answers += 1;
    }
    answers
}

/// Reads one answer to its end; every answer says its length.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await.unwrap();
        assert!(read > 0, "the server closed the connection");
        filled += read;
        if let Some(length) = answer_length(&buffer[..filled])
            && filled >= length
        {
            assert!(buffer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&buffer[..filled]));
            return;
        }
    }
}

/// Head and body together, once the head is complete.
fn answer_length(answer: &[u8]) -> Option<usize> {
    let head_end = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..head_end]).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1)?.split('\r').next()?;
    Some(head_end + length.parse::<usize>().unwrap())
}
