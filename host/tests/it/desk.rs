//! A component for tests of what MCP has beside tools: `ask` asks what its arguments say and answers what it was
//! told, `task` says before that it takes long, `changed` tells that something has changed; a prompt `greet` says
//! its argument, a resource `notes://1` and a template of it say their own address.

use serde_json::{Value, json};

use crate::fixtures;
use crate::harness::Admin;

/// Where a client finds it.
pub const ALONE: &str = "/mcp/servers/desk";

const MODULE: &str = r#"(module
  (import "mcpbox:guest/client@1.0.0" "ask" (func $ask (param i32 i32 i32)))
  (import "mcpbox:guest/client@1.0.0" "become-task" (func $become_task))
  (import "mcpbox:guest/notify@1.0.0" "list-changed" (func $list_changed (param i32)))
  (import "mcpbox:guest/notify@1.0.0" "resource-updated" (func $resource_updated (param i32 i32)))
  (memory (export "memory") 2)
  ;; names and texts
  (data (i32.const 600) "ask")
  (data (i32.const 610) "task")
  (data (i32.const 620) "changed")
  (data (i32.const 630) "greet")
  (data (i32.const 640) "who")
  (data (i32.const 650) "notes://1")
  (data (i32.const 670) "notes://{day}")
  (data (i32.const 690) "{\22type\22:\22object\22}")
  (data (i32.const 720) "data:image/png;base64,AAAA")
  ;; list-tools: 60 bytes each
  (func (export "mcpbox:guest/tools@1.0.0#list-tools") (result i32) (i32.const 16))
  (data (i32.const 16) (i32 300 3))
  (data (i32.const 300) (i32 600 3) (i32 0 0 0) (i32 600 3) (i32 690 17) (i32 0 0 0) (i32 0 0 0))
  (data (i32.const 360) (i32 610 4) (i32 0 0 0) (i32 610 4) (i32 690 17) (i32 0 0 0) (i32 0 0 0))
  (data (i32.const 420) (i32 620 7) (i32 0 0 0) (i32 620 7) (i32 690 17) (i32 0 0 0) (i32 0 0 0))
  ;; list-icons: one, of `ask`
  (func (export "mcpbox:guest/icons@1.0.0#list-icons") (result i32) (i32.const 1300))
  (data (i32.const 1300) (i32 1312 1))
  (data (i32.const 1312) (i32 0) (i32 600 3) (i32 1340 1))
  (data (i32.const 1340) (i32 720 26) (i32 0 0 0) (i32 0 0) (i32 0))
  ;; list-prompts, with one required argument
  (func (export "mcpbox:guest/prompts@1.0.0#list-prompts") (result i32) (i32.const 24))
  (data (i32.const 24) (i32 800 1))
  (data (i32.const 800) (i32 630 5) (i32 0 0 0) (i32 630 5) (i32 840 1))
  (data (i32.const 840) (i32 640 3) (i32 0 0 0) (i32 0 0 0) (i32 1))
  ;; list-resources, list-templates
  (func (export "mcpbox:guest/resources@1.0.0#list-resources") (result i32) (i32.const 32))
  (data (i32.const 32) (i32 880 1))
  (data (i32.const 880) (i32 650 9) (i32 650 9))
  (func (export "mcpbox:guest/resources@1.0.0#list-templates") (result i32) (i32.const 40))
  (data (i32.const 40) (i32 1104 1))
  (data (i32.const 1104) (i32 670 13) (i32 630 5))
  ;; get-prompt: one message, the value of the first argument
  (data (i32.const 48) (i32 0) (i32 0 0 0) (i32 80 1))
  (func (export "mcpbox:guest/prompts@1.0.0#get-prompt") (param i32 i32 i32 i32) (result i32)
    (i32.store (i32.const 96) (i32.load (i32.add (local.get 2) (i32.const 8))))
    (i32.store (i32.const 100) (i32.load (i32.add (local.get 2) (i32.const 12))))
    (i32.const 48))
  ;; read-resource: its own address
  (data (i32.const 240) (i32 0) (i32 256 1))
  (func (export "mcpbox:guest/resources@1.0.0#read-resource") (param i32 i32) (result i32)
    (i32.store (i32.const 256) (local.get 0))
    (i32.store (i32.const 260) (local.get 1))
    (i32.store (i32.const 280) (local.get 0))
    (i32.store (i32.const 284) (local.get 1))
    (i32.const 240))
  ;; call-tool
  (data (i32.const 1000) (i32 640 3) (i32 0))
  (data (i32.const 1200) (i32 0) (i32 1232 1) (i32 0 0 0))
  (func (export "mcpbox:guest/tools@1.0.0#call-tool") (param i32 i32 i32 i32) (result i32) (local $letter i32)
    (local.set $letter (i32.load8_u (local.get 0)))
    (i32.store (i32.const 1240) (i32.const 620))
    (i32.store (i32.const 1244) (i32.const 7))
    (if (i32.eq (local.get $letter) (i32.const 99))
      (then
        (call $list_changed (i32.const 1))
        (call $resource_updated (i32.const 650) (i32.const 9))
        (return (i32.const 1200))))
    (if (i32.eq (local.get $letter) (i32.const 116)) (then (call $become_task)))
    (i32.store (i32.const 1012) (local.get 2))
    (i32.store (i32.const 1016) (local.get 3))
    (call $ask (i32.const 1000) (i32.const 1) (i32.const 2000))
    (if (i32.load8_u (i32.const 2000))
      (then
        (i32.store (i32.const 1240) (i32.load (i32.const 2008)))
        (i32.store (i32.const 1244) (i32.load (i32.const 2012))))
      (else
        (i32.store (i32.const 1240) (i32.load (i32.add (i32.load (i32.const 2004)) (i32.const 4))))
        (i32.store (i32.const 1244) (i32.load (i32.add (i32.load (i32.const 2004)) (i32.const 8))))))
    (i32.const 1200))
  (global $free (mut i32) (i32.const 65536))
  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32) (local $at i32)
    (local.set $at (global.get $free))
    (global.set $free (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $at)))"#;

/// The component.
pub fn component() -> Vec<u8> {
    let world = ["tool", "with-icons", "with-prompts", "with-resources"]
        .map(|world| format!("include mcpbox:guest/{world}@1.0.0;"))
        .concat();
    fixtures::built(&format!("package a:desk; world w {{ {world} }}"), MODULE)
}

/// The arguments of `ask` and `task` with which they ask for a name.
pub fn form(message: &str) -> Value {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    json!({"message": message, "requestedSchema": schema})
}

/// Uploads and approves it on a server `desk`; answers the tool's id.
pub async fn offer(admin: &Admin<'_>) -> String {
    let server = admin.server("desk").await;
    let made = admin.component(&server, "desk", component()).await;
    let id = made["id"].as_str().expect("an id").to_owned();
    admin.approve(&id).await;
    id
}
