//! Tools. What is called is the live version; it has no foreign key, because versions refer to tools.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{boolean, integer, text, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid, uuid_null};

use crate::change::{Script, owned_by};

pub(crate) fn up(script: &mut Script) {
    let table = Table::create()
        .table("tools")
        .col(uuid("id").primary_key())
        .col(uuid("server_id"))
        .col(script.name("name"))
        .col(boolean("enabled"))
        .col(integer("latest_version"))
        .col(uuid_null("live_version_id"))
        .col(text_null("live_digest"))
        .col(timestamp_with_time_zone_null("approved_at"))
        .col(text_null("approved_by"))
        .col(text("created_by"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("updated_at"))
        .foreign_key(&mut owned_by("server_id", "servers"))
        .to_owned();
    script.create_table(&table);
    script.unique("tools", &["server_id", "name"]);
    script.index("tools", &["live_version_id"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("tools");
}
