//! The skills that a component lists, each file read once when it is uploaded: what is known of a skill from then
//! on, its head and the digests of its files, was seen here and not told by anybody.

use std::collections::HashSet;

use wasmtime::Store;
use wasmtime::component::Instance;

use super::bindings::tool::exports::mcpbox::guest::{resources, skills};
use super::bindings::tool::mcpbox::guest::types::ResourceBody;
use super::compile::CompileError;
use super::content::body_bytes;
use super::guest::{Ended, Watch, supervise};
use super::offers::{self, Fault, unfit};
use super::state::State;
use crate::domain::digest::Digest;
use crate::domain::frontmatter;
use crate::domain::skill::{MAIN_FILE, SCHEME, Skill, SkillFile, head_checked, path_checked, paths_checked};
use crate::limits::Limits;

/// Bytes of a `SKILL.md`, which whoever decides about the skill has before their eyes.
const MAIN_BYTES: usize = 64 << 10;

/// What reads the files.
type Reader<'a> = (&'a resources::GuestIndices, &'a Instance);

/// Checks what is listed, reads every file, and checks what is in them. The component is refused for the first thing
/// that cannot be, with what is wrong with it.
pub(super) async fn listed(
    listed: Vec<skills::Skill>,
    reader: Option<Reader<'_>>,
    store: &mut Store<State>,
    watch: &Watch,
    limits: &Limits,
) -> Ended<Result<Vec<Skill>, CompileError>> {
    let (count, most) = (listed.len(), limits.component_skills);
    if count as u64 > most {
        return Ok(Err(CompileError::Refused(format!("the component lists {count} skills; the limit is {most}"))));
    }
    let mut seen = HashSet::new();
    let mut checked = Vec::with_capacity(count);
    for skill in listed {
        let path = skill.path.clone();
        let read = match (planned(&skill, &mut seen, limits), reader) {
            (Ok(()), Some(reader)) => read(skill, reader, store, watch, limits).await?,
            (Ok(()), None) => Err("the component does not export `resources`, by which its files are read".to_owned()),
            (Err(fault), _) => Err(fault),
        };
        match read {
            Ok(skill) => checked.push(skill),
            Err(fault) => return Ok(Err(unfit("a skill", &path, &fault))),
        }
    }
    Ok(enclosing(&checked).map(|()| checked))
}

/// Whether a skill can be, as far as that is seen before anything is read.
fn planned(skill: &skills::Skill, seen: &mut HashSet<String>, limits: &Limits) -> Result<(), Fault> {
    path_checked(&skill.path).map_err(|why| format!("its path {why}"))?;
    if offers::is_twice(seen, &skill.path) {
        return Err("it is listed twice".to_owned());
    }
    let (count, most) = (skill.files.len(), limits.skill_files);
    if count as u64 > most {
        return Err(format!("it has {count} files; the limit is {most}"));
    }
    for file in &skill.files {
        offers::text("MIME type of a file", file.mime_type.as_deref(), offers::WORD_BYTES)?;
    }
    paths_checked(skill.files.iter().map(|file| file.path.as_str()))
}

async fn read(
    listed: skills::Skill,
    (resources, instance): Reader<'_>,
    store: &mut Store<State>,
    watch: &Watch,
    limits: &Limits,
) -> Ended<Result<Skill, Fault>> {
    let root = format!("{SCHEME}{}", listed.path);
    let result_bytes = store.data().budget.result_bytes;
    let (mut files, mut main, mut total) = (Vec::with_capacity(listed.files.len()), String::new(), 0);
    for skills::File { path, mime_type } in listed.files {
        let uri = format!("{root}/{path}");
        let answer = supervise(store, watch, async |store| {
            resources.load(&mut *store, instance)?.call_read_resource(store, &uri).await
        });
        let body = match the_one(answer.await?, &uri, result_bytes) {
            Ok(body) => body,
            Err(fault) => return Ok(Err(format!("its file `{path}` {fault}"))),
        };
        let bytes: &[u8] = match &body {
            ResourceBody::Text(text) => text.as_bytes(),
            ResourceBody::Blob(bytes) => bytes,
        };
        let size_bytes = bytes.len() as u64;
        total += size_bytes;
        if total > limits.skill_bytes {
            return Ok(Err(format!("its files have more than {} bytes together", limits.skill_bytes)));
        }
        let digest = Digest::of(bytes);
        if path == MAIN_FILE {
            main = match body {
                ResourceBody::Text(text) => text,
                ResourceBody::Blob(_) => return Ok(Err(format!("its file `{MAIN_FILE}` is no text"))),
            };
        }
        files.push(SkillFile { path, mime_type, digest, size_bytes });
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(headed(&listed.path, main).map(|(frontmatter, instructions)| Skill {
        uri: format!("{root}/{MAIN_FILE}"),
        frontmatter,
        files,
        instructions,
    }))
}

/// The head of a `SKILL.md`, and all of it.
fn headed(path: &str, main: String) -> Result<(serde_json::Map<String, serde_json::Value>, String), Fault> {
    if main.len() > MAIN_BYTES {
        return Err(format!("its file `{MAIN_FILE}` has more than {MAIN_BYTES} bytes; put the rest into other files"));
    }
    let head = frontmatter::read(&main).map_err(|error| format!("the head of its `{MAIN_FILE}`, {error}"))?;
    head_checked(path, &head).map_err(|why| format!("the head of its `{MAIN_FILE}` {why}"))?;
    Ok((head, main))
}

/// What a file holds.
///
/// # Errors
/// In words that follow its name.
fn the_one(
    answer: Result<Vec<resources::Contents>, resources::ReadError>,
    uri: &str,
    result_bytes: usize,
) -> Result<ResourceBody, Fault> {
    let mut contents = match answer {
        Ok(contents) => contents,
        Err(resources::ReadError::NotFound) => Vec::new(),
        Err(resources::ReadError::Failed(why)) => {
            let why: String = why.chars().take(offers::WORD_BYTES).collect();
            return Err(format!("cannot be read: {why}"));
        }
    };
    let Some(one) = contents.pop() else { return Err(format!("is not there at `{uri}`")) };
    if !contents.is_empty() || one.uri != uri {
        return Err(format!("is not answered alone and as `{uri}`"));
    }
    let size = body_bytes(&one.body);
    if size > result_bytes {
        return Err(format!("has {size} bytes; a result has {result_bytes} at most"));
    }
    Ok(one.body)
}

/// Whether skills that lie in the folder of another have all their files listed there too: the list of a skill is
/// the whole of it.
fn enclosing(skills: &[Skill]) -> Result<(), CompileError> {
    for inner in skills {
        for outer in skills.iter().filter(|outer| outer.is_around(inner.root())) {
            let uris = inner.files.iter().map(|file| format!("{}/{}", inner.root(), file.path));
            if let Some(missing) = uris.into_iter().find(|uri| outer.file(uri).is_none()) {
                let path = outer.root().trim_start_matches(SCHEME);
                let fault = format!("it lacks the file `{missing}` of a skill in its folder");
                return Err(unfit("a skill", path, &fault));
            }
        }
    }
    Ok(())
}
