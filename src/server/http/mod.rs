//! The HTTP twin of the frames: hyper's HTTP/1 by hand on the worker's own thread, without a router or layers, because a
//! single check costs little more than reading its head.

mod body;
mod reply;

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use wire::limits::{BATCH_JSON_BYTES_MAX, CHECK_JSON_BYTES_MAX};
use wire::{DecodeError, json};

use crate::metrics::Door;
use crate::outcomes;
use crate::worker::Worker;

pub use reply::{error_body, status_of};

type Reply = Response<Full<Bytes>>;

/// Longest head of a request, in bytes: a check's head is a few hundred.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Calls of the data address: path and methods.
pub const ROUTES: &[(&str, &[Method])] = &[
    ("/v1/check", &[Method::POST]),
    ("/v1/checks", &[Method::POST]),
    ("/v1/outcome", &[Method::POST]),
    ("/healthz", &[Method::GET]),
    ("/readyz", &[Method::GET]),
    ("/openapi.json", &[Method::GET]),
];

/// Takes connections until the daemon drains.
pub async fn accept(worker: Rc<Worker>, listener: TcpListener) {
    let accept = async || {
        let (stream, _) = listener.accept().await?;
        // An answer is one write; it must not wait for a second one.
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    worker.accept_all(Door::Http, accept, serve).await;
}

async fn serve(worker: Rc<Worker>, stream: TcpStream) {
    let header_timeout = Duration::from_millis(worker.shared.config.limits.header_timeout_ms);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .half_close(true);
    let service = {
        let worker = worker.clone();
        service_fn(move |request| {
            let worker = worker.clone();
            async move { Ok::<_, Infallible>(answer(&worker, request).await) }
        })
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = worker.draining() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "HTTP connection ended");
    }
}

async fn answer(worker: &Worker, request: Request<Incoming>) -> Reply {
    let arrived = Instant::now();
    let result = match (request.method(), request.uri().path()) {
        (&Method::POST, "/v1/check") => check(worker, request, arrived).await,
        (&Method::POST, "/v1/checks") => checks(worker, request, arrived).await,
        (&Method::POST, "/v1/outcome") => outcome(worker, request).await,
        (&Method::GET, "/healthz") => Ok(reply::text(StatusCode::OK, "ok\n")),
        (&Method::GET, "/readyz") => Ok(reply::ready(&worker.shared)),
        (&Method::GET, "/openapi.json") => Ok(reply::json(StatusCode::OK, crate::admin::OPENAPI)),
        (method, path) => return reply::no_such_call(method, path, ROUTES),
    };
    result.unwrap_or_else(|error| {
        worker.decider.borrow_mut().tally.refused(error.code);
        reply::error(&error)
    })
}

async fn check(worker: &Worker, request: Request<Incoming>, arrived: Instant) -> Result<Reply, DecodeError> {
    let bytes = body::read(worker, request, CHECK_JSON_BYTES_MAX).await?;
    let check = json::decode_check(&bytes)?;
    let mut out = Vec::with_capacity(512);
    let decided = worker.decider.borrow_mut().answer_one(&check, arrived, &mut out)?;
    Ok(if decided { reply::json(StatusCode::OK, out) } else { reply::overloaded(out) })
}

async fn checks(worker: &Worker, request: Request<Incoming>, arrived: Instant) -> Result<Reply, DecodeError> {
    let bytes = body::read(worker, request, BATCH_JSON_BYTES_MAX).await?;
    let batch = json::decode_checks(&bytes)?;
    let shape = batch.shape;
    let mut out = Vec::with_capacity(256 * batch.checks.len());
    worker.decider.borrow_mut().answer_json(batch, arrived, &mut out);
    Ok(reply::batch(shape, out))
}

async fn outcome(worker: &Worker, request: Request<Incoming>) -> Result<Reply, DecodeError> {
    let bytes = body::read(worker, request, CHECK_JSON_BYTES_MAX).await?;
    let outcome = json::decode_outcome(&bytes)?;
    let effect = outcomes::kept(&worker.shared, &outcome).await?;
    Ok(reply::kept(&outcome, effect))
}
