//! Tool versions: each state of a tool, never changed but for its approval.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer_null, integer, text, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid};

use crate::change::{Script, owned_by};

pub(crate) fn up(script: &mut Script) {
    script.create_table(
        Table::create()
            .table("tool_versions")
            .col(uuid("id").primary_key())
            .col(uuid("tool_id"))
            .col(integer("number"))
            .col(text("name"))
            .col(text("description"))
            .col(text("kind"))
            .col(text("source_digest"))
            .col(big_integer_null("timeout_ms"))
            .col(text("input_schema"))
            .col(text_null("output_schema"))
            .col(text("hosts"))
            .col(text("modules"))
            .col(text("secret_names"))
            .col(text("digest"))
            .col(text("approval_status"))
            .col(text_null("publish_notes"))
            .col(timestamp_with_time_zone_null("submitted_at"))
            .col(timestamp_with_time_zone_null("reviewed_at"))
            .col(text_null("reviewed_by"))
            .col(text_null("rejection_reason"))
            .col(text("change_source"))
            .col(text("change_summary"))
            .col(text("created_by"))
            .col(timestamp_with_time_zone("created_at"))
            .foreign_key(&mut owned_by("tool_id", "tools"))
            .foreign_key(ForeignKey::create().from_col("source_digest").to("blobs", "digest")),
    );
    script.unique("tool_versions", &["tool_id", "number"]);
    script.index("tool_versions", &["approval_status", "id"]);
    script.index("tool_versions", &["source_digest"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("tool_versions");
}
