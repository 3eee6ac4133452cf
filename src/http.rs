//! The page of numbers for monitoring, and whether we are well: `/metrics`, `/healthz/live`, `/healthz/ready`.
//!
//! Promises   live and ready depend on nothing but this process and its database: a mail server that is away is no reason to
//!            restart us.
//! Follows    RFC 9110 (GET and HEAD alone), OpenMetrics 1.0.
//! Never      changes anything, reads a body, keeps a connection, or says more than numbers, our own words and short names of the
//!            config.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::clock;
use crate::config::place::Place;
use crate::flow::Flow;
use crate::health::Health;
use crate::listen::socket::{Connection, Inherited, Socket};

/// Connections at once; further ones wait.
const CONNECTIONS_MAX: usize = 16;
/// Octets of a request.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// For one connection, from its first octet to its last.
const CONNECTION: Duration = Duration::from_secs(20);
/// For what an answer needs of the database.
const DATABASE: Duration = Duration::from_secs(5);
/// After an accept that failed: no more file descriptors, for one.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);
/// Mode of a unix socket: for the group that scrapes.
const MODE: u32 = 0o660;

/// OpenMetrics 1.0.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// The open socket, and what its pages tell of.
#[derive(Debug)]
pub struct Http {
    socket: Socket,
    pages: Pages,
}

#[derive(Debug, Clone)]
struct Pages {
    flow: Arc<Flow>,
    health: Health,
    room: Arc<Semaphore>,
}

/// Status, type, text.
type Page = (StatusCode, &'static str, String);

impl Http {
    /// Begins to listen.
    ///
    /// # Errors
    /// Where it cannot, and why.
    pub async fn open(
        place: &Place,
        inherited: &mut Inherited,
        flow: Arc<Flow>,
        health: Health,
    ) -> anyhow::Result<Self> {
        let socket = Socket::open(place, MODE, inherited).await.context("http.listen")?;
        Ok(Http { socket, pages: Pages { flow, health, room: Arc::new(Semaphore::new(CONNECTIONS_MAX)) } })
    }

    /// Serves until the daemon stops.
    pub async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        tokio::select! {
            () = self.serve() => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    }

    async fn serve(&self) {
        loop {
            let Ok(permit) = self.pages.room.clone().acquire_owned().await else { return };
            let pages = self.pages.clone();
            match self.socket.next().await {
                Ok(Connection::Tcp(stream, _)) => tokio::spawn(async move {
                    pages.answer(stream).await;
                    drop(permit);
                }),
                Ok(Connection::Unix(stream, _)) => tokio::spawn(async move {
                    pages.answer(stream).await;
                    drop(permit);
                }),
                Err(error) => {
                    tracing::warn!(%error, "a connection to the page of numbers could not be accepted");
                    sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
        }
    }
}

impl Pages {
    /// One request on one connection. Whoever breaks off, or is too slow, gets nothing.
    async fn answer<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S) {
        let service = service_fn(|request: Request<Incoming>| async move { self.respond(&request).await });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(CONNECTION)
            .max_buf_size(REQUEST_BYTES_MAX)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        if let Ok(Err(error)) = timeout(CONNECTION, connection).await {
            tracing::debug!(%error, "a request for the page of numbers was broken off");
        }
    }

    async fn respond(&self, request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (status, kind, text) = match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, path) => self.page(path).await,
            _ => (StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET and HEAD are answered here\n".to_owned()),
        };
        // hyper leaves the body of an answer to HEAD out by itself
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
        response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        Ok(response)
    }

    async fn page(&self, path: &str) -> Page {
        match path {
            "/metrics" => self.metrics().await,
            "/healthz/live" => self.live(),
            "/healthz/ready" => self.ready().await,
            _ => (StatusCode::NOT_FOUND, PLAIN, "there are /metrics, /healthz/live and /healthz/ready\n".to_owned()),
        }
    }

    async fn metrics(&self) -> Page {
        let now_ms = clock::now_ms();
        let mailboxes: Vec<&str> = self.flow.policy().mailboxes.keys().map(String::as_str).collect();
        let gauges = match timeout(DATABASE, self.flow.store().gauges(&mailboxes, now_ms)).await {
            Ok(Ok(gauges)) => gauges,
            Ok(Err(error)) => return unwell(&format!("the database could not be read: {error}")),
            Err(_) => return unwell("the database could not be read in time"),
        };
        match self.flow.metrics().page(&gauges, &self.health.overdue(now_ms)) {
            Ok(page) => (StatusCode::OK, OPEN_METRICS, page),
            Err(error) => unwell(&format!("the page could not be written: {error}")),
        }
    }

    /// Are all loops heard of?
    fn live(&self) -> Page {
        match self.health.overdue(clock::now_ms()).as_slice() {
            [] => (StatusCode::OK, PLAIN, "live\n".to_owned()),
            late => unwell(&format!("nothing is heard of {}", late.join(", "))),
        }
    }

    /// Would mail be taken now: does the database take a write?
    async fn ready(&self) -> Page {
        match timeout(DATABASE, self.flow.probe()).await {
            Ok(Ok(())) => (StatusCode::OK, PLAIN, "ready\n".to_owned()),
            Ok(Err(error)) => unwell(&format!("the database does not take a write: {error:#}")),
            Err(_) => unwell("the database does not take a write in time"),
        }
    }
}

fn unwell(reason: &str) -> Page {
    (StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{reason}\n"))
}
