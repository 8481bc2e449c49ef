//! Which seeds: a number, a range, a part of it, a time. How these are written, on the command line and in the environment alike.

use std::{fmt, ops::Range, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::Seed;

/// Reads a seed: `412` or `0x19c`.
///
/// # Errors
/// What is wrong with it, for the end of a sentence that names it.
pub fn seed(text: &str) -> Result<Seed, String> {
    number(text).map(Seed)
}

fn number(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (digits, radix) = text
        .strip_prefix("0x")
        .map_or((text, 10), |digits| (digits, 16));
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err("which is no number: it is written like 412 or 0x19c".to_owned());
    }
    u64::from_str_radix(digits, radix)
        .map_err(|_| format!("which is beyond the last seed, {}", u64::MAX))
}

/// Which seeds are run: so many, or those of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeds {
    /// From the first on.
    Count(u64),
    /// From the first number to before the second.
    Range(u64, u64),
}

impl Seeds {
    /// The seeds, if counting begins at `first`.
    ///
    /// # Errors
    /// There are not so many.
    pub fn from(self, first: u64) -> Result<Range<u64>, String> {
        match self {
            Self::Count(count) => {
                let end = first.checked_add(count);
                let end = end.ok_or_else(|| {
                    format!(
                        "{count} seeds from {first} on are beyond the last seed, {}",
                        u64::MAX
                    )
                })?;
                Ok(first..end)
            }
            Self::Range(first, end) => Ok(first..end),
        }
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((first, end)) = text.split_once("..") else {
            return number(text).map(Self::Count).map_err(|why| {
                if why.contains("beyond") {
                    why
                } else {
                    "which is neither a number of seeds, like 1000, nor a range, like 2000..3000"
                        .to_owned()
                }
            });
        };
        let (first, end) = (number(first)?, number(end)?);
        if first > end {
            return Err(format!(
                "which begins at {first} and ends before it, at {end}"
            ));
        }
        Ok(Self::Range(first, end))
    }
}

/// One of several parts of the seeds: `3/10` is the third of ten. The parts of a range are themselves ranges, and together exactly the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    number: u64,
    of: u64,
}

impl Shard {
    /// This shard's part of `seeds`.
    ///
    /// # Panics
    /// Never: a part is not longer than the whole.
    pub fn part_of(self, seeds: &Range<u64>) -> Range<u64> {
        let length = u128::from(seeds.end - seeds.start);
        let cut = |number: u64| {
            let before = length * u128::from(number) / u128::from(self.of);
            seeds.start + u64::try_from(before).expect("a part is not longer than the whole")
        };
        cut(self.number - 1)..cut(self.number)
    }

    /// All shards of which this is one.
    pub(super) fn siblings(self) -> impl Iterator<Item = Self> {
        (1..=self.of).map(move |number| Self {
            number,
            of: self.of,
        })
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || "which is no shard: the third of ten is written 3/10".to_owned();
        let (shard, of) = text.trim().split_once('/').ok_or_else(shape)?;
        let (shard, of): (u64, u64) = (
            shard.parse().map_err(|_| shape())?,
            of.parse().map_err(|_| shape())?,
        );
        if shard == 0 || shard > of {
            return Err(format!(
                "which is none of {of} shards: they are numbered from 1/{of} to {of}/{of}"
            ));
        }
        Ok(Self { number: shard, of })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl TryFrom<String> for Shard {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

/// Reads a time: `30s`, `5m`, `2h`, `500ms`.
///
/// # Errors
/// What is wrong with it, for the end of a sentence that names it.
pub fn time(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let unit_at = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let amount: Option<u64> = digits.parse().ok();
    amount
        .filter(|_| millis > 0)
        .and_then(|amount| amount.checked_mul(millis))
        .map(Duration::from_millis)
        .ok_or_else(|| "which is no time: it is written like 500ms, 30s, 5m or 2h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_count_or_a_range() {
        assert_eq!("1000".parse(), Ok(Seeds::Count(1000)));
        assert_eq!("2000..3000".parse(), Ok(Seeds::Range(2000, 3000)));
        assert_eq!("0x10..0x20".parse(), Ok(Seeds::Range(16, 32)));
        assert_eq!(Seeds::Count(5).from(7), Ok(7..12));
        assert_eq!(Seeds::Range(1, 3).from(7), Ok(1..3));
        for (text, why) in [
            ("seven", "neither a number of seeds"),
            ("", "neither a number of seeds"),
            ("-1", "neither a number of seeds"),
            ("9..4", "begins at 9 and ends before it, at 4"),
            ("1..", "no number"),
            ("99999999999999999999", "beyond the last seed"),
        ] {
            let found = text.parse::<Seeds>().expect_err(text);
            assert!(found.contains(why), "{text}: {found}");
        }
        assert!(
            Seeds::Count(2)
                .from(u64::MAX)
                .expect_err("too many")
                .contains("beyond the last seed")
        );
    }

    #[test]
    fn a_seed_may_be_hexadecimal() {
        assert_eq!(seed("412"), Ok(Seed(412)));
        assert_eq!(seed("0x19c"), Ok(Seed(412)));
        assert_eq!(seed("18446744073709551615"), Ok(Seed(u64::MAX)));
        assert!(
            seed("18446744073709551616")
                .expect_err("one more")
                .contains("beyond the last seed")
        );
        assert!(seed("+1").expect_err("a sign").contains("no number"));
    }

    #[test]
    fn the_shards_of_a_range_are_exactly_the_whole() {
        for (seeds, of) in [(0..1000, 10), (5..12, 3), (0..3, 7), (0..u64::MAX, 3)] {
            let mut next = seeds.start;
            for number in 1..=of {
                let part = Shard { number, of }.part_of(&seeds);
                assert_eq!(part.start, next, "shard {number} of {of} of {seeds:?}");
                next = part.end;
            }
            assert_eq!(next, seeds.end);
        }
    }

    #[test]
    fn a_shard_that_is_none_is_told() {
        assert_eq!("3/10".parse(), Ok(Shard { number: 3, of: 10 }));
        for (text, why) in [
            ("11/10", "numbered from 1/10 to 10/10"),
            ("0/10", "numbered from 1/10 to 10/10"),
            ("3", "written 3/10"),
            ("a/b", "written 3/10"),
        ] {
            let found = text.parse::<Shard>().expect_err(text);
            assert!(found.contains(why), "{text}: {found}");
        }
    }

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(time("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(time("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(time("2h"), Ok(Duration::from_hours(2)));
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        for text in ["30", "s", "1.5s", "", "3 weeks", "99999999999999999h"] {
            assert!(time(text).expect_err(text).contains("30s"), "{text}");
        }
    }
}
