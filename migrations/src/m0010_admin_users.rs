//! Administrators' accounts.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{boolean, integer, text, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid};

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    let table = Table::create()
        .table("admin_users")
        .col(uuid("id").primary_key())
        .col(script.name("username"))
        .col(text("password_hash"))
        .col(boolean("is_active"))
        .col(integer("password_version"))
        .col(timestamp_with_time_zone_null("last_login_at"))
        .col(timestamp_with_time_zone("created_at"))
        .to_owned();
    script.create_table(&table);
    script.unique("admin_users", &["username"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("admin_users");
}
