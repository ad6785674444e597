//! A session says since when its client is ready to be asked. Those that are open already are.

use sea_orm_migration::schema::timestamp_with_time_zone_null;

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    script.add_column("mcp_sessions", timestamp_with_time_zone_null("initialized_at"));
    script.rows("UPDATE mcp_sessions SET initialized_at = opened_at");
}

pub(crate) fn down(script: &mut Script) {
    script.drop_column("mcp_sessions", "initialized_at");
}
