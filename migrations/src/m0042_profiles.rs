//! Which servers a caller of MCP is shown and may call, and whether it manages tools. Who has no row is shown
//! everything.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{boolean, text, text_null, timestamp_with_time_zone};

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    script.create_table(
        Table::create()
            .table("profiles")
            // `local`, or the id of an API key.
            .col(text("caller").primary_key())
            // A JSON array of ids; none: every server.
            .col(text_null("servers"))
            .col(boolean("management"))
            .col(timestamp_with_time_zone("updated_at"))
            .col(text("updated_by")),
    );
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("profiles");
}
