//! Addresses as they stand in the configuration: a door can be closed with `"off"`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An IP address and port, or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// Nothing listens.
    Off,
    /// Listens there.
    At(SocketAddr),
}

impl Address {
    /// That port of the loopback interface.
    pub const fn local(port: u16) -> Address {
        Address::At(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    /// The address, unless it is off.
    pub const fn at(self) -> Option<SocketAddr> {
        match self {
            Address::Off => None,
            Address::At(address) => Some(address),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        if text == "off" {
            return Ok(Address::Off);
        }
        text.parse().map(Address::At).map_err(|_| {
            format!(
                "`{text}` is no address: expected an IP address and a port such as 127.0.0.1:8080, or off"
            )
        })
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Address, String> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Off => f.write_str("off"),
            Address::At(address) => address.fmt(f),
        }
    }
}

/// Path of a Unix socket, or off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub enum UnixPath {
    /// Nothing listens.
    Off,
    /// Listens in the data folder.
    #[default]
    InData,
    /// Listens there.
    At(PathBuf),
}

impl From<String> for UnixPath {
    fn from(text: String) -> UnixPath {
        match text.as_str() {
            "off" => UnixPath::Off,
            "" => UnixPath::InData,
            _ => UnixPath::At(PathBuf::from(text)),
        }
    }
}

impl FromStr for UnixPath {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<UnixPath, std::convert::Infallible> {
        Ok(UnixPath::from(text.to_owned()))
    }
}

impl From<UnixPath> for String {
    fn from(path: UnixPath) -> String {
        match path {
            UnixPath::Off => "off".to_owned(),
            UnixPath::InData => String::new(),
            UnixPath::At(path) => path.to_string_lossy().into_owned(),
        }
    }
}
