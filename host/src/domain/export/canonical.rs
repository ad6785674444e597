//! The one spelling of a JSON value that is signed: members by name, nothing between the tokens. A file may
//! be indented, or sorted otherwise, and its signature still holds.

use serde_json::Value;

/// The bytes that stand for a value.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| name.as_str());
            out.push('{');
            for (at, (name, member)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_sorted_and_nothing_stands_between_the_tokens() {
        let value = json!({"b": [1, {"z": null, "a": "\"\n"}], "a": true});
        assert_eq!(canonical(&value), r#"{"a":true,"b":[1,{"a":"\"\n","z":null}]}"#);
    }

    proptest! {
        #[test]
        fn a_value_that_was_written_otherwise_has_the_same_spelling(name in "\\PC{0,8}", text in "\\PC{0,20}", number: i64) {
            let value = json!({"x": [number, text], name: {"b": 1, "a": [2]}});
            let pretty = serde_json::to_string_pretty(&value).expect("JSON");
            let read: Value = serde_json::from_str(&pretty).expect("JSON");
            prop_assert_eq!(canonical(&read), canonical(&value));
            let again: Value = serde_json::from_str(&canonical(&value)).expect("JSON");
            prop_assert_eq!(again, value);
        }
    }
}
