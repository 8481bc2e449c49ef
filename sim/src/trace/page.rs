//! The page: a whole run in one HTML file, to be looked at in a browser, by somebody who has not seen it before.
//!
//! It holds everything it needs: no network, no other file. What is drawn was decided by the [`timeline`]; the page's own script places it,
//! filters, and shows what is clicked. Its parts stand beside this file: `page.html`, `page.css`, `page.js`.
//!
//! Idle time takes no room: the horizontal axis goes from event to event, and a gap in virtual time grows with its logarithm.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Entry,
    timeline::{self, SpanKind, Timeline},
    words,
};
use crate::check::{Mark, Violation};

/// What stands above the timeline.
#[derive(Clone, Debug, Serialize)]
pub struct Headline {
    /// The suite's name.
    pub suite: String,
    /// The seed, or how the plan was named.
    pub seed: String,
    /// The promise that was broken, if one was.
    pub violation: Option<Violation>,
    /// The command that repeats the run.
    pub again: String,
    /// The plan in words.
    pub plan: String,
    /// The trace's hash.
    pub hash: String,
}

/// The page for a run.
///
/// # Panics
/// Never: what it shows is text and numbers.
pub fn html(headline: &Headline, entries: &[Entry]) -> String {
    let timeline = timeline::of(entries);
    let marks = headline
        .violation
        .iter()
        .flat_map(|violation| &violation.marks);
    let marks: Vec<_> = marks
        .filter_map(|mark| resolve(*mark, &timeline, entries))
        .collect();
    let mut names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let meanings: Map<String, Value> = names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), words::meaning(name)?.into())))
        .collect();
    let mut kinds: Vec<_> = words::kinds().collect();
    for name in &names {
        if !kinds.contains(&words::kind(name)) {
            kinds.push(words::kind(name));
        }
    }
    let events: Vec<_> = entries
        .iter()
        .map(|entry| {
            json!([
                entry.at.as_secs_f64(),
                entry.place,
                entry.name,
                words::kind(&entry.name),
                entry.fields
            ])
        })
        .collect();
    let data = json!({
        "headline": headline,
        "marks": marks,
        "timeline": timeline,
        "events": events,
        "kinds": kinds,
        "meanings": meanings,
    });
    // Text of an object may say `</script>`; in JSON the sign may be written otherwise.
    let data = serde_json::to_string(&data)
        .expect("it has a JSON form")
        .replace('<', "\\u003c");
    let title = escaped(&format!("{} · seed {}", headline.suite, headline.seed));
    // The data last: it may hold anything, the other marks included.
    include_str!("page.html")
        .replace("{{title}}", &title)
        .replace("{{style}}", include_str!("page.css"))
        .replace("{{script}}", include_str!("page.js"))
        .replacen("{{data}}", &data, 1)
}

/// Where a mark is: from one event to another.
fn resolve(mark: Mark, timeline: &Timeline, entries: &[Entry]) -> Option<(usize, usize)> {
    match mark {
        Mark::Event(number) => (number < entries.len()).then_some((number, number)),
        Mark::Call { client, index } => {
            let name = format!("client-{client}");
            let of_client = |lane: usize| timeline.lanes[lane].name == name;
            let mut calls = timeline
                .spans
                .iter()
                .filter(|span| span.kind == SpanKind::Call && of_client(span.lane));
            calls.nth(index).map(|call| (call.from, call.to))
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn entry(place: &str, name: &str, field: (&str, &str)) -> Entry {
        Entry {
            at: Duration::ZERO,
            place: place.to_owned(),
            name: name.to_owned(),
            fields: Map::from_iter([(field.0.to_owned(), field.1.into())]),
        }
    }

    fn headline(violation: Option<Violation>) -> Headline {
        Headline {
            suite: "counter".to_owned(),
            seed: "7".to_owned(),
            violation,
            again: "dormouse replay counter 7".to_owned(),
            plan: String::new(),
            hash: String::new(),
        }
    }

    #[test]
    fn the_page_asks_for_nothing_from_outside() {
        let page = html(&headline(None), &[]);
        for reference in [
            "src=",
            "href=",
            "url(",
            "@import",
            "fetch(",
            "XMLHttpRequest",
            "http://",
            "https://",
        ] {
            assert!(!page.contains(reference), "{reference}");
        }
        assert!(
            page.contains("default-src 'none'"),
            "and the browser sees to it"
        );
        assert!(!page.contains("{{"), "every part is filled in");
    }

    #[test]
    fn what_objects_say_cannot_leave_its_place() {
        let evil = "</script><script>alert({{data}})</script>";
        let page = html(
            &headline(None),
            &[entry("client-1", "invoke", ("op", evil))],
        );
        assert!(!page.contains("</script><script>alert"));
        assert_eq!(
            page.matches("</script>").count(),
            2,
            "the data's and the script's own"
        );
        assert!(
            page.contains("\\u003c/script>\\u003cscript>alert({{data}})"),
            "it is told as it is"
        );
    }

    #[test]
    fn a_mark_on_a_call_is_where_the_call_is() {
        let entries = [
            entry("client-2", "invoke", ("op", "Get")),
            entry("client-1", "invoke", ("op", "Get")),
            entry("client-1", "ok", ("returned", "1")),
            entry("client-1", "invoke", ("op", "Set")),
            entry("client-1", "ok", ("returned", "()")),
        ];
        let timeline = timeline::of(&entries);
        let place = |client, index| resolve(Mark::Call { client, index }, &timeline, &entries);
        assert_eq!(place(1, 1), Some((3, 4)));
        assert_eq!(place(2, 0), Some((0, 4)), "it never ended");
        assert_eq!(place(2, 1), None);
        assert_eq!(resolve(Mark::Event(4), &timeline, &entries), Some((4, 4)));
        assert_eq!(
            resolve(Mark::Event(5), &timeline, &entries),
            None,
            "a trace that was cut"
        );
    }
}
