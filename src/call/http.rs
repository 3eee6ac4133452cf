//! A webhook: one POST on one connection.
//!
//! Follows   RFC 9110 (POST, status codes), Standard Webhooks 1.0.
//! Never     follows a redirect, keeps a connection, or reads more than a bounded answer.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::store::calls::Due;
use crate::tls;

use super::{ANSWER_BYTES_MAX, Attempt, Webhook, answer, reason, signature};

/// Octets of the header of an answer.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Posts a call. 2xx takes it, 410 and 422 refuse it, everything else is tried again.
pub async fn post(webhook: &Webhook, call: &Due, now_ms: i64) -> Attempt {
    match exchanged(webhook, call, now_ms).await {
        Ok((status, body)) if status.is_success() => Attempt::Taken(answer(&body)),
        Ok((status @ (StatusCode::GONE | StatusCode::UNPROCESSABLE_ENTITY), body)) => {
            Attempt::Refused(reason(&format!("status {}", status.as_u16()), &body))
        }
        Ok((status, body)) => Attempt::Failed(reason(&format!("status {}", status.as_u16()), &body)),
        Err(error) => Attempt::Failed(format!("{error:#}")),
    }
}

async fn exchanged(webhook: &Webhook, call: &Due, now_ms: i64) -> anyhow::Result<(StatusCode, Bytes)> {
    let url = &webhook.url;
    let is_tls = url.scheme_str() == Some("https");
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let request = request(webhook, call, now_ms)?;
    let stream = tls::connect(&host, port).await?;
    let response = if is_tls {
        sent(tls::handshake(stream, &host, webhook.ca.as_deref()).await?, request).await?
    } else {
        sent(stream, request).await?
    };
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    // an answer that is too long, or is cut off, says nothing; its status counts all the same
    Ok((status, body.map(http_body_util::Collected::to_bytes).unwrap_or_default()))
}

fn request(webhook: &Webhook, call: &Due, now_ms: i64) -> anyhow::Result<Request<Full<Bytes>>> {
    let url = &webhook.url;
    let timestamp_s = now_ms.div_euclid(1_000);
    let signature = signature::of(webhook.secret.expose_secret(), &call.call_id, timestamp_s, &call.payload);
    let path = url.path_and_query().map_or("/", |p| p.as_str());
    Ok(Request::post(path)
        .header(header::HOST, url.authority().map_or("", |a| a.as_str()))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("yesreply/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .header("webhook-id", &call.call_id)
        .header("webhook-timestamp", timestamp_s)
        .header("webhook-signature", signature)
        .body(Full::new(Bytes::from(call.payload.clone())))?)
}

async fn sent<S>(stream: S, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HEADER_BYTES_MAX).handshake(TokioIo::new(stream)).await?;
    // it ends with the answer, or with the sender when the time is up
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}
