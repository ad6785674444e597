//! Administrators' sessions with two tokens, of which only digests are kept: one that opens, for
//! minutes, and one that is exchanged for the next pair. A session of a browser has a third digest,
//! of what its pages show beside the cookie.
//!
//! Sessions of before have no token of the second kind; their owners log in again.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{integer, text, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid};

use crate::change::{Script, owned_by};
use crate::m0011_admin_sessions;

pub(crate) fn up(script: &mut Script) {
    m0011_admin_sessions::down(script);
    script.create_table(
        Table::create()
            .table("admin_sessions")
            .col(uuid("id").primary_key())
            .col(uuid("admin_id"))
            .col(text("access_hash"))
            .col(timestamp_with_time_zone("access_expires_at"))
            .col(text("refresh_family_hash"))
            .col(text("refresh_hash"))
            .col(text_null("csrf_hash"))
            .col(integer("password_version"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone("refreshed_at"))
            .col(timestamp_with_time_zone("expires_at"))
            .col(timestamp_with_time_zone_null("revoked_at"))
            .col(text_null("from_address"))
            .col(text_null("user_agent"))
            .foreign_key(&mut owned_by("admin_id", "admin_users")),
    );
    script.unique("admin_sessions", &["access_hash"]);
    script.unique("admin_sessions", &["refresh_family_hash"]);
    script.index("admin_sessions", &["admin_id"]);
    script.index("admin_sessions", &["expires_at"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("admin_sessions");
    m0011_admin_sessions::up(script);
}
