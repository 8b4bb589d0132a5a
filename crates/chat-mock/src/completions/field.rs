//! A field of a request, with its path for error messages.

use serde_json::Value;

use super::error::Error;

/// A value in a request's body. Its path is empty for the body itself.
#[derive(Debug)]
pub(crate) struct Field<'v> {
    path: String,
    value: &'v Value,
}

impl<'v> Field<'v> {
    pub(crate) fn body(value: &'v Value) -> Self {
        Self { path: String::new(), value }
    }

    pub(crate) fn value(&self) -> &'v Value {
        self.value
    }

    /// Returns a field of this object. Null counts as absent.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Self>, Error> {
        let object = self.value.as_object().ok_or_else(|| self.must_be("an object"))?;
        let value = object.get(name).filter(|value| !value.is_null());
        Ok(value.map(|value| Self { path: self.path_to(name), value }))
    }

    /// Returns a field of this object that must be present.
    pub(crate) fn require(&self, name: &str) -> Result<Self, Error> {
        self.get(name)?.ok_or_else(|| {
            let path = self.path_to(name);
            let message = format!("'{path}' is required.");
            Error::invalid(Some(path), message)
        })
    }

    pub(crate) fn items(&self) -> Result<Vec<Self>, Error> {
        let items = self.value.as_array().ok_or_else(|| self.must_be("an array"))?;
        Ok(items.iter().zip(0..).map(|(value, n)| Self { path: format!("{}[{n}]", self.path), value }).collect())
    }

    pub(crate) fn text(&self) -> Result<&'v str, Error> {
        self.value.as_str().ok_or_else(|| self.must_be("a string"))
    }

    /// Returns a string that is not empty.
    pub(crate) fn name(&self) -> Result<&'v str, Error> {
        let text = self.text()?;
        if text.is_empty() { Err(self.must_be("a string that is not empty")) } else { Ok(text) }
    }

    pub(crate) fn flag(&self) -> Result<bool, Error> {
        self.value.as_bool().ok_or_else(|| self.must_be("true or false"))
    }

    pub(crate) fn object(&self) -> Result<&'v Value, Error> {
        if self.value.is_object() { Ok(self.value) } else { Err(self.must_be("an object")) }
    }

    /// Returns the error that this value is not what it must be.
    pub(crate) fn must_be(&self, what: &str) -> Error {
        if self.path.is_empty() {
            return Error::invalid(None, format!("The body must be {what}."));
        }
        Error::invalid(Some(self.path.clone()), format!("'{}' must be {what}.", self.path))
    }

    fn path_to(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}
