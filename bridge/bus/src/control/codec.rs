//! Lines of bounded length.

use std::io::{self, Read};

use serde::Serialize;

/// Longest request that a broker reads (it may hold a type's definition).
pub const MAX_REQUEST_BYTES: usize = 1 << 20;
/// Longest reply that a client reads (definitions of large types).
pub const MAX_REPLY_BYTES: usize = 16 << 20;

/// What is wrong with the bytes of a connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// A line does not end. The connection cannot go on.
    #[error("a line is longer than {max} bytes")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// The other side is gone.
    #[error("the connection ended")]
    Closed,
    /// The socket failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

/// Cuts a stream into lines; holds at most one line of `max` bytes plus one read.
#[derive(Debug)]
pub struct LineReader {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were handed out.
    taken: usize,
    /// Bytes of `buffer` in which no line end was found.
    searched: usize,
    max: usize,
}

impl LineReader {
    /// A reader of lines of at most `max` bytes.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            buffer: Vec::new(),
            taken: 0,
            searched: 0,
            max,
        }
    }

    /// The next complete line that was read already, without its end.
    ///
    /// # Errors
    /// [`CodecError::TooLong`].
    pub fn buffered_line(&mut self) -> Result<Option<&[u8]>, CodecError> {
        let Some(end) = self.buffer[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n')
        else {
            self.searched = self.buffer.len();
            if self.buffer.len() - self.taken > self.max {
                return Err(CodecError::TooLong { max: self.max });
            }
            return Ok(None);
        };
        let (start, end) = (self.taken, self.searched + end);
        if end - start > self.max {
            return Err(CodecError::TooLong { max: self.max });
        }
        self.taken = end + 1;
        self.searched = end + 1;
        Ok(Some(&self.buffer[start..end]))
    }

    /// Reads once from `stream`. False if it would block.
    ///
    /// # Errors
    /// [`CodecError::Closed`] at the end of the stream.
    pub fn read_from(&mut self, stream: &mut impl Read) -> Result<bool, CodecError> {
        self.buffer.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        let len = self.buffer.len();
        self.buffer.resize(len + 8192, 0);
        let result = stream.read(&mut self.buffer[len..]);
        self.buffer.truncate(len + *result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => Err(CodecError::Closed),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(CodecError::Closed),
            Err(error) => Err(error.into()),
        }
    }

    /// The next line; waits for it. `None` if the stream would block.
    ///
    /// # Errors
    /// See [`CodecError`].
    pub fn read_line(&mut self, stream: &mut impl Read) -> Result<Option<Vec<u8>>, CodecError> {
        loop {
            if let Some(line) = self.buffered_line()? {
                return Ok(Some(line.to_vec()));
            }
            if !self.read_from(stream)? {
                return Ok(None);
            }
        }
    }
}

/// `message` as one line.
///
/// # Panics
/// Never for the types of this protocol: they have string keys only.
#[must_use]
pub fn encode_line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("messages of the protocol are always JSON");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out `chunk` bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = self.1.min(buffer.len()).min(self.0.len());
            buffer[..len].copy_from_slice(&self.0[..len]);
            self.0 = &self.0[len..];
            Ok(len)
        }
    }

    #[test]
    fn lines_in_any_pieces() {
        for chunk in [1, 2, 3, 7, 100] {
            let mut stream = Slow(b"one\n\ntwo\nthree", chunk);
            let mut reader = LineReader::new(5);
            for expected in ["one", "", "two"] {
                assert_eq!(
                    reader.read_line(&mut stream).unwrap().unwrap(),
                    expected.as_bytes()
                );
            }
            assert!(matches!(
                reader.read_line(&mut stream),
                Err(CodecError::Closed)
            ));
        }
    }

    #[test]
    fn endless_lines_are_refused_with_bounded_memory() {
        let endless = vec![b'x'; 1 << 20];
        let mut reader = LineReader::new(100);
        let mut stream = Slow(&endless, 8192);
        assert!(matches!(
            reader.read_line(&mut stream),
            Err(CodecError::TooLong { max: 100 })
        ));
        assert!(reader.buffer.capacity() < 64 << 10);
        // Also if the end comes with the same read.
        let mut reader = LineReader::new(3);
        assert!(matches!(
            reader.read_line(&mut Slow(b"four\n", 100)),
            Err(CodecError::TooLong { .. })
        ));
    }
}
