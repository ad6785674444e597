//! What a component lists beside its tools (prompts, resources, templates, skills, icons), checked when it is
//! uploaded: a person is to look at it, and clients are to be able to use it. One thing that cannot be
//! refuses the component, with its name and the reason.

use std::collections::HashSet;
use std::hash::Hash;

use super::bindings::tool::exports::mcpbox::guest::{icons, prompts, resources};
use super::compile::CompileError;
use super::content;
use crate::domain::component::{
    Export, Icon, Offer, Prompt, PromptArgument, Resource, ResourceFace, ResourceTemplate, Theme,
};
use crate::domain::skill::Skill;
use crate::domain::uri_template::{self, UriTemplate};
use crate::limits::Limits;

/// Length of the name of a tool or a prompt.
pub(super) const NAME_BYTES: usize = 64;
/// What such a name is.
pub(super) const NAME_RULE: &str = "its name is not 1 to 64 of `A-Z`, `a-z`, `0-9`, `_` and `-`";

/// Length of a title, of the name of a resource or an argument, of a MIME type and of other words.
pub(super) const WORD_BYTES: usize = 200;
/// Length of a description.
const DESCRIPTION_BYTES: usize = 10_000;
/// Arguments of one prompt.
const ARGUMENTS_MAX: usize = 50;
/// Icons of one thing, and sizes of one icon.
const ICONS_MAX: usize = 8;

/// What a component lists, as it says it.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) prompts: Vec<prompts::Prompt>,
    pub(super) resources: Vec<resources::Resource>,
    pub(super) templates: Vec<resources::Template>,
    /// These were checked when their files were read.
    pub(super) skills: Vec<Skill>,
    pub(super) icons: Vec<icons::Shown>,
    pub(super) completes: bool,
}

pub(super) fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(is_letter)
}

/// What is wrong with one thing, in words that follow its name.
pub(super) type Fault = String;

/// # Errors
/// Refuses the component for the first thing that cannot be, with what is wrong with it.
pub(super) fn checked(listed: Listed, tools: &[Export], limits: &Limits) -> Result<Offer, CompileError> {
    let Listed { prompts, resources, templates, skills, icons, completes } = listed;
    let of_a_skill = |uri: &str| skills.iter().any(|skill| skill.is_around(uri) || skill.root() == uri);
    if let Some(resource) = resources.iter().find(|resource| of_a_skill(&resource.uri)) {
        return Err(unfit(
            "a resource",
            &resource.uri,
            "it lies in the folder of a skill, which lists its files itself",
        ));
    }
    let mut offer = Offer {
        prompts: each("a prompt", "prompts", prompts, limits, |prompt| prompt.name.clone(), prompt)?,
        resources: each("a resource", "resources", resources, limits, |resource| resource.uri.clone(), resource)?,
        templates: each(
            "a template",
            "templates",
            templates,
            limits,
            |template| template.uri_template.clone(),
            template,
        )?,
        skills,
        completes,
        ..Offer::default()
    };
    // One list for all: so many things, each once.
    let most = limits.component_offers.saturating_mul(3).saturating_add(limits.component_tools);
    if icons.len() as u64 > most {
        return Err(CompileError::Refused(format!("the component lists icons for {} things", icons.len())));
    }
    for shown in icons {
        give(&mut offer, tools, shown, limits)?;
    }
    Ok(offer)
}

/// Checks a list: how long it is, each thing of it, and that none is there twice.
fn each<T, U>(
    one_of_them: &str,
    all: &str,
    listed: Vec<T>,
    limits: &Limits,
    name: impl Fn(&T) -> String,
    check: impl Fn(T) -> Result<U, Fault>,
) -> Result<Vec<U>, CompileError> {
    let (count, most) = (listed.len(), limits.component_offers);
    if count as u64 > most {
        return Err(CompileError::Refused(format!("the component lists {count} {all}; the limit is {most}")));
    }
    let mut seen = HashSet::new();
    let one = |thing: T| {
        let name = name(&thing);
        let checked = if is_twice(&mut seen, &name) { Err("it is listed twice".to_owned()) } else { check(thing) };
        checked.map_err(|fault| unfit(one_of_them, &name, &fault))
    };
    listed.into_iter().map(one).collect()
}

pub(super) fn is_twice<T: Hash + Eq + Clone>(seen: &mut HashSet<T>, name: &T) -> bool {
    !seen.insert(name.clone())
}

pub(super) fn unfit(what: &str, name: &str, fault: &str) -> CompileError {
    let begins: String = name.chars().take(NAME_BYTES).collect();
    CompileError::Refused(format!("the component lists {what} `{begins}` that cannot be: {fault}"))
}

fn prompt(prompt: prompts::Prompt) -> Result<Prompt, Fault> {
    let prompts::Prompt { name, title, description, arguments } = prompt;
    if !is_name(&name) {
        return Err(NAME_RULE.to_owned());
    }
    text("title", title.as_deref(), WORD_BYTES)?;
    text("description", Some(&description), DESCRIPTION_BYTES)?;
    if arguments.len() > ARGUMENTS_MAX {
        return Err(format!("it has {} arguments; at most {ARGUMENTS_MAX} are allowed", arguments.len()));
    }
    let mut seen = HashSet::new();
    let mut checked = Vec::with_capacity(arguments.len());
    for prompts::Argument { name, title, description, required } in arguments {
        word("name of an argument", &name)?;
        text("title of an argument", title.as_deref(), WORD_BYTES)?;
        text("description of an argument", description.as_deref(), DESCRIPTION_BYTES)?;
        if is_twice(&mut seen, &name) {
            return Err(format!("its argument `{name}` is listed twice"));
        }
        checked.push(PromptArgument { name, title, description, required });
    }
    Ok(Prompt { name, title, description, arguments: checked, icons: Vec::new() })
}

fn resource(resource: resources::Resource) -> Result<Resource, Fault> {
    let resources::Resource { uri, name, title, description, mime_type, size, annotations } = resource;
    if !uri_template::is_absolute(&uri) {
        return Err("its address is not an absolute URI of at most 2,048 bytes, such as `notes://today`".to_owned());
    }
    let face = face(name, title, description, mime_type)?;
    let annotations = annotations.map(content::annotations);
    Ok(Resource { uri, face: ResourceFace { annotations, ..face }, size })
}

fn template(template: resources::Template) -> Result<ResourceTemplate, Fault> {
    let resources::Template { uri_template, name, title, description, mime_type, annotations } = template;
    UriTemplate::parse(&uri_template).map_err(|why| format!("it {why}"))?;
    let face = face(name, title, description, mime_type)?;
    let annotations = annotations.map(content::annotations);
    Ok(ResourceTemplate { uri_template, face: ResourceFace { annotations, ..face } })
}

fn face(
    name: String,
    title: Option<String>,
    description: Option<String>,
    mime_type: Option<String>,
) -> Result<ResourceFace, Fault> {
    word("name", &name)?;
    text("title", title.as_deref(), WORD_BYTES)?;
    text("description", description.as_deref(), DESCRIPTION_BYTES)?;
    text("MIME type", mime_type.as_deref(), WORD_BYTES)?;
    Ok(ResourceFace { name, title, description, mime_type, annotations: None, icons: Vec::new() })
}

/// Gives icons to what they are of.
fn give(offer: &mut Offer, tools: &[Export], shown: icons::Shown, limits: &Limits) -> Result<(), CompileError> {
    let icons::Shown { kind, name, icons } = shown;
    let what = match kind {
        icons::Kind::Tool => "an icon of a tool",
        icons::Kind::Prompt => "an icon of a prompt",
        icons::Kind::Resource => "an icon of a resource",
        icons::Kind::ResourceTemplate => "an icon of a template",
    };
    let place = match kind {
        icons::Kind::Tool => {
            tools.iter().any(|tool| tool.name == name).then(|| offer.tool_icons.entry(name.clone()).or_default())
        }
        icons::Kind::Prompt => {
            offer.prompts.iter_mut().find(|prompt| prompt.name == name).map(|prompt| &mut prompt.icons)
        }
        icons::Kind::Resource => {
            offer.resources.iter_mut().find(|resource| resource.uri == name).map(|resource| &mut resource.face.icons)
        }
        icons::Kind::ResourceTemplate => offer
            .templates
            .iter_mut()
            .find(|template| template.uri_template == name)
            .map(|template| &mut template.face.icons),
    };
    let fault = |fault: &str| unfit(what, &name, fault);
    let place = place.ok_or_else(|| fault("the component does not list what it is of"))?;
    if place.len() + icons.len() > ICONS_MAX {
        return Err(fault(&format!("there are more than {ICONS_MAX} of it")));
    }
    for one in icons {
        place.push(icon(one, limits).map_err(|why| fault(&why))?);
    }
    Ok(())
}

fn icon(icon: icons::Icon, limits: &Limits) -> Result<Icon, Fault> {
    let icons::Icon { src, mime_type, sizes, theme } = icon;
    if src.len() as u64 > limits.icon_bytes {
        return Err(format!("it has {} bytes; the limit is {}", src.len(), limits.icon_bytes));
    }
    let is_page = || url::Url::parse(&src).is_ok_and(|url| url.scheme() == "https" && url.has_host());
    let is_data = src.strip_prefix("data:image/").is_some_and(|rest| rest.contains(','));
    if !is_data && (src.len() > uri_template::URI_BYTES || !is_page()) {
        return Err("its address is neither `https:` nor a `data:` URI of an image".to_owned());
    }
    text("MIME type", mime_type.as_deref(), WORD_BYTES)?;
    if sizes.len() > ICONS_MAX || !sizes.iter().all(|size| is_size(size)) {
        return Err("its sizes are not a few such as `48x48` or `any`".to_owned());
    }
    let theme = theme.map(|theme| match theme {
        icons::Theme::Light => Theme::Light,
        icons::Theme::Dark => Theme::Dark,
    });
    Ok(Icon { src, mime_type, sizes, theme })
}

fn is_size(size: &str) -> bool {
    let number = |text: &str| (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    size == "any" || size.split_once('x').is_some_and(|(width, height)| number(width) && number(height))
}

/// A text that must not be empty.
fn word(what: &str, given: &str) -> Result<(), Fault> {
    if given.is_empty() {
        return Err(format!("its {what} is empty"));
    }
    text(what, Some(given), WORD_BYTES)
}

pub(super) fn text(what: &str, given: Option<&str>, bytes: usize) -> Result<(), Fault> {
    match given {
        Some(given) if given.len() > bytes => Err(format!("its {what} has more than {bytes} bytes")),
        Some(given) if given.contains('\0') => Err(format!("its {what} has a null character")),
        _ => Ok(()),
    }
}
