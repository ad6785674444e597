//! Content of the contract in MCP's shapes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bindings::tool::mcpbox::guest::types;
use crate::domain::content::{Annotations, Content, EmbeddedResource, ResourceBody, Role};

/// What the words around a piece of content weigh at least.
const AROUND_BYTES: usize = 24;

/// What a piece of content weighs: its texts and bytes, and the words around them.
pub(super) fn size_bytes(content: &types::Content) -> usize {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let (size, annotations) = match content {
        types::Content::Text(text) => (text.text.len(), &text.annotations),
        types::Content::Image(blob) | types::Content::Audio(blob) => {
            (blob.data.len() + blob.mime_type.len(), &blob.annotations)
        }
        types::Content::ResourceLink(link) => {
            let words = [&link.title, &link.description, &link.mime_type].map(length);
            (link.uri.len() + link.name.len() + words.iter().sum::<usize>(), &link.annotations)
        }
        types::Content::Resource(resource) => {
            let words = resource.uri.len() + length(&resource.mime_type);
            (body_bytes(&resource.body) + words, &resource.annotations)
        }
    };
    let hints = annotations.as_ref().map_or(0, |one| one.audience.len() * AROUND_BYTES + length(&one.last_modified));
    AROUND_BYTES + size + hints
}

pub(super) fn body_bytes(body: &types::ResourceBody) -> usize {
    match body {
        types::ResourceBody::Text(text) => text.len(),
        types::ResourceBody::Blob(bytes) => bytes.len(),
    }
}

pub(super) fn content(content: types::Content) -> Content {
    match content {
        types::Content::Text(text) => Content::Text { text: text.text, annotations: text.annotations.map(annotations) },
        types::Content::Image(blob) => Content::Image {
            data: STANDARD.encode(blob.data),
            mime_type: blob.mime_type,
            annotations: blob.annotations.map(annotations),
        },
        types::Content::Audio(blob) => Content::Audio {
            data: STANDARD.encode(blob.data),
            mime_type: blob.mime_type,
            annotations: blob.annotations.map(annotations),
        },
        types::Content::ResourceLink(link) => Content::ResourceLink {
            uri: link.uri,
            name: link.name,
            title: link.title,
            description: link.description,
            mime_type: link.mime_type,
            size: link.size,
            annotations: link.annotations.map(annotations),
        },
        types::Content::Resource(resource) => Content::Resource {
            resource: embedded(resource.uri, resource.mime_type, resource.body),
            annotations: resource.annotations.map(annotations),
        },
    }
}

pub(super) fn embedded(uri: String, mime_type: Option<String>, body: types::ResourceBody) -> EmbeddedResource {
    let body = match body {
        types::ResourceBody::Text(text) => ResourceBody::Text(text),
        types::ResourceBody::Blob(bytes) => ResourceBody::Blob(STANDARD.encode(bytes)),
    };
    EmbeddedResource { uri, mime_type, body }
}

pub(super) fn role(role: types::Role) -> Role {
    match role {
        types::Role::User => Role::User,
        types::Role::Assistant => Role::Assistant,
    }
}

pub(super) fn annotations(given: types::ContentAnnotations) -> Annotations {
    Annotations {
        audience: given.audience.into_iter().map(role).collect(),
        priority: given.priority.filter(|priority| priority.is_finite()),
        last_modified: given.last_modified,
    }
}
