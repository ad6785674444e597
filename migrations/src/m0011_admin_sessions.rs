//! Administrators' sessions; of a token only the digest is kept.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{integer, text, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid};

use crate::change::{Script, owned_by};

pub(crate) fn up(script: &mut Script) {
    script.create_table(
        Table::create()
            .table("admin_sessions")
            .col(uuid("id").primary_key())
            .col(uuid("admin_id"))
            .col(text("token_hash"))
            .col(integer("password_version"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone("expires_at"))
            .col(timestamp_with_time_zone_null("revoked_at"))
            .col(text_null("from_address"))
            .foreign_key(&mut owned_by("admin_id", "admin_users")),
    );
    script.unique("admin_sessions", &["token_hash"]);
    script.index("admin_sessions", &["admin_id"]);
    script.index("admin_sessions", &["expires_at"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("admin_sessions");
}
