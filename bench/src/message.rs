//! A message proves itself: a stamp (which connection, which message of it) and then a fixed pattern.
//!
//! The stream of a connection is determined by its offset alone, so a lost, doubled, swapped or torn byte shows.
//! In the workload `send-then-compute` sixteen bytes after the stamp are the exception: the client's orders and the
//! server's clock ([`Orders`], [`handled_at_ns`]).

use std::time::Duration;

/// The smallest message: a stamp.
pub const STAMP_LEN: usize = 8;
/// The smallest message with orders: stamp, orders, and the time at which the handler sent.
pub const ORDERS_LEN: usize = 24;

/// The first bytes of a message.
pub fn stamp(connection: u32, sequence: u32) -> [u8; STAMP_LEN] {
    (u64::from(connection) << 32 | u64::from(sequence)).to_le_bytes()
}

fn pattern(position: usize) -> u8 {
    (position.wrapping_mul(31) >> 3) as u8
}

/// `len` bytes of pattern; the stamp is written over their beginning.
pub fn template(len: usize) -> Vec<u8> {
    (0..len).map(pattern).collect()
}

/// What a client asks of the handler, once it has sent the answer.
#[derive(Clone, Copy, Default, Debug)]
pub struct Orders {
    /// Compute so long.
    pub compute: Duration,
    /// Sleep so long in a way the library does not see.
    pub block: Duration,
}

impl Orders {
    /// Writes the orders, and zeros for the time, behind the stamp of `message`.
    pub fn write(self, message: &mut [u8]) {
        message[8..12].copy_from_slice(&(self.compute.as_micros() as u32).to_le_bytes());
        message[12..16].copy_from_slice(&(self.block.as_micros() as u32).to_le_bytes());
        message[16..24].fill(0);
    }

    /// How long the handler is busy.
    pub fn lasting(self) -> Duration {
        self.compute + self.block
    }

    /// The orders in `message`, for a server.
    pub fn read(message: &[u8]) -> Self {
        let micros =
            |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().expect("four bytes"));
        Self {
            compute: Duration::from_micros(micros(8).into()),
            block: Duration::from_micros(micros(12).into()),
        }
    }
}

/// When the handler that answered with `message` sent it: nanoseconds of the machine's clock (CLOCK_REALTIME).
pub fn handled_at_ns(message: &[u8]) -> u64 {
    u64::from_le_bytes(message[16..24].try_into().expect("eight bytes"))
}

/// Writes [`handled_at_ns`], for a server.
pub fn write_handled_at(message: &mut [u8], ns: u64) {
    message[16..24].copy_from_slice(&ns.to_le_bytes());
}

/// One connection's incoming stream, checked as it comes.
#[derive(Debug)]
pub struct Verifier {
    connection: u32,
    message_len: usize,
    with_orders: bool,
    offset: u64,
}

/// A byte came back that was not sent.
#[derive(Debug)]
pub struct Mismatch;

impl Verifier {
    /// A stream at its beginning.
    pub fn new(connection: u32, message_len: usize, with_orders: bool) -> Self {
        Self {
            connection,
            message_len,
            with_orders,
            offset: 0,
        }
    }

    /// Checks the stamps, the last byte of each piece, and thereby the lengths, of what came next.
    /// Returns how many messages it completed.
    pub fn check(&mut self, mut data: &[u8]) -> Result<usize, Mismatch> {
        let mut completed = 0;
        while !data.is_empty() {
            let sequence = (self.offset / self.message_len as u64) as u32;
            let position = (self.offset % self.message_len as u64) as usize;
            let piece_len = data.len().min(self.message_len - position);
            let (piece, rest) = data.split_at(piece_len);
            self.check_piece(piece, position, sequence)?;
            if position + piece_len == self.message_len {
                completed += 1;
            }
            self.offset += piece_len as u64;
            data = rest;
        }
        Ok(completed)
    }

    fn check_piece(&self, piece: &[u8], position: usize, sequence: u32) -> Result<(), Mismatch> {
        if position < STAMP_LEN {
            let stamp = stamp(self.connection, sequence);
            let len = piece.len().min(STAMP_LEN - position);
            if piece[..len] != stamp[position..position + len] {
                return Err(Mismatch);
            }
        }
        let last = position + piece.len() - 1;
        let free = if self.with_orders {
            ORDERS_LEN
        } else {
            STAMP_LEN
        };
        if last >= free && piece[piece.len() - 1] != pattern(last) {
            return Err(Mismatch);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(messages: u32, len: usize) -> Vec<u8> {
        let mut stream = Vec::new();
        for sequence in 0..messages {
            let mut message = template(len);
            message[..STAMP_LEN].copy_from_slice(&stamp(7, sequence));
            stream.extend(message);
        }
        stream
    }

    #[test]
    fn pieces_of_any_size_are_counted() {
        let stream = stream(5, 100);
        for piece_len in [1, 3, 8, 99, 100, 101, 500] {
            let mut verifier = Verifier::new(7, 100, false);
            let completed: usize = stream
                .chunks(piece_len)
                .map(|piece| verifier.check(piece).unwrap())
                .sum();
            assert_eq!(completed, 5, "in pieces of {piece_len}");
        }
    }

    #[test]
    fn a_missing_byte_shows() {
        let mut stream = stream(2, 100);
        stream.remove(50);
        assert!(Verifier::new(7, 100, false).check(&stream).is_err());
    }

    #[test]
    fn a_swapped_message_shows() {
        let stream = stream(2, 64);
        assert!(Verifier::new(7, 64, false).check(&stream[64..]).is_err());
    }
}
