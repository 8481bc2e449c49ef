//! What the events mean: for each name its kind and a sentence for somebody who has never read the runtime.
//!
//! Nothing here is needed to record or to draw an event. A name that is missing gets its kind from its first word and no sentence, so a new event
//! shows up in every format at once and is explained as soon as somebody writes its line.

/// The kinds of event, in the order in which a reader asks for them. Each is a switch in the page.
const KINDS: [(&str, &[&str]); 9] = [
    ("call", &["invoke", "ok", "failed", "unknown"]),
    ("fault", &["FAULT", "restart", "healed"]),
    (
        "activation",
        &[
            "node_start",
            "activation_start",
            "activation_end",
            "constructed",
            "idle",
            "panicked",
        ],
    ),
    ("gate", &["deliver", "output", "output_dropped"]),
    ("turn", &["turn"]),
    (
        "storage",
        &[
            "storage_open",
            "storage_broken",
            "commit",
            "committed",
            "durable",
            "checkpoint",
            "delete_all",
            "history_segment",
            "restore",
            "restored",
            "kv_flush",
            "kv_batch",
            "kv_batch_done",
            "kv_delete_all_step",
            "kv_read",
            "kv_failed",
        ],
    ),
    ("alarm", &[]),
    ("disk", &[]),
    ("link", &[]),
];

/// Name and meaning.
const MEANINGS: &[(&str, &str)] = &[
    (
        "invoke",
        "A client calls an object. Its bar ends when the client has its answer.",
    ),
    (
        "ok",
        "The client has its answer: the call took effect once, between its beginning and now.",
    ),
    (
        "failed",
        "The object's own code refused. By convention the call had no effect.",
    ),
    (
        "unknown",
        "The client got an error and cannot tell whether its call took effect: it may have, now or later, or never.",
    ),
    (
        "FAULT",
        "Something goes wrong, as the plan said it would. This is where it takes effect.",
    ),
    (
        "restart",
        "The machine comes back; the runtime starts on what its disk still holds.",
    ),
    ("healed", "No fault happens from here on."),
    ("node_start", "The runtime starts on its data folder."),
    (
        "activation_start",
        "The object comes into memory: its files are opened and its constructor runs.",
    ),
    (
        "activation_end",
        "The object leaves memory. Everything that it held in fields is gone; what it stored stays.",
    ),
    (
        "constructed",
        "The constructor is done; calls that waited for it may run now.",
    ),
    (
        "idle",
        "The object has nothing to do. If nothing arrives for ten seconds, it hibernates.",
    ),
    (
        "panicked",
        "The object's code panicked: this activation is thrown away.",
    ),
    (
        "deliver",
        "An event has arrived at the object. It waits at the input gate until it is its turn.",
    ),
    (
        "turn",
        "The object's code runs until it awaits something outside of its storage. No other code of this object runs in between; between two turns \
         of one event, others may.",
    ),
    (
        "output",
        "Something leaves the object, having passed the output gate: `batch` is the last batch of writes that it depends on, 0 if none was \
         made by this activation.",
    ),
    (
        "output_dropped",
        "What wanted to leave is dropped, because the writes that it depends on failed.",
    ),
    (
        "storage_open",
        "The object's files are open; `existing` says whether there were any.",
    ),
    (
        "storage_broken",
        "The storage failed for good. The object is reset and begins anew from its files.",
    ),
    (
        "commit",
        "The writes of a turn are about to be committed as one batch.",
    ),
    (
        "committed",
        "The batch is in the write-ahead log, in the page cache: it survives a crash of the process, not yet a loss of power.",
    ),
    (
        "durable",
        "The batch, and every one before it, survives a loss of power. The output gate opens for what waited for it.",
    ),
    (
        "checkpoint",
        "The write-ahead log is copied into the database, to begin anew.",
    ),
    (
        "delete_all",
        "Everything that the object stored is deleted.",
    ),
    (
        "history_segment",
        "What the log held is kept, so that a bookmark can bring it back.",
    ),
    ("restore", "The object's data goes back to a bookmark."),
    ("restored", "The object's data is that of the bookmark."),
    (
        "kv_flush",
        "The write-back cache sends its changes to the storage service.",
    ),
    (
        "kv_batch",
        "The storage service is about to apply a batch: all of it, or nothing.",
    ),
    (
        "kv_batch_done",
        "The storage service has applied the batch.",
    ),
    (
        "kv_delete_all_step",
        "One step of a delete_all is done; `left` keys are still there, and a fault now leaves them.",
    ),
    ("kv_read", "The storage service reads."),
    ("kv_failed", "A request to the storage service failed."),
    ("disk_write", "Bytes go into the page cache."),
    (
        "disk_truncate",
        "A file gets another length, in the page cache.",
    ),
    ("disk_delete", "A file is deleted."),
    ("disk_rename", "A file is renamed."),
    (
        "disk_sync",
        "A sync begins: what was written to the file before is to become durable.",
    ),
    ("disk_synced", "A sync is over."),
    (
        "disk_barrier",
        "A sync that is waited for on the spot, because later writes rely on it.",
    ),
    ("link_call", "A call leaves its sender's machine."),
    ("link_reply", "A reply is on its way to the one who called."),
    (
        "alarm_request",
        "The object's alarm is to move: the node's scheduler is told, before the commit or after it, so that it never fires too late.",
    ),
    (
        "alarm_indexed",
        "The scheduler has the alarm in its index, not yet safe from a loss of power.",
    ),
    (
        "alarm_index_durable",
        "The scheduler's index survives a loss of power.",
    ),
    (
        "alarm_commit",
        "A batch that sets the alarm, or removes it, is about to be committed.",
    ),
    (
        "alarm_durable",
        "The alarm, as the object has set it, survives a loss of power.",
    ),
    (
        "alarm_fire",
        "The scheduler finds the alarm due and delivers it to the object.",
    ),
    (
        "alarm_fire_again",
        "The same alarm is delivered a second time.",
    ),
    (
        "alarm_arm",
        "The object compares the alarm that was delivered with the one that it has set; `runs` says whether its handler is called.",
    ),
    (
        "alarm_start",
        "The object's alarm handler begins. `retry_count` says how often it has failed before.",
    ),
    (
        "alarm_done",
        "The alarm handler is over. Only when its writes are durable is the alarm gone.",
    ),
    ("alarm_end", "The scheduler hears how the delivery ended."),
    ("alarm_retry", "The alarm failed and is tried again later."),
    (
        "alarm_give_up",
        "The alarm failed too often: the scheduler does not try it again.",
    ),
    ("socket_accept", "The object takes a WebSocket."),
    (
        "socket_send",
        "A message leaves on a socket, having passed the output gate.",
    ),
    ("socket_read", "A message has arrived on a socket."),
    (
        "socket_event",
        "A socket's message or end is on its way to the object's handler.",
    ),
    (
        "socket_answer",
        "The node answers a message by itself; the object is not woken for it.",
    ),
    (
        "socket_cut",
        "A connection is cut: the other end learns of it late or never.",
    ),
    ("socket_lost", "A socket has lost its connection."),
];

/// The kind of the event `name`. One that is not known has its first word: `alarm_fired` is of the kind `alarm`.
pub fn kind(name: &str) -> &str {
    let known = KINDS.iter().find(|(_, names)| names.contains(&name));
    known.map_or_else(|| name.split('_').next().unwrap_or(name), |(kind, _)| kind)
}

/// The kinds that every page offers first, in order.
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(kind, _)| *kind)
}

/// What the event `name` means, if somebody has written it down.
pub fn meaning(name: &str) -> Option<&'static str> {
    MEANINGS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_knows_has_the_kind_of_its_first_word() {
        assert_eq!(kind("invoke"), "call");
        assert_eq!(kind("disk_sync"), "disk");
        assert_eq!(kind("alarm_fired"), "alarm");
        assert_eq!(kind("comet"), "comet");
        assert_eq!(meaning("comet"), None);
    }

    #[test]
    fn every_event_that_has_a_kind_by_name_has_its_sentence() {
        for name in KINDS.iter().flat_map(|(_, names)| *names) {
            assert!(meaning(name).is_some(), "{name} is not explained");
        }
    }
}
