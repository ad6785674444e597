//! Tickets with which a session opens one live stream: of a ticket only the digest is kept.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text, timestamp_with_time_zone, uuid};

use crate::change::{Script, owned_by};

pub(crate) fn up(script: &mut Script) {
    script.create_table(
        Table::create()
            .table("stream_tickets")
            .col(text("ticket_hash").primary_key())
            .col(uuid("session_id"))
            .col(timestamp_with_time_zone("expires_at"))
            .foreign_key(&mut owned_by("session_id", "admin_sessions")),
    );
    script.index("stream_tickets", &["session_id"]);
    script.index("stream_tickets", &["expires_at"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("stream_tickets");
}
