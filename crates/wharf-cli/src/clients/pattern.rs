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
        let bytes = random_bytes(WINDOWS + message_len);
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

/// The same random bytes every time (splitmix64).
fn random_bytes(len: usize) -> Vec<u8> {
    let mut state = 0_u64;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let mut bytes: Vec<u8> = (0..len.div_ceil(8))
        .flat_map(|_| next().to_le_bytes())
        .collect();
    bytes.truncate(len);
    bytes
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
