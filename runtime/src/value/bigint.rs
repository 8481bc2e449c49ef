//! Integers of any size, exact: what JavaScript writes as `12n`.
//!
//! Values only carry them, so there is no arithmetic: sign and bytes, decimal digits for people, and the way from and to
//! Rust's own integers.

use std::{
    fmt::{self, Write},
    str::FromStr,
};

/// An integer of any size.
///
/// # Example
/// ```
/// use dormouse::value::BigInt;
/// let big: BigInt = "-340282366920938463463374607431768211456".parse()?; // -(2^128)
/// assert_eq!(big.magnitude().len(), 17);
/// assert_eq!(big.to_i128(), None);
/// assert_eq!(BigInt::from(-7).to_string(), "-7");
/// # Ok::<(), dormouse::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BigInt {
    /// Never negative when the magnitude is empty: there is one zero.
    sign: Sign,
    /// Big-endian, without leading zeroes.
    magnitude: Vec<u8>,
}

/// On which side of zero a number lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sign {
    /// Zero or above.
    Positive,
    /// Below zero.
    Negative,
}

impl BigInt {
    /// The integer with this sign and these big-endian bytes.
    pub fn from_bytes(sign: Sign, magnitude: impl Into<Vec<u8>>) -> Self {
        let mut magnitude = magnitude.into();
        let zeroes = magnitude.iter().take_while(|&&byte| byte == 0).count();
        magnitude.drain(..zeroes);
        let sign = if magnitude.is_empty() {
            Sign::Positive
        } else {
            sign
        };
        Self { sign, magnitude }
    }

    /// On which side of zero it lies.
    pub fn sign(&self) -> Sign {
        self.sign
    }

    /// Its distance from zero: big-endian bytes without leading zeroes, none for zero itself.
    pub fn magnitude(&self) -> &[u8] {
        &self.magnitude
    }

    /// The same as an `i128`, if it fits.
    pub fn to_i128(&self) -> Option<i128> {
        let size = self.size()?;
        match self.sign {
            Sign::Positive => i128::try_from(size).ok(),
            Sign::Negative => 0_i128.checked_sub_unsigned(size),
        }
    }

    /// The same as a `u128`, if it fits.
    pub fn to_u128(&self) -> Option<u128> {
        match self.sign {
            Sign::Positive => self.size(),
            Sign::Negative => None,
        }
    }

    fn size(&self) -> Option<u128> {
        let mut bytes = [0; 16];
        let start = bytes.len().checked_sub(self.magnitude.len())?;
        bytes[start..].copy_from_slice(&self.magnitude);
        Some(u128::from_be_bytes(bytes))
    }
}

impl From<u128> for BigInt {
    fn from(number: u128) -> Self {
        Self::from_bytes(Sign::Positive, number.to_be_bytes())
    }
}

impl From<i128> for BigInt {
    fn from(number: i128) -> Self {
        let sign = if number < 0 {
            Sign::Negative
        } else {
            Sign::Positive
        };
        Self::from_bytes(sign, number.unsigned_abs().to_be_bytes())
    }
}

impl From<i64> for BigInt {
    fn from(number: i64) -> Self {
        Self::from(i128::from(number))
    }
}

impl From<u64> for BigInt {
    fn from(number: u64) -> Self {
        Self::from(u128::from(number))
    }
}

impl From<i32> for BigInt {
    fn from(number: i32) -> Self {
        Self::from(i128::from(number))
    }
}

/// How many decimal digits are handled in one step, and the first number that has one more.
const STEP_DIGITS: usize = 18;
const STEP: u64 = 10_u64.pow(18);

impl fmt::Display for BigInt {
    /// In decimal. Takes time with the square of the length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut steps = Vec::new();
        let mut rest = self.magnitude.clone();
        while !rest.is_empty() {
            let mut remainder = 0_u128;
            for byte in &mut rest {
                let dividend = remainder << 8 | u128::from(*byte);
                *byte = u8::try_from(dividend / u128::from(STEP))
                    .expect("the remainder is below the divisor");
                remainder = dividend % u128::from(STEP);
            }
            steps.push(remainder);
            let zeroes = rest.iter().take_while(|&&byte| byte == 0).count();
            rest.drain(..zeroes);
        }
        let mut digits = steps.pop().unwrap_or(0).to_string();
        for step in steps.iter().rev() {
            write!(digits, "{step:0STEP_DIGITS$}")?;
        }
        f.pad_integral(self.sign == Sign::Positive, "", &digits)
    }
}

impl fmt::Debug for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}n")
    }
}

impl FromStr for BigInt {
    type Err = crate::Error;

    /// Reads decimal digits with an optional minus. Takes time with the square of the length.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (Sign::Negative, digits),
            None => (Sign::Positive, text),
        };
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            // The original's text for `BigInt("x")`.
            return Err(crate::Error::new(
                "SyntaxError",
                format!("Cannot convert {text} to a BigInt"),
            ));
        }
        let mut little_endian: Vec<u8> = Vec::new();
        for digit in digits.bytes() {
            let mut carry = u16::from(digit - b'0');
            for byte in &mut little_endian {
                let [high, low] = (u16::from(*byte) * 10 + carry).to_be_bytes();
                *byte = low;
                carry = u16::from(high);
            }
            if carry > 0 {
                little_endian.push(u8::try_from(carry).expect("a carry is below ten"));
            }
        }
        little_endian.reverse();
        Ok(Self::from_bytes(sign, little_endian))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn there_is_one_zero() {
        let zero = BigInt::from_bytes(Sign::Negative, [0, 0]);
        assert_eq!(zero, BigInt::from(0));
        assert_eq!(zero.sign(), Sign::Positive);
        assert_eq!(zero.to_string(), "0");
    }

    #[test]
    fn the_limits_of_the_machine_integers_are_kept() {
        assert_eq!(BigInt::from(i128::MIN).to_i128(), Some(i128::MIN));
        assert_eq!(BigInt::from(u128::MAX).to_u128(), Some(u128::MAX));
        assert_eq!(BigInt::from(u128::MAX).to_i128(), None);
        assert_eq!(BigInt::from(-1).to_u128(), None);
        let two_to_the_128 = [[1].as_slice(), &[0; 16]].concat();
        assert_eq!(
            BigInt::from_bytes(Sign::Positive, two_to_the_128).to_u128(),
            None
        );
    }

    #[test]
    fn decimal_digits_are_exact_beyond_the_machine_integers() {
        let digits =
            "123456789000000000000000000000000000000000000000000000000000000012345678901234567890";
        assert_eq!(
            digits.parse::<BigInt>().expect("digits").to_string(),
            digits
        );
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for text in ["", "-", "+1", "1.5", "0x10", "1n", "--1"] {
            let error = text.parse::<BigInt>().expect_err("not a number");
            assert_eq!(
                format!("{error:?}"),
                format!("SyntaxError: Cannot convert {text} to a BigInt")
            );
        }
    }

    proptest! {
        #[test]
        fn decimal_digits_are_those_of_rust(number: i128) {
            prop_assert_eq!(BigInt::from(number).to_string(), number.to_string());
            prop_assert_eq!(BigInt::from(number).to_i128(), Some(number));
            prop_assert_eq!(number.to_string().parse::<BigInt>(), Ok(BigInt::from(number)));
        }
    }
}
