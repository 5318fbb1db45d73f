use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// One kept-alive connection that reads whole answers.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// The body of the answer to a request, which must succeed.
    pub(crate) fn ask(&mut self, request: &[u8]) -> &[u8] {
        self.stream.write_all(request).unwrap();
        self.buffer.clear();
        let mut chunk = [0; 65_536];
        loop {
            let count = self.stream.read(&mut chunk).unwrap();
            assert!(count > 0, "the connection ended: {}", String::from_utf8_lossy(&self.buffer));
            self.buffer.extend_from_slice(&chunk[..count]);
            if let Some((body, end)) = body_range(&self.buffer)
                && self.buffer.len() >= end
            {
                let answer = String::from_utf8_lossy(&self.buffer);
                assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
                return &self.buffer[body..end];
            }
        }
    }
}

/// Where the body starts and ends, once the head is there.
fn body_range(answer: &[u8]) -> Option<(usize, usize)> {
    let head_len = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..head_len]).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    Some((head_len, head_len + length.parse::<usize>().unwrap()))
}

/// A GET of `path`; each line of `headers` ends with `\r\n`.
pub(crate) fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").into_bytes()
}

/// A POST of a JSON `body`.
pub(crate) fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}
