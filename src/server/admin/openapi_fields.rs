//! The OpenAPI document's schema of a check is that of the table of fields, field by field.

use serde_json::{Value, json};
use wire::fields::Group;
use wire::limits::TIME_MS_MAX;
use wire::{DeviceClass, Field, Form, Kind};

fn schema(form: Form) -> Value {
    let number = |least: i32, most: i32| json!({"type": "number", "minimum": least, "maximum": most});
    match form {
        Form::Id => json!({"type": "string", "minLength": 1, "maxLength": form.bytes_max()}),
        Form::Identifier | Form::Imei | Form::Mac | Form::Token | Form::Qr | Form::Memo => {
            json!({"type": "string", "maxLength": form.bytes_max()})
        }
        Form::Kind => {
            json!({"type": "string", "enum": Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>()})
        }
        Form::Class => {
            let names: Vec<_> = DeviceClass::ALL.iter().map(|class| class.name()).collect();
            json!({"type": "string", "enum": names, "default": "phone"})
        }
        Form::Currency => json!({"type": "string", "pattern": "^[A-Za-z]{3}$", "default": "CNY"}),
        Form::Address => json!({"type": "string"}),
        Form::Packet => json!({"type": "string", "format": "uuid"}),
        Form::Time => json!({"oneOf": [
            {"type": "string", "format": "date-time"},
            {"type": "integer", "minimum": 0, "maximum": TIME_MS_MAX},
        ]}),
        // The largest amount in a currency without decimals, the finest in one of four.
        Form::Money => json!({"oneOf": [
            {"type": "string", "pattern": "^[0-9]{1,12}(\\.[0-9]{1,4})?$"},
            {"type": "number", "minimum": 0, "maximum": wire::limits::AMOUNT_MINOR_MAX},
        ]}),
        Form::Level => json!({"type": "integer", "minimum": 0, "maximum": 3}),
        Form::Fraction => number(0, 1),
        Form::Latitude => number(-90, 90),
        Form::Longitude => number(-180, 180),
        Form::Flag => json!({"type": "boolean"}),
        Form::Micros => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
    }
}

#[test]
fn the_document_describes_every_field_as_the_table_does() {
    let document: Value = serde_json::from_str(super::OPENAPI).unwrap();
    let check = &document["components"]["schemas"]["Check"]["properties"];
    let mut described = 1; // `ext`
    for group in [Group::Check].into_iter().chain(Group::NESTED) {
        let properties = match group {
            Group::Check => check,
            Group::Device => &check["device"]["oneOf"][1]["properties"],
            group => &check[group.name()]["properties"],
        };
        for field in Field::of_group(group) {
            let spec = field.spec();
            let mut expected = schema(spec.form);
            expected["description"] = format!("{}: {}", spec.doc, spec.form.expected()).into();
            assert_eq!(properties[spec.name], expected, "{}", spec.path);
            described += 1;
        }
    }
    let written = |properties: &Value| properties.as_object().map_or(0, serde_json::Map::len);
    let nested = [&check["device"]["oneOf"][1], &check["geo"], &check["biometric"]];
    let nested = nested.map(|group| written(&group["properties"])).iter().sum::<usize>();
    assert_eq!(written(check) - Group::NESTED.len() + nested, described, "nothing but the fields");
}
