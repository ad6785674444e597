//! Skills: folders of instructions that a client's model reads.

use crate::content::ResourceBody;
use crate::optional::skills::exports::mcpbox::guest::skills;
use crate::resource::Contents;

pub use skills::{Guest, Skill as Listed};

/// A skill of a component; [`skill!`](crate::skill) implements it.
pub trait Skill {
    /// Where it lies; the last segment is its name.
    const PATH: &'static str;
    /// All its files.
    const FILES: &'static [SkillFile];
}

/// A file of a skill.
#[derive(Clone, Copy, Debug)]
pub struct SkillFile {
    path: &'static str,
    bytes: &'static [u8],
}

impl SkillFile {
    /// `path` begins at the folder of the skill.
    pub const fn new(path: &'static str, bytes: &'static [u8]) -> Self {
        Self { path, bytes }
    }

    /// By the end of its name, where that is known here.
    fn mime_type(&self) -> Option<String> {
        let (_, extension) = self.path.rsplit_once('.')?;
        let known = match extension {
            "md" => "text/markdown",
            "txt" => "text/plain",
            "html" => "text/html",
            "css" => "text/css",
            "csv" => "text/csv",
            "js" => "text/javascript",
            "py" => "text/x-python",
            "sh" => "text/x-shellscript",
            "json" => "application/json",
            "yaml" | "yml" => "application/yaml",
            "xml" => "application/xml",
            "pdf" => "application/pdf",
            "svg" => "image/svg+xml",
            "png" => "image/png",
            "jpg" | "jpeg" => "image/jpeg",
            "gif" => "image/gif",
            "webp" => "image/webp",
            _ => return None,
        };
        Some(known.to_owned())
    }

    /// What is no text is bytes.
    fn body(&self) -> ResourceBody {
        match std::str::from_utf8(self.bytes) {
            Ok(text) => ResourceBody::Text(text.to_owned()),
            Err(_) => ResourceBody::Blob(self.bytes.to_owned()),
        }
    }
}

/// A skill without its type, for the table of the component.
#[derive(Clone, Copy)]
pub struct Entry {
    path: &'static str,
    files: &'static [SkillFile],
}

impl Entry {
    pub const fn of<T: Skill>() -> Self {
        Self { path: T::PATH, files: T::FILES }
    }
}

/// Answers the contract's `list-skills`.
pub fn list(all: &[Entry]) -> Vec<Listed> {
    crate::component::tell_of_panics();
    let file = |file: &SkillFile| skills::File { path: file.path.to_owned(), mime_type: file.mime_type() };
    all.iter().map(|one| Listed { path: one.path.to_owned(), files: one.files.iter().map(file).collect() }).collect()
}

/// Reads a file of a skill; none when there is none at this address.
pub fn read(all: &[Entry], uri: &str) -> Option<Contents> {
    let path = uri.strip_prefix("skill://")?;
    let inside = |one: &Entry| path.strip_prefix(one.path)?.strip_prefix('/');
    let mut found = all.iter().filter_map(|one| {
        let path = inside(one)?;
        one.files.iter().find(|file| file.path == path)
    });
    let file = found.next()?;
    Some(Contents { uri: uri.to_owned(), mime_type: file.mime_type(), body: file.body() })
}

/// Makes a skill of a folder: instructions for a model, which reads of them what it needs
/// ([agentskills.io](https://agentskills.io)). [`component!`](crate::component) puts it into the component.
///
/// `folder` begins where `Cargo.toml` is. `files` names every file that belongs to the skill; one of them is
/// `SKILL.md`, whose `name` is the last segment of `path`.
///
/// ```
/// mcpbox_sdk::skill! {
///     /// How a day's notes are taken.
///     note_taking {
///         path: "office/note-taking",
///         folder: "tests/skills/note-taking",
///         files: ["SKILL.md", "templates/day.md"],
///     }
/// }
///
/// /// Does nothing.
/// #[mcpbox_sdk::tool]
/// fn nothing() {}
///
/// mcpbox_sdk::component! { tools: [nothing], skills: [note_taking] }
/// # fn main() {
/// # use mcpbox_sdk::Skill;
/// # assert_eq!(note_taking::FILES.len(), 2);
/// # }
/// ```
#[macro_export]
macro_rules! skill {
    (
        $(#[$documentation:meta])*
        $visible:vis $name:ident {
            path: $path:literal,
            folder: $folder:literal,
            files: [$($file:literal),+ $(,)?]
            $(,)?
        }
    ) => {
        $(#[$documentation])*
        #[allow(non_camel_case_types)]
        $visible struct $name;

        impl $crate::Skill for $name {
            const PATH: &'static str = $path;
            const FILES: &'static [$crate::SkillFile] = &[
                $($crate::SkillFile::new(
                    $file,
                    ::core::include_bytes!(::core::concat!(
                        ::core::env!("CARGO_MANIFEST_DIR"), "/", $folder, "/", $file
                    )),
                ),)+
            ];
        }
    };
}
