//! JSDoc comments: what they say about a function and its parameters. Types stay text here.

/// One comment, without its stars.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Doc {
    /// What stands before the first tag, or in `@description`.
    pub(super) text: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) returns: Option<String>,
    /// A type that the comment defines, with its properties.
    pub(super) defines: Option<Definition>,
}

/// `@param {type} [name=default] - text`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameter {
    /// Dotted when it is a property of another, such as `place.city`.
    pub(super) name: String,
    pub(super) kind: Option<String>,
    pub(super) optional: bool,
    pub(super) default: Option<String>,
    pub(super) text: String,
}

/// `@typedef {type} Name` and the `@property` lines after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) kind: Option<String>,
    pub(super) properties: Vec<Parameter>,
}

impl Doc {
    /// Reads what stands between `/*` and `*/`.
    pub(super) fn parse(comment: &str) -> Self {
        let mut doc = Self::default();
        let mut block = String::new();
        for line in comment.trim_start_matches('*').lines() {
            let line = line.trim();
            let line = line.strip_prefix('*').unwrap_or(line).trim();
            if line.starts_with('@') {
                doc.take(&block);
                block.clear();
            }
            block.push_str(line);
            block.push('\n');
        }
        doc.take(&block);
        doc
    }

    /// The first paragraph, in one line.
    pub(super) fn summary(&self) -> String {
        first_paragraph(&self.text)
    }

    /// What is said about the parameter of this name, whatever it is a property of.
    pub(super) fn property(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|one| one.name == name).or_else(|| {
            self.parameters.iter().find(|one| one.name.split_once('.').is_some_and(|(_, rest)| rest == name))
        })
    }

    /// Takes out what is said about a parameter of this name and its properties.
    pub(super) fn forget(&mut self, name: Option<&str>) {
        let Some(name) = name else { return };
        self.parameters.retain(|one| one.name.split('.').next() != Some(name));
    }

    /// Takes one tag with what belongs to it, or the text before the first one.
    fn take(&mut self, block: &str) {
        let block = block.trim();
        let Some(tagged) = block.strip_prefix('@') else {
            if self.text.is_empty() {
                block.clone_into(&mut self.text);
            }
            return;
        };
        let (tag, rest) = tagged.split_once(char::is_whitespace).unwrap_or((tagged, ""));
        match tag {
            "description" | "desc" | "summary" => rest.trim().clone_into(&mut self.text),
            "param" | "arg" | "argument" => self.parameters.extend(Parameter::parse(rest)),
            "returns" | "return" => self.returns = braced(rest).0.map(str::to_owned),
            "typedef" => {
                let (kind, rest) = braced(rest);
                if let Some(name) = rest.split_whitespace().next() {
                    let kind = kind.map(str::to_owned);
                    self.defines = Some(Definition { name: name.to_owned(), kind, properties: Vec::new() });
                }
            }
            "property" | "prop" => {
                if let Some(defines) = &mut self.defines {
                    defines.properties.extend(Parameter::parse(rest));
                }
            }
            _ => {}
        }
    }
}

impl Parameter {
    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = braced(text);
        let rest = rest.trim_start();
        let mut parameter = Self::default();
        let said = if let Some(inner) = rest.strip_prefix('[') {
            let end = closing(inner, '[', ']')?;
            let (name, default) = match inner[..end].split_once('=') {
                Some((name, default)) => (name, Some(default.trim().to_owned())),
                None => (&inner[..end], None),
            };
            name.trim().clone_into(&mut parameter.name);
            parameter.optional = true;
            parameter.default = default;
            &inner[end + 1..]
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            rest[..end].clone_into(&mut parameter.name);
            &rest[end..]
        };
        let said = said.trim_start();
        parameter.text = first_paragraph(said.strip_prefix('-').unwrap_or(said));
        // `{string=}` is the older way to say that it may be left out.
        parameter.kind = kind.map(|kind| {
            let kind = kind.trim();
            parameter.optional |= kind.ends_with('=');
            kind.trim_end_matches('=').to_owned()
        });
        (!parameter.name.is_empty()).then_some(parameter)
    }
}

/// `{type} rest` in two.
fn braced(text: &str) -> (Option<&str>, &str) {
    let text = text.trim_start();
    let Some(inner) = text.strip_prefix('{') else { return (None, text) };
    match closing(inner, '{', '}') {
        Some(end) => (Some(&inner[..end]), &inner[end + 1..]),
        None => (None, text),
    }
}

/// Where the bracket ends that was opened before `text`.
fn closing(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            if depth == 0 {
                return Some(at);
            }
            depth -= 1;
        }
    }
    None
}

fn first_paragraph(text: &str) -> String {
    let lines = text.trim().lines().map(str::trim).take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_comment_is_read_tag_by_tag() {
        let doc = Doc::parse(
            "*\n * Plans a journey,\n * day by day.\n *\n * More.\n * @param {{a: string}} place - Where,\n *   roughly.\n \
             * @param {number} [place.days=3] How long.\n * @param {string=} note\n * @returns {Promise<string>} it\n ",
        );
        assert_eq!(doc.summary(), "Plans a journey, day by day.");
        assert_eq!(doc.returns.as_deref(), Some("Promise<string>"));
        let place = &doc.parameters[0];
        assert_eq!((place.name.as_str(), place.kind.as_deref()), ("place", Some("{a: string}")));
        assert_eq!(place.text, "Where, roughly.");
        let days = doc.property("days").expect("place.days");
        assert_eq!((days.optional, days.default.as_deref(), days.text.as_str()), (true, Some("3"), "How long."));
        let note = doc.property("note").expect("note");
        assert_eq!((note.optional, note.kind.as_deref()), (true, Some("string")));
    }

    #[test]
    fn a_type_can_be_defined_in_a_comment() {
        let doc = Doc::parse("* @typedef {Object} Place\n * @property {string} city - Its name.\n");
        let place = doc.defines.expect("a definition");
        assert_eq!((place.name.as_str(), place.kind.as_deref()), ("Place", Some("Object")));
        assert_eq!((place.properties[0].name.as_str(), place.properties[0].text.as_str()), ("city", "Its name."));
    }

    proptest! {
        #[test]
        fn no_comment_makes_the_reader_panic(comment in "[@\\[\\]{}=a-z é*\n.-]{0,80}") {
            Doc::parse(&comment);
        }
    }
}
