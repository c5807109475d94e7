//! Protocol Buffers, as far as OTLP needs them: fields appended to a message, in their shortest form.
//!
//! A message within a message is preceded by its length. Where the length follows from the parts it is computed first;
//! where it does not, the inner message is written on its own and copied behind its length, which is cheaper than
//! moving what stands behind a gap. Source: "Encoding" in the Protocol Buffers documentation (protobuf.dev). What the
//! messages mean is not known here.

/// How a field's value is laid out, the low three bits of its key.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

/// A message as far as it has been written.
#[derive(Debug, Default, Clone)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// A message that goes on behind what stands there already.
    pub(super) fn behind(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Starts over, and keeps the room.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes back what was written beyond a length.
    pub(super) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// Fields that are encoded already.
    #[inline]
    pub(super) fn fields(&mut self, encoded: &[u8]) {
        self.0.extend_from_slice(encoded);
    }

    /// A string, bytes, or a message that is encoded already.
    #[inline]
    pub(super) fn block(&mut self, field: u32, bytes: &[u8]) {
        self.opening(field, bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// What stands before a block of this length.
    #[inline]
    pub(super) fn opening(&mut self, field: u32, len: usize) {
        self.key(field, LENGTH);
        self.varint(wide(len));
    }

    /// A whole number or an enumeration.
    #[inline]
    pub(super) fn number(&mut self, field: u32, value: u64) {
        self.key(field, VARINT);
        self.varint(value);
    }

    #[inline]
    pub(super) fn fixed64(&mut self, field: u32, value: u64) {
        self.key(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    pub(super) fn fixed32(&mut self, field: u32, value: u32) {
        self.key(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    fn key(&mut self, field: u32, layout: u64) {
        self.varint(u64::from(field) << 3 | layout);
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    #[inline]
    fn varint(&mut self, mut value: u64) {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.0.push(low);
            }
            self.0.push(low | 0x80);
        }
    }
}

/// The longest varint.
pub(super) const VARINT_BYTES_MAX: usize = 10;

/// How many bytes a block takes whose field is below 16: its key, its length and itself.
#[inline]
pub(super) fn block_len(len: usize) -> usize {
    1 + varint_len(len) + len
}

#[inline]
fn varint_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        _ => usize::try_from((wide(value) | 1).ilog2() / 7).map_or(VARINT_BYTES_MAX, |n| n + 1),
    }
}

/// No machine has lengths of more than 64 bits.
#[inline]
fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_bytes_and_the_lengths_that_prost_gives_them() {
        let around = |bits: u32| [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1];
        for value in (0..63).flat_map(around).chain([u64::MAX]) {
            let mut ours = Message::default();
            ours.varint(value);
            let mut theirs = Vec::new();
            prost::encoding::encode_varint(value, &mut theirs);
            assert_eq!(ours.bytes(), theirs);
            assert_eq!(usize::try_from(value).map(varint_len), Ok(theirs.len()));
        }
    }

    #[test]
    fn a_field_beyond_15_has_a_key_of_two_bytes() {
        let mut message = Message::default();
        message.fixed32(16, 0x301);
        assert_eq!(message.bytes(), [0x85, 0x01, 0x01, 0x03, 0, 0]);
        message.clear();
        message.block(9, b"ab");
        assert_eq!((message.bytes(), block_len(2)), ([0x4a, 2, b'a', b'b'].as_slice(), 4));
    }
}
