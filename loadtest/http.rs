//! One keep-alive connection of HTTP/1.1: one body under way at a time; in open loop those that are due meanwhile wait,
//! and their wait counts.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, StatusCode, header};
use serde::Deserialize;
use serde::de::IgnoredAny;
use wire::Verdict;

use crate::in_flight::Sent;
use crate::limits::DRAIN;
use crate::pacer;
use crate::run::{GRACE, Job};
use crate::schedule::Schedule;

/// What the report wants to know of an answer.
#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow, default)]
    verdict: Option<Cow<'a, str>>,
    #[serde(default)]
    replayed: bool,
    #[serde(default)]
    degraded: Vec<IgnoredAny>,
    #[serde(borrow, default)]
    error: Option<Fault<'a>>,
}

#[derive(Deserialize)]
struct Fault<'a> {
    #[serde(borrow, default)]
    code: Cow<'a, str>,
}

/// Runs the connection to its end. All results stand in the job's tally.
pub(crate) async fn drive(job: Rc<Job>, mut sender: SendRequest<Full<Bytes>>) {
    let mut schedule = Schedule::new(&job.plan, job.connection);
    let mut cursor = job.stock.cursor(job.connection, job.plan.scenario.connections);
    let mut body = Vec::new();
    let mut released = job.start;
    pacer::until(job.start).await;
    loop {
        let (meant, phase) = if job.plan.window.is_none() {
            let Some(due) = schedule.next() else { break };
            pacer::until(job.start + due.at).await;
            if Instant::now() > job.end + GRACE {
                let unsent = (1 + schedule.remaining()) * job.plan.batch() as u64;
                job.tally.borrow_mut().unsent += unsent;
                break;
            }
            (job.start + due.at, due.phase)
        } else {
            let now = Instant::now();
            if now >= job.end || !schedule.spend() {
                break;
            }
            (now, schedule.phase_at(now - job.start))
        };
        body.clear();
        let count = job.stock.append(&mut cursor, 0, &mut body);
        let lag = Instant::now().saturating_duration_since(meant);
        job.tally.borrow_mut().sent(phase, count, lag, meant <= released);
        let exchange = exchange(&mut sender, Bytes::copy_from_slice(&body), count);
        let (status, reply) = match tokio::time::timeout_at((job.end + DRAIN).into(), exchange).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => return give_up(&job, count, &error),
            Err(_) => return give_up(&job, count, "no answer"),
        };
        released = Instant::now();
        let mut tally = job.tally.borrow_mut();
        tally.answered(Sent { meant, count, phase }, released);
        job.progress(count);
        let seen = replies(&reply, &mut |reply| match (&reply.error, reply.verdict.as_deref()) {
            (Some(fault), _) => tally.error(if fault.code.is_empty() { "unnamed" } else { &fault.code }, 1),
            (None, Some(name)) if status == StatusCode::OK => match Verdict::from_name(name) {
                Some(verdict) => tally.verdict(verdict, reply.replayed, !reply.degraded.is_empty()),
                None => tally.error("malformed_answer", 1),
            },
            // A refusal carries the fallback's verdict: it counts as the refusal that it is.
            _ if status == StatusCode::SERVICE_UNAVAILABLE => tally.error("overloaded", 1),
            _ => tally.error(status.as_str(), 1),
        });
        let missing = u64::from(count).saturating_sub(seen);
        if missing > 0 {
            tally.error(if status == StatusCode::OK { "short_answer" } else { status.as_str() }, missing);
        }
    }
}

fn give_up(job: &Job, count: u32, why: &str) {
    let mut tally = job.tally.borrow_mut();
    tally.unanswered += u64::from(count);
    tally.broken.push(format!("connection {}: {why}", job.connection));
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    body: Bytes,
    count: u32,
) -> Result<(StatusCode, Bytes), String> {
    let path = if count == 1 { "/v1/check" } else { "/v1/checks" };
    let request = Request::post(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, if count == 1 { "application/json" } else { "application/x-ndjson" })
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    sender.ready().await.map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
    Ok((status, body.to_bytes()))
}

/// Hands over every reply of a body, one object or one a line, and says how many there were.
fn replies(body: &[u8], take: &mut dyn FnMut(&Reply<'_>)) -> u64 {
    let mut seen = 0;
    for line in body.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        if let Ok(reply) = serde_json::from_slice(line) {
            take(&reply);
            seen += 1;
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_errors_are_told_apart_line_by_line() {
        let body =
            b"{\"id\":\"a\",\"verdict\":\"deny\",\"score\":0.1,\"degraded\":[\"model\"],\"replayed\":true}\n\
            {\"error\":{\"code\":\"too_long\",\"field\":\"id\",\"message\":\"\"}}\n<html>\n";
        let mut texts = Vec::new();
        let seen = replies(body, &mut |reply| {
            let code = reply.error.as_ref().map(|fault| fault.code.to_string());
            texts.push((
                reply.verdict.as_deref().map(str::to_owned),
                reply.replayed,
                reply.degraded.len(),
                code,
            ));
        });
        assert_eq!(seen, 2);
        assert_eq!(texts[0], (Some("deny".to_owned()), true, 1, None));
        assert_eq!(texts[1].3.as_deref(), Some("too_long"));
    }
}
