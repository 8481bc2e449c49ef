//! A process of this very program that answers questions, a line of JSON each.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde::{Serialize, de::DeserializeOwned};

use super::worker::ANSWER;

pub(super) struct WorkerProcess {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl WorkerProcess {
    /// Starts this program with `subcommand`.
    pub(super) fn start(subcommand: &str) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        keep_memory(&mut command);
        let mut process = command
            .arg(subcommand)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let questions = process.stdin.take().expect("it was asked for");
        let answers = BufReader::new(process.stdout.take().expect("it was asked for"));
        Ok(Self {
            process,
            questions,
            answers,
        })
    }

    /// The answer, or nothing if the process died over the question.
    pub(super) fn ask<A: DeserializeOwned>(&mut self, question: &impl Serialize) -> Option<A> {
        let mut line = serde_json::to_string(question).expect("a question has a JSON form");
        line.push('\n');
        self.questions.write_all(line.as_bytes()).ok()?;
        self.questions.flush().ok()?;
        loop {
            let mut line = Vec::new();
            if self.answers.read_until(b'\n', &mut line).ok()? == 0 {
                return None; // it is gone
            }
            // What the code of objects prints on standard output stands between.
            if let Some(answer) = line.strip_prefix(ANSWER.as_bytes()) {
                return serde_json::from_slice(answer).ok();
            }
        }
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        self.process.kill().ok(); // it may be gone already
        self.process.wait().ok();
    }
}

/// How many free bytes a worker keeps for its next world.
const KEPT_MEMORY: &str = "268435456";

/// Worlds come and go a thousand times a second. glibc would give their memory back to the system each time.
fn keep_memory(command: &mut Command) {
    command
        .env("MALLOC_TRIM_THRESHOLD_", KEPT_MEMORY)
        .env("MALLOC_MMAP_THRESHOLD_", KEPT_MEMORY);
}
