//! The audit log: who changed what, when and from where.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text, text_null, timestamp_with_time_zone, uuid};

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    script.create_table(
        Table::create()
            .table("audit")
            .col(uuid("id").primary_key())
            .col(timestamp_with_time_zone("at"))
            .col(text("actor"))
            .col(text("action"))
            .col(text("object_kind"))
            .col(text("object_id"))
            .col(text_null("before"))
            .col(text_null("after"))
            .col(text_null("from_address"))
            .col(text_null("request_id")),
    );
    script.index("audit", &["at"]);
    script.index("audit", &["object_kind", "object_id", "id"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("audit");
}
