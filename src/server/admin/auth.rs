//! The bearer token of the admin address, and a line of audit for every call that changes something or is refused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};
use wire::ErrorCode;

use super::{Admin, Fault};
use crate::{files, tokens};

/// Shortest token that is taken from a file: 128 bits in hexadecimal.
const TOKEN_CHARACTERS_MIN: usize = 32;

/// The secret that admin calls carry. Only its hash is kept, so that comparing takes the same time whatever is sent.
pub struct AdminToken {
    hash: ring::digest::Digest,
    /// Where it is written.
    pub path: PathBuf,
}

impl AdminToken {
    /// Reads the token, or makes one if the file is not there.
    ///
    /// # Errors
    /// The file cannot be read or made, or holds too short a token.
    pub fn load_or_make(path: &Path) -> Result<AdminToken, String> {
        let at = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        if !path.exists() {
            let token = hex::encode(tokens::random::<32>().map_err(|error| at(&error))?);
            files::write_secret(path, format!("{token}\n").as_bytes()).map_err(|error| at(&error))?;
        }
        let text = std::fs::read_to_string(path).map_err(|error| at(&error))?;
        let token = text.trim();
        if token.len() < TOKEN_CHARACTERS_MIN {
            return Err(at(&format!("the admin token is shorter than {TOKEN_CHARACTERS_MIN} characters")));
        }
        Ok(AdminToken { hash: digest(&SHA256, token.as_bytes()), path: path.to_owned() })
    }

    fn is(&self, token: &str) -> bool {
        digest(&SHA256, token.as_bytes()).as_ref() == self.hash.as_ref()
    }
}

/// Lets a call through that carries the token.
pub async fn require(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    // The call by its pattern: the path itself may hold an account or a card.
    let call = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let origin = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let carried = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let response = match carried.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(token) if admin.token.is(token.trim()) => next.run(request).await,
        Some(_) => Fault::new(ErrorCode::Forbidden, "authorization", "the token is not the admin token")
            .into_response(),
        None => {
            let message =
                format!("expected Authorization: Bearer, with the token of {}", admin.token.path.display());
            Fault::new(ErrorCode::Forbidden, "authorization", message).into_response()
        }
    };
    let status = response.status();
    if method != Method::GET || !status.is_success() {
        tracing::info!(target: "riskd::audit", %method, call, status = status.as_u16(), ?origin, "admin call");
    }
    response
}
