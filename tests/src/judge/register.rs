//! A register with compare-and-set, and the logs of Jepsen's etcd tests.
//!
//! A line is `INFO  jepsen.util - PROCESS :TYPE :F VALUE`; other lines are noise of the same log. A read that timed out saw nothing. A
//! write or compare-and-set that timed out may still take effect at any time. One that failed for another reason was refused: a compare-and-set
//! because the register held another value, which says something about the register, too.

use dormouse_sim::{History, Model, Outcome};

use super::paired::Paired;

/// What is asked of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterOp {
    /// Its value.
    Read,
    /// To hold this.
    Write(i64),
    /// To hold the second if it holds the first.
    CompareAndSet(i64, i64),
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterRet {
    /// The value; none if nothing was written.
    Value(Option<i64>),
    /// It is done.
    Done,
    /// It held another value.
    Mismatch,
}

/// A register that holds nothing at first.
#[derive(Clone, Copy, Debug)]
pub struct RegisterModel;

impl Model for RegisterModel {
    type Op = RegisterOp;
    type Ret = RegisterRet;
    type State = Option<i64>;

    fn initial(&self) -> Option<i64> {
        None
    }

    fn step(
        &self,
        state: &Option<i64>,
        op: &RegisterOp,
        ret: Option<&RegisterRet>,
    ) -> Option<Option<i64>> {
        let (next, answer) = match *op {
            RegisterOp::Read => (*state, RegisterRet::Value(*state)),
            RegisterOp::Write(value) => (Some(value), RegisterRet::Done),
            RegisterOp::CompareAndSet(old, new) if *state == Some(old) => {
                (Some(new), RegisterRet::Done)
            }
            RegisterOp::CompareAndSet(..) => (*state, RegisterRet::Mismatch),
        };
        ret.is_none_or(|ret| *ret == answer).then_some(next)
    }

    fn object(&self, _: &RegisterOp) -> String {
        "register".to_owned()
    }

    fn is_same(&self, one: &RegisterOp, other: &RegisterOp) -> bool {
        one == other
    }
}

/// Reads a log.
///
/// # Errors
/// With the line, where an operation is not one of a register, or answers do not fit what was asked.
pub fn read_register(text: &str) -> Result<History<RegisterOp, RegisterRet>, String> {
    let mut calls = Paired::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(event) = Event::read(line) {
            event
                .note(&mut calls)
                .map_err(|why| format!("line {number}: {why}"))?;
        }
    }
    Ok(calls.finish())
}

struct Event<'a> {
    process: i64,
    kind: &'a str,
    what: &'a str,
    value: &'a str,
}

impl<'a> Event<'a> {
    /// `None` for noise.
    fn read(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once("jepsen.util - ")?;
        if before.trim() != "INFO" {
            return None;
        }
        let (process, rest) = after.trim().split_once(char::is_whitespace)?;
        let (kind, rest) = rest.trim_start().split_once(char::is_whitespace)?;
        let (what, value) = rest.trim_start().split_once(char::is_whitespace)?;
        let process = process.parse().ok()?;
        let is_type = matches!(kind, ":invoke" | ":ok" | ":fail" | ":info");
        (is_type && what.starts_with(':')).then(|| Self {
            process,
            kind,
            what,
            value: value.trim(),
        })
    }

    fn note(&self, calls: &mut Paired<RegisterOp, RegisterRet>) -> Result<(), String> {
        if self.kind == ":invoke" {
            return calls.invoke(self.process, self.op()?);
        }
        let op = *calls.asked(self.process)?;
        let name = match op {
            RegisterOp::Read => ":read",
            RegisterOp::Write(_) => ":write",
            RegisterOp::CompareAndSet(..) => ":cas",
        };
        if self.what != name {
            let (process, what) = (self.process, self.what);
            return Err(format!(
                "process {process} asked {name} and is answered {what}"
            ));
        }
        calls.settle(self.process, self.outcome(op)?)
    }

    fn op(&self) -> Result<RegisterOp, String> {
        match self.what {
            ":read" => Ok(RegisterOp::Read),
            ":write" => Ok(RegisterOp::Write(number(self.value)?)),
            ":cas" => {
                let inside = self
                    .value
                    .strip_prefix('[')
                    .and_then(|rest| rest.strip_suffix(']'));
                let pair = inside.and_then(|inside| inside.trim().split_once(char::is_whitespace));
                let (old, new) =
                    pair.ok_or_else(|| format!("`{}` is no pair of numbers", self.value))?;
                Ok(RegisterOp::CompareAndSet(number(old)?, number(new.trim())?))
            }
            other => Err(format!("a register has no operation `{other}`")),
        }
    }

    fn outcome(&self, op: RegisterOp) -> Result<Outcome<RegisterRet>, String> {
        let timed_out = self.value == ":timed-out";
        Ok(match (self.kind, op) {
            (":ok", RegisterOp::Read) => Outcome::Ok(RegisterRet::Value(match self.value {
                "nil" => None,
                value => Some(number(value)?),
            })),
            (":ok", _) => Outcome::Ok(RegisterRet::Done),
            (":fail", RegisterOp::CompareAndSet(..)) if !timed_out => {
                Outcome::Ok(RegisterRet::Mismatch)
            }
            // A read that was not answered had no effect, whatever became of it.
            (_, RegisterOp::Read) => Outcome::Failed(self.value.to_owned()),
            (":fail", _) if !timed_out => Outcome::Failed(self.value.to_owned()),
            _ => Outcome::Unknown(self.value.to_owned()),
        })
    }
}

fn number(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

#[cfg(test)]
mod tests {
    use dormouse_sim::check::linearizability::{Budget, Verdict, check};

    use super::*;

    fn log(lines: &[&str]) -> String {
        let lines = lines
            .iter()
            .map(|line| ["INFO  jepsen.util - ", *line, "\n"]);
        lines.flatten().collect()
    }

    #[test]
    fn answers_are_read_as_what_they_say() {
        let text = log(&[
            "0\t:invoke\t:write\t3",
            "1   :invoke :cas    [3 4]",
            "2\t:invoke\t:read\tnil",
            "0\t:info\t:write\t:timed-out",
            "1\t:fail\t:cas\t[3 4]",
            "2\t:fail\t:read\t:timed-out",
            "3\t:invoke\t:read\tnil",
        ]);
        let text = format!("INFO  jepsen.core - Run complete\n{text}");
        let history = read_register(&text).expect("a log");
        let outcomes: Vec<_> = history.iter().map(|call| call.outcome.clone()).collect();
        assert_eq!(
            outcomes,
            [
                Outcome::Unknown(":timed-out".to_owned()),
                Outcome::Ok(RegisterRet::Mismatch),
                Outcome::Failed(":timed-out".to_owned()),
                Outcome::Unknown("never settled".to_owned()),
            ]
        );
        assert_eq!(history.calls()[1].op, RegisterOp::CompareAndSet(3, 4));
        assert_eq!(
            check(&RegisterModel, &history, Budget::default()),
            Verdict::Ok
        );
    }

    #[test]
    fn a_refused_compare_and_set_is_a_statement_about_the_register() {
        let text = log(&[
            "0 :invoke :write 3",
            "0 :ok :write 3",
            "0 :invoke :cas [3 4]",
            "0 :fail :cas [3 4]",
        ]);
        let verdict = check(
            &RegisterModel,
            &read_register(&text).expect("a log"),
            Budget::default(),
        );
        assert!(matches!(verdict, Verdict::Illegal(_)), "{verdict:?}");
    }

    #[test]
    fn errors_name_the_line() {
        for (lines, message) in [
            (
                &["0 :invoke :append 3"][..],
                "line 1: a register has no operation `:append`",
            ),
            (&["0 :invoke :write x"], "line 1: `x` is no number"),
            (&["0 :invoke :cas 3"], "line 1: `3` is no pair of numbers"),
            (
                &["0 :ok :read 3"],
                "line 1: process 0 is answered and asked nothing",
            ),
            (
                &["0 :invoke :read nil", "0 :invoke :read nil"],
                "line 2: process 0 asks again before it was answered",
            ),
            (
                &["0 :invoke :read nil", "0 :ok :write 3"],
                "line 2: process 0 asked :read and is answered :write",
            ),
        ] {
            assert_eq!(read_register(&log(lines)).expect_err(message), message);
        }
    }
}
