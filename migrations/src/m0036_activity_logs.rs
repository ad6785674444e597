//! The activity log: messages of clients and their answers, and what the host did by itself. Its rows
//! outlive what they tell of, so they have no foreign keys. Each list has an index in the order in which it
//! is read: newest first.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer_null, text, text_null, timestamp_with_time_zone, uuid, uuid_null,
};

use crate::change::Script;

const TABLE: &str = "activity_logs";

pub(crate) fn up(script: &mut Script) {
    script.create_table(
        Table::create()
            .table(TABLE)
            .col(uuid("id").primary_key())
            .col(timestamp_with_time_zone("at"))
            .col(text("log_type"))
            .col(text("level"))
            .col(text("message"))
            .col(text("details"))
            .col(text_null("method"))
            .col(uuid_null("server_id"))
            .col(text_null("caller"))
            .col(text_null("session"))
            .col(text_null("from_address"))
            .col(text_null("request_id"))
            .col(big_integer_null("duration_us")),
    );
    // What is counted by type and level is in it, so that counting reads no rows.
    script.index(TABLE, &["at", "id", "log_type", "level"]);
    for owner in ["server_id", "log_type", "level", "request_id"] {
        script.index(TABLE, &[owner, "at", "id"]);
    }
    // The calls of a request.
    script.index("tool_execution_logs", &["request_id", "started_at", "id"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_index("tool_execution_logs", &["request_id", "started_at", "id"]);
    script.drop_table(TABLE);
}
