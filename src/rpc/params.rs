//! The params of a call, taken one by one as the types that they must have.

use serde_json::{Map, Value};

use super::data::Data;
use super::error::{Error, ErrorCode};
use super::name::ConnectionName;
use super::text::decode_base64;
pub(super) use crate::config::quoted;

/// Params by name. Null means that a param is absent.
#[derive(Debug)]
pub(super) struct Params {
    values: Map<String, Value>,
}

impl Params {
    /// The member `params` of a request, for a method whose params are `allowed`.
    pub(super) fn new(params: Option<Value>, allowed: &[&str]) -> Result<Params, Error> {
        let mut values = match params {
            None | Some(Value::Null) => Map::new(),
            // Some libraries send an empty array when there are no params.
            Some(Value::Array(items)) if items.is_empty() => Map::new(),
            Some(Value::Object(values)) => values,
            Some(other) => return Err(refuse("params", &other, "an object, params by name")),
        };
        if let Some(unknown) = values.keys().find(|name| !allowed.contains(&name.as_str())) {
            let names = match allowed {
                [] => "no params".to_owned(),
                names => names.join(", "),
            };
            return Err(wrong(unknown, "an unknown param", &names));
        }
        values.retain(|_, value| !value.is_null());
        Ok(Params { values })
    }

    pub(super) fn text(&mut self, field: &str) -> Result<Option<String>, Error> {
        match self.values.remove(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(refuse(field, &other, "a string")),
        }
    }

    pub(super) fn required(&mut self, field: &str, allowed: &str) -> Result<String, Error> {
        self.text(field)?
            .ok_or_else(|| wrong(field, "missing", allowed))
    }

    pub(super) fn flag(&mut self, field: &str) -> Result<bool, Error> {
        match self.values.remove(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(refuse(field, &other, "true or false")),
        }
    }

    pub(super) fn number(&mut self, field: &str, allowed: &str) -> Result<Option<u16>, Error> {
        let Some(value) = self.values.remove(field) else {
            return Ok(None);
        };
        match value.as_u64().map(u16::try_from) {
            Some(Ok(number)) => Ok(Some(number)),
            _ => Err(refuse(field, &value, allowed)),
        }
    }

    pub(super) fn connection(&mut self, field: &str) -> Result<Option<ConnectionName>, Error> {
        let Some(text) = self.text(field)? else {
            return Ok(None);
        };
        match ConnectionName::parse(&text) {
            Some(name) => Ok(Some(name)),
            None => Err(wrong(field, &quoted(&text), ConnectionName::ALLOWED)),
        }
    }

    pub(super) fn texts(&mut self, field: &str) -> Result<Vec<String>, Error> {
        let allowed = "an array of strings";
        match self.values.remove(field) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .into_iter()
                .map(|item| match item {
                    Value::String(text) => Ok(text),
                    other => Err(refuse(field, &other, allowed)),
                })
                .collect(),
            Some(other) => Err(refuse(field, &other, allowed)),
        }
    }

    /// `[[name, value], …]`
    pub(super) fn pairs(&mut self, field: &str) -> Result<Vec<(String, String)>, Error> {
        let allowed = "an array of pairs [name, value] of strings";
        let Some(value) = self.values.remove(field) else {
            return Ok(Vec::new());
        };
        let Value::Array(items) = value else {
            return Err(refuse(field, &value, allowed));
        };
        items
            .into_iter()
            .map(|item| {
                let [Value::String(name), Value::String(value)] =
                    item.as_array().map(Vec::as_slice).unwrap_or_default()
                else {
                    return Err(refuse(field, &item, allowed));
                };
                Ok((name.clone(), value.clone()))
            })
            .collect()
    }

    /// `text` or `base64`, and not both.
    pub(super) fn data(&mut self) -> Result<Option<Data>, Error> {
        match (self.text("text")?, self.text("base64")?) {
            (None, None) => Ok(None),
            (Some(text), None) => Ok(Some(Data::Text(text))),
            (None, Some(text)) => match decode_base64(&text) {
                Some(bytes) => Ok(Some(Data::Binary(bytes))),
                None => Err(wrong("base64", "no base64", "RFC 4648 §4, with padding")),
            },
            (Some(_), Some(_)) => Err(wrong("base64", "beside text", "one of text, base64")),
        }
    }
}

/// The error that a param is wrong.
pub(super) fn wrong(field: &str, what: &str, allowed: &str) -> Error {
    Error::field(ErrorCode::InvalidParams, field, what, allowed)
}

fn refuse(field: &str, value: &Value, allowed: &str) -> Error {
    let what = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    wrong(field, &what, allowed)
}
