//! One immutable state of a tool, and the digest that an approval covers.

use super::component::Export;
use super::digest::Digest;
use super::tool::ToolKind;

/// Everything that a person looks at when they approve: change any of it and it is another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionContent {
    pub kind: ToolKind,
    pub name: String,
    pub description: String,
    /// Of the source, or of the component's bytes.
    pub source_digest: Digest,
    /// None: the server's, else the default.
    pub timeout_ms: Option<u64>,
    /// JSON Schema, as text. Of a component, each of its tools has its own.
    pub input_schema: String,
    pub output_schema: Option<String>,
    /// The tools of a component, by name; of a source none, it is the one tool itself.
    pub exports: Vec<Export>,
    /// Hosts and modules that it asks for; order does not matter.
    pub hosts: Vec<String>,
    pub modules: Vec<String>,
    /// Names that a file of an export once brought along. They give nothing and no new version gets any, but they
    /// stay where they are: the digest of such a version covers them.
    pub secret_names: Vec<String>,
}

impl VersionContent {
    /// The digest that an approval covers and that each call checks.
    pub fn digest(&self) -> Digest {
        fn list(values: &[String]) -> Digest {
            let mut sorted: Vec<&str> = values.iter().map(String::as_str).collect();
            sorted.sort_unstable();
            sorted.dedup();
            Digest::of_parts(sorted.iter().map(|value| value.as_bytes()))
        }
        let timeout = self.timeout_ms.map(|ms| ms.to_string()).unwrap_or_default();
        let output_schema = self.output_schema.as_deref().unwrap_or_default();
        let lists = [list(&self.hosts), list(&self.modules), list(&self.secret_names)];
        let exports: Vec<Digest> = self.exports.iter().map(of_export).collect();
        let own = [
            b"mcpbox/version/1".as_slice(),
            self.kind.as_str().as_bytes(),
            self.name.as_bytes(),
            self.description.as_bytes(),
            self.source_digest.as_bytes(),
            timeout.as_bytes(),
            self.input_schema.as_bytes(),
            output_schema.as_bytes(),
            lists[0].as_bytes(),
            lists[1].as_bytes(),
            lists[2].as_bytes(),
        ];
        Digest::of_parts(own.into_iter().chain(exports.iter().map(|export| &export.as_bytes()[..])))
    }
}

fn of_export(export: &Export) -> Digest {
    let annotations = export.annotations.map(|hints| {
        let hint = |given: Option<bool>| given.map_or(b'-', |yes| if yes { b'y' } else { b'n' });
        [hint(hints.read_only), hint(hints.destructive), hint(hints.idempotent), hint(hints.open_world)]
    });
    Digest::of_parts([
        export.name.as_bytes(),
        export.title.as_deref().unwrap_or_default().as_bytes(),
        export.description.as_bytes(),
        export.input_schema.as_bytes(),
        export.output_schema.as_deref().unwrap_or_default().as_bytes(),
        annotations.as_ref().map_or(&[][..], |hints| &hints[..]),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::component::ToolAnnotations;
    use super::*;

    fn content() -> VersionContent {
        VersionContent {
            kind: ToolKind::PythonCode,
            name: "forecast".into(),
            description: "Tells the weather.".into(),
            source_digest: Digest::of(b"source"),
            timeout_ms: None,
            input_schema: "{}".into(),
            output_schema: None,
            exports: vec![Export {
                name: "parse".into(),
                title: None,
                description: "Reads a table.".into(),
                input_schema: "{}".into(),
                output_schema: None,
                annotations: None,
            }],
            hosts: vec!["a.example".into(), "b.example".into()],
            modules: vec![],
            secret_names: vec!["KEY".into()],
        }
    }

    #[test]
    fn every_field_is_covered_by_the_digest() {
        let changes: [fn(&mut VersionContent); 16] = [
            |c| c.name.push('x'),
            |c| c.description.push('x'),
            |c| c.source_digest = Digest::of(b"other"),
            |c| c.timeout_ms = Some(1_000),
            |c| c.input_schema.push(' '),
            |c| c.output_schema = Some("{}".into()),
            |c| c.hosts.push("c.example".into()),
            |c| c.modules.push("yaml".into()),
            |c| c.secret_names.clear(),
            |c| c.exports.clear(),
            |c| c.exports[0].name.push('x'),
            |c| c.exports[0].title = Some("Parse".into()),
            |c| c.exports[0].description.push('x'),
            |c| c.exports[0].input_schema.push(' '),
            |c| c.exports[0].output_schema = Some("{}".into()),
            |c| c.exports[0].annotations = Some(ToolAnnotations { read_only: Some(true), ..Default::default() }),
        ];
        let mut seen = std::collections::HashSet::from([content().digest()]);
        for change in changes {
            let mut changed = content();
            change(&mut changed);
            assert!(seen.insert(changed.digest()), "{changed:?}");
        }
    }

    #[test]
    fn the_order_of_what_is_asked_for_does_not_matter() {
        let mut turned = content();
        turned.hosts.reverse();
        assert_eq!(turned.digest(), content().digest());
    }
}
