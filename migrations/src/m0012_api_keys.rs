//! API keys; of a key only the digest and its first characters are kept.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid};

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    let table = Table::create()
        .table("api_keys")
        .col(uuid("id").primary_key())
        .col(script.name("name"))
        .col(text("key_hash"))
        .col(text("prefix"))
        .col(text("created_by"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone_null("last_used_at"))
        .col(timestamp_with_time_zone_null("revoked_at"))
        .to_owned();
    script.create_table(&table);
    script.unique("api_keys", &["name"]);
    script.unique("api_keys", &["key_hash"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("api_keys");
}
