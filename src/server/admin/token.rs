//! Minting sealed QR tokens and rendering them.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use engine::token::{self, Body as TokenBody};
use fast_qr::convert::svg::SvgBuilder;
use fast_qr::qr::QRBuilder;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use wire::ErrorCode;
use wire::instant;

use super::lists::whole;
use super::{Admin, Fault};
use crate::tokens;

/// Largest body of a request, in bytes.
const REQUEST_BYTES_MAX: usize = 4 << 10;
/// Longest time a token is good for.
const VALID_SECONDS_MAX: u32 = 366 * 86_400;

/// What a token is to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MintRequest {
    /// The packet it stands for.
    packet: Uuid,
    /// Amount in major units; absent where the packet decides.
    amount: Option<String>,
    /// How long it is good for.
    valid_seconds: Option<u32>,
}

/// What an image is to show beside the packet in its path.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenderQuery {
    /// A token minted before; absent mints one.
    token: Option<String>,
    amount: Option<String>,
    valid_seconds: Option<u32>,
}

#[derive(Serialize)]
struct Minted {
    token: String,
    packet: Uuid,
    key: u8,
    minted: String,
    expires: String,
}

/// Mints a token.
pub async fn mint(State(admin): State<Admin>, body: Body) -> Result<Response, Fault> {
    let body = whole(body, REQUEST_BYTES_MAX).await?;
    let request: MintRequest = serde_json::from_slice(&body)
        .map_err(|error| Fault::new(ErrorCode::Malformed, "", error.to_string()))?;
    Ok(Json(seal(&admin, &request)?).into_response())
}

/// A token as an image.
pub async fn render(
    State(admin): State<Admin>,
    Path(file): Path<String>,
    query: Result<Query<RenderQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Fault> {
    let Query(query) = query.map_err(|error| Fault::new(ErrorCode::Malformed, "query", error.body_text()))?;
    let packet: Uuid = file
        .strip_suffix(".svg")
        .and_then(|packet| packet.parse().ok())
        .ok_or_else(|| Fault::not_found("packet", "expected a packet's UUID and .svg"))?;
    let token = match query.token {
        Some(token) => {
            let active = admin.shared.active.load();
            let body = token::open(active.snapshot.token_keys(), &token).map_err(|fault| {
                Fault::new(ErrorCode::OutOfRange, "token", format!("it does not open: {fault:?}"))
            })?;
            if body.packet != packet.as_u128() {
                return Err(Fault::new(ErrorCode::OutOfRange, "token", "it stands for another packet"));
            }
            token
        }
        None => {
            let request = MintRequest { packet, amount: query.amount, valid_seconds: query.valid_seconds };
            seal(&admin, &request)?.token
        }
    };
    let code = QRBuilder::new(token).build().map_err(|error| Fault::internal(&format!("{error:?}")))?;
    let image = SvgBuilder::default().to_str(&code);
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, image).into_response())
}

fn seal(admin: &Admin, request: &MintRequest) -> Result<Minted, Fault> {
    let amount_minor = match &request.amount {
        Some(amount) => wire::money::parse_minor(amount)
            .map_err(|why| Fault::new(ErrorCode::OutOfRange, "amount", why))?,
        None => 0,
    };
    let valid_seconds = request.valid_seconds.unwrap_or(admin.shared.config.tokens.valid_seconds);
    if !(1..=VALID_SECONDS_MAX).contains(&valid_seconds) {
        let message = format!("expected 1 to {VALID_SECONDS_MAX}");
        return Err(Fault::new(ErrorCode::OutOfRange, "valid_seconds", message));
    }
    let minted_ms = admin.shared.clock.now_ms();
    let expires_ms = minted_ms + i64::from(valid_seconds) * 1000;
    let active = admin.shared.active.load();
    let key =
        active.snapshot.token_keys().first().ok_or_else(|| Fault::internal(&"there is no token key"))?;
    let nonce = tokens::random().map_err(|error| Fault::internal(&error))?;
    let body = TokenBody { packet: request.packet.as_u128(), minted_ms, expires_ms, amount_minor };
    Ok(Minted {
        token: token::seal(key, nonce, &body),
        packet: request.packet,
        key: key.id(),
        minted: instant::show(minted_ms),
        expires: instant::show(expires_ms),
    })
}
