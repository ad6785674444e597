//! What every management tool keeps to, and that none can be forgotten.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::*;

fn object<'a>(value: &'a Value, name: &str) -> &'a Map<String, Value> {
    value[name].as_object().unwrap_or_else(|| panic!("{name} is an object"))
}

/// The management tools, and the one that finds others.
fn everything() -> impl Iterator<Item = &'static Tool> {
    all().iter().chain(META.iter())
}

fn call_would_take(tool: &Tool, arguments: &Value) -> bool {
    tool.arguments.check(arguments, 100_000).is_ok()
}

#[test]
fn each_file_of_this_folder_is_a_tool_in_the_list() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/mcp/manage");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| !matches!(name.as_str(), "asking.rs" | "mod.rs" | "schema.rs" | "tests.rs"))
        .map(|name| format!("mcpbox_{}", name.trim_end_matches(".rs")))
        .collect();
    let tools: BTreeSet<String> = everything().map(|tool| tool.name.to_owned()).collect();
    assert_eq!(files, tools);
    assert_eq!(tools.len(), everything().count(), "no name twice");
}

#[test]
fn each_tool_says_what_clients_want_to_read() {
    for tool in everything() {
        let line = &tool.line;
        assert!(tool.name.len() <= 64 && tool.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        assert!(line["title"].as_str().is_some_and(|text| !text.is_empty() && text.len() <= 40), "{}", tool.name);
        let description = line["description"].as_str().expect("a description");
        assert!((60..600).contains(&description.len()), "{}: {}", tool.name, description.len());
        assert!(!description.contains("  "), "{}: {description}", tool.name);
        assert!(line["annotations"]["readOnlyHint"].is_boolean() && line["annotations"]["openWorldHint"].is_boolean());
        for schema in ["inputSchema", "outputSchema"] {
            let schema = &line[schema];
            assert_eq!(schema["type"], "object", "{}", tool.name);
            assert!(["oneOf", "anyOf", "allOf", "$ref"].iter().all(|word| schema.get(word).is_none()));
            assert!(jsonschema::draft202012::meta::is_valid(schema), "{}", tool.name);
        }
        for (name, property) in object(&line["inputSchema"], "properties") {
            assert!(property["description"].is_string(), "{} {name}", tool.name);
        }
    }
}

#[test]
fn texts_name_only_tools_that_exist() {
    for tool in everything() {
        for word in tool.line.to_string().split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if word.starts_with("mcpbox_") {
                assert!(find(word).is_some() || word == call_through::NAME, "{}: {word}", tool.name);
            }
        }
    }
}

#[test]
fn schema_and_arguments_accept_the_same() {
    for tool in everything() {
        let input = &tool.line["inputSchema"];
        let example = (tool.example)();
        let properties: BTreeSet<&String> = object(input, "properties").keys().collect();
        let given: BTreeSet<&String> = example.as_object().expect("an object").keys().collect();
        assert_eq!(properties, given, "{}: the example has every argument", tool.name);

        let required: BTreeSet<&str> =
            input["required"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        let mut cases = vec![(example.clone(), true)];
        for name in properties {
            let mut without = example.clone();
            without.as_object_mut().expect("an object").remove(name);
            cases.push((without, !required.contains(name.as_str())));
            let mut wrong = example.clone();
            wrong[name] = json!([["of no argument's type"]]);
            cases.push((wrong, false));
        }
        let mut more = example.clone();
        more["nonsense"] = json!(1);
        cases.push((more, false));
        for (arguments, good) in cases {
            assert_eq!(call_would_take(tool, &arguments), good, "{}: schema of {arguments}", tool.name);
            assert_eq!((tool.takes)(arguments.clone()), good, "{}: struct of {arguments}", tool.name);
        }
    }
}

/// Holds for what a program reads: a whole number that is written as a float fits the schema.
#[test]
fn whole_numbers_are_taken_however_they_are_written() {
    let mut seen = 0;
    for tool in everything() {
        let input = &tool.line["inputSchema"];
        for (name, property) in object(input, "properties") {
            let kind = &property["type"];
            if kind != "integer" && !kind.as_array().is_some_and(|kinds| kinds.contains(&json!("integer"))) {
                continue;
            }
            seen += 1;
            let most = property["maximum"].as_i64().unwrap_or_else(|| panic!("{} {name} has no maximum", tool.name));
            let mut arguments = (tool.example)();
            for (given, good) in
                [(json!(1.0), true), (json!(most as f64), true), (json!(1.5), false), (json!(1e25), false)]
            {
                arguments[name] = given;
                assert_eq!(call_would_take(tool, &arguments), good, "{}: {arguments}", tool.name);
                schema::make_whole(input, &mut arguments);
                assert_eq!((tool.takes)(arguments.clone()), good, "{}: {arguments}", tool.name);
            }
        }
    }
    assert!(seen > 5);
}

#[test]
fn what_a_guest_gets_stays_as_it_was_written() {
    let mut arguments = json!({"tool_id": "a", "arguments": {"page": 1.0, "limit": [2.0]}});
    let before = arguments.clone();
    let tool = find("mcpbox_test_code").expect("the tool");
    schema::make_whole(&tool.line["inputSchema"], &mut arguments);
    assert_eq!(arguments.to_string(), before.to_string());
}

#[test]
fn of_many_problems_some_are_told() {
    let arguments = json!({"module_name": "yaml", "justification": "It is needed here", "tool_ids": vec![0; 5_000]});
    let tool = find("mcpbox_request_module").expect("the tool");
    let unfit = tool.arguments.check(&arguments, 1_000_000).expect_err("they do not fit");
    let error = Error::unfit(unfit).to_string();
    assert!(error.contains("/tool_ids") && error.len() < 10_000, "{}", error.len());
}

/// The first MCPbox's, and ours.
const NAMES: &str = "
    list_servers get_server create_server delete_server list_tools get_tool create_tool update_tool delete_tool
    test_code start_server stop_server validate_code get_server_modules request_publish request_module
    request_network_access get_tool_status list_tool_versions rollback_tool create_server_secret list_server_secrets
    list_pending_requests get_tool_logs add_external_source list_external_sources discover_external_tools
    import_external_tools

    help
";

#[test]
fn every_tool_of_the_first_mcpbox_is_there_under_its_name() {
    let names: BTreeSet<String> = NAMES.split_whitespace().map(|name| format!("mcpbox_{name}")).collect();
    let tools: BTreeSet<String> = all().iter().map(|tool| tool.name.to_owned()).collect();
    assert_eq!(names, tools);
}

#[test]
fn what_cannot_be_undone_says_so() {
    for (name, read_only, destructive) in [
        ("mcpbox_delete_server", false, json!(true)),
        ("mcpbox_delete_tool", false, json!(true)),
        ("mcpbox_test_code", false, json!(true)),
        ("mcpbox_rollback_tool", false, json!(false)),
        ("mcpbox_create_server_secret", false, json!(false)),
        ("mcpbox_discover_external_tools", false, json!(false)),
        ("mcpbox_help", true, Value::Null),
    ] {
        let hints = &find(name).expect("the tool").line["annotations"];
        assert_eq!((&hints["readOnlyHint"], &hints["destructiveHint"]), (&json!(read_only), &destructive), "{name}");
    }
}
