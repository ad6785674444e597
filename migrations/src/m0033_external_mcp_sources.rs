//! External MCP sources of servers: where they are, how they let us in, how they stand.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, blob_null, boolean, text, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid,
};

use crate::change::{Script, owned_by};

pub(crate) fn up(script: &mut Script) {
    let table = Table::create()
        .table("external_mcp_sources")
        .col(uuid("id").primary_key())
        .col(uuid("server_id"))
        .col(script.name("name"))
        .col(text("url"))
        .col(text("transport_type"))
        .col(text("auth_type"))
        .col(text_null("auth_secret_name"))
        .col(text_null("auth_header_name"))
        .col(boolean("private_network"))
        .col(text("status"))
        .col(text_null("problem"))
        .col(timestamp_with_time_zone_null("approved_at"))
        .col(text_null("approved_by"))
        .col(text_null("oauth_issuer"))
        .col(text_null("oauth_client_id"))
        .col(blob_null("oauth_tokens"))
        .col(blob_null("oauth_flow"))
        .col(text_null("oauth_state"))
        .col(timestamp_with_time_zone_null("oauth_begun_at"))
        .col(big_integer("tool_count"))
        .col(timestamp_with_time_zone_null("last_discovered_at"))
        .col(text("created_by"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("updated_at"))
        .foreign_key(&mut owned_by("server_id", "servers"))
        .to_owned();
    script.create_table(&table);
    script.unique("external_mcp_sources", &["server_id", "name"]);
    script.unique("external_mcp_sources", &["oauth_state"]);
}

/// Tools of sources go with what makes them callable.
pub(crate) fn down(script: &mut Script) {
    script.rows(
        r#"DELETE FROM "tools" WHERE "id" IN (SELECT "tool_id" FROM "tool_versions" WHERE "kind" = 'mcp_passthrough')"#,
    );
    script.drop_table("external_mcp_sources");
}
