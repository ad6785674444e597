//! Pictures of tools, prompts and resources.

use crate::optional::icons::exports::mcpbox::guest::icons;

pub use crate::optional::icons::exports::mcpbox::guest::icons::{Guest, Shown, Theme};

/// A picture that a client may show. A text becomes one that only has an address.
///
/// ```
/// use mcpbox_sdk::Icon;
///
/// let icon = Icon::new("https://a.example/icon.png").mime_type("image/png").sizes(["48x48"]).dark();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Icon(icons::Icon);

impl Icon {
    /// An `https:` address, or an image in a `data:` URI.
    pub fn new(src: impl Into<String>) -> Self {
        Self(icons::Icon { src: src.into(), mime_type: None, sizes: Vec::new(), theme: None })
    }

    /// For example `image/png`.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.0.mime_type = Some(mime_type.into());
        self
    }

    /// Such as `48x48`, or `any` for what can be scaled.
    #[must_use]
    pub fn sizes<S: Into<String>>(mut self, sizes: impl IntoIterator<Item = S>) -> Self {
        self.0.sizes = sizes.into_iter().map(Into::into).collect();
        self
    }

    /// For a light background.
    #[must_use]
    pub fn light(mut self) -> Self {
        self.0.theme = Some(Theme::Light);
        self
    }

    /// For a dark background.
    #[must_use]
    pub fn dark(mut self) -> Self {
        self.0.theme = Some(Theme::Dark);
        self
    }
}

impl From<&str> for Icon {
    fn from(src: &str) -> Self {
        Self::new(src)
    }
}

/// Icons of one thing, for the list of the component.
#[derive(Clone, Copy)]
pub struct Icons {
    kind: icons::Kind,
    name: &'static str,
    icons: fn() -> Vec<Icon>,
}

impl Icons {
    pub const fn of_tool<T: crate::Tool>() -> Self {
        Self { kind: icons::Kind::Tool, name: T::NAME, icons: T::icons }
    }

    pub const fn of_prompt<T: crate::Prompt>() -> Self {
        Self { kind: icons::Kind::Prompt, name: T::NAME, icons: T::icons }
    }

    pub const fn of_resource<T: crate::Resource>() -> Self {
        let kind = if T::IS_TEMPLATE { icons::Kind::ResourceTemplate } else { icons::Kind::Resource };
        Self { kind, name: T::URI, icons: T::icons }
    }
}

/// Answers the contract's `list-icons`.
pub fn list(all: &[Icons]) -> Vec<Shown> {
    let shown = |one: &Icons| {
        let icons: Vec<_> = (one.icons)().into_iter().map(|icon| icon.0).collect();
        Shown { kind: one.kind, name: one.name.to_owned(), icons }
    };
    all.iter().map(shown).filter(|shown| !shown.icons.is_empty()).collect()
}
