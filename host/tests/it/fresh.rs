//! What a fresh checkout must satisfy: nothing generated is out of date, nothing declared is unused,
//! and no link leads nowhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{self, Source, sources, words};

/// Holds a generated file to the text that it is generated from; with `MCPBOX_BLESS` set, writes it.
pub fn hold(path: &str, expected: &str) {
    let file = source::file(path);
    if std::env::var_os("MCPBOX_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().expect("a file lies in a folder")).expect("a folder can be made");
        std::fs::write(&file, expected).expect("the repository can be written");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == expected, "{path} is out of date: run this test once more with MCPBOX_BLESS=1");
}

#[test]
fn the_page_of_limits_is_up_to_date() {
    hold("docs/limits.md", &mcpbox::limits::markdown());
}

#[test]
fn the_page_of_policies_is_up_to_date() {
    hold("docs/policies.md", &mcpbox::domain::policy::markdown());
}

#[test]
fn the_page_of_problems_is_up_to_date() {
    hold("docs/problems.md", &mcpbox::api::problem::markdown());
}

#[test]
fn the_page_of_routes_is_up_to_date() {
    hold("docs/api.md", &mcpbox::api::markdown());
}

/// Fault: 16.
#[test]
fn the_openapi_document_is_up_to_date() {
    hold("docs/openapi.json", &mcpbox::api::openapi::text());
}

#[test]
fn the_page_of_management_tools_is_up_to_date() {
    hold("docs/mcp-tools.md", &mcpbox::mcp::manage::markdown());
}

#[test]
fn the_page_of_metrics_is_up_to_date() {
    hold("docs/metrics.md", &mcpbox::telemetry::metrics::markdown());
}

/// The dependencies that a manifest lists under `table`, such as `dependencies`.
fn listed(manifest: &str, table: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim_end() == format!("[{table}]");
        } else if inside && !line.starts_with('#') && line.contains('=') {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            names.push(name.to_owned());
        }
    }
    names
}

/// What is wrong with the dependencies of a workspace: its manifest, and of each member the folder,
/// the manifest and the words of its sources.
fn dependency_faults(workspace: &str, members: &[(String, String, BTreeSet<String>)]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut used = BTreeSet::new();
    for (folder, manifest, words) in members {
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for name in listed(manifest, table) {
                if !words.contains(&name.replace('-', "_")) {
                    faults.push(format!("{folder}/Cargo.toml lists `{name}`, which its sources do not name"));
                }
                used.insert(name);
            }
        }
    }
    for name in listed(workspace, "workspace.dependencies") {
        if !used.contains(&name) {
            faults.push(format!("Cargo.toml lists `{name}`, which no member uses"));
        }
    }
    faults
}

#[test]
fn every_dependency_is_used() {
    let sources = sources();
    let text = |path: &str| sources.iter().find(|source| source.path == path).map(|source| source.text.clone());
    let workspace = text("Cargo.toml").expect("the workspace has a manifest");
    let list = workspace.lines().find_map(|line| line.strip_prefix("members = [")).expect("it lists its members");
    let members: Vec<_> = list
        .split('"')
        .skip(1)
        .step_by(2)
        .map(|folder| {
            let manifest = text(&format!("{folder}/Cargo.toml")).expect("a member has a manifest");
            let prefix = format!("{folder}/");
            let code = sources.iter().filter(|file| file.path.starts_with(&prefix) && file.has_extension(&["rs"]));
            (folder.to_owned(), manifest, code.flat_map(|file| words(&file.text)).collect())
        })
        .collect();
    assert!(members.len() > 1, "only {} members", members.len());
    let faults = dependency_faults(&workspace, &members);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Links of the pages that lead to no file of the repository, or to no heading of that page.
fn link_faults(pages: &[Source], paths: &BTreeSet<String>) -> Vec<String> {
    let headings: BTreeMap<&str, BTreeSet<String>> =
        pages.iter().map(|page| (page.path.as_str(), headings(&page.text))).collect();
    let mut faults = Vec::new();
    for Source { path, text } in pages {
        for link in links(text) {
            let has_scheme = link.split_once(':').is_some_and(|(scheme, _)| scheme.chars().all(char::is_alphanumeric));
            if has_scheme || link.starts_with("//") {
                continue;
            }
            let (file, heading) = link.split_once('#').map_or((link.as_str(), None), |(file, at)| (file, Some(at)));
            let target = if file.is_empty() { path.clone() } else { joined(path, file) };
            let is_folder = || paths.iter().any(|path| path.starts_with(&format!("{target}/")));
            if !paths.contains(&target) && !is_folder() {
                faults.push(format!("{path}: {link} leads to no file"));
            } else if let (Some(heading), Some(known)) = (heading, headings.get(target.as_str()))
                && !known.contains(heading)
            {
                faults.push(format!("{path}: {link} leads to no heading"));
            }
        }
    }
    faults
}

/// `link` as seen from the page at `path`, from the root of the repository.
fn joined(path: &str, link: &str) -> String {
    let mut folders: Vec<&str> = path.split('/').collect();
    folders.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = folders.pop(),
            part => folders.push(part),
        }
    }
    folders.join("/")
}

/// The lines of a page that are no code, each without the code in it.
fn prose(text: &str) -> impl Iterator<Item = String> {
    let mut fence: Option<&str> = None;
    text.lines().filter_map(move |line| {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, Some(_)) => fence = mark,
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => return Some(line.split('`').step_by(2).collect::<Vec<_>>().join("`")),
            _ => {}
        }
        None
    })
}

/// Where the links of a page lead: `[text](target)`, with a title or without, and `[name]: target`.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text) {
        for part in line.split("](").skip(1) {
            let target = part.split([')', ' ']).next().unwrap_or_default();
            links.push(target.trim_matches(['<', '>']).to_owned());
        }
        if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            links.push(target.split(' ').next().unwrap_or_default().to_owned());
        }
    }
    links
}

/// The anchors of a page's headings, as code hosts make them: small letters, no punctuation, hyphens
/// for spaces, a number for the second of a name.
fn headings(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if fenced || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let anchor: String = title.trim().to_lowercase().chars().filter(kept).collect();
        let anchor = anchor.replace(' ', "-");
        let mut copy = 0;
        let mut numbered = anchor.clone();
        while !anchors.insert(numbered) {
            copy += 1;
            numbered = format!("{anchor}-{copy}");
        }
    }
    anchors
}

#[test]
fn every_link_leads_somewhere() {
    let paths: BTreeSet<String> = source::paths().into_iter().collect();
    let pages: Vec<Source> = sources().into_iter().filter(|source| source.has_extension(&["md"])).collect();
    assert!(pages.len() > 1, "only {} pages", pages.len());
    let faults = link_faults(&pages, &paths);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_planted_unused_dependency_is_found() {
    let workspace =
        "[workspace.dependencies]\n# Why.\na-b = \"1\"\nc = { version = \"1\" }\nd = \"1\"\n[profile.release]\nx = 1\n";
    let manifest =
        "[package]\nname = \"m\"\n[dependencies]\na-b.workspace = true\n[dev-dependencies]\nc = { workspace = true }\n";
    let words = ["a_b".to_owned()].into();
    assert_eq!(
        dependency_faults(workspace, &[("m".to_owned(), manifest.to_owned(), words)]),
        ["m/Cargo.toml lists `c`, which its sources do not name", "Cargo.toml lists `d`, which no member uses"]
    );
}

#[test]
fn a_planted_dead_link_is_found() {
    let page = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    let pages = [
        page("README.md", "# Top\n[a](docs/a.md) [b](docs/b.md \"title\") [c](#top) [d](#bottom)\n[e]: ./docs/c.md\n"),
        page("docs/a.md", "[up](../README.md#top) [no](../README.md#nowhere) [f](../docs/) [out](../src/x.rs)"),
        page(
            "docs/code.md",
            "`[a](x.md)`\n```\n[b](y.md)\n# Not a heading\n```\n[c](#not-a-heading) [d](https://x.y/z)",
        ),
    ];
    let paths = ["README.md", "docs/a.md", "docs/code.md"].map(str::to_owned).into();
    assert_eq!(
        link_faults(&pages, &paths),
        [
            "README.md: docs/b.md leads to no file",
            "README.md: #bottom leads to no heading",
            "README.md: ./docs/c.md leads to no file",
            "docs/a.md: ../README.md#nowhere leads to no heading",
            "docs/a.md: ../src/x.rs leads to no file",
            "docs/code.md: #not-a-heading leads to no heading",
        ]
    );
}

#[test]
fn anchors_are_those_of_the_code_hosts() {
    let text = "# What it's for\n## `mcpbox call` & more\n### A_b-c 1.2\n## Same\n## Same\n#no heading\n";
    let expected = ["what-its-for", "mcpbox-call--more", "a_b-c-12", "same", "same-1"];
    assert_eq!(headings(text), expected.map(str::to_owned).into());
}
