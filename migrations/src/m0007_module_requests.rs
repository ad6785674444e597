//! Module requests: the only truth about which modules a tool may import.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid};

use crate::change::{Key, Script, owned_by};

pub(crate) fn up(script: &mut Script) {
    script.create_table(
        Table::create()
            .table("module_requests")
            .col(uuid("id").primary_key())
            .col(uuid("server_id"))
            .col(uuid("tool_id"))
            .col(text("module_name"))
            .col(text("justification"))
            .col(text("requested_by"))
            .col(text("status"))
            .col(timestamp_with_time_zone_null("reviewed_at"))
            .col(text_null("reviewed_by"))
            .col(text_null("rejection_reason"))
            .col(timestamp_with_time_zone("created_at"))
            .foreign_key(&mut owned_by("server_id", "servers"))
            .foreign_key(&mut owned_by("tool_id", "tools")),
    );
    script.unique_while_pending(
        "module_requests",
        &[Key::Column("server_id"), Key::Column("tool_id"), Key::Column("module_name")],
    );
    script.index("module_requests", &["status", "id"]);
    script.index("module_requests", &["server_id", "id"]);
    script.index("module_requests", &["tool_id"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("module_requests");
}
