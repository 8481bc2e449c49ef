//! A chat room: whoever says something while he is connected hears it, under his name, and everybody hears the same order.

use std::time::Duration;

use dormouse::{DurableObject, ObjectClass, Result};
use dormouse_objects::{
    ChatRoom,
    faulty::{ForgetfulRoom, UnansweringRoom},
};
use dormouse_sim::{
    Call, Client, Faults, Heard, Invariant, Observed, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
    fault::SOCKET_POINTS,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::promises::EVICTED;

/// How long a client waits for what he said: longer than any fault lasts, the latest being healed after a minute.
const PATIENCE: Duration = Duration::from_secs(70);

/// What a visitor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Come in, unless he is in.
    Enter,
    /// Say this, and wait until he hears it. The number is drawn from so many that no two are the same.
    Say(u32),
    /// Send what the room answers in its sleep.
    Ping,
    /// Go, and wait for the answer.
    Leave,
}

/// What he heard meanwhile, in order, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ear {
    heard: Vec<String>,
    ended: Ended,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ended {
    /// He is not connected, and did nothing.
    Outside,
    /// What he waited for came.
    Answered,
    /// The connection was closed, with this code.
    Closed(u16),
    /// Nothing came.
    Deaf,
}

/// Whoever says something hears it.
const HEARS: &str = "whoever is connected hears what he says";

type Calls<'a> = &'a [Call<Op, Ear>];

fn name(client: usize) -> String {
    format!("visitor-{client}")
}

/// Listens until `is_it` comes.
async fn listen(client: &Client, is_it: impl Fn(&str) -> bool) -> Ear {
    let mut heard = Vec::new();
    let socket = client.kept().expect("only those who are in listen");
    let ended = loop {
        match socket.next_within(PATIENCE).await {
            Some(Heard::Text(text)) => {
                let is_last = is_it(&text);
                heard.push(text);
                if is_last {
                    break Ended::Answered;
                }
            }
            Some(Heard::Binary(_)) => {}
            Some(Heard::Closed { code, .. }) => {
                client.take_kept();
                break Ended::Closed(code);
            }
            None => {
                // He does not wait a second time.
                socket.close(4000, "deaf").expect("a good code");
                break Ended::Deaf;
            }
        }
    };
    Ear { heard, ended }
}

async fn step(client: Client, op: Op) -> Result<Ear> {
    let nothing = |ended| Ear {
        heard: Vec::new(),
        ended,
    };
    if op == Op::Enter {
        if client.kept().is_none() {
            let url = format!("https://room/?username={}", name(client.number()));
            client.keep(client.websocket("ROOM", "lobby", &url).await?);
        }
        return Ok(nothing(Ended::Answered));
    }
    let Some(socket) = client.kept() else {
        return Ok(nothing(Ended::Outside));
    };
    Ok(match op {
        Op::Enter => unreachable!("it was handled"),
        Op::Say(number) => {
            socket.send(&format!("{{\"text\":\"{number}\"}}"))?;
            let end = format!(": {number}\"}}");
            listen(&client, |text| text.ends_with(&end)).await
        }
        Op::Ping => {
            socket.send("ping")?;
            listen(&client, |text| text == "pong").await
        }
        Op::Leave => {
            socket.close(1000, "bye")?;
            listen(&client, |_| false).await
        }
    })
}

/// Every operation that was carried out, with what its client heard.
fn ears(calls: Calls<'_>) -> impl Iterator<Item = (&Call<Op, Ear>, &Ear)> {
    calls.iter().filter_map(|call| match &call.outcome {
        Outcome::Ok(ear) => Some((call, ear)),
        Outcome::Failed(_) | Outcome::Unknown(_) => None,
    })
}

fn what_is_said_is_heard(run: &Observed<'_, Op, Ear>) -> Result<(), String> {
    for (call, ear) in ears(run.history.calls()) {
        let who = name(call.client);
        if ear.ended == Ended::Deaf {
            return Err(format!(
                "{who} was connected and heard no answer to {:?}",
                call.op
            ));
        }
        if let (Op::Say(number), Ended::Answered) = (call.op, &ear.ended) {
            let expected = format!("{{\"text\":\"{who}: {number}\"}}");
            let last = ear.heard.last().expect("the answer");
            if *last != expected {
                return Err(format!("{who} heard {last} and not {expected}"));
            }
        }
    }
    Ok(())
}

fn everybody_hears_the_same_order(run: &Observed<'_, Op, Ear>) -> Result<(), String> {
    let calls = run.history.calls();
    let clients = calls.iter().map(|call| call.client).max().unwrap_or(0);
    let said = |text: &&String| text.contains(": ");
    let heard: Vec<Vec<&String>> = (1..=clients)
        .map(|client| {
            let own = ears(calls).filter(|(call, _)| call.client == client);
            own.flat_map(|(_, ear)| &ear.heard).filter(said).collect()
        })
        .collect();
    for (index, one) in heard.iter().enumerate() {
        for other in &heard[index + 1..] {
            let common: Vec<_> = one.iter().filter(|text| other.contains(text)).collect();
            let places: Vec<_> = common
                .iter()
                .map(|text| other.iter().position(|heard| *heard == **text))
                .collect();
            if let Some(place) = places.windows(2).position(|pair| pair[0] > pair[1]) {
                return Err(format!(
                    "{} and {} were heard in both orders",
                    common[place],
                    common[place + 1]
                ));
            }
        }
    }
    Ok(())
}

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    let ops = prop_oneof![
        3 => Just(Op::Enter),
        6 => any::<u32>().prop_map(Op::Say),
        1 => Just(Op::Ping),
        1 => Just(Op::Leave),
    ];
    Scenario::new(name)
        .object::<T>("ROOM")
        .workload(ops, 1..=12)
        .faults(Faults::all().and_sockets())
        .also_at(SOCKET_POINTS)
        .step(step)
        .check(Invariant::new(HEARS, what_is_said_is_heard))
        .check(Invariant::new(
            "everybody hears the same order",
            everybody_hears_the_same_order,
        ))
        .into_suite()
}

/// Who is who lies with the sockets.
pub fn chat_room() -> Suite {
    suite_of::<ChatRoom>("chat_room")
}

/// Faulty: who is there is known in memory only.
pub fn forgetful_room() -> Suite {
    suite_of::<ForgetfulRoom>("forgetful_room")
}

/// Faulty: nobody answers who leaves.
pub fn unanswering_room() -> Suite {
    suite_of::<UnansweringRoom>("unanswering_room")
}

/// One comes in and leaves, and waits for the door to shut until the object is thrown out of memory, if it ever is.
pub const UNANSWERING: Exhibit = Exhibit {
    bug: "A Close that nobody answers",
    suite: unanswering_room,
    correct: "chat_room",
    found_as: &[EVICTED, HEARS],
    smallest: Smallest {
        calls: 2,
        clients: 1,
        faults: 0,
    },
    symptom: "Whoever leaves waits until the object sleeps, or his browser gives up, and sees code 1006.",
    cause: "The handler of the close event tidies up, and does not close its own end. Under older compatibility dates nobody else does.",
    fix: "Close the socket in the handler, whatever else happens there.",
};

/// One comes in, the room falls asleep around him, and what he says has no name any more.
pub const FORGETFUL: Exhibit = Exhibit {
    bug: "A list of sockets in memory",
    suite: forgetful_room,
    correct: "chat_room",
    found_as: &[HEARS, EVICTED],
    smallest: Smallest {
        calls: 2,
        clients: 1,
        faults: 0,
    },
    symptom: "After a quiet minute nobody hears anything any more, although everybody is connected.",
    cause: "The room hibernated; the sockets are still there, the list of who is who is not.",
    fix: "Attach who he is to each socket, and make the list from the sockets when the room wakes.",
};
