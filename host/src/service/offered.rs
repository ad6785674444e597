//! What MCP clients are offered beside tools: prompts, resources, templates and skills of the live components of
//! running servers.
//!
//! It is a part of the catalogue and as little a decision as that: a call looks at the component itself and at
//! what was approved. Of two components of one server that offer the same, the first, in the order of names,
//! has it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::ready::Ready;
use super::{Error, Service, tools};
use crate::db::servers::Server;
use crate::db::tools::Tool;
use crate::db::versions::Version;
use crate::domain::caller::Caller;
use crate::domain::component::{Completion, CompletionOf, Entry, Offer, Prompt, Resource, ResourceTemplate};
use crate::domain::digest::Digest;
use crate::domain::ids::{ServerId, ToolId};
use crate::domain::skill::{MAIN_FILE, SCHEME, Skill, folders_of, root_of};
use crate::domain::tool::ServerStatus;
use crate::domain::uri_template::UriTemplate;

/// Characters of a URI in the name of what ran.
const SHOWN: usize = 120;

/// Whose something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub server: ServerId,
    pub server_name: String,
    pub tool: ToolId,
    /// Whether the component suggests values for arguments.
    pub completes: bool,
}

/// Something that is offered.
#[derive(Clone, Debug)]
pub struct Offering<T> {
    /// How clients of everything call it: a prompt's name, a resource's URI, a template's.
    pub name: String,
    pub owner: Arc<Owner>,
    /// As its component has it.
    pub own: T,
}

/// All that is offered, each sorted by its name.
#[derive(Debug, Default)]
pub struct Offered {
    pub prompts: Vec<Offering<Prompt>>,
    pub resources: Vec<Offering<Resource>>,
    pub templates: Vec<Offering<ResourceTemplate>>,
    /// Without the texts of their main files.
    pub skills: Vec<Offering<Skill>>,
    faces: Faces,
}

/// What clients see of prompts, and of resources with their templates and skills: equal digests, equal lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faces {
    pub prompts: Digest,
    pub resources: Digest,
}

impl Default for Faces {
    /// Of a catalogue that offers nothing.
    fn default() -> Self {
        let none: &[u8] = b"[]";
        Self { prompts: Digest::of(none), resources: Digest::of_parts([none; 3]) }
    }
}

/// What the URIs of resources begin with where several servers are offered, but for those of skills.
const SEVERAL: &str = "mcpbox+";

/// A URI of a server's resources as clients of everything call it. Those of skills keep their scheme, which hosts
/// look for, and have their server in front of their path.
pub fn uri_under(server: &str, own: &str) -> String {
    match own.strip_prefix(SCHEME) {
        Some(path) => format!("{SCHEME}{server}/{path}"),
        None => format!("{SEVERAL}{server}:{own}"),
    }
}

/// The server, and the rest, of a URI that clients of everything use.
pub fn parts_of_uri(uri: &str) -> Option<(&str, &str)> {
    match uri.strip_prefix(SCHEME) {
        Some(path) => path.split_once('/'),
        // What has the scheme of skills is called by it alone.
        None => uri.strip_prefix(SEVERAL)?.split_once(':').filter(|(_, own)| !own.starts_with(SCHEME)),
    }
}

/// The server and the URI of its own behind a URI that clients of everything use.
pub fn split_uri(uri: &str) -> Option<(&str, Cow<'_, str>)> {
    let (server, rest) = parts_of_uri(uri)?;
    let own = if uri.starts_with(SCHEME) { format!("{SCHEME}{rest}").into() } else { rest.into() };
    Some((server, own))
}

/// The server under whose name the URIs of this version's resources are known; none when it offers none.
pub(super) fn uris_of(server: &Server, version: &Version) -> Option<String> {
    let offer = &version.surface.as_ref()?.offer;
    let has_any = !offer.resources.is_empty() || !offer.templates.is_empty() || !offer.skills.is_empty();
    has_any.then(|| server.name.clone())
}

impl Offered {
    /// Takes in what a live version offers. Names are those of clients of everything.
    ///
    /// # Errors
    /// When the server has a name that cannot be.
    pub(super) fn add(&mut self, server: &Server, tool: &Tool, version: &Version) -> Result<(), Error> {
        let Some(offer) = version.surface.as_ref().map(|surface| &surface.offer) else { return Ok(()) };
        let Offer { prompts, resources, templates, skills, completes, .. } = offer;
        let owner = Arc::new(Owner {
            server: server.id,
            server_name: server.name.clone(),
            tool: tool.id,
            completes: *completes,
        });
        for own in prompts {
            let (name, own) = (tools::called(server, &own.name)?, own.clone());
            self.prompts.push(Offering { name, owner: Arc::clone(&owner), own });
        }
        for own in resources {
            let (name, own) = (uri_under(&server.name, &own.uri), own.clone());
            self.resources.push(Offering { name, owner: Arc::clone(&owner), own });
        }
        for own in templates {
            let (name, own) = (uri_under(&server.name, &own.uri_template), own.clone());
            self.templates.push(Offering { name, owner: Arc::clone(&owner), own });
        }
        for Skill { uri, frontmatter, files, .. } in skills {
            let (uri, frontmatter, files) = (uri.clone(), frontmatter.clone(), files.clone());
            let own = Skill { uri, frontmatter, files, instructions: String::new() };
            self.skills.push(Offering { name: uri_under(&server.name, &own.uri), owner: Arc::clone(&owner), own });
        }
        Ok(())
    }

    /// Sorts what was taken in, and drops what is there twice. The main file of each skill is among the resources.
    pub(super) fn finish(mut self) -> Self {
        settle(&mut self.prompts);
        settle(&mut self.skills);
        whole_folders(&mut self.skills);
        for Offering { name, owner, own } in &self.skills {
            let main = own.files.iter().filter(|file| file.path == MAIN_FILE);
            self.resources.extend(main.map(|file| Offering {
                name: name.clone(),
                owner: Arc::clone(owner),
                own: own.resource(own.root(), file),
            }));
        }
        settle(&mut self.resources);
        settle(&mut self.templates);
        self.faced()
    }

    /// With what tells it from others.
    fn faced(mut self) -> Self {
        let lists = [written(&self.resources), written(&self.templates), written(&self.skills)];
        self.faces = Faces {
            prompts: Digest::of(&written(&self.prompts)),
            resources: Digest::of_parts(lists.iter().map(Vec::as_slice)),
        };
        self
    }

    /// What some servers offer.
    pub(super) fn part(&self, servers: &[ServerId]) -> Self {
        fn of<T: Clone>(list: &[Offering<T>], servers: &[ServerId]) -> Vec<Offering<T>> {
            list.iter().filter(|offering| servers.contains(&offering.owner.server)).cloned().collect()
        }
        let (prompts, resources) = (of(&self.prompts, servers), of(&self.resources, servers));
        let (templates, skills) = (of(&self.templates, servers), of(&self.skills, servers));
        Self { prompts, resources, templates, skills, ..Self::default() }.faced()
    }

    pub fn faces(&self) -> Faces {
        self.faces
    }

    pub fn prompt(&self, name: &str) -> Option<&Offering<Prompt>> {
        let at = self.prompts.binary_search_by(|known| known.name.as_str().cmp(name)).ok()?;
        self.prompts.get(at)
    }

    fn template(&self, name: &str) -> Option<&Offering<ResourceTemplate>> {
        let at = self.templates.binary_search_by(|known| known.name.as_str().cmp(name)).ok()?;
        self.templates.get(at)
    }

    /// The skill whose main file has this URI.
    pub fn skill(&self, uri: &str) -> Option<&Offering<Skill>> {
        let at = self.skills.binary_search_by(|known| known.name.as_str().cmp(uri)).ok()?;
        self.skills.get(at)
    }

    /// Who answers for a URI: the one that lists it, or else the first with a template that it fits. In the folder of
    /// a skill there is nothing but its files.
    pub fn owner_of_uri(&self, uri: &str) -> Option<&Owner> {
        if let Ok(at) = self.resources.binary_search_by(|known| known.name.as_str().cmp(uri)) {
            return self.resources.get(at).map(|found| &*found.owner);
        }
        let (server, own) = split_uri(uri)?;
        let around = |folder: &str| self.skill(&format!("{folder}/{MAIN_FILE}"));
        let mut skills = folders_of(uri).filter_map(around).peekable();
        if skills.peek().is_some() {
            return skills.find(|skill| skill.own.file(&own).is_some()).map(|found| &*found.owner);
        }
        let fits = |known: &&Offering<ResourceTemplate>| known.owner.server_name == server && fits(&known.own, &own);
        self.templates.iter().find(fits).map(|found| &*found.owner)
    }

    /// Who offers what an entry names; none for a tool, which is found otherwise.
    pub fn owner(&self, entry: &Entry) -> Option<&Owner> {
        match entry {
            Entry::Tool(_) => None,
            Entry::Prompt { name, .. } => self.prompt(name).map(|found| &*found.owner),
            Entry::Resource { uri } => self.owner_of_uri(uri),
            Entry::Completion(Completion { of: CompletionOf::Prompt(name), .. }) => {
                self.prompt(name).map(|found| &*found.owner)
            }
            Entry::Completion(Completion { of: CompletionOf::Template(uri), .. }) => {
                self.template(uri).map(|found| &*found.owner)
            }
        }
    }
}

/// Whether a URI comes of a template.
fn fits(template: &ResourceTemplate, uri: &str) -> bool {
    UriTemplate::parse(&template.uri_template).is_ok_and(|template| template.matches(uri))
}

fn settle<T>(list: &mut Vec<Offering<T>>) {
    // By name alone and stable, so that the first who was taken in stays.
    list.sort_by(|one, other| one.name.cmp(&other.name));
    let mut seen = HashSet::new();
    list.retain(|offering| {
        let first = seen.insert(offering.name.clone());
        if !first {
            let Offering { name, owner, .. } = offering;
            tracing::warn!(tool = %owner.tool, %name, "another component of the server offers the same; not listing this one");
        }
        first
    });
}

/// Drops skills in the folder of one of another component: the list of a skill's files would not be whole.
fn whole_folders(skills: &mut Vec<Offering<Skill>>) {
    let holders: HashMap<String, ToolId> =
        skills.iter().map(|skill| (root_of(&skill.name).to_owned(), skill.owner.tool)).collect();
    skills.retain(|Offering { name, owner, .. }| {
        let mut around = folders_of(root_of(name)).filter_map(|folder| holders.get(folder));
        let is_whole = around.all(|holder| *holder == owner.tool);
        if !is_whole {
            tracing::warn!(tool = %owner.tool, %name, "a skill lies in the folder of another component's; not listing it");
        }
        is_whole
    });
}

/// As JSON: plain data, which can always be written.
fn written<T: Serialize>(list: &[Offering<T>]) -> Vec<u8> {
    let lines: Vec<(&str, &T)> = list.iter().map(|offering| (offering.name.as_str(), &offering.own)).collect();
    serde_json::to_vec(&lines).unwrap_or_default()
}

impl Service {
    /// What a prompt, a resource or a completion leads to, if it may be had now.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is nothing of this name, [`Error::Forbidden`] when it is not what was
    /// approved.
    pub(super) async fn ready_beside(&self, caller: &Caller, entry: &Entry) -> Result<Arc<Ready>, Error> {
        let catalogue = self.catalogue(caller).await?;
        let id = catalogue.offered.owner(entry).ok_or_else(|| unknown(entry))?.tool;
        let (server, tool) = self.located(id).await?.ok_or_else(|| unknown(entry))?;
        let live = tools::live(self.db(), &tool).await?;
        let version = live.filter(|_| server.status == ServerStatus::Running && tool.enabled);
        let version = version.ok_or_else(|| unknown(entry))?;
        let offer = version.surface.as_ref().map(|surface| &surface.offer);
        let Meant { own, name, schema } =
            offer.and_then(|offer| meant(&server, offer, entry)).ok_or_else(|| unknown(entry))?;
        let runnable = self.program_beside(&tool, &version, own, name, schema)?;
        let given = self.given(&tool, &version).await?;
        let held = self.held(&runnable).await?;
        Ok(Arc::new(Ready { server, tool, version, runnable, held, given }))
    }
}

/// An entry in the component's own words.
struct Meant {
    own: Entry,
    /// For the log.
    name: String,
    /// Of what [`arguments_of`] gives.
    schema: String,
}

fn meant(server: &Server, offer: &Offer, entry: &Entry) -> Option<Meant> {
    let own_uri = |uri: &str| split_uri(uri).filter(|(name, _)| *name == server.name).map(|(_, own)| own.into_owned());
    let own_prompt = |name: &str| {
        let is_it = |prompt: &&Prompt| tools::called(server, &prompt.name).is_ok_and(|called| called == name);
        offer.prompts.iter().find(is_it)
    };
    let any = r#"{"type":"object"}"#.to_owned();
    match entry {
        Entry::Tool(_) => None,
        Entry::Prompt { name, arguments } => {
            let prompt = own_prompt(name)?;
            let own = Entry::Prompt { name: prompt.name.clone(), arguments: arguments.clone() };
            Some(Meant { own, name: format!("prompt:{}", prompt.name), schema: schema_of(prompt) })
        }
        Entry::Resource { uri } => {
            let uri = own_uri(uri)?;
            let is_there = match offer.skills.iter().any(|skill| skill.is_around(&uri)) {
                true => offer.skills.iter().any(|skill| skill.file(&uri).is_some()),
                false => {
                    let is_listed = offer.resources.iter().any(|resource| resource.uri == uri);
                    is_listed || offer.templates.iter().any(|known| fits(known, &uri))
                }
            };
            let name = format!("resource:{}", shown(&uri));
            is_there.then_some(Meant { own: Entry::Resource { uri }, name, schema: any })
        }
        Entry::Completion(completion) => {
            let (of, whose) = match &completion.of {
                CompletionOf::Prompt(name) => {
                    let name = &own_prompt(name)?.name;
                    (CompletionOf::Prompt(name.clone()), name.clone())
                }
                CompletionOf::Template(uri) => {
                    let uri = own_uri(uri)?;
                    offer.templates.iter().find(|known| known.uri_template == uri)?;
                    (CompletionOf::Template(uri.clone()), shown(&uri))
                }
            };
            let own = Entry::Completion(Completion { of, ..completion.clone() });
            Some(Meant { own, name: format!("completion:{whose}"), schema: any })
        }
    }
}

fn shown(uri: &str) -> String {
    uri.chars().take(SHOWN).collect()
}

/// The schema that the arguments of a prompt are held to.
fn schema_of(prompt: &Prompt) -> String {
    let properties: Map<String, Value> =
        prompt.arguments.iter().map(|argument| (argument.name.clone(), json!({"type": "string"}))).collect();
    let required: Vec<&str> =
        prompt.arguments.iter().filter(|argument| argument.required).map(|argument| argument.name.as_str()).collect();
    json!({"type": "object", "properties": properties, "required": required}).to_string()
}

/// What an entry carries, as JSON: for its schema and for the log. None of a tool, whose arguments come beside
/// it.
pub(super) fn arguments_of(entry: &Entry) -> Option<String> {
    let texts = |map: &BTreeMap<String, String>| json!(map);
    let value = match entry {
        Entry::Tool(_) => return None,
        Entry::Prompt { arguments, .. } => texts(arguments),
        Entry::Resource { uri } => json!({ "uri": uri }),
        Entry::Completion(Completion { name, value, others, .. }) => {
            json!({"argument": {"name": name, "value": value}, "context": texts(others)})
        }
    };
    Some(value.to_string())
}

fn unknown(entry: &Entry) -> Error {
    match entry {
        Entry::Tool(name) => Error::not_found("tool", name.clone(), "list the tools again"),
        Entry::Prompt { name, .. } => Error::not_found("prompt", name.clone(), "list the prompts again"),
        Entry::Resource { uri } => Error::not_found("resource", uri.clone(), "list the resources again"),
        Entry::Completion(Completion { of: CompletionOf::Prompt(name), .. }) => {
            Error::not_found("prompt", name.clone(), "list the prompts again")
        }
        Entry::Completion(Completion { of: CompletionOf::Template(uri), .. }) => {
            Error::not_found("resource template", uri.clone(), "list the resource templates again")
        }
    }
}
