//! The system's randomness.

use crate::platform::Entropy;

/// Random bytes of the operating system.
pub(super) struct RealEntropy;

impl Entropy for RealEntropy {
    /// # Panics
    /// If the system has no randomness: ids that somebody can guess are worse than no node.
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            panic!("the operating system gave no random bytes: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let mut draws = [[0; 32]; 2];
        for draw in &mut draws {
            RealEntropy.fill(draw);
        }
        assert_ne!(draws[0], draws[1]);
        assert_ne!(draws[0], [0; 32]);
    }
}
