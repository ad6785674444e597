//! The execution log. Its rows outlive what they tell of, so they have no foreign keys.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, boolean, text, text_null, timestamp_with_time_zone, uuid};

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    script.create_table(
        Table::create()
            .table("tool_execution_logs")
            .col(uuid("id").primary_key())
            .col(uuid("server_id"))
            .col(uuid("tool_id"))
            .col(uuid("version_id"))
            .col(text("tool_name"))
            .col(text("caller"))
            .col(text("request_id"))
            .col(boolean("is_test"))
            .col(text("arguments"))
            .col(text_null("result"))
            .col(text_null("error"))
            .col(text("stdout"))
            .col(text("outcome"))
            .col(boolean("success"))
            .col(big_integer("fuel"))
            .col(big_integer("peak_memory_bytes"))
            .col(big_integer("duration_us"))
            .col(big_integer("http_requests"))
            .col(big_integer("http_sent_bytes"))
            .col(big_integer("http_received_bytes"))
            .col(timestamp_with_time_zone("started_at")),
    );
    script.index("tool_execution_logs", &["tool_id", "id"]);
    script.index("tool_execution_logs", &["server_id", "id"]);
    script.index("tool_execution_logs", &["started_at"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("tool_execution_logs");
}
