//! Sessions of MCP clients of the legacy era, so that they outlive the process that opened them and are
//! shared by all processes on one database. Their owners are callers, which need no row of their own, so
//! there is no foreign key.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text, text_null, timestamp_with_time_zone};

use crate::change::Script;

const TABLE: &str = "mcp_sessions";

pub(crate) fn up(script: &mut Script) {
    script.create_table(
        Table::create()
            .table(TABLE)
            .col(text("id_hash").primary_key())
            .col(text("owner"))
            .col(text_null("scope"))
            .col(text("version"))
            .col(text("capabilities"))
            .col(text_null("client"))
            .col(text_null("log_level"))
            .col(text("subscriptions"))
            .col(timestamp_with_time_zone("opened_at"))
            .col(timestamp_with_time_zone("used_at")),
    );
    script.index(TABLE, &["used_at"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table(TABLE);
}
