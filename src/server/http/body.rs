//! Reading a request's body: bounded in bytes and in time, and copied only when it came in pieces.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Incoming};
use wire::{DecodeError, ErrorCode};

use crate::worker::Worker;

/// The whole body, at most that long.
///
/// # Errors
/// It is too long, too slow, or broken off.
pub async fn read(
    worker: &Worker,
    request: Request<Incoming>,
    bytes_max: usize,
) -> Result<Bytes, DecodeError> {
    let body = request.into_body();
    let announced = body.size_hint();
    if announced.lower() > bytes_max as u64 {
        return Err(too_long(bytes_max));
    }
    let timeout = Duration::from_millis(worker.shared.config.limits.body_timeout_ms);
    match tokio::time::timeout(timeout, collect(body, announced.exact(), bytes_max)).await {
        Ok(result) => result,
        Err(_) => {
            let message = format!("the body did not arrive within {} ms", timeout.as_millis());
            Err(DecodeError::new(ErrorCode::Malformed, "", message))
        }
    }
}

async fn collect(mut body: Incoming, exact: Option<u64>, bytes_max: usize) -> Result<Bytes, DecodeError> {
    let mut whole = Bytes::new();
    let mut pieces: Option<BytesMut> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            DecodeError::new(ErrorCode::Malformed, "", format!("the body broke off: {error}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let length = whole.len() + pieces.as_ref().map_or(0, BytesMut::len);
        if length + data.len() > bytes_max {
            return Err(too_long(bytes_max));
        }
        if length == 0 {
            whole = data;
        } else {
            let pieces = pieces.get_or_insert_with(|| BytesMut::from(std::mem::take(&mut whole)));
            pieces.extend_from_slice(&data);
        }
        if exact == Some((whole.len() + pieces.as_ref().map_or(0, BytesMut::len)) as u64) {
            break;
        }
    }
    Ok(pieces.map_or(whole, BytesMut::freeze))
}

fn too_long(bytes_max: usize) -> DecodeError {
    DecodeError::new(ErrorCode::TooLong, "", format!("the body is over {bytes_max} bytes"))
}
