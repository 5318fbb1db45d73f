/// Bytes of a line that is looked at; what is longer is nobody's request.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Follows the requests of one connection (RFC 9112), to know which of its bytes are request lines.
///
/// What it does not understand it gives up for good: from there on every byte passes as it came.
#[derive(Debug, Default)]
pub(super) struct Framing {
    at: At,
    /// The line so far.
    line: Vec<u8>,
    head: Head,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    RequestLine,
    Header,
    Body {
        left: u64,
    },
    ChunkSize,
    /// A chunk and its line break.
    Chunk {
        left: u64,
    },
    Trailer,
    Lost,
}

/// What the header fields say of the body.
#[derive(Debug, Default)]
struct Head {
    length: Option<u64>,
    is_chunked: bool,
}

impl Framing {
    /// What to read instead of `bytes`, the next that came; `None` when they are fine.
    pub(super) fn mend(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut mended: Option<Vec<u8>> = None;
        let mut place = 0;
        while place < bytes.len() {
            let is_target = self.at == At::RequestLine;
            let part = &bytes[place..place + self.advance(&bytes[place..])];
            if is_target && part.iter().any(|byte| encoded(*byte).is_some()) {
                let mended = mended.get_or_insert_with(|| bytes[..place].to_vec());
                for byte in part {
                    match encoded(*byte) {
                        Some(code) => mended.extend_from_slice(code),
                        None => mended.push(*byte),
                    }
                }
            } else if let Some(mended) = &mut mended {
                mended.extend_from_slice(part);
            }
            place += part.len();
        }
        mended
    }

    /// Goes on to what comes behind the first part of `bytes`, and says how long that is.
    fn advance(&mut self, bytes: &[u8]) -> usize {
        match self.at {
            At::Lost => bytes.len(),
            At::Body { left } => {
                let taken = at_most(bytes.len(), left);
                let left = left - taken as u64;
                self.at = if left == 0 { At::RequestLine } else { At::Body { left } };
                taken
            }
            At::Chunk { left } => {
                let taken = at_most(bytes.len(), left);
                let left = left - taken as u64;
                self.at = if left == 0 { At::ChunkSize } else { At::Chunk { left } };
                taken
            }
            At::RequestLine | At::Header | At::ChunkSize | At::Trailer => {
                let end = bytes.iter().position(|byte| *byte == b'\n').map(|place| place + 1);
                let taken = end.unwrap_or(bytes.len());
                self.line.extend_from_slice(&bytes[..taken]);
                if self.line.len() > LINE_BYTES_MAX {
                    (self.at, self.line) = (At::Lost, Vec::new());
                } else if end.is_some() {
                    let line = std::mem::take(&mut self.line);
                    let line = line.strip_suffix(b"\n").unwrap_or(&line);
                    self.at = self.behind(line.strip_suffix(b"\r").unwrap_or(line));
                }
                taken
            }
        }
    }

    /// What comes behind this line.
    fn behind(&mut self, line: &[u8]) -> At {
        match self.at {
            At::RequestLine if line.is_empty() => At::RequestLine,
            At::RequestLine if line.starts_with(b"PRI ") => At::Lost, // HTTP/2
            At::RequestLine => {
                self.head = Head::default();
                At::Header
            }
            At::Header if line.is_empty() => self.head.body(),
            At::Header => self.head.read(line).map_or(At::Lost, |()| At::Header),
            At::ChunkSize => match chunk_size(line) {
                Some(0) => At::Trailer,
                Some(size) => At::Chunk { left: size + 2 },
                None => At::Lost,
            },
            At::Trailer if line.is_empty() => At::RequestLine,
            other => other,
        }
    }
}

impl Head {
    /// `None` when it is not clear what a field means for the body.
    fn read(&mut self, line: &[u8]) -> Option<()> {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(value).ok().filter(|_| is_number && self.length.is_none())?;
            self.length = Some(length.parse().ok()?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.is_chunked = value.eq_ignore_ascii_case(b"chunked");
            return self.is_chunked.then_some(());
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            return None;
        }
        Some(())
    }

    fn body(&self) -> At {
        match (self.length, self.is_chunked) {
            (None | Some(0), false) => At::RequestLine,
            (Some(left), false) => At::Body { left },
            (None, true) => At::ChunkSize,
            (Some(_), true) => At::Lost,
        }
    }
}

fn at_most(length: usize, left: u64) -> usize {
    usize::try_from(left).map_or(length, |left| length.min(left))
}

/// Less than 2^60, so that its line break can be added.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let is_number = (1..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    u64::from_str_radix(digits, 16).ok()
}

fn encoded(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'"' => Some(b"%22"),
        b'<' => Some(b"%3C"),
        b'>' => Some(b"%3E"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Framing;

    fn mended(parts: &[&[u8]]) -> String {
        let mut framing = Framing::default();
        let whole =
            parts.iter().flat_map(|part| framing.mend(part).unwrap_or_else(|| part.to_vec())).collect();
        String::from_utf8(whole).unwrap_or_default()
    }

    #[track_caller]
    fn check(came: &str, expected: &str) {
        // Wherever the network cuts it.
        for cut in 0..came.len() {
            let (head, tail) = came.as_bytes().split_at(cut);
            assert_eq!(mended(&[head, tail]), expected, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = came.as_bytes().chunks(1).collect();
        assert_eq!(mended(&bytes), expected);
    }

    #[test]
    fn only_request_lines_are_encoded_whatever_bodies_look_like() {
        let body = "GET /<b> HTTP/1.1\r\n\r\n";
        check(
            &format!(
                "GET /a?select=b->>c HTTP/1.1\r\nHost: <x>\r\n\r\n\
                 POST /\"a\" HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}\
                 POST /< HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n15;\"x\"\r\n{body}\r\n0\r\nA: <\r\n\r\n\
                 \r\nHEAD /> HTTP/1.1\r\n\r\n",
                body.len()
            ),
            &format!(
                "GET /a?select=b-%3E%3Ec HTTP/1.1\r\nHost: <x>\r\n\r\n\
                 POST /%22a%22 HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}\
                 POST /%3C HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n15;\"x\"\r\n{body}\r\n0\r\nA: <\r\n\r\n\
                 \r\nHEAD /%3E HTTP/1.1\r\n\r\n",
                body.len()
            ),
        );
    }

    #[test]
    fn what_is_not_clear_passes_as_it_came() {
        for head in [
            "Content-Length: 1\r\nContent-Length: 2\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Content-Length : 1\r\n",
            "Upgrade: h2c\r\n",
            "A: b\r\n folded\r\n",
        ] {
            let came = format!("GET / HTTP/1.1\r\n{head}\r\nGET /> HTTP/1.1\r\n\r\n");
            check(&came, &came);
        }
        let came = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n<\"> \n\n";
        check(came, came);
    }
}
