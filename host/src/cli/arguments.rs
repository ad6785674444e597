//! The arguments of a tool, as they are written behind its name: one JSON object, or NAME=VALUE for each.

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Map, Value};

#[derive(Args)]
pub(super) struct Arguments {
    /// The arguments: one JSON object, or NAME=VALUE for each of them. A VALUE is JSON where it can be read as such
    /// (n=2, tags='["a"]'), and otherwise a text (city=Oslo); a text that looks like JSON is written in quotes
    /// (zip='"0150"').
    #[arg(value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

impl Arguments {
    /// # Errors
    /// Says what is wrong with what was written.
    pub(super) fn object(&self) -> anyhow::Result<Map<String, Value>> {
        if let [one] = self.arguments.as_slice()
            && one.trim_start().starts_with(['{', '['])
        {
            return match serde_json::from_str(one).with_context(|| format!("the arguments are not JSON: {one}"))? {
                Value::Object(object) => Ok(object),
                _ => bail!("the arguments must be a JSON object, such as {{\"city\": \"Oslo\"}}"),
            };
        }
        let mut object = Map::new();
        for text in &self.arguments {
            let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                bail!(
                    "`{text}` is no argument; write NAME=VALUE, such as city=Oslo, or one JSON object for all of them"
                );
            };
            let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
            if object.insert(name.to_owned(), value).is_some() {
                bail!("the argument `{name}` is there twice");
            }
        }
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(written: &[&str]) -> Result<Value, String> {
        let arguments = Arguments { arguments: written.iter().map(|text| (*text).to_owned()).collect() };
        arguments.object().map(Value::Object).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_are_an_object_or_names_with_values() {
        assert_eq!(read(&[]), Ok(json!({})));
        assert_eq!(read(&[r#" {"city": "Oslo", "n": 2}"#]), Ok(json!({"city": "Oslo", "n": 2})));
        let each = read(&["city=Oslo", "n=2", "tags=[\"a\"]", "zip=\"0150\"", "formula=a=b", "empty=", "yes=true"]);
        let expected = json!({
            "city": "Oslo", "n": 2, "tags": ["a"], "zip": "0150", "formula": "a=b", "empty": "", "yes": true,
        });
        assert_eq!(each, Ok(expected));
    }

    #[test]
    fn what_is_neither_is_refused_with_what_to_write() {
        for (written, words) in [
            (&["[1]"][..], "must be a JSON object"),
            (&["{"], "not JSON"),
            (&["Oslo"], "write NAME=VALUE"),
            (&["=1"], "write NAME=VALUE"),
            (&["{}", "n=2"], "write NAME=VALUE"),
            (&["n=1", "n=2"], "twice"),
        ] {
            let told = read(written).expect_err("it is refused");
            assert!(told.contains(words), "{written:?}: {told}");
        }
    }
}
