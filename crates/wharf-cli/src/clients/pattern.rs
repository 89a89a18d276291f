//! Bytes that tell where they belong.
//!
//! All messages are windows into one block of random bytes; where a window starts depends on the connection and
//! on the number of the message. So an echo that is late, doubled or another connection's is seen as wrong, and
//! comparing costs no more than `memcmp`.

/// How many different windows there are.
const WINDOWS: usize = 1 << 16;

/// Odd strides: the messages of a connection, and those of neighbours, start at different places.
const CONNECTION_STRIDE: usize = 40_503;
const MESSAGE_STRIDE: usize = 7_919;

/// What every connection sends.
#[derive(Debug)]
pub struct Pattern {
    bytes: Vec<u8>,
    message_len: usize,
}

impl Pattern {
    /// A pattern for messages of that length.
    pub fn new(message_len: usize) -> Pattern {
        let mut bytes = vec![0; WINDOWS + message_len];
        fastrand::Rng::with_seed(0).fill(&mut bytes); // the same every time
        Pattern { bytes, message_len }
    }

    /// The content of message `number` of connection `connection`.
    pub fn message(&self, connection: usize, number: u64) -> &[u8] {
        let start = connection
            .wrapping_mul(CONNECTION_STRIDE)
            .wrapping_add((number as usize).wrapping_mul(MESSAGE_STRIDE))
            % WINDOWS;
        &self.bytes[start..start + self.message_len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_differ_by_connection_and_by_number() {
        let pattern = Pattern::new(64);
        assert_eq!(pattern.message(0, 0).len(), 64);
        assert_eq!(pattern.message(3, 7), pattern.message(3, 7));
        assert_ne!(pattern.message(3, 7), pattern.message(3, 8));
        assert_ne!(pattern.message(3, 7), pattern.message(4, 7));
    }
}
