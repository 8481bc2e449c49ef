//! Randomness, for unique ids and jitter.

/// The port for randomness.
pub trait Entropy {
    /// Fills `bytes` with random ones, good enough for ids that nobody can guess.
    fn fill(&self, bytes: &mut [u8]);
}
