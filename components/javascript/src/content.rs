//! Pieces of content, from the records of `prelude/content.js` to the contract's.

use rquickjs::{Array, ArrayBuffer, Object, Result};

use crate::host;
use crate::mcpbox::guest::types::{
    BlobContent, Content, ContentAnnotations, EmbeddedResource, ResourceBody, ResourceLink, Role, TextContent,
};

/// What `outcome` of the prelude gives: JSON, and the pieces or null.
pub(crate) fn result(outcome: &Array<'_>) -> Result<(String, Option<Vec<Content>>)> {
    let pieces: Option<Vec<Object<'_>>> = outcome.get(1)?;
    let content = pieces.map(|pieces| pieces.iter().map(piece).collect::<Result<_>>()).transpose()?;
    Ok((outcome.get(0)?, content))
}

fn piece(piece: &Object<'_>) -> Result<Content> {
    let kind: String = piece.get("type")?;
    let annotations = piece.get::<_, Option<Object<'_>>>("annotations")?.as_ref().map(annotations).transpose()?;
    Ok(match kind.as_str() {
        "image" => Content::Image(blob(piece, annotations)?),
        "audio" => Content::Audio(blob(piece, annotations)?),
        "resource_link" => Content::ResourceLink(ResourceLink {
            uri: piece.get("uri")?,
            name: piece.get("name")?,
            title: piece.get("title")?,
            description: piece.get("description")?,
            mime_type: piece.get("mimeType")?,
            // The prelude lets only whole numbers through that are not negative.
            size: piece.get::<_, Option<f64>>("size")?.map(|size| size as u64),
            annotations,
        }),
        "resource" => Content::Resource(EmbeddedResource {
            uri: piece.get("uri")?,
            mime_type: piece.get("mimeType")?,
            body: match piece.get::<_, Option<String>>("text")? {
                Some(text) => ResourceBody::Text(text),
                None => ResourceBody::Blob(bytes(piece)?),
            },
            annotations,
        }),
        _ => Content::Text(TextContent { text: piece.get("text")?, annotations }),
    })
}

fn blob(piece: &Object<'_>, annotations: Option<ContentAnnotations>) -> Result<BlobContent> {
    Ok(BlobContent { data: bytes(piece)?, mime_type: piece.get("mimeType")?, annotations })
}

fn bytes(piece: &Object<'_>) -> Result<Vec<u8>> {
    let buffer: ArrayBuffer<'_> = piece.get("data")?;
    Ok(host::part(&buffer, 0, buffer.len()))
}

fn annotations(said: &Object<'_>) -> Result<ContentAnnotations> {
    let audience: Vec<String> = said.get("audience")?;
    let role = |role: String| if role == "assistant" { Role::Assistant } else { Role::User };
    Ok(ContentAnnotations {
        audience: audience.into_iter().map(role).collect(),
        priority: said.get("priority")?,
        last_modified: said.get("lastModified")?,
    })
}
