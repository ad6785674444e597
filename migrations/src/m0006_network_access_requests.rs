//! Network access requests: the only truth about which hosts a tool may reach.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{integer_null, text, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid, uuid_null};

use crate::change::{Key, Script, owned_by};

pub(crate) fn up(script: &mut Script) {
    script.create_table(
        Table::create()
            .table("network_access_requests")
            .col(uuid("id").primary_key())
            .col(uuid("server_id"))
            .col(uuid_null("tool_id"))
            .col(text("host"))
            .col(integer_null("port"))
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
        "network_access_requests",
        &[Key::Column("server_id"), Key::NullableId("tool_id"), Key::Column("host"), Key::NullableNumber("port")],
    );
    script.index("network_access_requests", &["status", "id"]);
    script.index("network_access_requests", &["server_id", "id"]);
    script.index("network_access_requests", &["tool_id"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("network_access_requests");
}
