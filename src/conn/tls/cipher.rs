//! Room for ciphertext.

/// Room for ciphertext: shared by all connections, written anew by each, and zeroed only when it grows.
#[derive(Debug, Default)]
pub struct Cipher {
    buffer: Vec<u8>,
    pub(super) len: usize,
    /// A record's plaintext, while it is joined from parts.
    pub(super) record: Vec<u8>,
}

impl Cipher {
    /// What is to be sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// It is sent.
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

    /// Appends what `put` writes; it is called again with as much room as it says that it wants.
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
