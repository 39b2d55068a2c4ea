//! One check out of a JSON object, in one pass: texts without escapes are borrowed, only `ext` needs a list.

use serde::de::{self, MapAccess};

use super::leaf::Leaf;
use super::object::{Object, fields, nested};
use super::trail::Trail;
use crate::bounds::{self, FRACTION, LATITUDE, LONGITUDE, Refusal};
use crate::check::{Check, Device, DeviceClass, Ext, ExtValue, Geo, Kind, Text, names};
use crate::error::ErrorCode;
use crate::limits::{IDENTIFIER_BYTES_MAX, QR_BYTES_MAX, TEXT_BYTES_MAX, TOKEN_BYTES_MAX};

names! {
    CheckField {
        Id = "id", Kind = "kind", Time = "time", Account = "account", Counterparty = "counterparty",
        Device = "device", Ip = "ip", Geo = "geo", Amount = "amount", Currency = "currency", Packet = "packet",
        Token = "token", Qr = "qr", Channel = "channel", Campaign = "campaign", Inviter = "inviter", Utm = "utm",
        Kyc = "kyc", Factors = "factors", Biometric = "biometric", Text = "text", Ext = "ext",
        BudgetUs = "budget_us",
    }
}

names! {
    DeviceField {
        Id = "id", Imei = "imei", Mac = "mac", Os = "os", Model = "model", App = "app", Emulator = "emulator",
        Rooted = "rooted", Class = "class",
    }
}

names! { GeoField { Lat = "lat", Lon = "lon", } }
names! { BiometricField { Face = "face", Voice = "voice", } }

impl<'de> Object<'de> for Check<'de> {
    const EXPECTED: &'static str = "a check: an object with id, kind and account";

    fn read<A: MapAccess<'de>>(trail: &Trail, map: &mut A) -> Result<Check<'de>, A::Error> {
        let mut check = Check::new("", Kind::Mint, "");
        let mut kind = None;
        fields(trail, map, |field, map| {
            match field {
                CheckField::Id => check.id = trail.text(map, IDENTIFIER_BYTES_MAX)?,
                CheckField::Kind => kind = trail.name(map)?,
                CheckField::Time => check.time_ms = trail.time(map)?,
                CheckField::Account => check.account = trail.text(map, IDENTIFIER_BYTES_MAX)?,
                CheckField::Counterparty => check.counterparty = trail.text(map, IDENTIFIER_BYTES_MAX)?,
                CheckField::Device => check.device = nested(trail, map)?.unwrap_or_default(),
                CheckField::Ip => check.ip = trail.address(map)?,
                CheckField::Geo => check.geo = nested(trail, map)?,
                CheckField::Amount => check.amount_minor = trail.amount(map)?,
                CheckField::Currency => check.currency = trail.currency(map)?.unwrap_or(check.currency),
                CheckField::Packet => check.packet = trail.uuid(map)?,
                CheckField::Token => check.token = trail.text(map, TOKEN_BYTES_MAX)?,
                CheckField::Qr => check.qr = trail.text(map, QR_BYTES_MAX)?,
                CheckField::Channel => check.channel = trail.text(map, IDENTIFIER_BYTES_MAX)?,
                CheckField::Campaign => check.campaign = trail.text(map, IDENTIFIER_BYTES_MAX)?,
                CheckField::Inviter => check.inviter = trail.text(map, IDENTIFIER_BYTES_MAX)?,
                CheckField::Utm => check.utm = trail.text(map, IDENTIFIER_BYTES_MAX)?,
                CheckField::Kyc => check.kyc = trail.level(map)?,
                CheckField::Factors => check.factors = trail.level(map)?,
                CheckField::Biometric => {
                    let Biometric { face, voice } = nested(trail, map)?.unwrap_or_default();
                    (check.face, check.voice) = (face, voice);
                }
                CheckField::Text => check.text = trail.text(map, TEXT_BYTES_MAX)?,
                CheckField::Ext => check.ext = nested(trail, map)?.unwrap_or_default(),
                CheckField::BudgetUs => check.budget_us = trail.micros(map)?,
            }
            Ok(())
        })?;
        if check.id.is_empty() {
            return Err(trail.missing("id"));
        }
        check.kind = kind.ok_or_else(|| trail.missing("kind"))?;
        if check.account.is_empty() {
            return Err(trail.missing("account"));
        }
        Ok(check)
    }
}

impl<'de> Object<'de> for Device<'de> {
    const EXPECTED: &'static str = "a device: an object, or a string that is its id";

    fn read<A: MapAccess<'de>>(trail: &Trail, map: &mut A) -> Result<Device<'de>, A::Error> {
        let mut device = Device::default();
        fields(trail, map, |field, map| {
            match field {
                DeviceField::Id => device.id = trail.text(map, IDENTIFIER_BYTES_MAX)?,
                DeviceField::Imei => device.imei = trail.text(map, IDENTIFIER_BYTES_MAX)?,
                DeviceField::Mac => device.mac = trail.text(map, IDENTIFIER_BYTES_MAX)?,
                DeviceField::Os => device.os = trail.text(map, IDENTIFIER_BYTES_MAX)?,
                DeviceField::Model => device.model = trail.text(map, IDENTIFIER_BYTES_MAX)?,
                DeviceField::App => device.app = trail.text(map, IDENTIFIER_BYTES_MAX)?,
                DeviceField::Emulator => device.emulator = trail.flag(map)?,
                DeviceField::Rooted => device.rooted = trail.flag(map)?,
                DeviceField::Class => device.class = trail.name(map)?.unwrap_or(DeviceClass::Phone),
            }
            Ok(())
        })?;
        Ok(device)
    }

    fn from_text<E: de::Error>(trail: &Trail, id: Text<'de>) -> Result<Device<'de>, E> {
        bounds::text(&id, IDENTIFIER_BYTES_MAX).map_err(|refusal| trail.refuse(refusal))?;
        Ok(Device { id, ..Device::default() })
    }
}

impl<'de> Object<'de> for Geo {
    const EXPECTED: &'static str = "a place: an object with lat and lon";

    fn read<A: MapAccess<'de>>(trail: &Trail, map: &mut A) -> Result<Geo, A::Error> {
        let (mut lat, mut lon) = (None, None);
        fields(trail, map, |field, map| {
            match field {
                GeoField::Lat => lat = trail.number(map, LATITUDE)?,
                GeoField::Lon => lon = trail.number(map, LONGITUDE)?,
            }
            Ok(())
        })?;
        Ok(Geo {
            lat: lat.ok_or_else(|| trail.missing("lat"))?,
            lon: lon.ok_or_else(|| trail.missing("lon"))?,
        })
    }
}

#[derive(Default)]
struct Biometric {
    face: Option<f64>,
    voice: Option<f64>,
}

impl<'de> Object<'de> for Biometric {
    const EXPECTED: &'static str = "an object with face or voice";

    fn read<A: MapAccess<'de>>(trail: &Trail, map: &mut A) -> Result<Biometric, A::Error> {
        let mut biometric = Biometric::default();
        fields(trail, map, |field, map| {
            match field {
                BiometricField::Face => biometric.face = trail.number(map, FRACTION)?,
                BiometricField::Voice => biometric.voice = trail.number(map, FRACTION)?,
            }
            Ok(())
        })?;
        Ok(biometric)
    }
}

impl<'de> Object<'de> for Ext<'de> {
    const EXPECTED: &'static str = "an object of booleans, numbers and strings";

    fn read<A: MapAccess<'de>>(trail: &Trail, map: &mut A) -> Result<Ext<'de>, A::Error> {
        let mut ext: Ext<'de> = Vec::new();
        while let Some(key) = map.next_key::<Leaf<'de>>()? {
            let Leaf::Text(name) = key else {
                return Err(
                    trail.refuse(Refusal::new(ErrorCode::Malformed, "the name of a field is a string"))
                );
            };
            let refuse = |refusal: Refusal| {
                trail.within(&name);
                trail.refuse(refusal)
            };
            bounds::ext_name(&name, &ext).map_err(refuse)?;
            let value = match map.next_value().inspect_err(|_| trail.within(&name))? {
                Leaf::Null => continue,
                Leaf::Bool(flag) => ExtValue::Bool(flag),
                Leaf::Int(number) => ExtValue::Int(number),
                Leaf::Double(number) => ExtValue::Double(number),
                Leaf::Text(text) => {
                    bounds::text(&text, TEXT_BYTES_MAX).map_err(refuse)?;
                    ExtValue::Text(text)
                }
                Leaf::Huge(_) => {
                    return Err(refuse(Refusal::out_of_range(
                        "expected a whole number of 64 bits with sign",
                    )));
                }
            };
            ext.push((name, value));
        }
        Ok(ext)
    }
}
