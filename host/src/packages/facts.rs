//! What is known of a package: PyPI's facts, the vulnerabilities that OSV has, the dependencies that deps.dev
//! counts. Read from strangers, so every text is cut and every list has an end; kept for an hour. A service that
//! does not answer is told as such, and hinders nobody.

use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;
use moka::future::Cache;
use serde_json::{Value, json};

use super::Packages;
use crate::domain::grant::Grants;
use crate::domain::package::{
    Dependencies, Known, PackageFacts, PyPi, Vulnerabilities, Vulnerability, distribution_of,
};
use crate::egress::OutboundRequest;

/// How long an answer is believed.
const BELIEVED: TimeDelta = TimeDelta::hours(1);
/// Packages whose facts are kept.
const KEPT: u64 = 500;
/// Characters of one text, and vulnerabilities that are shown.
const TEXT_CHARS: usize = 500;
const VULNERABILITIES: usize = 50;

pub(super) type Kept = Cache<String, Arc<PackageFacts>>;

pub(super) fn kept() -> Kept {
    Cache::new(KEPT)
}

impl Packages {
    /// The facts about the package that brings a module: those that are kept, or else asked for now.
    pub async fn facts(&self, module: &str) -> Arc<PackageFacts> {
        let module = module.split('.').next().unwrap_or_default();
        if let Some(kept) = self.known_facts(module).await {
            return kept;
        }
        let distribution = distribution_of(module);
        let asked_at = self.0.clock.now();
        let pypi = self.pypi(&distribution).await;
        let (vulnerabilities, dependencies) = match &pypi {
            Known::Known(PyPi { latest_version, .. }) => {
                tokio::join!(
                    self.vulnerabilities(&distribution, latest_version),
                    self.dependencies(&distribution, latest_version)
                )
            }
            Known::Absent => (Known::Absent, Known::Absent),
            // Which version is the latest is not known; all of them together are asked about.
            Known::Unavailable { reason } => {
                (self.vulnerabilities(&distribution, "").await, Known::Unavailable { reason: reason.clone() })
            }
        };
        let module_name = module.to_owned();
        let facts = Arc::new(PackageFacts { module_name, distribution, pypi, vulnerabilities, dependencies, asked_at });
        // What was not to be had is asked for again the next time.
        if is_whole(&facts) {
            self.0.facts.insert(module.to_owned(), Arc::clone(&facts)).await;
        }
        facts
    }

    /// The facts that are kept, if they are young enough.
    pub async fn known_facts(&self, module: &str) -> Option<Arc<PackageFacts>> {
        let kept = self.0.facts.get(module).await?;
        let age = self.0.clock.now().signed_duration_since(kept.asked_at);
        (TimeDelta::zero()..BELIEVED).contains(&age).then_some(kept)
    }

    /// What PyPI says of a distribution.
    pub(super) async fn pypi(&self, distribution: &str) -> Known<PyPi> {
        let answer = self.ask(&self.0.settings.pypi, &format!("pypi/{distribution}/json"), None).await;
        answer.read(pypi)
    }

    async fn vulnerabilities(&self, distribution: &str, version: &str) -> Known<Vulnerabilities> {
        let mut question = json!({"package": {"name": distribution, "ecosystem": "PyPI"}});
        if !version.is_empty() {
            question["version"] = version.into();
        }
        self.ask(&self.0.settings.osv, "v1/query", Some(question)).await.read(vulnerabilities)
    }

    async fn dependencies(&self, distribution: &str, version: &str) -> Known<Dependencies> {
        let version = path_segment(version);
        let path = format!("v3/systems/pypi/packages/{distribution}/versions/{version}:dependencies");
        self.ask(&self.0.settings.deps_dev, &path, None).await.read(dependencies)
    }

    /// Asks a service; a POST when there is a question.
    async fn ask(&self, base: &str, path: &str, question: Option<Value>) -> Answer {
        let url = format!("{}/{path}", base.trim_end_matches('/'));
        let Some(host) = host(&url) else { return Answer::None(format!("`{base}` is no address")) };
        let grants = match host.parse() {
            Ok(host) => Grants { hosts: vec![host], ..Grants::default() },
            Err(error) => return Answer::None(format!("`{base}`: {error}")),
        };
        let request = OutboundRequest {
            method: if question.is_some() { "POST" } else { "GET" }.to_owned(),
            url,
            headers: vec![
                ("accept".to_owned(), "application/json".to_owned()),
                ("content-type".to_owned(), "application/json".to_owned()),
            ],
            body: question.map(|question| Bytes::from(question.to_string())),
            timeout: None,
        };
        match self.0.egress.send(&grants, request).await {
            Err(error) => Answer::None(error.to_string()),
            Ok(response) if response.status == 404 => Answer::NotFound,
            Ok(response) if response.status == 200 => match serde_json::from_slice(&response.body) {
                Ok(value) => Answer::Some(value),
                Err(error) => Answer::None(format!("{host} answered what is not JSON: {error}")),
            },
            Ok(response) => Answer::None(format!("{host} answered with status {}", response.status)),
        }
    }
}

/// Whether every service answered.
fn is_whole(facts: &PackageFacts) -> bool {
    !matches!(facts.pypi, Known::Unavailable { .. })
        && !matches!(facts.vulnerabilities, Known::Unavailable { .. })
        && !matches!(facts.dependencies, Known::Unavailable { .. })
}

/// What a service answered.
enum Answer {
    Some(Value),
    NotFound,
    None(String),
}

impl Answer {
    fn read<T>(self, read: impl FnOnce(&Value) -> Option<T>) -> Known<T> {
        match self {
            Self::Some(value) => read(&value).map_or_else(
                || Known::Unavailable { reason: "the answer has another form than expected".to_owned() },
                Known::Known,
            ),
            Self::NotFound => Known::Absent,
            Self::None(reason) => Known::Unavailable { reason: cut(&reason) },
        }
    }
}

/// Host and port of a URL, as a grant names them.
fn host(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// A version as it stands in a path. PEP 440 knows no other characters.
fn path_segment(version: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    version
        .chars()
        .map(|c| {
            if plain(c) {
                c.to_string()
            } else if c == '+' {
                "%2B".into()
            } else if c == '!' {
                "%21".into()
            } else {
                "_".into()
            }
        })
        .collect()
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS).collect()
}

/// A text that is there and says something.
fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty() && *text != "UNKNOWN").map(cut)
}

fn pypi(answer: &Value) -> Option<PyPi> {
    let info = &answer["info"];
    let files = answer["urls"].as_array().map(Vec::as_slice).unwrap_or_default();
    let wheels = || files.iter().filter_map(|file| file["filename"].as_str()).filter(|name| name.ends_with(".whl"));
    let pure = |name: &str| name.ends_with("-none-any.whl");
    Some(PyPi {
        summary: text(&info["summary"]),
        latest_version: text(&info["version"])?,
        license: text(&info["license_expression"]).or_else(|| text(&info["license"])),
        home_page: text(&info["home_page"]).or_else(|| text(&info["project_urls"]["Homepage"])),
        requires_python: text(&info["requires_python"]),
        released_at: files.iter().filter_map(|file| text(&file["upload_time_iso_8601"])).min(),
        pure_python: wheels().any(pure),
        native_code: wheels().any(|name| !pure(name)),
    })
}

fn vulnerabilities(answer: &Value) -> Option<Vulnerabilities> {
    // OSV leaves the list out when it is empty.
    let found = match &answer["vulns"] {
        Value::Null if answer.is_object() => &[],
        other => other.as_array()?.as_slice(),
    };
    let listed = found.iter().take(VULNERABILITIES).filter_map(|one| {
        let severity = text(&one["database_specific"]["severity"]).or_else(|| text(&one["severity"][0]["score"]));
        Some(Vulnerability { id: text(&one["id"])?, summary: text(&one["summary"]), severity })
    });
    Some(Vulnerabilities { total: found.len(), listed: listed.collect() })
}

fn dependencies(answer: &Value) -> Option<Dependencies> {
    let nodes = answer["nodes"].as_array()?;
    let count = |relation: &str| nodes.iter().filter(|node| node["relation"] == relation).count();
    Some(Dependencies { direct: count("DIRECT"), indirect: count("INDIRECT") })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pypi_is_read_for_its_facts() {
        let answer = json!({
            "info": {"summary": "Dates.\n", "version": "2.9", "license": "", "license_expression": "Apache-2.0",
                     "home_page": null, "project_urls": {"Homepage": "https://dates.example"}, "requires_python": ">=3"},
            "urls": [{"filename": "a-2.9.tar.gz", "upload_time_iso_8601": "2026-02-01T10:00:00Z"},
                     {"filename": "a-2.9-py3-none-any.whl", "upload_time_iso_8601": "2026-02-01T09:00:00Z"}],
        });
        let expected = PyPi {
            summary: Some("Dates.".into()),
            latest_version: "2.9".into(),
            license: Some("Apache-2.0".into()),
            home_page: Some("https://dates.example".into()),
            requires_python: Some(">=3".into()),
            released_at: Some("2026-02-01T09:00:00Z".into()),
            pure_python: true,
            native_code: false,
        };
        assert_eq!(pypi(&answer), Some(expected));
        assert_eq!(pypi(&json!({"info": {}})), None);
    }

    #[test]
    fn vulnerabilities_and_dependencies_are_counted() {
        assert_eq!(vulnerabilities(&json!({})), Some(Vulnerabilities { total: 0, listed: Vec::new() }));
        let many = json!({"vulns": (0..80).map(|n| json!({"id": format!("GHSA-{n}")})).collect::<Vec<_>>()});
        let found = vulnerabilities(&many).expect("a list");
        assert_eq!((found.total, found.listed.len()), (80, VULNERABILITIES));
        let nodes = json!({"nodes": [{"relation": "SELF"}, {"relation": "DIRECT"}, {"relation": "INDIRECT"}, {"relation": "INDIRECT"}]});
        assert_eq!(dependencies(&nodes), Some(Dependencies { direct: 1, indirect: 2 }));
    }

    #[test]
    fn an_address_gives_the_host_that_is_granted() {
        assert_eq!(host("https://pypi.example/pypi/a/json").as_deref(), Some("pypi.example"));
        assert_eq!(host("http://mirror.example:8080/x").as_deref(), Some("mirror.example:8080"));
        assert_eq!(host("nonsense"), None);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let word = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,600}".prop_map(Value::from),
        ];
        word.prop_recursive(4, 64, 8, |inner| {
            let key = prop_oneof!["info", "urls", "vulns", "nodes", "version", "id", "summary", "severity"];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                proptest::collection::btree_map(key, inner, 0..8)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_a_service_answers_is_read_or_not_and_bounded(answer in any_json(), version in "\\PC{0,40}") {
            if let Some(found) = pypi(&answer) {
                prop_assert!(found.latest_version.chars().count() <= TEXT_CHARS);
            }
            if let Some(found) = vulnerabilities(&answer) {
                prop_assert!(found.listed.len() <= VULNERABILITIES);
            }
            let _ = dependencies(&answer);
            prop_assert!(!path_segment(&version).contains(['/', '?', '#']));
        }
    }
}
