//! The list of tools as clients read it: written once per change, then only cut into pages.
//!
//! Where everything is served, the management tools come first, on the first page; then the catalogue by
//! name. Where one server is served, its tools stand there under their own names. Each tool is written into
//! one buffer per era, so that a page is a slice of it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::cursor;
use super::error::Failure;
use super::jsonrpc::Payload;
use super::mirror::{Mirror, mirrors};
use super::pages::FRESH_MS;
use super::scope::{Scope, Wish};
use super::{about, manage};
use crate::domain::caller::Caller;
use crate::domain::component::{Icon, ToolAnnotations};
use crate::service::catalogue::{Catalogue, ListedTool};
use crate::service::{Error, Service};

/// A catalogue, ready to be served.
pub struct Listing {
    /// Changes whenever the catalogue does.
    pub generation: u64,
    scope: Scope,
    /// Sorted; the same order as the lines.
    names: Vec<String>,
    legacy: Lines,
    modern: Lines,
    /// Of those tools that have any.
    mirrors: HashMap<String, Vec<Mirror>>,
}

/// What a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shows {
    /// The tools that manage others.
    management: bool,
    /// Those that find and call others.
    meta: bool,
    /// The tools themselves.
    tools: bool,
}

impl Shows {
    /// What a client gets of this listing that wants to see `wish`, whose caller manages tools or does not;
    /// `listed` tools are shown at most.
    pub fn of(listing: &Listing, wish: Wish, manages: bool, listed: usize) -> Self {
        let is_everything = listing.scope.has_management();
        let meta = is_everything
            && match wish {
                Wish::Fitting => listing.names.len() > listed,
                Wish::All => false,
                Wish::Search => true,
            };
        Self { management: is_everything && manages, meta, tools: !meta }
    }
}

/// Tools as JSON, with commas between them, in one buffer.
#[derive(Default)]
struct Lines {
    text: Bytes,
    /// Where each tool ends.
    ends: Vec<usize>,
}

/// Lines that are being written.
#[derive(Default)]
struct Writing {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Writing {
    fn push(&mut self, line: &impl Serialize) -> Result<(), serde_json::Error> {
        if !self.ends.is_empty() {
            self.text.push(b',');
        }
        serde_json::to_writer(&mut self.text, line)?;
        self.ends.push(self.text.len());
        Ok(())
    }

    fn done(self) -> Lines {
        Lines { text: self.text.into(), ends: self.ends }
    }
}

impl Lines {
    /// The tools from `start` on, at most `count`: a part of the same buffer.
    fn slice(&self, start: usize, count: usize) -> Bytes {
        let end = start.saturating_add(count).min(self.ends.len());
        if start >= end {
            return Bytes::new();
        }
        let from = start.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| end + 1);
        let to = self.ends.get(end - 1).copied().unwrap_or(from);
        self.text.slice(from..to)
    }
}

/// `Tool` of the schema.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    description: &'a str,
    input_schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<ToolAnnotations>,
    #[serde(skip_serializing_if = "<[Icon]>::is_empty")]
    icons: &'a [Icon],
}

impl<'a> Line<'a> {
    /// Where everything is served, schemas have the form that every client takes; a server by itself shows them
    /// as their author wrote them, where that is of an object.
    fn of(tool: &'a ListedTool, scope: &Scope, modern: bool) -> Self {
        let name = name_at(scope, tool);
        let is_for_all = *scope == Scope::Everything || !is_of_objects(&tool.input_schema);
        let fitted = Some(&tool.fitted).filter(|_| is_for_all);
        let input_schema = fitted.and_then(|fitted| fitted.input.as_deref()).unwrap_or(&tool.input_schema);
        let output = fitted.and_then(|fitted| fitted.output.as_deref()).or(tool.output_schema.as_deref());
        let title = tool.title.as_deref();
        // A description is what makes a model find a tool, and some clients drop tools without one.
        let description = Some(tool.description.as_str()).filter(|text| !text.is_empty()).or(title);
        // Until 2025-11-25 structured output was an object or nothing.
        let output = output.filter(|schema| modern || is_of_objects(schema));
        Self {
            name,
            title,
            description: description.unwrap_or(name),
            input_schema,
            output_schema: output,
            annotations: tool.annotations,
            icons: &tool.icons,
        }
    }
}

fn is_of_objects(schema: &RawValue) -> bool {
    #[derive(serde::Deserialize)]
    struct Root<'a> {
        #[serde(rename = "type", borrow, default)]
        kind: Option<&'a RawValue>,
    }
    serde_json::from_str::<Root<'_>>(schema.get()).is_ok_and(|root| root.kind.map(RawValue::get) == Some("\"object\""))
}

impl Listing {
    /// # Errors
    /// When a tool cannot be written as JSON, which is a fault of ours.
    fn new(catalogue: &Catalogue, scope: &Scope) -> Result<Self, serde_json::Error> {
        let mut tools: Vec<(&str, &ListedTool)> =
            catalogue.tools.iter().map(|tool| (name_at(scope, tool), &**tool)).collect();
        tools.sort_by_key(|(name, _)| *name);
        let (mut legacy, mut modern) = (Writing::default(), Writing::default());
        let mut mirrored = HashMap::new();
        for (name, tool) in &tools {
            legacy.push(&Line::of(tool, scope, false))?;
            modern.push(&Line::of(tool, scope, true))?;
            let mirrors = mirrors(&tool.input_schema);
            if !mirrors.is_empty() {
                mirrored.insert((*name).to_owned(), mirrors);
            }
        }
        let names = tools.iter().map(|(name, _)| (*name).to_owned()).collect();
        let (generation, scope) = (catalogue.generation, scope.clone());
        Ok(Self { generation, scope, names, legacy: legacy.done(), modern: modern.done(), mirrors: mirrored })
    }

    /// Every name that can be called, by somebody who manages tools or does not.
    pub fn names(&self, manages: bool) -> impl Iterator<Item = &str> {
        let management = if manages && self.scope.has_management() { manage::all() } else { &[] };
        management.iter().map(|tool| tool.name).chain(self.names.iter().map(String::as_str))
    }

    /// The arguments of a tool that modern clients repeat in headers.
    pub fn mirrors(&self, name: &str) -> &[Mirror] {
        self.mirrors.get(name).map_or(&[], Vec::as_slice)
    }

    /// One page: a `ListToolsResult`. The first holds the management tools too, and those that find and call others.
    ///
    /// # Errors
    /// -32602 when the cursor is not one of ours.
    pub fn page(&self, modern: bool, cursor: Option<&str>, size: usize, shows: Shows) -> Result<Payload, Failure> {
        let start = cursor::start(cursor, |last| self.names.partition_point(|known| known.as_str() <= last))?;
        let (start, size) = if shows.tools { (start, size) } else { (self.names.len(), size) };
        let lines = if modern { &self.modern } else { &self.legacy };
        let page = lines.slice(start, size);
        let management = if shows.management { manage::lines() } else { &[] };
        let meta = if shows.meta { manage::meta_lines() } else { &[] };
        let first = [management, meta].into_iter().filter(|_| cursor.is_none()).map(Bytes::from_static);
        let mut pieces = Vec::with_capacity(8);
        for part in first.chain([page]).filter(|part| !part.is_empty()) {
            if !pieces.is_empty() {
                pieces.push(Bytes::from_static(b","));
            }
            pieces.push(part);
        }
        let to = start.saturating_add(size);
        let last = self.names.get(to.wrapping_sub(1)).filter(|_| to < self.names.len());
        pieces.push(match last {
            Some(last) => format!(r#"],"nextCursor":"{}"{}"#, cursor::after(last), &end(modern)[1..]).into(),
            None => Bytes::from_static(end(modern).as_bytes()),
        });
        Ok(Payload::of_pieces(Bytes::from_static(br#"{"tools":["#), pieces))
    }
}

/// How the result ends after its last tool, from the bracket of the list on.
fn end(modern: bool) -> &'static str {
    static MODERN: LazyLock<String> =
        LazyLock::new(|| format!(r#"],"ttlMs":{FRESH_MS},"cacheScope":"private",{}}}"#, about::modern_members()));
    if modern { &MODERN } else { "]}" }
}

/// The name of a tool at an address.
fn name_at<'a>(scope: &Scope, tool: &'a ListedTool) -> &'a str {
    match scope {
        Scope::Everything => &tool.name,
        Scope::Server(_) => &tool.own_name,
    }
}

/// Listings that are kept: one for each address and each choice of servers that somebody looked at lately.
const KEPT: usize = 64;

/// Listings of the catalogues that are in force; made anew when the service hands out another catalogue. What nobody
/// else has any more is in force no longer.
#[derive(Clone, Default)]
pub struct Listings {
    /// The one that was looked at last stands last.
    kept: Arc<Mutex<Vec<Written>>>,
}

/// A catalogue and what was written of it.
#[derive(Clone)]
struct Written {
    catalogue: Arc<Catalogue>,
    listing: Arc<Listing>,
}

impl Listings {
    /// # Errors
    /// Those of the catalogue.
    pub async fn current(&self, service: &Service, caller: &Caller, scope: &Scope) -> Result<Arc<Listing>, Error> {
        let catalogue = match scope {
            Scope::Everything => service.catalogue(caller).await?,
            Scope::Server(name) => service.catalogue_of(caller, name.as_str()).await?,
        };
        if let Some(listing) = self.kept(&catalogue, scope) {
            return Ok(listing);
        }
        let listing =
            Listing::new(&catalogue, scope).map_err(|error| Error::internal("writing the list of tools", error))?;
        let listing = Arc::new(listing);
        self.keep(Written { catalogue, listing: Arc::clone(&listing) });
        Ok(listing)
    }

    fn keep(&self, written: Written) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|before| Arc::strong_count(&before.catalogue) > 1);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(written);
    }

    fn kept(&self, catalogue: &Arc<Catalogue>, scope: &Scope) -> Option<Arc<Listing>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // The same allocation, not only the same number: two callers may see different catalogues.
        let is_it = |written: &Written| Arc::ptr_eq(&written.catalogue, catalogue) && written.listing.scope == *scope;
        let at = kept.iter().rposition(is_it)?;
        if at + 1 < kept.len() {
            let written = kept.remove(at);
            kept.push(written);
        }
        kept.last().map(|written| Arc::clone(&written.listing))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::ids::ServerId;
    use crate::mcp::error::Kind;
    use crate::service::catalogue::Fitted;

    const WHOLE: Shows = Shows { management: true, meta: false, tools: true };

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).expect("JSON")
    }

    fn tool(name: &str, output: Option<Value>) -> ListedTool {
        ListedTool {
            name: name.to_owned(),
            own_name: name.split_once("__").map_or(name, |(_, own)| own).to_owned(),
            server: ServerId::new(),
            title: None,
            description: String::new(),
            input_schema: raw(&json!({"type": "object"})),
            output_schema: output.map(|schema| raw(&schema)),
            fitted: Fitted::default(),
            annotations: None,
            icons: Vec::new(),
        }
    }

    fn catalogue(tools: Vec<ListedTool>) -> Catalogue {
        let mut catalogue = Catalogue::default();
        catalogue.tools.extend(tools.into_iter().map(Arc::new));
        catalogue
    }

    fn listing(tools: Vec<ListedTool>) -> Listing {
        Listing::new(&catalogue(tools), &Scope::Everything).expect("JSON")
    }

    fn read(page: &Payload) -> (Vec<String>, Option<String>, Value) {
        let value: Value = serde_json::from_slice(&page.text()).expect("JSON");
        let names = value["tools"].as_array().expect("tools").iter().map(|tool| tool["name"].as_str().expect("a name"));
        (names.map(str::to_owned).collect(), value["nextCursor"].as_str().map(str::to_owned), value)
    }

    #[test]
    fn pages_hold_every_tool_once_and_the_management_tools_first() {
        let own = manage::all().len();
        for count in [0, 1, 2, 3, 4, 7] {
            let listing = listing((0..count).rev().map(|n| tool(&format!("s__t{n}"), None)).collect());
            let (mut names, mut cursor) = (Vec::new(), None);
            loop {
                let page = listing.page(false, cursor.as_deref(), 3, WHOLE).expect("a page");
                let (found, next, _) = read(&page);
                names.extend(found);
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }
            let expected: Vec<String> = (0..count).map(|n| format!("s__t{n}")).collect();
            assert_eq!(names.get(own..), Some(&expected[..]), "{count}");
            assert!(names[..own].iter().all(|name| name.starts_with("mcpbox_")));
        }
    }

    #[test]
    fn a_cursor_survives_a_change_of_the_list() {
        let before = listing(["a__a", "a__b", "a__c", "a__d"].map(|name| tool(name, None)).into());
        let (_, cursor, _) = read(&before.page(true, None, 2, WHOLE).expect("a page"));
        let after = listing(["a__a", "a__bb", "a__c"].map(|name| tool(name, None)).into());
        let (names, next, _) = read(&after.page(true, cursor.as_deref(), 2, WHOLE).expect("a page"));
        assert_eq!((names, next), (vec!["a__bb".to_owned(), "a__c".to_owned()], None));
        assert!(after.page(true, Some("nonsense"), 2, WHOLE).is_err_and(|failure| failure.kind == Kind::InvalidParams));
    }

    #[test]
    fn only_the_modern_era_has_cache_hints_and_outputs_that_are_no_objects() {
        let tools =
            vec![tool("a__list", Some(json!({"type": "array"}))), tool("a__map", Some(json!({"type": "object"})))];
        let listing = listing(tools);
        let output = |page: &Value, name: &str| {
            let tools = page["tools"].as_array().expect("tools");
            tools.iter().find(|tool| tool["name"] == name).expect("the tool").get("outputSchema").is_some()
        };
        let (_, _, modern) = read(&listing.page(true, None, 10, WHOLE).expect("a page"));
        assert_eq!(modern["resultType"], "complete");
        assert_eq!((modern["cacheScope"].as_str(), modern["ttlMs"].as_u64()), (Some("private"), Some(FRESH_MS)));
        assert!(output(&modern, "a__list") && output(&modern, "a__map"));
        let (_, _, legacy) = read(&listing.page(false, None, 10, WHOLE).expect("a page"));
        assert_eq!(legacy.as_object().map(|map| map.len()), Some(1), "nothing but tools");
        assert!(!output(&legacy, "a__list") && output(&legacy, "a__map"));
    }

    #[test]
    fn a_server_by_itself_has_bare_names_and_no_management_tools() {
        let tools = ["s__b", "s__a"].map(|name| tool(name, None)).into();
        let scope = Scope::Server("s".parse().expect("a name"));
        let listing = Listing::new(&catalogue(tools), &scope).expect("JSON");
        let of_server = Shows::of(&listing, Wish::Search, true, 0);
        assert_eq!(of_server, Shows { management: false, meta: false, tools: true });
        let (names, cursor, _) = read(&listing.page(true, None, 1, of_server).expect("a page"));
        assert_eq!(names, ["a"]);
        let (names, next, _) = read(&listing.page(true, cursor.as_deref(), 1, of_server).expect("a page"));
        assert_eq!((names, next), (vec!["b".to_owned()], None));
        assert_eq!(listing.names(true).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn in_place_of_too_many_tools_there_are_two_that_find_and_call_them() {
        let listing = listing(["a__a", "a__b", "a__c"].map(|name| tool(name, None)).into());
        let shown = |wish, manages, listed| {
            let shows = Shows::of(&listing, wish, manages, listed);
            read(&listing.page(true, None, 2, shows).expect("a page"))
        };
        let (names, next, _) = shown(Wish::Fitting, true, 2);
        assert_eq!((names.len(), next), (manage::all().len() + 2, None));
        assert!(names.ends_with(&["mcpbox_search_tools".to_owned(), "mcpbox_call_tool".to_owned()]), "{names:?}");
        assert_eq!(shown(Wish::Fitting, false, 2).0, ["mcpbox_search_tools", "mcpbox_call_tool"]);
        assert_eq!(shown(Wish::Search, false, 100).0.len(), 2);
        assert_eq!(shown(Wish::Fitting, false, 3).0, ["a__a", "a__b"]);
        assert_eq!(shown(Wish::All, false, 0).0, ["a__a", "a__b"]);
    }

    #[test]
    fn a_listing_goes_with_its_catalogue() {
        let listings = Listings::default();
        let scope = Scope::Everything;
        let written = |name: &str| {
            let catalogue = Arc::new(catalogue(vec![tool(name, None)]));
            let listing = Arc::new(Listing::new(&catalogue, &scope).expect("JSON"));
            Written { catalogue, listing }
        };
        let in_force: Vec<Written> = ["a__a", "b__b"].map(written).into();
        in_force.iter().for_each(|one| listings.keep(one.clone()));
        let replaced: Vec<_> = (0..70)
            .map(|change| {
                let written = written(&format!("s__t{change}"));
                let listing = Arc::downgrade(&written.listing);
                listings.keep(written);
                listing
            })
            .collect();
        assert_eq!(replaced.iter().filter(|listing| listing.strong_count() > 0).count(), 1, "the last");
        for one in &in_force {
            let kept = listings.kept(&one.catalogue, &scope);
            assert!(kept.is_some_and(|kept| Arc::ptr_eq(&kept, &one.listing)));
        }
    }

    #[test]
    fn every_tool_has_a_description() {
        let (_, _, page) = read(&listing(vec![tool("a__b", None)]).page(true, None, 10, WHOLE).expect("a page"));
        for tool in page["tools"].as_array().expect("tools") {
            assert!(tool["description"].as_str().is_some_and(|text| !text.is_empty()), "{tool}");
        }
    }
}
