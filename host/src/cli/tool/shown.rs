//! How tools are shown at a terminal. Control characters of strangers are shown, not obeyed.

use serde_json::{Value, json};

use crate::domain::component::Inspection;
use crate::domain::schema;

/// What an inspection found, in the words of the API.
pub(super) fn of_inspection(found: Inspection) -> Value {
    let (tools, surface) = found.split();
    let json_of = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| text.into());
    let exports: Vec<Value> = tools
        .iter()
        .map(|tool| {
            json!({
                "name": tool.name,
                "title": tool.title,
                "description": tool.description,
                "input_schema": json_of(&tool.input_schema),
                "output_schema": tool.output_schema.as_deref().map(json_of),
                "annotations": tool.annotations,
                "quarantine": schema::problem(&tool.input_schema, tool.output_schema.as_deref()),
            })
        })
        .collect();
    json!({ "exports": exports, "component": surface })
}

/// Everything that an approval covers, in full, and what the tool would get beside it. Control characters are
/// shown, not obeyed: they could rewrite what the terminal shows.
pub(super) fn approval(item: &Value) {
    let version = &item["version"];
    let text = |key: &str| visible(version[key].as_str().unwrap_or_default());
    println!("{}  version {}", visible(item["gateway_name"].as_str().unwrap_or_default()), version["number"]);
    println!("{}\n", text("description"));
    if item["live"].is_object() {
        println!("Replaces version {}, which answers until then.", item["live"]["number"]);
    }
    if !version["publish_notes"].is_null() {
        println!("The author says:");
        for line in text("publish_notes").lines() {
            println!("  | {line}");
        }
    }
    asked("Asks for hosts", &item["hosts"], "host");
    println!("Open to its whole server: {}", list(&item["server_hosts"]));
    asked("Asks for modules", &item["modules"], "module_name");
    secrets(item);
    for folder in item["folders"].as_array().into_iter().flatten() {
        let word = |key: &str| visible(folder[key].as_str().unwrap_or_default());
        println!("May use the folder: {} as {} ({})", word("host_path"), word("guest_path"), word("access"));
    }
    match version["timeout_ms"].as_u64() {
        Some(timeout_ms) => println!("Time limit: {timeout_ms} ms"),
        None => println!("Time limit: none of its own"),
    }
    let source = &item["external_source"];
    if source.is_object() {
        let word = |key: &str| visible(source[key].as_str().unwrap_or_default());
        println!("Is called at the external source {}: {}  ({})", word("name"), word("url"), word("status"));
    }
    if version["kind"] == "component" {
        component(version);
        println!("Digest: {}\n", text("digest"));
    } else {
        println!("Arguments: {}", visible(&version["input_schema"].to_string()));
        match &version["output_schema"] {
            Value::Null => println!("Result: of any form"),
            schema => println!("Result: {}", visible(&schema.to_string())),
        }
        quarantine("", version);
        println!("Digest: {}\n", text("digest"));
        println!("{}\n", text("code"));
    }
}

/// The secrets of a server that a call gets, by name, and how.
fn secrets(item: &Value) {
    let Some(secrets) = item["secrets"].as_array().filter(|secrets| !secrets.is_empty()) else {
        println!("Secrets that it gets: none");
        return;
    };
    println!("Secrets that it gets, of its server:");
    for secret in secrets {
        let binding = &secret["binding"];
        let how = match binding["host"].as_str() {
            _ if item["external_source"].is_object() => "lets us in at the external source".to_owned(),
            Some(host) => format!("the host adds it to requests to {}, the tool does not see it", visible(host)),
            None => "the tool reads it".to_owned(),
        };
        let wait = if secret["has_value"] == json!(true) { "" } else { "  (when a person has given it a value)" };
        println!("  {}: {how}{wait}", visible(secret["key_name"].as_str().unwrap_or_default()));
    }
}

/// Hosts or modules that a version asks for, each with what became of its request.
fn asked(title: &str, listed: &Value, named_by: &str) {
    let Some(listed) = listed.as_array().filter(|listed| !listed.is_empty()) else {
        println!("{title}: none");
        return;
    };
    println!("{title}:");
    for one in listed {
        let status = match one["status"].as_str() {
            Some("pending") => "waits for a decision of its own",
            Some("approved") => "is approved",
            Some("rejected") => "was refused",
            _ => "was not requested",
        };
        println!("  {}: {status}", visible(one[named_by].as_str().unwrap_or_default()));
        for line in one["justification"].as_str().map(visible).unwrap_or_default().lines() {
            println!("    | {line}");
        }
    }
}

/// What is known of a package, if a module comes with one.
pub(super) fn package(package: &Value) {
    let Some(distribution) = package["distribution"].as_str() else { return };
    let facts = &package["facts"];
    let latest = facts["pypi"]["latest_version"].as_str().map(|latest| format!(" {}", visible(latest)));
    println!("  It comes with the package {}{}.", visible(distribution), latest.unwrap_or_default());
    if let Some(summary) = facts["pypi"]["summary"].as_str() {
        println!("  | {}", visible(summary).replace('\n', " "));
    }
    match facts["vulnerabilities"]["total"].as_u64() {
        None => println!("  Nothing is known about its vulnerabilities."),
        Some(total) => println!("  Known vulnerabilities of the latest version: {total}"),
    }
    for one in facts["vulnerabilities"]["listed"].as_array().into_iter().flatten() {
        let text = |key: &str| visible(one[key].as_str().unwrap_or_default()).replace('\n', " ");
        println!("    {}  {}", text("id"), text("summary"));
    }
}

/// Prints what a component exports, imports and could use, from a version or a tool of the API.
pub(super) fn component(version: &Value) {
    let surface = &version["component"];
    println!("Exports: {}", list(&surface["exports"]));
    println!("Imports: {}", list(&surface["imports"]));
    println!("Could use, when it is granted: {}", list(&surface["capabilities"]));
    println!("Tools:");
    for tool in version["exports"].as_array().into_iter().flatten() {
        let text = |key: &str| visible(tool[key].as_str().unwrap_or_default());
        let name = if tool["gateway_name"].is_string() { text("gateway_name") } else { text("name") };
        let off = if tool["enabled"] == json!(false) { "  (switched off)" } else { "" };
        println!("  {name}{off}");
        for line in text("description").lines() {
            println!("    {line}");
        }
        println!("    arguments: {}", visible(&tool["input_schema"].to_string()));
        if !tool["output_schema"].is_null() {
            println!("    result: {}", visible(&tool["output_schema"].to_string()));
        }
        quarantine("    ", tool);
        if let Some(hints) = tool["annotations"].as_object().filter(|hints| !hints.is_empty()) {
            println!("    hints: {}", visible(&json!(hints).to_string()));
        }
        icons(&surface["tool_icons"][tool["name"].as_str().unwrap_or_default()]);
    }
    offered("Prompts", &surface["prompts"], "name");
    offered("Resources", &surface["resources"], "uri");
    offered("Templates of resources", &surface["templates"], "uriTemplate");
    skills(&surface["skills"]);
    if surface["completes"] == json!(true) {
        println!("Suggests values for arguments of its prompts and templates.");
    }
    for skipped in surface["skipped"].as_array().into_iter().flatten() {
        let text = |key: &str| visible(skipped[key].as_str().unwrap_or_default());
        println!("No tool: {}: {}", text("name"), text("reason"));
    }
}

/// Prints what a source takes, gives and asks for, from a tool of the API.
pub(super) fn source(tool: &Value) {
    println!("Arguments: {}", visible(&tool["input_schema"].to_string()));
    if !tool["output_schema"].is_null() {
        println!("Result: {}", visible(&tool["output_schema"].to_string()));
    }
    quarantine("", tool);
    println!("Asks for modules: {}", list(&tool["modules"]));
    if tool["modules_to_request"].is_array() {
        println!("Nobody requested so far: {}", list(&tool["modules_to_request"]));
    }
}

/// Prints why clients would not be offered a tool, if that is so.
pub(super) fn quarantine(indent: &str, tool: &Value) {
    if let Some(reason) = tool["quarantine"].as_str() {
        println!("{indent}In quarantine, clients are not offered it: {}", visible(reason));
    }
}

/// Prompts, resources or templates, each by what names it.
fn offered(title: &str, listed: &Value, named_by: &str) {
    let Some(listed) = listed.as_array().filter(|listed| !listed.is_empty()) else { return };
    println!("{title}:");
    for one in listed {
        println!("  {}", visible(one[named_by].as_str().unwrap_or_default()));
        for line in one["description"].as_str().map(visible).unwrap_or_default().lines() {
            println!("    {line}");
        }
        for argument in one["arguments"].as_array().into_iter().flatten() {
            let need = if argument["required"] == json!(true) { "required" } else { "optional" };
            println!("    argument {} ({need})", visible(argument["name"].as_str().unwrap_or_default()));
        }
        if let Some(mime_type) = one["mimeType"].as_str() {
            println!("    type: {}", visible(mime_type));
        }
        icons(&one["icons"]);
    }
}

/// Skills with their files, and with the text that a model reads first.
fn skills(listed: &Value) {
    let Some(listed) = listed.as_array().filter(|listed| !listed.is_empty()) else { return };
    println!("Skills:");
    for skill in listed {
        println!("  {}", visible(skill["uri"].as_str().unwrap_or_default()));
        for file in skill["files"].as_array().into_iter().flatten() {
            let text = |key: &str| visible(file[key].as_str().unwrap_or_default());
            println!("    {} ({} bytes, sha256 {})", text("path"), file["size_bytes"], text("digest"));
        }
        for line in visible(skill["instructions"].as_str().unwrap_or_default()).lines() {
            println!("    | {line}");
        }
    }
}

/// Where the icons of something come from: an address tells its host who looks at it.
fn icons(icons: &Value) {
    for icon in icons.as_array().into_iter().flatten() {
        let src = icon["src"].as_str().unwrap_or_default();
        let shown =
            if src.starts_with("data:") { format!("{} bytes within the component", src.len()) } else { visible(src) };
        println!("    icon: {shown}");
    }
}

/// A list of words.
pub(super) fn list(value: &Value) -> String {
    match value {
        Value::Array(values) if !values.is_empty() => {
            visible(&values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "))
        }
        _ => "none".to_owned(),
    }
}

pub(in crate::cli) fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c.to_string(),
            c if c.is_control() || is_direction(c) => c.escape_unicode().to_string(),
            c => c.to_string(),
        })
        .collect()
}

/// Characters that turn the direction of text around (CVE-2021-42574).
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(visible("a\u{1b}[2Jb\u{202e}c\n"), "a\\u{1b}[2Jb\\u{202e}c\n");
    }
}
