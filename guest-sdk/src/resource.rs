//! Resources: data that a client reads by its address, and templates of such addresses.

use std::fmt::Display;

use crate::content::ResourceBody;
use crate::error::Error;
use crate::given::Given;
use crate::icon::Icon;
use crate::optional::resources::exports::mcpbox::guest::resources;
use crate::output::told;

pub use resources::{Contents, Guest, ReadError, Resource as Listed, Template};

/// What was read; none when there is nothing at the address.
pub type Read = Result<Option<Vec<Contents>>, Error>;

/// A resource of a component, or a template of them; `#[resource]` implements it.
pub trait Resource {
    /// The address, or its template.
    const URI: &'static str;
    /// Whether it is a template.
    const IS_TEMPLATE: bool;
    /// Whether it has icons.
    const HAS_ICONS: bool = false;

    /// Name, description, type.
    fn describe() -> ResourceDescription;

    /// Pictures of it.
    fn icons() -> Vec<Icon> {
        Vec::new()
    }

    /// Reads it; none when there is nothing at this address.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(uri: &str, variables: Given) -> Read;
}

/// What a resource says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceDescription {
    /// What programs call it.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// For the model.
    pub description: Option<String>,
    /// For example `text/plain`.
    pub mime_type: Option<String>,
    /// In bytes, if it is known.
    pub size: Option<u64>,
}

/// What reading a resource can return, by itself, in an `Option` (none: there is nothing at this address) or in a
/// `Result`: a text, bytes, or [`Contents`].
pub trait IntoContents {
    /// # Errors
    /// When it could not be read.
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Read;
}

fn one(uri: &str, mime_type: Option<&str>, body: ResourceBody) -> Read {
    Ok(Some(vec![Contents { uri: uri.to_owned(), mime_type: mime_type.map(str::to_owned), body }]))
}

impl IntoContents for String {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Read {
        one(uri, mime_type, ResourceBody::Text(self))
    }
}

impl IntoContents for &str {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Read {
        self.to_owned().into_contents(uri, mime_type)
    }
}

impl IntoContents for Vec<u8> {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Read {
        one(uri, mime_type, ResourceBody::Blob(self))
    }
}

impl IntoContents for Contents {
    fn into_contents(self, _: &str, _: Option<&str>) -> Read {
        Ok(Some(vec![self]))
    }
}

impl IntoContents for Vec<Contents> {
    fn into_contents(self, _: &str, _: Option<&str>) -> Read {
        Ok(Some(self))
    }
}

impl<T: IntoContents> IntoContents for Option<T> {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Read {
        match self {
            Some(there) => there.into_contents(uri, mime_type),
            None => Ok(None),
        }
    }
}

impl<T: IntoContents, E: Display + 'static> IntoContents for Result<T, E> {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Read {
        match self {
            Ok(read) => read.into_contents(uri, mime_type),
            Err(error) => Err(Error::from_inner(told(error))),
        }
    }
}

/// A resource without its type, for the table of the component.
#[derive(Clone, Copy)]
pub struct Entry {
    uri: &'static str,
    is_template: bool,
    describe: fn() -> ResourceDescription,
    read: fn(&str, Given) -> Read,
}

impl Entry {
    pub const fn of<T: Resource>() -> Self {
        Self { uri: T::URI, is_template: T::IS_TEMPLATE, describe: T::describe, read: T::read }
    }
}

/// Answers the contract's `list-resources`.
pub fn list(all: &[Entry]) -> Vec<Listed> {
    crate::component::tell_of_panics();
    let listed = |entry: &Entry| {
        let ResourceDescription { name, title, description, mime_type, size } = (entry.describe)();
        Listed { uri: entry.uri.to_owned(), name, title, description, mime_type, size, annotations: None }
    };
    all.iter().filter(|entry| !entry.is_template).map(listed).collect()
}

/// Answers the contract's `list-templates`.
pub fn templates(all: &[Entry]) -> Vec<Template> {
    crate::component::tell_of_panics();
    let listed = |entry: &Entry| {
        let ResourceDescription { name, title, description, mime_type, .. } = (entry.describe)();
        Template { uri_template: entry.uri.to_owned(), name, title, description, mime_type, annotations: None }
    };
    all.iter().filter(|entry| entry.is_template).map(listed).collect()
}

/// Answers the contract's `read-resource`. What has the address itself comes before templates.
///
/// # Errors
/// When there is nothing at the address, or it cannot be read.
pub fn read(all: &[Entry], uri: &str) -> Result<Vec<Contents>, ReadError> {
    crate::component::tell_of_panics();
    let itself = all.iter().filter(|entry| !entry.is_template && entry.uri == uri).map(|entry| (entry, Vec::new()));
    let templates = all.iter().filter(|entry| entry.is_template);
    let fitting = templates.filter_map(|entry| variables(entry.uri, uri).map(|found| (entry, found)));
    for (entry, found) in itself.chain(fitting) {
        match (entry.read)(uri, Given::new(found)) {
            Ok(Some(contents)) => return Ok(contents),
            Ok(None) => {}
            Err(error) => return Err(ReadError::Failed(error.to_string())),
        }
    }
    Err(ReadError::NotFound)
}

/// The values of a template's variables in a URI that fits it.
fn variables(template: &str, uri: &str) -> Option<Vec<(String, String)>> {
    let Some((before, rest)) = template.split_once('{') else {
        return (template == uri).then(Vec::new);
    };
    let uri = uri.strip_prefix(before)?;
    let (expression, after) = rest.split_once('}')?;
    let name = expression.trim_start_matches(['+', '#']);
    let is_reserved = name.len() < expression.len();
    // The longest value that leaves a rest which fits.
    let longest = uri.find(|c: char| !is_reserved && "/?#[]@!$&'()*+,;=:".contains(c)).unwrap_or(uri.len());
    let ends = (1..=longest).rev().filter(|end| uri.is_char_boundary(*end));
    for end in ends {
        if let Some(mut found) = variables(after, &uri[end..]) {
            found.push((name.to_owned(), decoded(&uri[..end])));
            return Some(found);
        }
    }
    None
}

/// A text whose percent-encoded bytes are bytes again.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
