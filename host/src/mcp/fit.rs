//! Results in the shapes that an older client knows.
//!
//! What a revision has no word for is told in text, never dropped without one. So is a structured result that comes
//! without a text, as every revision asks of servers ("Structured Content").

use crate::domain::content::{Content, ToolResult};

use super::versions::Version;

/// The result as a client of `version` can read it.
pub fn fit(mut result: ToolResult, version: Version) -> ToolResult {
    if result.content.is_empty()
        && let Some(structured) = &result.structured_content
    {
        result.content.push(Content::text(structured.get()));
    }
    if version.is_modern() {
        return result;
    }
    let content = result.content.into_iter().map(|block| fit_block(block, version)).collect();
    // Objects only, and only since 2025-06-18; the text says the same.
    let structured_content = result
        .structured_content
        .filter(|value| version >= Version::V2025_06_18 && value.get().trim_start().starts_with('{'));
    ToolResult { content, structured_content }
}

/// One block of it.
pub(super) fn fit_block(block: Content, version: Version) -> Content {
    match block {
        Content::ResourceLink { uri, name, annotations, .. } if version < Version::V2025_06_18 => {
            Content::Text { text: format!("{name}: {uri}"), annotations }
        }
        Content::Audio { mime_type, annotations, .. } if version < Version::V2025_03_26 => {
            let text = format!("({mime_type}: protocol version {version} has no words for sound)");
            Content::Text { text, annotations }
        }
        known @ (Content::Text { .. }
        | Content::Image { .. }
        | Content::Audio { .. }
        | Content::ResourceLink { .. }
        | Content::Resource { .. }) => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> ToolResult {
        let link = Content::ResourceLink {
            uri: "test://a".into(),
            name: "a".into(),
            title: None,
            description: None,
            mime_type: None,
            size: None,
            annotations: None,
        };
        let sound = Content::Audio { data: "AA==".into(), mime_type: "audio/wav".into(), annotations: None };
        let structured_content = serde_json::value::to_raw_value(&serde_json::json!({"a": 1})).ok();
        ToolResult { content: vec![link, sound], structured_content }
    }

    #[test]
    fn each_revision_gets_the_content_it_has_words_for() {
        for (version, linked, sounding, structured) in [
            (Version::V2024_11_05, false, false, false),
            (Version::V2025_03_26, false, true, false),
            (Version::V2025_06_18, true, true, true),
            (Version::V2025_11_25, true, true, true),
            (Version::V2026_07_28, true, true, true),
        ] {
            let fitted = fit(result(), version);
            assert_eq!(matches!(fitted.content[0], Content::ResourceLink { .. }), linked, "{version}");
            assert_eq!(matches!(fitted.content[1], Content::Audio { .. }), sounding, "{version}");
            assert_eq!(fitted.structured_content.is_some(), structured, "{version}");
        }
        assert_eq!(fit(result(), Version::V2024_11_05).content[0], Content::text("a: test://a"));
    }

    #[test]
    fn structured_output_without_a_text_is_told_in_one() {
        for version in Version::ALL {
            let structured_content = serde_json::value::to_raw_value(&[1, 2]).ok();
            let fitted = fit(ToolResult { content: Vec::new(), structured_content }, version);
            assert_eq!(fitted.content, [Content::text("[1,2]")], "{version}");
        }
    }

    #[test]
    fn structured_output_that_is_no_object_is_for_modern_clients() {
        let list = || ToolResult {
            content: vec![Content::text("[1]")],
            structured_content: serde_json::value::to_raw_value(&[1]).ok(),
        };
        assert!(fit(list(), Version::V2025_11_25).structured_content.is_none());
        assert!(fit(list(), Version::V2026_07_28).structured_content.is_some());
    }
}
