//! What queries and forms say: names and values, in order, a name as often as it likes.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header;
use axum::http::request::Parts;

use crate::api::extract::{BODY_TIMEOUT, read};
use crate::api::problem::Problem;
use crate::error::{Error, Kind};

/// The most bytes of a form: an input at its highest limit, and what encoding it adds.
const FORM_BYTES_MAX: usize = 32 << 20;

/// Names and values.
#[derive(Debug, Clone, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a query or a form.
    pub fn parse(text: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(text);
        Self(
            pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    /// Every pair.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The values of a name.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.pairs()
            .filter(move |(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// The first value of a name as it was written.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.pairs()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// The first value of a name, without blanks around it; a field that was left empty says nothing.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.raw(name)
            .map(str::trim)
            .filter(|value| !value.is_empty())
    }

    /// The same as text of its own.
    pub fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// What the first value of a name means.
    pub fn read<T>(&self, name: &str) -> Result<Option<T>, Error>
    where
        T: FromStr<Err: Display>,
    {
        self.text(name).map(|text| meant(name, text)).transpose()
    }

    /// What each value of a name means.
    pub fn read_all<T>(&self, name: &str) -> Result<Vec<T>, Error>
    where
        T: FromStr<Err: Display>,
    {
        self.all(name).map(|text| meant(name, text)).collect()
    }
}

fn meant<T>(name: &str, text: &str) -> Result<T, Error>
where
    T: FromStr<Err: Display>,
{
    text.parse().map_err(|error: T::Err| {
        Error::usage(format!("`{name}`: {error}"))
            .kind(Kind::Malformed)
            .hint("go back, and change or clear the field")
    })
}

/// The fields of the address.
pub struct Query(pub Fields);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(Fields::parse(query.as_bytes())))
    }
}

/// The fields of a form that was sent.
pub struct Form(pub Fields);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let media_type = request.headers().get(header::CONTENT_TYPE);
        let media_type = media_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if !media_type.starts_with("application/x-www-form-urlencoded") {
            return Err(Problem::new(
                Kind::UnsupportedMediaType,
                "a form is sent as `application/x-www-form-urlencoded`",
            )
            .hint("programs use the API under /api/v1"));
        }
        let bytes = read(request.into_body(), FORM_BYTES_MAX, BODY_TIMEOUT).await?;
        Ok(Self(Fields::parse(&bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_were_written() {
        let fields = Fields::parse(b"a=1&b=+x+&a=2&c=&d=%00%3Cb%3E");
        assert_eq!(fields.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(fields.read_all::<u8>("a").expect("numbers"), [1, 2]);
        assert_eq!(fields.text("b"), Some("x"));
        assert_eq!((fields.text("c"), fields.raw("c")), (None, Some("")));
        assert_eq!(fields.text("d"), Some("\0<b>"));
        let error = fields.read::<u8>("b").expect_err("no number");
        assert_eq!(error.kind, Kind::Malformed);
        assert!(error.message.starts_with("`b`: "), "{error}");
    }
}
