//! Server secrets: sealed values; a placeholder has none yet.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{blob_null, text, timestamp_with_time_zone, uuid};

use crate::change::{Script, owned_by};

pub(crate) fn up(script: &mut Script) {
    let table = Table::create()
        .table("server_secrets")
        .col(uuid("id").primary_key())
        .col(uuid("server_id"))
        .col(script.name("key_name"))
        .col(blob_null("sealed"))
        .col(text("description"))
        .col(text("created_by"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("updated_at"))
        .foreign_key(&mut owned_by("server_id", "servers"))
        .to_owned();
    script.create_table(&table);
    script.unique("server_secrets", &["server_id", "key_name"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("server_secrets");
}
