//! Skills: folders of instructions that a client's model reads (the MCP extension `io.modelcontextprotocol/skills`,
//! SEP-2640, over the Agent Skills format). Every file of one is known by its digest before anybody reads it.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::component::{Resource, ResourceFace};
use super::digest::Digest;

/// The file that every skill has at its root.
pub const MAIN_FILE: &str = "SKILL.md";
/// What the URIs of skills begin with.
pub const SCHEME: &str = "skill://";
/// The type of a folder.
pub const DIRECTORY: &str = "inode/directory";

const MARKDOWN: &str = "text/markdown";
/// Bytes of the path of a skill, and of that of a file in it.
const PATH_BYTES: usize = 200;
/// Segments of either.
const SEGMENTS_MAX: usize = 16;
/// Characters of a skill's name, as the Agent Skills format has it.
const NAME_CHARACTERS: usize = 64;
/// Characters of its description, likewise, and of what it says of its compatibility.
const DESCRIPTION_CHARACTERS: usize = 1_024;
const COMPATIBILITY_CHARACTERS: usize = 500;
/// What begins so is reserved for extensions of MCP, none of which has taken anything yet.
const RESERVED: &str = "io.modelcontextprotocol/";

/// A skill of a component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Skill {
    /// Of its `SKILL.md`; what stands before that file's name is the folder of the skill.
    pub uri: String,
    /// The head of its `SKILL.md`.
    #[schema(value_type = Object)]
    pub frontmatter: Map<String, Value>,
    /// Every file of it, by path.
    pub files: Vec<SkillFile>,
    /// The whole text of its `SKILL.md`, for whoever decides about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instructions: String,
}

/// A file of a skill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SkillFile {
    /// From the folder of the skill on.
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub mime_type: Option<String>,
    /// Of its bytes.
    pub digest: Digest,
    pub size_bytes: u64,
}

impl Skill {
    /// Its folder.
    pub fn root(&self) -> &str {
        root_of(&self.uri)
    }

    /// Its file at a URI of the component.
    pub fn file(&self, uri: &str) -> Option<&SkillFile> {
        let path = inside(self.root(), uri)?;
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether a URI of the component lies in its folder.
    pub fn is_around(&self, uri: &str) -> bool {
        inside(self.root(), uri).is_some()
    }

    /// A file as the resource that it is; `root` is how the folder of the skill is called.
    pub fn resource(&self, root: &str, file: &SkillFile) -> Resource {
        let text = |field: &str| self.frontmatter.get(field).and_then(Value::as_str).map(str::to_owned);
        let last = file.path.rsplit('/').next().unwrap_or_default();
        let (name, description, mime_type) = match file.path == MAIN_FILE {
            true => (text("name"), text("description"), Some(MARKDOWN.to_owned())),
            false => (None, None, file.mime_type.clone()),
        };
        Resource {
            uri: format!("{root}/{}", file.path),
            face: face(name.unwrap_or_else(|| last.to_owned()), description, mime_type),
            size: Some(file.size_bytes),
        }
    }
}

fn face(name: String, description: Option<String>, mime_type: Option<String>) -> ResourceFace {
    ResourceFace { name, title: None, description, mime_type, annotations: None, icons: Vec::new() }
}

/// The folder of the skill whose `SKILL.md` has this URI.
pub fn root_of(uri: &str) -> &str {
    uri.strip_suffix(MAIN_FILE).and_then(|folder| folder.strip_suffix('/')).unwrap_or(uri)
}

/// What follows a folder in a URI that lies in it.
fn inside<'a>(folder: &str, uri: &'a str) -> Option<&'a str> {
    uri.strip_prefix(folder)?.strip_prefix('/')
}

/// The folders that a URI lies in, from the innermost on.
pub fn folders_of(uri: &str) -> impl Iterator<Item = &str> {
    let start = uri.find("://").map_or(0, |at| at + 3);
    let ends = uri.char_indices().rev().filter(move |(at, letter)| *letter == '/' && *at > start);
    ends.map(|(at, _)| &uri[..at])
}

/// What lies in a folder, without what lies deeper: the files of skills, and folders. `skills` are given with the
/// URIs of their `SKILL.md` as they are called here. None: there is no such folder.
pub fn directory<'a>(skills: impl IntoIterator<Item = (&'a str, &'a Skill)>, folder: &str) -> Option<Vec<Resource>> {
    let mut children = BTreeMap::new();
    for (uri, skill) in skills {
        let root = root_of(uri);
        let is_within = root == folder || inside(folder, root).is_some() || inside(root, folder).is_some();
        for file in skill.files.iter().filter(|_| is_within) {
            let uri = format!("{root}/{}", file.path);
            let Some(path) = inside(folder, &uri) else { continue };
            let child = match path.split_once('/') {
                None => skill.resource(root, file),
                Some((name, _)) => Resource {
                    uri: format!("{folder}/{name}"),
                    face: face(name.to_owned(), None, Some(DIRECTORY.to_owned())),
                    size: None,
                },
            };
            // What lies in a skill within a skill is told by the one that is listed first, in one form.
            children.entry(child.uri.clone()).or_insert(child);
        }
    }
    // Nothing but files makes folders: an empty one is none.
    let is_there = folder.starts_with(SCHEME) && folder.len() > SCHEME.len() && !children.is_empty();
    is_there.then(|| children.into_values().collect())
}

/// Whether a path is one of a skill, or of a file in it.
///
/// # Errors
/// What is wrong with it, in words that follow "it".
pub fn path_checked(path: &str) -> Result<(), String> {
    let segments = path.split('/').count();
    if path.len() > PATH_BYTES || segments > SEGMENTS_MAX {
        return Err(format!("has more than {PATH_BYTES} bytes or {SEGMENTS_MAX} segments"));
    }
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    let is_segment = |text: &str| !["", ".", ".."].contains(&text) && text.bytes().all(is_letter);
    match path.split('/').all(is_segment) {
        true => Ok(()),
        false => {
            Err("is not made of segments of `A-Z`, `a-z`, `0-9`, `.`, `_`, `~` and `-` with `/` between".to_owned())
        }
    }
}

/// Whether the files of a skill can lie in one folder of any machine.
///
/// # Errors
/// What is wrong with them, in words for the author.
pub fn paths_checked<'a>(paths: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let (mut files, mut folders) = (HashMap::new(), HashSet::new());
    let mut has_main = false;
    for path in paths {
        path_checked(path).map_err(|why| format!("the path of its file `{}` {why}", shown(path)))?;
        has_main |= path == MAIN_FILE;
        if let Some(other) = files.insert(path.to_ascii_lowercase(), path) {
            return Err(match other == path {
                true => format!("its file `{path}` is listed twice"),
                false => format!("its files `{other}` and `{path}` differ by upper and lower case only"),
            });
        }
        folders.extend(folders_of(path).map(str::to_ascii_lowercase));
    }
    if let Some(both) = folders.iter().find_map(|folder| files.get(folder)) {
        return Err(format!("its file `{both}` is a folder too"));
    }
    if has_main { Ok(()) } else { Err(format!("it has no file `{MAIN_FILE}`")) }
}

fn shown(path: &str) -> String {
    path.chars().take(NAME_CHARACTERS).collect()
}

/// Whether the head of a `SKILL.md` is one of the skill at this path, by the rules of the Agent Skills format.
///
/// # Errors
/// What is wrong with it, in words that follow "its head".
pub fn head_checked(path: &str, head: &Map<String, Value>) -> Result<(), String> {
    let text = |field: &str| match head.get(field) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.as_str())),
        Some(_) => Err(format!("has a `{field}` that is no text")),
        None => Ok(None),
    };
    let name = text("name")?.ok_or("has no `name`")?;
    if !is_name(name) {
        return Err(format!(
            "has a `name` that is not 1 to {NAME_CHARACTERS} of `a-z`, `0-9` and single `-` between them"
        ));
    }
    if path.rsplit('/').next() != Some(name) {
        return Err(format!("says that its name is `{name}`, which is not the last segment of its path"));
    }
    let description = text("description")?.ok_or("has no `description`")?;
    for (field, given, most) in [
        ("description", Some(description), DESCRIPTION_CHARACTERS),
        ("compatibility", text("compatibility")?, COMPATIBILITY_CHARACTERS),
    ] {
        if given.is_some_and(|given| given.chars().count() > most) {
            return Err(format!("has a `{field}` of more than {most} characters"));
        }
    }
    match head.get("metadata") {
        None => Ok(()),
        Some(Value::Object(metadata)) => match metadata.keys().find(|key| key.starts_with(RESERVED)) {
            Some(key) => Err(format!("has `{key}` in its `metadata`, and what begins with `{RESERVED}` is reserved")),
            None => Ok(()),
        },
        Some(_) => Err("has a `metadata` that is no mapping".to_owned()),
    }
}

fn is_name(name: &str) -> bool {
    let letters = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    name.len() <= NAME_CHARACTERS && name.split('-').all(letters)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn skill(path: &str, files: &[&str]) -> Skill {
        let name = path.rsplit('/').next().expect("a segment");
        let file = |path: &&str| SkillFile {
            path: (*path).to_owned(),
            mime_type: None,
            digest: Digest::of(path.as_bytes()),
            size_bytes: 1,
        };
        Skill {
            uri: format!("{SCHEME}{path}/{MAIN_FILE}"),
            frontmatter: Map::from_iter([("name".into(), name.into()), ("description".into(), "d".into())]),
            files: files.iter().map(file).collect(),
            instructions: String::new(),
        }
    }

    #[test]
    fn a_folder_holds_its_files_and_the_folders_in_it() {
        let skills = [
            skill("pdf", &["SKILL.md", "templates/a.md", "templates/eu/b.md", "inner/SKILL.md"]),
            skill("pdf/inner", &["SKILL.md"]),
            skill("acme/refunds", &["SKILL.md"]),
        ];
        let look = |folder: &str| {
            let children = directory(skills.iter().map(|skill| (skill.uri.as_str(), skill)), folder)?;
            let short = |child: Resource| {
                let is_folder = child.face.mime_type.as_deref() == Some(DIRECTORY);
                format!("{}{}", child.uri.trim_start_matches(folder), if is_folder { "/" } else { "" })
            };
            Some(children.into_iter().map(short).collect::<Vec<_>>())
        };
        for (folder, expected) in [
            ("skill://pdf", Some(vec!["/SKILL.md", "/inner/", "/templates/"])),
            ("skill://pdf/templates", Some(vec!["/a.md", "/eu/"])),
            ("skill://pdf/templates/eu", Some(vec!["/b.md"])),
            ("skill://pdf/inner", Some(vec!["/SKILL.md"])),
            ("skill://acme", Some(vec!["/refunds/"])),
            ("skill://pdf/SKILL.md", None),
            ("skill://pdf/", None),
            ("skill://pd", None),
            ("skill://", None),
            ("skill:/", None),
            ("", None),
        ] {
            let expected = expected.map(|all| all.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(look(folder), expected, "{folder}");
        }
    }

    #[test]
    fn a_file_is_a_resource_and_the_main_one_has_the_words_of_its_head() {
        let skill = skill("acme/refunds", &["SKILL.md", "a/b.md"]);
        let main = serde_json::to_value(skill.resource("skill://s/acme/refunds", &skill.files[0])).expect("JSON");
        let expected = json!({
            "uri": "skill://s/acme/refunds/SKILL.md", "name": "refunds", "description": "d",
            "mimeType": "text/markdown", "size": 1,
        });
        assert_eq!(main, expected);
        let other = skill.resource(skill.root(), &skill.files[1]);
        assert_eq!((other.uri.as_str(), other.face.name.as_str()), ("skill://acme/refunds/a/b.md", "b.md"));
        assert!(skill.file("skill://acme/refunds/a/b.md").is_some());
        for none in ["skill://acme/refunds", "skill://acme/refunds/", "skill://acme/refundsSKILL.md", "SKILL.md"] {
            assert!(skill.file(none).is_none(), "{none}");
        }
        assert!(skill.is_around("skill://acme/refunds/x") && !skill.is_around("skill://acme/refunds-2/x"));
        let folders: Vec<_> = folders_of("skill://a/b/c").collect();
        assert_eq!(folders, ["skill://a/b", "skill://a"]);
    }

    #[test]
    fn paths_are_such_as_every_machine_can_have() {
        for good in ["SKILL.md", "acme/billing/refunds", "a-b_c~d.e/f"] {
            assert_eq!(path_checked(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            "../a",
            "a/./b",
            "a b",
            "a\\b",
            "ä",
            "a%2fb",
            "a:b",
            &"a".repeat(201),
            &"a/".repeat(17),
        ] {
            assert!(path_checked(bad).is_err(), "{bad}");
        }
        for (paths, why) in [
            (&["a.md"][..], "no file `SKILL.md`"),
            (&["SKILL.md", "a", "a"], "listed twice"),
            (&["SKILL.md", "a", "A"], "upper and lower case"),
            (&["SKILL.md", "a/b", "A"], "is a folder too"),
            (&["SKILL.md", "a/../b"], "`a/../b` is not made of"),
        ] {
            assert!(paths_checked(paths.iter().copied()).is_err_and(|told| told.contains(why)), "{why}");
        }
        assert_eq!(paths_checked(["a/b", "SKILL.md", "a/c"]), Ok(()));
    }

    #[test]
    fn a_head_keeps_the_rules_of_the_format() {
        let good = json!({"name": "git-2", "description": "d", "metadata": {"version": "1"}, "more": [1]});
        let check = |path: &str, head: &Value| head_checked(path, head.as_object().expect("a mapping"));
        assert_eq!(check("acme/git-2", &good), Ok(()));
        assert!(check("acme/git", &good).is_err_and(|why| why.contains("last segment")));
        for (field, value, why) in [
            ("name", json!("Git"), "`name` that is not"),
            ("name", json!("a--b"), "`name` that is not"),
            ("name", json!("-a"), "`name` that is not"),
            ("name", json!("a".repeat(65)), "`name` that is not"),
            ("name", json!(1), "`name` that is no text"),
            ("description", json!("  "), "`description` that is no text"),
            ("description", json!("ä".repeat(1_025)), "more than 1024 characters"),
            ("compatibility", json!("a".repeat(501)), "more than 500 characters"),
            ("metadata", json!("a"), "no mapping"),
            ("metadata", json!({"io.modelcontextprotocol/x": 1}), "is reserved"),
        ] {
            let mut head = good.clone();
            head[field] = value;
            assert!(check("git-2", &head).is_err_and(|told| told.contains(why)), "{why}");
        }
        assert_eq!(check("git-2", &json!({"description": "d"})), Err("has no `name`".to_owned()));
        assert_eq!(check("git-2", &json!({"name": "git-2"})), Err("has no `description`".to_owned()));
    }
}
