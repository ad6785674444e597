//! What a tool answers: MCP's content blocks, as the contract has them.

use serde::Serialize;

pub use crate::bindings::exports::mcpbox::guest::tools::ToolResult;
pub use crate::bindings::mcpbox::guest::types::{
    BlobContent, Content, ContentAnnotations, EmbeddedResource, ResourceBody, ResourceLink, Role, TextContent,
};
use crate::error::{Error, Result};

impl Content {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(TextContent { text: text.into(), annotations: None })
    }

    /// An image: its bytes (the host encodes them) and for example `image/png`.
    pub fn image(data: impl Into<Vec<u8>>, mime_type: impl Into<String>) -> Self {
        Self::Image(BlobContent { data: data.into(), mime_type: mime_type.into(), annotations: None })
    }

    /// A sound: its bytes (the host encodes them) and for example `audio/wav`.
    pub fn audio(data: impl Into<Vec<u8>>, mime_type: impl Into<String>) -> Self {
        Self::Audio(BlobContent { data: data.into(), mime_type: mime_type.into(), annotations: None })
    }

    /// A link to something that the caller can fetch. More about it can be said by
    /// [`ResourceLink`]'s fields.
    pub fn link(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self::ResourceLink(ResourceLink {
            uri: uri.into(),
            name: name.into(),
            title: None,
            description: None,
            mime_type: None,
            size: None,
            annotations: None,
        })
    }

    /// A text that has an address, in the result itself.
    pub fn resource_text(uri: impl Into<String>, mime_type: impl Into<String>, text: impl Into<String>) -> Self {
        Self::resource(uri.into(), mime_type.into(), ResourceBody::Text(text.into()))
    }

    /// Bytes that have an address, in the result itself.
    pub fn resource_bytes(uri: impl Into<String>, mime_type: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Self::resource(uri.into(), mime_type.into(), ResourceBody::Blob(data.into()))
    }

    fn resource(uri: String, mime_type: String, body: ResourceBody) -> Self {
        Self::Resource(EmbeddedResource { uri, mime_type: Some(mime_type), body, annotations: None })
    }

    /// Says whom this is for. Without it, it is for everybody.
    #[must_use]
    pub fn for_role(mut self, role: Role) -> Self {
        let audience = &mut self.annotations().audience;
        if !audience.contains(&role) {
            audience.push(role);
        }
        self
    }

    /// Says how much it matters, from 0 to 1 (required).
    #[must_use]
    pub fn with_priority(mut self, priority: f64) -> Self {
        self.annotations().priority = Some(priority.clamp(0.0, 1.0));
        self
    }

    fn annotations(&mut self) -> &mut ContentAnnotations {
        let annotations = match self {
            Self::Text(text) => &mut text.annotations,
            Self::Image(blob) | Self::Audio(blob) => &mut blob.annotations,
            Self::ResourceLink(link) => &mut link.annotations,
            Self::Resource(resource) => &mut resource.annotations,
        };
        annotations.get_or_insert_with(|| ContentAnnotations {
            audience: Vec::new(),
            priority: None,
            last_modified: None,
        })
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl ToolResult {
    /// A result of several pieces.
    ///
    /// ```
    /// use mcpbox_sdk::{Content, ToolResult, tool};
    ///
    /// /// Draws the letter L.
    /// #[tool]
    /// fn letter() -> ToolResult {
    ///     ToolResult::new([Content::text("An L:"), Content::image(*b"P1 2 2 1 0 1 1", "image/x-portable-bitmap")])
    /// }
    /// ```
    pub fn new(content: impl IntoIterator<Item = Content>) -> Self {
        Self { content: content.into_iter().collect(), structured: None }
    }

    /// Adds structured content: any value whose JSON is an object.
    ///
    /// # Errors
    /// When it is none.
    pub fn with_structured(mut self, value: &impl Serialize) -> Result<Self> {
        let value = serde_json::to_value(value)?;
        if !value.is_object() {
            return Err(Error::new("structured content is a JSON object"));
        }
        self.structured = Some(value.to_string());
        Ok(self)
    }
}
