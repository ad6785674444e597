//! What can be called on a server, each name once: tools that are sources under their own names, and
//! components under the names of their exports. Both the live and the newest version of a tool hold
//! theirs.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text, text_null, uuid};

use crate::change::{Script, owned_by};

pub(crate) fn up(script: &mut Script) {
    script.add_column("tool_versions", text("exports").default("[]"));
    script.add_column("tool_versions", text_null("surface"));
    script.add_column("tools", text("disabled_exports").default("[]"));
    let table = Table::create()
        .table("tool_names")
        .col(uuid("server_id"))
        .col(script.name("name"))
        .col(uuid("tool_id"))
        .primary_key(Index::create().col("server_id").col("name"))
        .foreign_key(&mut owned_by("server_id", "servers"))
        .foreign_key(&mut owned_by("tool_id", "tools"))
        .to_owned();
    script.create_table(&table);
    script.index("tool_names", &["tool_id"]);
    script.rows(r#"INSERT INTO "tool_names" ("server_id", "name", "tool_id") SELECT "server_id", "name", "id" FROM "tools""#);
    // A new name that waits for approval is held too, for the first who asked for it.
    script.rows(
        r#"INSERT INTO "tool_names" ("server_id", "name", "tool_id")
        SELECT "tools"."server_id", "tool_versions"."name", "tools"."id" FROM "tools"
        JOIN "tool_versions" ON "tool_versions"."tool_id" = "tools"."id"
            AND "tool_versions"."number" = "tools"."latest_version"
        WHERE "tool_versions"."name" <> "tools"."name" ORDER BY "tool_versions"."id"
        ON CONFLICT DO NOTHING"#,
    );
}

/// Components go with what makes them callable.
pub(crate) fn down(script: &mut Script) {
    script.rows(
        r#"DELETE FROM "tools" WHERE "id" IN (SELECT "tool_id" FROM "tool_versions" WHERE "kind" = 'component')"#,
    );
    script.drop_table("tool_names");
    script.drop_column("tools", "disabled_exports");
    script.drop_column("tool_versions", "surface");
    script.drop_column("tool_versions", "exports");
}
