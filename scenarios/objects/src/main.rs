//! `dormouse-serve`: the bundled objects, for real, over HTTP, from a data folder.
//!
//! `POST /COUNTER/global/increment` calls `fetch` of the object `global` behind the binding `COUNTER` with the path `/increment`. No simulator is linked into
//! this program.

use std::{path::PathBuf, pin::pin, process::ExitCode, rc::Rc};

use anyhow::Context as _;
use clap::Parser;
use dormouse::{
    Env, Method, Node, Request, RequestInit, Response, Result, StartError,
    platform::{Platform, real},
    server::{self, FetchHandler},
};
use futures_util::future::{Either, select};

/// Serves Durable Objects over HTTP from a data folder.
#[derive(Debug, Parser)]
#[command(name = "dormouse-serve", version)]
struct Arguments {
    /// The folder that holds the objects; it is made if it is not there
    #[arg(long)]
    data: PathBuf,
    /// Address and port; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse(); // ends the program with code 2 for wrong usage
    match real::run(serve(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn serve(Arguments { data, listen }: Arguments) -> anyhow::Result<()> {
    let platform = real::platform(&data)
        .with_context(|| format!("cannot use the data folder {}", data.display()))?;
    // The port first: if it is taken, the folder is left as it is.
    let listener = platform
        .network
        .listen(&listen)
        .await
        .with_context(|| format!("cannot listen at {listen}"))?;
    let node = start(&data, &platform)?;
    println!("listening on http://{}", listener.local_address());
    let handler = route(node.env());
    let (spawn, clock) = (Rc::clone(&platform.spawn), Rc::clone(&platform.clock));
    let served = server::serve(listener, spawn, clock, handler, interrupted());
    served.await.context("the listener failed")?;
    Ok(())
}

fn start(data: &std::path::Path, platform: &Platform) -> anyhow::Result<Node> {
    let started: Result<Node, StartError> = dormouse_objects::bundled().start(platform.clone());
    started.with_context(|| format!("cannot start on {}", data.display()))
}

/// `/BINDING/NAME/path` goes to the object's `fetch` as `/path`.
fn route(env: Env) -> FetchHandler {
    Rc::new(move |request| {
        let env = env.clone();
        Box::pin(async move {
            match forward(&env, request).await {
                Err(error) if error.message().starts_with("Binding `") => {
                    Response::error(format!("{error} Try POST /COUNTER/global/increment\n"), 404)
                }
                other => other,
            }
        })
    })
}

async fn forward(env: &Env, mut request: Request) -> Result<Response> {
    let mut url = request.url()?;
    let path = url.path().to_owned();
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    let (binding, name, rest) = (
        parts.next().unwrap_or_default(),
        parts.next(),
        parts.next().unwrap_or_default(),
    );
    let namespace = env.durable_object(binding)?;
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Response::error("Which object? Try POST /COUNTER/global/increment\n", 404);
    };
    url.set_path(rest);
    let body = request.bytes().await?;
    let mut init = RequestInit::new();
    init.with_method(request.method())
        .with_headers(request.headers().clone());
    // A GET may not have one; what a client sent along with it is of no use to the object.
    if !body.is_empty() && !matches!(request.method(), Method::Get | Method::Head) {
        init.with_body(Some(body.into()));
    }
    // A stub for each request: one that met a reset would fail for ever.
    namespace
        .get_by_name(name)?
        .fetch_with_request(Request::new_with_init(url.as_str(), &init)?)
        .await
}

/// Completes at the first Ctrl-C, or when a service manager ends the process.
async fn interrupted() {
    let (interrupt, terminate) = (pin!(tokio::signal::ctrl_c()), pin!(terminated()));
    if let Either::Left((Err(_), terminate)) = select(interrupt, terminate).await {
        terminate.await; // there is no Ctrl-C here
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await, // it runs until it is killed
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
