//! A buffer for ciphertext.

/// A buffer for ciphertext: shared by all connections, used by one at a time, and zeroed only when it grows.
#[derive(Debug, Default)]
pub struct Cipher {
    buffer: Vec<u8>,
    pub(super) len: usize,
    /// The plaintext of a record, while it is joined from parts.
    pub(super) record: Vec<u8>,
}

impl Cipher {
    /// The ciphertext that is to be sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// The ciphertext was sent.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    fn room(&mut self, most: usize) -> &mut [u8] {
        let end = self.len + most;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        &mut self.buffer[self.len..end]
    }

    /// Appends what `put` writes; `put` is called again with as much room as it asks for.
    pub(super) fn append(
        &mut self,
        most: usize,
        mut put: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
    ) -> bool {
        let put = match put(self.room(most)) {
            Err(Some(wanted)) => put(self.room(wanted)),
            other => other,
        };
        self.len += put.unwrap_or(0);
        put.is_ok()
    }
}
