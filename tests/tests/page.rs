//! The page of a failure in a real browser: it is opened, clicked, filtered, zoomed and stepped through, and must show what the run was.
//!
//! The browser is Chromium, driven by chromedriver. Where neither is installed, the tests say that they were skipped; in CI that is a failure.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use dormouse_scenarios::counter;
use dormouse_sim::{
    Detail, Run, Seed, Suite,
    trace::page::{self, Headline},
};
use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{
        InputSource as _, MOUSE_BUTTON_LEFT, MouseActions, PointerAction, WheelAction, WheelActions,
    },
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1500,900",
];

fn in_path(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<_> = env::split_paths(&env::var_os("PATH")?).collect();
    let candidates = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|path| path.is_file())
}

/// The first seed of `suite` that breaks a promise, run with everything kept.
fn failing_run(suite: &Suite) -> (Seed, Run) {
    let seeds = (0..2_000).map(Seed);
    let mut runs = seeds.map(|seed| (seed, suite.run_seed(seed, Detail::Full)));
    runs.find(|(_, run)| run.violation.is_some())
        .expect("the suite has a bug")
}

/// Writes the page of a failing run of `suite`; returns its file and the run.
fn page_of(suite: &Suite, folder: &Path) -> (PathBuf, Run) {
    let (seed, run) = failing_run(suite);
    let texts = run.texts.as_ref().expect("they were asked for");
    let headline = Headline {
        suite: suite.name().to_owned(),
        seed: seed.to_string(),
        violation: run.violation.clone(),
        again: format!("dormouse replay {} {seed}", suite.name()),
        plan: texts.plan.clone(),
        hash: format!("{:016x}", run.hash),
    };
    let path = folder.join(format!("{}.html", suite.name()));
    fs::write(&path, page::html(&headline, &texts.entries)).expect("it is written");
    (path, run)
}

/// chromedriver and the page that it has open.
struct Browser {
    driver: Child,
    client: Client,
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn open(chromium: &Path, chromedriver: &Path, page: &Path) -> Self {
        let mut driver = Command::new(chromedriver)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let lines = BufReader::new(driver.stdout.take().expect("it was asked for")).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let port = line.strip_prefix("ChromeDriver was started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let port = port.expect("chromedriver says on which port it listens");
        let profile = tempfile::tempdir().expect("a temporary folder");
        let flags = FLAGS.iter().map(|flag| (*flag).to_owned());
        let flags: Vec<_> = flags
            .chain([format!("--user-data-dir={}", profile.path().display())])
            .collect();
        let wanted = json!({"goog:chromeOptions": {"binary": chromium, "args": flags}});
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted.as_object().expect("it is one").clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("the browser starts");
        let browser = Self {
            driver,
            client,
            _profile: profile,
        };
        browser
            .client
            .goto(&format!("file://{}", page.display()))
            .await
            .expect("the page opens");
        browser
    }

    /// What `expression` gives in the page.
    async fn ask(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        let answer = self.client.execute(&script, Vec::new()).await;
        answer.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    async fn number(&self, expression: &str) -> f64 {
        self.ask(expression)
            .await
            .as_f64()
            .unwrap_or_else(|| panic!("{expression} is no number"))
    }

    async fn count(&self, selector: &str) -> usize {
        self.client
            .find_all(Locator::Css(selector))
            .await
            .expect("a selector")
            .len()
    }

    async fn text(&self, selector: &str) -> String {
        let found = self.client.find(Locator::Css(selector)).await;
        let found = found.unwrap_or_else(|error| panic!("{selector}: {error}"));
        found.text().await.expect("it is there")
    }

    async fn click(&self, selector: &str) {
        let found = self.client.find(Locator::Css(selector)).await;
        let found = found.unwrap_or_else(|error| panic!("{selector}: {error}"));
        found
            .click()
            .await
            .unwrap_or_else(|error| panic!("{selector} cannot be clicked: {error}"));
        self.drawn().await;
    }

    async fn press(&self, keys: &str) {
        let body = self
            .client
            .find(Locator::Css("#plot"))
            .await
            .expect("it is there");
        body.send_keys(keys).await.expect("keys are taken");
        self.drawn().await;
    }

    async fn filter(&self, words: &str) {
        let filter = self
            .client
            .find(Locator::Css("#filter"))
            .await
            .expect("it is there");
        filter.clear().await.expect("it can be emptied");
        filter.send_keys(words).await.expect("keys are taken");
        self.drawn().await;
    }

    /// Waits until the page has drawn what was asked of it.
    async fn drawn(&self) {
        let wait = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done(1)));";
        self.client
            .execute_async(wait, Vec::new())
            .await
            .expect("frames are drawn");
    }

    /// The event that is selected.
    async fn selected(&self) -> usize {
        let hash = self.ask("location.hash").await;
        let number = hash.as_str().and_then(|hash| hash.strip_prefix("#event="));
        number
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("nothing is selected: {hash}"))
    }

    async fn no_complaints(&self) {
        assert_eq!(
            self.ask("document.body.dataset.error ?? null").await,
            Value::Null,
            "the page's script failed"
        );
        let loaded = self
            .number("performance.getEntriesByType('resource').length")
            .await;
        assert!(loaded < 1.0, "the page has loaded something from elsewhere");
    }

    /// For people who want to see what the test saw.
    async fn picture(&self, name: &str) {
        let picture = self.client.screenshot().await.expect("a screenshot");
        fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), picture)
            .expect("it is written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.driver.kill().ok(); // it may be gone already
        self.driver.wait().ok();
    }
}

/// Runs `look` on the page of a failing run of `suite`, if there is a browser.
fn in_a_browser(suite: &Suite, look: impl AsyncFnOnce(&Browser, &Run)) {
    let chromium = in_path(&["chromium", "chromium-browser", "google-chrome"]);
    let (Some(chromium), Some(chromedriver)) = (chromium, in_path(&["chromedriver"])) else {
        assert!(
            env::var_os("CI").is_none(),
            "no chromium with chromedriver in PATH, and in CI there must be one"
        );
        eprintln!(
            "SKIPPED: no chromium with chromedriver in PATH; on Debian: apt-get install chromium chromium-driver"
        );
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (page, run) = page_of(suite, folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let limit = Duration::from_mins(2);
        let looking = async {
            let browser = Browser::open(&chromium, &chromedriver, &page).await;
            look(&browser, &run).await;
            browser.no_complaints().await;
            browser.client.clone().close().await.ok(); // it is killed below anyway
        };
        tokio::time::timeout(limit, looking)
            .await
            .expect("the browser answers in time");
    });
}

#[test]
fn the_page_of_a_race_says_what_was_broken_and_shows_where() {
    in_a_browser(&counter::racing_counter(), async |page, run| {
        let violation = run.violation.as_ref().expect("it failed");
        let events = run
            .texts
            .as_ref()
            .expect("they were asked for")
            .entries
            .len();
        assert!(page.text("#promise").await.contains(&violation.promise));
        let why = page.ask("document.getElementById('why').textContent").await;
        assert_eq!(why, violation.why);
        assert!(
            page.text("#again")
                .await
                .starts_with("dormouse replay racing_counter ")
        );
        assert!(
            page.text("#headline .where")
                .await
                .contains(&format!("{events} events"))
        );
        page.picture("page-race.png").await;

        // It opens at the call that fits nowhere, marked, and with the list beside it at the same place.
        assert_eq!(page.text(".flag.broken").await, "\u{2717} broken here");
        assert!(page.count(".bar.call.marked").await >= 1);
        let selected = page.selected().await;
        assert!(
            page.text("#details .mark")
                .await
                .contains(&violation.promise)
        );
        assert!(page.text("#event-name").await.starts_with("client-"));
        let line = page
            .number("Number(document.querySelector('#lines .selected').dataset.line)")
            .await;
        assert!((line - f64::from(u32::try_from(selected).expect("few events"))).abs() < 0.5);

        // The race itself: two increments of one object are under way at once.
        assert!(page.count(".bar.handling").await >= 2);

        // Away and back.
        page.click("#fit").await;
        page.press("\u{e010}").await;
        page.click("#show").await;
        assert_eq!(
            page.selected().await,
            selected,
            "the button leads back to it"
        );
    });
}

#[test]
fn whatever_is_clicked_is_explained() {
    in_a_browser(&counter::forgetful_counter(), async |page, run| {
        let entries = &run.texts.as_ref().expect("they were asked for").entries;
        page.picture("page-forgetful.png").await;
        page.click(".bar.call.marked").await;
        assert!(
            page.text("#meaning")
                .await
                .starts_with("A client calls an object.")
        );

        page.click("#lines li.FAULT").await;
        let fault = page.selected().await;
        assert_eq!(entries[fault].name, "FAULT");
        assert!(page.text("#event-name").await.starts_with("FAULT "));
        assert!(
            page.text("#details table")
                .await
                .contains(entries[fault].text("kind").expect("it has a kind"))
        );
        assert!(
            page.count("#plot .line").await >= 1,
            "a fault is a line through all lanes"
        );

        // Steps go from event to event, and only to those that are shown.
        page.press("\u{e014}").await;
        let after = page.selected().await;
        assert!(after > fault);
        page.press("\u{e012}").await;
        assert_eq!(page.selected().await, fault);
        page.click("#next").await;
        assert_eq!(page.selected().await, after);
        page.press("\u{e00c}").await;
        assert!(
            page.text("#details h3").await.contains("How to read this"),
            "escape lets go"
        );
    });
}

#[test]
fn filters_leave_what_was_asked_for() {
    in_a_browser(&counter::forgetful_counter(), async |page, run| {
        let entries = &run.texts.as_ref().expect("they were asked for").entries;
        let shown = |kinds: &[&str], place: Option<&str>| {
            let is_shown = |name: &str| {
                kinds
                    .iter()
                    .any(|kind| dormouse_sim::trace::words::kind(name) == *kind)
            };
            let is_there = |entry: &&dormouse_sim::trace::Entry| {
                place.is_none_or(|place| entry.place == place)
            };
            entries
                .iter()
                .filter(is_there)
                .filter(|entry| is_shown(&entry.name))
                .count()
        };
        let all = entries.len();
        let loud = ["call", "fault", "activation", "gate", "storage"];
        assert_eq!(
            page.text("#count").await,
            format!("{} of {all} events", shown(&loud, None))
        );

        page.click("[data-kind=disk]").await;
        let with_disk = [&loud[..], &["disk"]].concat();
        assert_eq!(
            page.text("#count").await,
            format!("{} of {all} events", shown(&with_disk, None))
        );
        assert_eq!(
            page.count(".name[data-lane=disk]").await,
            1,
            "its lane is there now"
        );
        page.click("[data-kind=disk]").await;
        assert_eq!(page.count(".name[data-lane=disk]").await, 0);

        page.filter("lane:client-1").await;
        assert_eq!(
            page.text("#count").await,
            format!("{} of {all} events", shown(&["call"], Some("client-1")))
        );
        assert_eq!(page.count(".name").await, 1, "one lane is left");
        page.filter("nothing-is-called-so").await;
        assert_eq!(page.text("#count").await, format!("0 of {all} events"));
        page.filter("").await;
        assert_eq!(
            page.text("#count").await,
            format!("{} of {all} events", shown(&loud, None))
        );
    });
}

#[test]
fn the_time_line_is_zoomed_and_moved_by_buttons_wheel_and_drag() {
    in_a_browser(&counter::forgetful_counter(), async |page, _| {
        let left = "document.querySelector('.bar.call.selected').getBoundingClientRect().left";
        let width = "document.querySelector('.bar.call.selected').getBoundingClientRect().width";
        let before = page.number(width).await;
        page.click("#in").await;
        let larger = page.number(width).await;
        assert!(larger > before * 1.3, "{before} to {larger}");
        page.click("#out").await;
        assert!((page.number(width).await - before).abs() < 2.0, "and back");

        // Over the bar that is measured: what is elsewhere leaves the window when it grows.
        let middle = page.ask("(() => { const box = document.querySelector('.bar.call.selected').getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; })()").await;
        let at = |index: usize| middle[index].as_f64().expect("a number");
        let mut wheel = WheelActions::new("wheel".to_owned());
        #[expect(clippy::cast_possible_truncation, reason = "a place on a screen")]
        wheel.push(WheelAction::Scroll {
            duration: None,
            x: at(0) as i64,
            y: at(1) as i64,
            delta_x: 0,
            delta_y: -300,
        });
        page.client
            .perform_actions(wheel)
            .await
            .expect("the wheel turns");
        page.drawn().await;
        assert!(page.number(width).await > before * 1.3, "the wheel zooms");

        let from = page.number(left).await;
        let drag = MouseActions::new("mouse".to_owned())
            .then(PointerAction::MoveTo {
                duration: None,
                x: at(0),
                y: at(1),
            })
            .then(PointerAction::Down {
                button: MOUSE_BUTTON_LEFT,
            })
            .then(PointerAction::MoveBy {
                duration: Some(Duration::from_millis(50)),
                x: -80.0,
                y: 0.0,
            })
            .then(PointerAction::Up {
                button: MOUSE_BUTTON_LEFT,
            });
        page.client
            .perform_actions(drag)
            .await
            .expect("the mouse moves");
        page.drawn().await;
        let moved = from - page.number(left).await;
        assert!(
            (60.0..=100.0).contains(&moved),
            "dragged by 80, moved by {moved}"
        );

        page.click("#fit").await;
        let (first, last) = (
            page.number("document.querySelector('#window').getBoundingClientRect().width")
                .await,
            page.number("document.querySelector('#overview').getBoundingClientRect().width")
                .await,
        );
        assert!(
            first > 0.9 * last,
            "the whole run is in sight: {first} of {last}"
        );
    });
}
