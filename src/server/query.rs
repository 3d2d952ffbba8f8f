//! The query of a request.

use crate::h5grove::{Error, Result};

/// Names and values, decoded. What is not valid UTF-8 is replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// From the part of a URI behind the question mark.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        });
        Query(pairs.collect())
    }

    /// The last value of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// All values of this name.
    pub fn all(&self, name: &str) -> Option<Vec<&str>> {
        let values: Vec<&str> = self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        (!values.is_empty()).then_some(values)
    }

    /// A value that must be there.
    ///
    /// # Errors
    /// `QueryArgumentError`.
    pub fn required(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| Error::QueryArgumentError(format!("the parameter {name} is missing")))
    }

    /// A truth value; false if it is not there.
    ///
    /// # Errors
    /// `QueryArgumentError`.
    pub fn flag(&self, name: &str) -> Result<bool> {
        let Some(value) = self.get(name) else { return Ok(false) };
        match value.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => Ok(true),
            "false" | "0" | "no" | "off" | "f" | "n" => Ok(false),
            _ => Err(Error::QueryArgumentError(format!("{name}: {value} is neither true nor false"))),
        }
    }
}

fn decoded(text: &str) -> String {
    let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        i += 1;
        match b {
            b'+' => out.push(b' '),
            b'%' => {
                match (bytes.get(i).copied().and_then(digit), bytes.get(i + 1).copied().and_then(digit)) {
                    (Some(high), Some(low)) => {
                        out.push(high << 4 | low);
                        i += 2;
                    }
                    _ => out.push(b),
                }
            }
            b => out.push(b),
        }
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse(
            "file=a%20b+c.h5&path=%2Fx%2fy&attr_keys=u&attr_keys=v&flag&bad=%zz%4&&path=%C3%BC%ff",
        );
        assert_eq!(query.get("file"), Some("a b c.h5"));
        assert_eq!(query.get("path"), Some("ü\u{fffd}"));
        assert_eq!(query.all("attr_keys"), Some(vec!["u", "v"]));
        assert_eq!(query.get("flag"), Some(""));
        assert_eq!(query.get("bad"), Some("%zz%4"));
        assert!(query.required("other").is_err() && query.all("other").is_none());
        assert!(query.flag("flag").is_err() && !query.flag("other").unwrap());
        assert!(Query::parse("x=True").flag("x").unwrap());
    }
}
