//! URIs of resources as an address shows them: where several servers are served, they say whose they are.

use super::scope::Scope;
use crate::domain::content::Content;
use crate::service::offered::uri_under;

impl Scope {
    /// The URI under which the service knows what is called `uri` here.
    pub fn full_uri(&self, uri: &str) -> String {
        match self {
            Self::Everything => uri.to_owned(),
            Self::Server(server) => uri_under(server.as_str(), uri),
        }
    }

    /// How a URI of a component of this server is written here.
    pub fn uri_here(&self, server: &str, own: String) -> String {
        match self {
            Self::Everything => uri_under(server, &own),
            Self::Server(_) => own,
        }
    }
}

/// A result's content with the URIs of its component's resources as they are read here. `server` is none when it
/// offers no resources; what is on the web is of nobody.
pub(super) fn placed(content: Vec<Content>, scope: &Scope, server: Option<&str>) -> Vec<Content> {
    let Some(server) = server else { return content };
    let here = |uri: String| if is_of_the_web(&uri) { uri } else { scope.uri_here(server, uri) };
    let place = |block: Content| match block {
        Content::ResourceLink { uri, name, title, description, mime_type, size, annotations } => {
            Content::ResourceLink { uri: here(uri), name, title, description, mime_type, size, annotations }
        }
        Content::Resource { mut resource, annotations } => {
            resource.uri = here(resource.uri);
            Content::Resource { resource, annotations }
        }
        other => other,
    };
    content.into_iter().map(place).collect()
}

fn is_of_the_web(uri: &str) -> bool {
    let scheme = uri.split(':').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_says_whose_it_is_only_where_several_are_served() {
        let (all, one) = (Scope::Everything, Scope::Server("data".parse().expect("a name")));
        assert_eq!(one.full_uri("test://a"), "mcpbox+data:test://a");
        assert_eq!(all.full_uri("mcpbox+data:test://a"), "mcpbox+data:test://a");
        assert_eq!(one.full_uri("skill://a/SKILL.md"), "skill://data/a/SKILL.md");
        assert_eq!(all.full_uri("skill://data/a/SKILL.md"), "skill://data/a/SKILL.md");
        let link = |uri: &str| {
            let (name, none) = ("a".to_owned(), None);
            let uri = uri.to_owned();
            let (title, description, mime_type) = (none.clone(), none.clone(), none);
            Content::ResourceLink { uri, name, title, description, mime_type, size: None, annotations: None }
        };
        let data = Some("data");
        let shown = |uri: &str, scope: &Scope, server| match placed(vec![link(uri)], scope, server).remove(0) {
            Content::ResourceLink { uri, .. } => uri,
            _ => String::new(),
        };
        assert_eq!(shown("test://a", &all, data), "mcpbox+data:test://a");
        assert_eq!(shown("skill://a/b.md", &all, data), "skill://data/a/b.md");
        assert_eq!(shown("skill://a/b.md", &one, data), "skill://a/b.md");
        assert_eq!(shown("test://a", &one, data), "test://a");
        assert_eq!(shown("test://a", &all, None), "test://a");
        assert_eq!(shown("HTTPS://a.test/", &all, data), "HTTPS://a.test/");
    }
}
