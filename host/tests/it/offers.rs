//! What components list beside their tools, and what is refused of it when they are uploaded.

use std::sync::Arc;

use mcpbox::domain::digest::Digest;
use mcpbox::egress::MappedNetwork;
use mcpbox::limits::Limits;
use mcpbox::sandbox::{CompileError, SandboxError};

use crate::fixtures;
use crate::sandbox::sandbox_with;

/// A component with a tool `t` that answers nothing, and with these lists: each an interface, its
/// function, how many records there are, and the data of the first, which is at 1000; the others are
/// empty.
fn listing(world: &str, lists: &[(&str, u32, &str)]) -> Vec<u8> {
    let wit =
        format!("package a:lister; world w {{ include mcpbox:guest/tool@1.0.0; include mcpbox:guest/{world}@1.0.0; }}");
    let functions: String = lists
        .iter()
        .enumerate()
        .map(|(at, (function, count, data))| {
            let at = 400 + 8 * at;
            format!(
                r#"(func (export "mcpbox:guest/{function}") (result i32) (i32.const {at}))
                (data (i32.const {at}) (i32 1000 {count})) (data (i32.const 1000) {data})"#
            )
        })
        .collect();
    let module = format!(
        r#"(module
  (memory (export "memory") 4)
  (func (export "mcpbox:guest/tools@1.0.0#call-tool") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "mcpbox:guest/prompts@1.0.0#get-prompt") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "mcpbox:guest/resources@1.0.0#read-resource") (param i32 i32) (result i32) unreachable)
  (func (export "mcpbox:guest/tools@1.0.0#list-tools") (result i32) (i32.const 16))
  (data (i32.const 16) (i32 24 1))
  (data (i32.const 24) (i32 96 1) (i32 0 0 0) (i32 96 1) (i32 128 17) (i32 0 0 0) (i32 0 0 0))
  (data (i32.const 96) "t")
  (data (i32.const 128) "{{\22type\22:\22object\22}}")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (data (i32.const 900) "notes://{{day}}")
  (data (i32.const 920) "no address{{?}}")
  (data (i32.const 940) "data:image/png;base64,AAAA")
  {functions})"#
    );
    fixtures::built(&wit, &module)
}

async fn refused(limits: &Limits, bytes: &[u8]) -> String {
    let sandbox = sandbox_with(limits, MappedNetwork::default());
    match sandbox.inspect(&Arc::<[u8]>::from(bytes), Digest::of(bytes)).await {
        Err(SandboxError::Compile(CompileError::Refused(why))) => why,
        other => panic!("{other:?}"),
    }
}

async fn accepted(bytes: &[u8]) -> mcpbox::domain::component::Offer {
    let sandbox = sandbox_with(&Limits::default(), MappedNetwork::default());
    let inspected = sandbox.inspect(&Arc::<[u8]>::from(bytes), Digest::of(bytes)).await;
    inspected.expect("accepted").expect("it answers").offer
}

const PROMPTS: &str = "prompts@1.0.0#list-prompts";
const RESOURCES: &str = "resources@1.0.0#list-resources";
const TEMPLATES: &str = "resources@1.0.0#list-templates";
const ICONS: &str = "icons@1.0.0#list-icons";

/// Holds: component_offers.
#[tokio::test]
async fn a_list_that_is_too_long_is_refused_before_anything_of_it_is_looked_at() {
    let limits = Limits::default();
    let many = listing("with-prompts", &[(PROMPTS, 501, "")]);
    assert_eq!(refused(&limits, &many).await, "the component lists 501 prompts; the limit is 500");
    let many = listing("with-resources", &[(RESOURCES, 501, ""), (TEMPLATES, 0, "")]);
    assert_eq!(refused(&limits, &many).await, "the component lists 501 resources; the limit is 500");
    let many = listing("with-resources", &[(RESOURCES, 0, ""), (TEMPLATES, 501, "")]);
    assert_eq!(refused(&limits, &many).await, "the component lists 501 templates; the limit is 500");
    let many = listing("with-icons", &[(ICONS, 5_000, "")]);
    assert_eq!(refused(&limits, &many).await, "the component lists icons for 5000 things");
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_name_and_the_reason() {
    let limits = Limits::default();
    for (bytes, why) in [
        (listing("with-prompts", &[(PROMPTS, 1, "")]), "a prompt `` that cannot be: its name is not 1 to 64"),
        (listing("with-prompts", &[(PROMPTS, 1, "(i32 900 13)")]), "a prompt `notes://{day}` that cannot be: its name"),
        (
            listing("with-resources", &[(RESOURCES, 1, "(i32 920 10)"), (TEMPLATES, 0, "")]),
            "a resource `no address` that cannot be: its address is not an absolute URI",
        ),
        (
            listing("with-resources", &[(RESOURCES, 1, "(i32 900 9)"), (TEMPLATES, 0, "")]),
            "a resource `notes://{` that cannot be",
        ),
        (
            listing("with-resources", &[(RESOURCES, 0, ""), (TEMPLATES, 1, "(i32 920 13)")]),
            "a template `no address{?}` that cannot be: it has an expression",
        ),
        (
            listing("with-resources", &[(RESOURCES, 0, ""), (TEMPLATES, 1, "(i32 900 13)")]),
            "a template `notes://{day}` that cannot be: its name is empty",
        ),
        (
            listing("with-prompts", &[(PROMPTS, 2, "(i32 96 1) (i32 0 0 0 0 0 0 0) (i32 96 1)")]),
            "a prompt `t` that cannot be: it is listed twice",
        ),
        (
            listing("with-icons", &[(ICONS, 1, "(i32 0) (i32 900 5) (i32 0 0)")]),
            "an icon of a tool `notes` that cannot be: the component does not list what it is of",
        ),
        (
            listing("with-icons", &[(ICONS, 1, "(i32 0) (i32 96 1) (i32 1020 1) (i32 900 5)")]),
            "an icon of a tool `t` that cannot be: its address is neither",
        ),
    ] {
        let told = refused(&limits, &bytes).await;
        assert!(told.contains(why), "{why}: {told}");
    }
}

/// Holds: icon_bytes.
#[tokio::test]
async fn an_icon_is_an_address_or_a_small_image() {
    let icon = listing("with-icons", &[(ICONS, 1, "(i32 0) (i32 96 1) (i32 1020 1) (i32 940 26)")]);
    let offer = accepted(&icon).await;
    assert_eq!(offer.tool_icons["t"][0].src, "data:image/png;base64,AAAA");
    let small = Limits { icon_bytes: 20, ..Limits::default() };
    assert!(refused(&small, &icon).await.contains("it has 26 bytes; the limit is 20"));
}

#[tokio::test]
async fn a_good_list_is_kept_as_it_is() {
    let offer = accepted(&listing("with-prompts", &[(PROMPTS, 1, "(i32 96 1)")])).await;
    assert_eq!((offer.prompts.len(), offer.prompts[0].name.as_str(), offer.completes), (1, "t", false));
    let template = "(i32 900 13) (i32 96 1)";
    let offer = accepted(&listing("with-resources", &[(RESOURCES, 0, ""), (TEMPLATES, 1, template)])).await;
    assert_eq!(offer.templates[0].uri_template, "notes://{day}");
}
