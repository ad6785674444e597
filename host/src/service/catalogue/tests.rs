//! The catalogue by itself: what is listed, in which order, under which names.

use chrono::{DateTime, Utc};

use super::load::compose;
use super::*;
use crate::db::Texts;
use crate::db::servers::Server;
use crate::db::tools::Tool;
use crate::db::versions::Located;
use crate::domain::caller::Who;
use crate::domain::component::Export;
use crate::domain::tool::{ApprovalStatus, ServerStatus, ToolKind};
use crate::domain::version::VersionContent;
use crate::service::calls::content;
use crate::service::faces::Known;
use crate::service::versions;

fn date() -> DateTime<Utc> {
    DateTime::from_timestamp(1_000_000, 0).expect("a time")
}

fn at(seconds: i64) -> Moment {
    (date() + TimeDelta::seconds(seconds)).into()
}

fn catalogue(names: &[&str]) -> Catalogue {
    let identity = names.iter().map(|name| ((*name).to_owned(), ToolId(uuid::Uuid::nil()), Digest::of(b"")));
    Catalogue { identity: identity.collect(), ..Catalogue::default() }
}

fn located(server: &str, tool: &str) -> Located {
    let caller = Caller { who: Who::Local, from: None };
    let content = VersionContent {
        kind: ToolKind::PythonCode,
        name: tool.into(),
        description: "Tells the weather.".into(),
        source_digest: Digest::of(b"source"),
        timeout_ms: None,
        input_schema: r#"{"type":"object"}"#.into(),
        output_schema: None,
        exports: Vec::new(),
        hosts: vec![],
        modules: vec![],
        secret_names: vec![],
    };
    let server = Server {
        id: ServerId::new(),
        name: server.into(),
        description: String::new(),
        status: ServerStatus::Running,
        default_timeout_ms: None,
        created_by: "local".into(),
        created_at: date(),
        updated_at: date(),
    };
    let id = ToolId::new();
    let version = versions::row(id, 1, content, ApprovalStatus::Approved, "created".into(), &caller, date());
    let tool = Tool {
        id,
        server_id: server.id,
        name: tool.into(),
        enabled: true,
        disabled_exports: Texts::default(),
        latest_version: 1,
        live_version_id: Some(version.id),
        live_digest: Some(version.digest),
        approved_at: Some(date()),
        approved_by: Some("admin:ada".into()),
        created_by: "local".into(),
        created_at: date(),
        updated_at: date(),
    };
    Located { server, tool, version }
}

fn tool_id(catalogue: &Catalogue, name: &str) -> Option<ToolId> {
    catalogue.led(name).map(|led| led.tool)
}

#[test]
fn each_tool_of_a_component_is_listed_but_those_that_are_switched_off() {
    let mut row = located("data", "csv");
    let export = |name: &str| Export {
        name: name.into(),
        title: Some("Parse".into()),
        description: "Reads a table.".into(),
        input_schema: r#"{"type":"object"}"#.into(),
        output_schema: Some(r#"{"type":"object"}"#.into()),
        annotations: Some(ToolAnnotations { read_only: Some(true), ..Default::default() }),
    };
    row.version.kind = ToolKind::Component;
    row.version.exports.0 = vec![export("parse"), export("Print-out")];
    row.tool.live_digest = Some(content(&row.version).digest());
    let (catalogue, _) = compose(std::slice::from_ref(&row), Known::default()).expect("the row is sound");
    let names: Vec<&str> = catalogue.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["data__parse", "data__Print-out"], "not under its own name");
    let expected = Led { server: row.tool.server_id, tool: row.tool.id, name: "Print-out".into() };
    assert_eq!(catalogue.led("data__Print-out"), Some(&expected));
    let listed = &catalogue.tools[0];
    assert!(listed.title.is_some() && listed.output_schema.is_some() && listed.annotations.is_some());
    row.tool.disabled_exports = Texts(vec!["parse".into()]);
    let (fewer, _) = compose(&[row], Known::default()).expect("the row is sound");
    assert_eq!((fewer.tools.len(), fewer.led("data__parse")), (1, None));
    assert_ne!(fewer.identity, catalogue.identity);
}

#[test]
fn a_catalogue_is_believed_for_two_seconds() {
    let cache = CatalogueCache::default();
    assert!(cache.fresh(at(0)).is_none());
    cache.keep(&cache.ticket(at(0)), Marks::default(), catalogue(&["a"]));
    assert!(cache.fresh(at(1)).is_some());
    assert!(cache.fresh(at(2)).is_none());
    assert!(cache.fresh(at(-1)).is_none());
    assert!(cache.ticket(at(2)).expired);
}

#[test]
fn an_old_catalogue_holds_as_long_as_its_marks_do() {
    let cache = CatalogueCache::default();
    let marks = |names: &[&str]| {
        let server = |name: &&str| ListedServer {
            id: ServerId(uuid::Uuid::nil()),
            name: name.parse().expect("a name"),
            description: String::new(),
        };
        Marks { tools: Vec::new(), servers: names.iter().map(server).collect() }
    };
    assert!(cache.confirmed(&cache.ticket(at(0)), &marks(&["s"])).is_none(), "there is none");
    let (first, _) = cache.keep(&cache.ticket(at(0)), marks(&["s"]), catalogue(&["a"]));
    let same = cache.confirmed(&cache.ticket(at(2)), &marks(&["s"]));
    assert!(same.is_some_and(|same| Arc::ptr_eq(&same, &first)));
    assert!(cache.fresh(at(3)).is_some() && cache.fresh(at(4)).is_none(), "believed for two seconds again");
    assert!(cache.confirmed(&cache.ticket(at(4)), &marks(&["s", "t"])).is_none(), "something is another");
    assert!(cache.confirmed(&cache.ticket(at(299)), &marks(&["s"])).is_some());
    assert!(cache.confirmed(&cache.ticket(at(300)), &marks(&["s"])).is_none(), "it is read whole now and then");
    let ticket = cache.ticket(at(5));
    cache.forget();
    assert!(cache.confirmed(&ticket, &marks(&["s"])).is_none(), "this process changed something meanwhile");
    assert!(cache.confirmed(&cache.ticket(at(5)), &marks(&["s"])).is_none(), "and it was not read since");
}

#[test]
fn what_is_forgotten_while_it_loads_is_not_kept_for_others() {
    let cache = CatalogueCache::default();
    let ticket = cache.ticket(at(0));
    cache.forget();
    let (loaded, _) = cache.keep(&ticket, Marks::default(), catalogue(&["a"]));
    assert_eq!(loaded.generation, 1);
    assert!(cache.fresh(at(0)).is_none());
    assert!(!cache.ticket(at(0)).expired);
}

#[test]
fn the_generation_counts_only_what_differs() {
    let cache = CatalogueCache::default();
    let keep = |names: &[&str]| {
        let (kept, differs) = cache.keep(&cache.ticket(at(0)), Marks::default(), catalogue(names));
        (kept.generation, differs)
    };
    assert_eq!(keep(&["a"]), (1, true));
    assert_eq!(keep(&["a"]), (1, false));
    cache.forget();
    assert_eq!(keep(&["a", "b"]), (2, true));
    assert_eq!(keep(&["a"]), (3, true));
}

fn kept(cache: &CatalogueCache, rows: &[Located]) -> Arc<Catalogue> {
    let (loaded, _) = compose(rows, Known::default()).expect("the rows are sound");
    cache.keep(&cache.ticket(at(0)), Marks::default(), loaded).0
}

#[test]
fn of_a_catalogue_that_was_replaced_nothing_is_kept_but_what_did_not_change() {
    let cache = CatalogueCache::default();
    let mut rows = [located("quiet", "a"), located("seldom", "b"), located("busy", "c0")];
    let (quiet, seldom) = (rows[0].server.id, rows[1].server.id);
    let first = kept(&cache, &rows);
    let (part, gone) = (cache.part(&first, &[quiet]), Arc::downgrade(&cache.part(&first, &[seldom])));
    let mut wholes = vec![Arc::downgrade(&first)];
    let tool = Arc::downgrade(&first.tools[1]);
    drop(first);
    for change in 1..70 {
        let Located { server, .. } = rows[2].clone();
        rows[2] = Located { server, ..located("busy", &format!("c{change}")) };
        let whole = kept(&cache, &rows);
        let again = cache.part(&whole, &[quiet]);
        assert!(Arc::ptr_eq(&again, &part), "nothing of it is another");
        assert!(whole.tools.iter().any(|one| std::ptr::eq(Arc::as_ptr(one), tool.as_ptr())), "there is one of each");
        wholes.push(Arc::downgrade(&whole));
    }
    assert_eq!(wholes.iter().filter(|whole| whole.strong_count() > 0).count(), 1, "the one in force");
    assert_eq!(gone.strong_count(), 0, "nobody asked for it any more");
}

#[test]
fn a_tool_in_quarantine_is_found_by_its_name_whatever_its_length() {
    let long = "x".repeat(64);
    let mut row = located("weather", &long);
    row.version.input_schema = r#"{"$ref":"other.json"}"#.into();
    row.tool.live_digest = Some(content(&row.version).digest());
    let (catalogue, _) = compose(std::slice::from_ref(&row), Known::default()).expect("the row is sound");
    assert!(catalogue.tools.is_empty());
    assert_eq!(catalogue.quarantined[0].name.len(), 64);
    assert_eq!(tool_id(&catalogue, &catalogue.quarantined[0].name), Some(row.tool.id));
    assert_eq!(tool_id(&catalogue.part(&[row.server.id]), &catalogue.quarantined[0].name), Some(row.tool.id));
}

#[test]
fn a_tool_is_found_by_the_name_that_clients_see() {
    let long = "x".repeat(64);
    let rows = [located("weather", "forecast"), located("weather", &long)];
    let (catalogue, _) = compose(&rows, Known::default()).expect("the rows are sound");
    let names: Vec<&str> = catalogue.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names[0], "weather__forecast");
    assert_eq!(names[1].len(), 64);
    assert_eq!(tool_id(&catalogue, names[0]), Some(rows[0].tool.id));
    assert_eq!(tool_id(&catalogue, names[1]), Some(rows[1].tool.id));
    assert_eq!(tool_id(&catalogue, &format!("weather__{long}")), None);
}

#[test]
fn a_version_that_is_not_what_was_approved_is_not_listed() {
    let mut changed = located("weather", "forecast");
    changed.version.description = "Does something else.".into();
    let (catalogue, _) =
        compose(&[changed, located("weather", "tides")], Known::default()).expect("the rows are sound");
    assert_eq!(catalogue.tools.len(), 1);
    assert_eq!(tool_id(&catalogue, "weather__forecast"), None);
}

#[test]
fn of_two_tools_with_one_name_the_first_has_it() {
    let (first, second) = (located("weather", "forecast"), located("weather", "forecast"));
    let (catalogue, _) = compose(&[first.clone(), second], Known::default()).expect("the rows are sound");
    assert_eq!(catalogue.tools.len(), 1);
    assert_eq!(tool_id(&catalogue, "weather__forecast"), Some(first.tool.id));
}
