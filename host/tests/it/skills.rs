//! Skills of components: what is kept of them, what people see of them, and what is refused when they are uploaded.

use std::sync::Arc;

use mcpbox::domain::component::Offer;
use mcpbox::domain::digest::Digest;
use mcpbox::egress::MappedNetwork;
use mcpbox::limits::Limits;
use mcpbox::sandbox::{CompileError, SandboxError};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::Host;
use crate::program::Installation;
use crate::sandbox::sandbox_with;
use crate::skill_component::{Given, Reads, component, main_file};

async fn inspected(limits: &Limits, bytes: Vec<u8>) -> Result<Offer, String> {
    let sandbox = sandbox_with(limits, MappedNetwork::default());
    let digest = Digest::of(&bytes);
    match sandbox.inspect(&Arc::<[u8]>::from(bytes), digest).await {
        Ok(Ok(inspection)) => Ok(inspection.offer),
        Err(SandboxError::Compile(CompileError::Refused(why))) => Err(why),
        other => panic!("{other:?}"),
    }
}

async fn refused(limits: &Limits, skills: &[Given<'_>]) -> String {
    inspected(limits, component(skills, Reads::Honestly)).await.expect_err("refused")
}

#[tokio::test]
async fn what_is_known_of_a_skill_was_seen_in_its_files() {
    let main = b"---\nname: pdf\ndescription: >-\n  Fills\n  forms.\nmetadata: {}\n---\n";
    let text = String::from_utf8_lossy(main).replace("metadata: {}", "metadata:\n  version: '2'");
    let files: &[(&str, &[u8])] = &[("forms/a.bin", &[0xff, 0x00]), ("SKILL.md", text.as_bytes())];
    let offer =
        inspected(&Limits::default(), component(&[("office/pdf", files)], Reads::Honestly)).await.expect("taken");
    let seen = serde_json::to_value(&offer.skills[0]).expect("JSON");
    let file = |path: &str, bytes: &[u8]| json!({"path": path, "digest": Digest::of(bytes), "size_bytes": bytes.len()});
    let expected = json!({
        "uri": "skill://office/pdf/SKILL.md",
        "frontmatter": {"name": "pdf", "description": "Fills forms.", "metadata": {"version": "2"}},
        "files": [file("SKILL.md", text.as_bytes()), file("forms/a.bin", &[0xff, 0x00])],
        "instructions": text,
    });
    assert_eq!(seen, expected);
    assert_eq!((offer.skills.len(), offer.resources.len()), (1, 0));
}

#[tokio::test]
async fn what_cannot_be_a_skill_is_refused_with_its_name_and_the_reason() {
    let limits = Limits::default();
    let good = main_file("a", "");
    let main: (&str, &[u8]) = ("SKILL.md", &good);
    let large = vec![b'x'; 1_048_577];
    let long = main_file("a", &"x".repeat(65_536));
    let cases: &[(&[Given<'_>], &str)] = &[
        (&[("a b", &[main])], "a skill `a b` that cannot be: its path is not made of"),
        (&[("a", &[main]), ("a", &[main])], "a skill `a` that cannot be: it is listed twice"),
        (&[("a", &[])], "a skill `a` that cannot be: it has no file `SKILL.md`"),
        (&[("a", &[main, ("../b", b"")])], "its file `../b` is not made of"),
        (&[("a", &[main, ("b", b""), ("B", b"")])], "upper and lower case"),
        (&[("b", &[main])], "the head of its `SKILL.md` says that its name is `a`"),
        (&[("a", &[("SKILL.md", b"# A\n")])], "the head of its `SKILL.md`, line 1: the file does not begin"),
        (&[("a", &[("SKILL.md", b"---\nname: yes\n---\n")])], "line 2: readers of YAML understand it"),
        (&[("a", &[("SKILL.md", b"---\nname: a\n---\n")])], "has no `description`"),
        (&[("a", &[("SKILL.md", &long)])], "`SKILL.md` has more than 65536 bytes"),
        (&[("a", &[main, ("b", &large)])], "its file `b` has 1048577 bytes; a result has 1048576 at most"),
        (&[("a", &[main, ("b", b"ELSEWHERE")])], "its file `b` is not answered alone and as `skill://a/b`"),
        (
            &[("a", &[main, ("b/SKILL.md", b"")]), ("a/a", &[main])],
            "a skill `a` that cannot be: it lacks the file `skill://a/a/SKILL.md` of a skill in its folder",
        ),
    ];
    for (skills, why) in cases {
        let told = refused(&limits, skills).await;
        assert!(told.contains(why), "{why}: {told}");
    }
    let unread = inspected(&limits, component(&[("a", &[main])], Reads::Not)).await.expect_err("refused");
    assert!(unread.contains("does not export `resources`"), "{unread}");
    // A skill in the folder of another, whose list has its files too, is one like any other.
    let nested: &[Given<'_>] = &[("a", &[main, ("a/SKILL.md", &good)]), ("a/a", &[main])];
    let offer = inspected(&limits, component(nested, Reads::Honestly)).await.expect("taken");
    assert_eq!(offer.skills.len(), 2);
}

/// Holds: component_skills, skill_files, skill_bytes.
#[tokio::test]
async fn skills_have_their_bounds() {
    let main = main_file("a", "");
    let files: &[(&str, &[u8])] = &[("SKILL.md", &main), ("b", b"12345678")];
    let two: &[Given<'_>] = &[("a", files), ("b/a", files)];
    let limits = Limits { component_skills: 1, ..Limits::default() };
    assert_eq!(refused(&limits, two).await, "the component lists 2 skills; the limit is 1");
    let limits = Limits { skill_files: 1, ..Limits::default() };
    assert!(refused(&limits, two).await.contains("`a` that cannot be: it has 2 files; the limit is 1"));
    let limits = Limits { skill_bytes: main.len() as u64 + 7, ..Limits::default() };
    assert!(refused(&limits, two).await.contains("its files have more than"));
    let limits = Limits { skill_bytes: main.len() as u64 + 8, ..Limits::default() };
    assert!(inspected(&limits, component(two, Reads::Honestly)).await.is_ok());
}

#[tokio::test]
async fn people_see_the_skills_of_a_version_and_what_changed_in_them() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("office").await;
    let of = |text: &str| {
        let main = main_file("pdf", text);
        component(&[("pdf", &[("SKILL.md", &main), ("form.md", b"a form")])], Reads::Honestly)
    };
    let made = admin.component(&server, "pdf", of("Be kind.")).await;
    let id = made["id"].as_str().expect("an id");
    let skill = &made["component"]["skills"][0];
    assert_eq!((&skill["uri"], &skill["frontmatter"]["name"]), (&json!("skill://pdf/SKILL.md"), &json!("pdf")));
    assert_eq!(skill["files"][1]["digest"], json!(Digest::of(b"a form")), "{skill}");
    assert!(skill["instructions"].as_str().is_some_and(|text| text.ends_with("Be kind.\n")), "{skill}");
    host.model().done("mcpbox_request_publish", json!({ "tool_id": id })).await;
    let waiting = admin.ask(Method::GET, "/api/approvals/tools", None).await.to_string();
    assert!(waiting.contains("Be kind."), "whoever approves sees what a model will read: {waiting}");
    admin.approve(id).await;

    let path = format!("/api/servers/{server}/components/pdf");
    let (status, next) = admin.upload(Method::PUT, &path, of("Be cruel.")).await;
    assert_eq!((status, &next["changed"]), (StatusCode::OK, &json!(true)), "{next}");
    let path = format!("/api/tools/{id}/versions/compare?from=live&to=latest");
    let told = admin.ask(Method::GET, &path, None).await;
    let text = told["texts"].as_array().expect("texts").iter().find(|text| text["field"] == "skills").expect("skills");
    let diff = text["diff"].as_str().expect("a diff");
    assert!(diff.contains("-Be kind.\n+Be cruel.\n") && diff.contains("-  SKILL.md "), "{diff}");
    assert!(!diff.contains("-  form.md"), "what is the same is no difference: {diff}");

    let path = format!("/api/servers/{server}/components?name=broken");
    let broken = component(&[("pdf", &[("SKILL.md", b"no head")])], Reads::Honestly);
    let (status, told) = admin.upload(Method::POST, &path, broken).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{told}");
    assert!(told["detail"].as_str().is_some_and(|why| why.contains("a skill `pdf` that cannot be")), "{told}");
    let listed = admin.ask(Method::GET, &format!("/api/servers/{server}/tools"), None).await;
    assert_eq!(listed["total"], json!(1), "nothing is left of it: {listed}");
}

#[tokio::test]
async fn an_author_sees_the_skills_of_a_component_before_anybody_else() {
    let place = Installation::new().await;
    let main = main_file("pdf", "Be kind.\u{1b}[2J");
    let refused = component(&[("pdf", &[("SKILL.md", &main)])], Reads::Honestly);
    std::fs::write(place.folder().join("pdf.wasm"), refused).expect("written");
    let shown = place.run(&["tool", "inspect", "pdf.wasm"]).await.done();
    assert!(shown.contains("Skills:\n  skill://pdf/SKILL.md\n    SKILL.md ("), "{shown}");
    assert!(shown.contains("    | Be kind.\\u{1b}[2J\n"), "a terminal obeys none of it: {shown}");
}
