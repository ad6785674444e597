//! A secret may be bound: the host adds it to requests by itself, and tools do not see it.

use sea_orm_migration::schema::text_null;

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    script.add_column("server_secrets", text_null("binding"));
}

pub(crate) fn down(script: &mut Script) {
    script.drop_column("server_secrets", "binding");
}
