//! Servers: groups of tools that share secrets and hosts.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer_null, text, timestamp_with_time_zone, uuid};

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    let table = Table::create()
        .table("servers")
        .col(uuid("id").primary_key())
        .col(script.name("name"))
        .col(text("description"))
        .col(text("status"))
        .col(big_integer_null("default_timeout_ms"))
        .col(text("created_by"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("updated_at"))
        .to_owned();
    script.create_table(&table);
    script.unique("servers", &["name"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("servers");
}
