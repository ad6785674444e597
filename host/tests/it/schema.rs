//! The page of the database: every table of a real one, with the promise of the file that owns it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use mcpbox::config::Place;
use mcpbox::limits::Limits;
use serde::Deserialize;

use crate::fresh::hold;
use crate::harness::{Host, statement_run};
use crate::sandbox::cache_dir;
use crate::source::{Source, sources};

const HEAD: &str = "\
# The database

Every table, with its columns as SQLite has them; PostgreSQL has the same ones. Identifiers are UUIDs of
version 7, times are UTC, digests are SHA-256 in hexadecimal. `mcpbox migrate` ([operating](operating.md))
makes and changes the schema; the changes are in `migrations/src`.

This page is made from a migrated database and the first lines of the files in `host/src/db`: change
those, then run `make docs`.
";

/// One column of a table.
#[derive(Clone, Debug, Deserialize)]
struct Column {
    table: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    required: u8,
    /// The table that it refers to.
    refers_to: Option<String>,
    /// What becomes of the row when that one goes.
    on_delete: Option<String>,
}

/// All columns, as one JSON text.
const COLUMNS: &str = "\
    SELECT json_group_array(json(line)) FROM ( \
        SELECT json_object('table', t.name, 'name', c.name, 'type', c.type, 'required', c.\"notnull\" OR c.pk, \
                           'refers_to', f.\"table\", 'on_delete', f.on_delete) AS line \
        FROM sqlite_master t JOIN pragma_table_info(t.name) c \
        LEFT JOIN pragma_foreign_key_list(t.name) f ON f.\"from\" = c.name \
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid)";

/// The columns of a new SQLite database with the whole schema.
async fn columns() -> Vec<Column> {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place {
        data_dir: folder.path().to_owned(),
        database_url: None,
        cache_dir: Some(cache_dir()),
        encryption_key: None,
    };
    let db = mcpbox::app::open_database(&place, &Limits::default()).await.expect("the schema is applied");
    db.close().await.expect("the database closes");
    serde_json::from_str(&statement_run(None, folder.path(), COLUMNS)).expect("columns")
}

/// The file that owns a table, and its promise.
fn owner<'a>(files: &'a [Source], table: &str) -> Option<(&'a str, String)> {
    if table == "seaql_migrations" {
        return Some(("migrations/src/lib.rs", "Which changes of the schema were applied, and when.".to_owned()));
    }
    let mark = format!("table_name = \"{table}\")]");
    let own = files.iter().find(|file| file.path.starts_with("host/src/db/") && file.text.contains(&mark))?;
    let promise = own.text.lines().map_while(|line| line.strip_prefix("//!")).take_while(|line| !line.is_empty());
    Some((&own.path, promise.map(str::trim).collect::<Vec<_>>().join(" ")))
}

/// The page, or the tables that nobody owns.
fn page(columns: &[Column], files: &[Source]) -> Result<String, Vec<String>> {
    let mut page = HEAD.to_owned();
    let mut orphans = Vec::new();
    for of_table in columns.chunk_by(|one, next| one.table == next.table) {
        let table = &of_table[0].table;
        let Some((path, promise)) = owner(files, table) else {
            orphans.push(table.clone());
            continue;
        };
        let _ = write!(page, "\n## {table}\n\n{promise} Owned by `{path}`.\n\n");
        page += "| column | type | may be empty | refers to |\n| --- | --- | --- | --- |\n";
        for Column { name, kind, required, refers_to, on_delete, .. } in of_table {
            let optional = if *required == 0 { "yes" } else { "" };
            let with_it = if on_delete.as_deref() == Some("CASCADE") { ", goes with it" } else { "" };
            let refers = refers_to.as_ref().map(|other| format!("`{other}`{with_it}")).unwrap_or_default();
            let _ = writeln!(page, "| `{name}` | {} | {optional} | {refers} |", kind.to_lowercase());
        }
    }
    if orphans.is_empty() { Ok(page) } else { Err(orphans) }
}

#[tokio::test]
async fn the_page_of_the_database_is_up_to_date() {
    let columns = columns().await;
    assert!(columns.len() > 50, "only {columns:?}");
    match page(&columns, &sources()) {
        Ok(page) => hold("docs/database.md", &page),
        Err(orphans) => panic!("no file of host/src/db owns {orphans:?}"),
    }
}

#[tokio::test]
async fn every_database_has_the_same_columns() {
    let host = Host::start().await;
    let names: BTreeSet<String> =
        columns().await.iter().map(|column| format!("{}.{}", column.table, column.name)).collect();
    assert_eq!(host.columns(), names);
}

#[test]
fn a_planted_table_without_an_owner_is_found_and_a_planted_column_changes_the_page() {
    let column = |table: &str, name: &str| Column {
        table: table.to_owned(),
        name: name.to_owned(),
        kind: "TEXT".to_owned(),
        required: 1,
        refers_to: Some("other".to_owned()),
        on_delete: Some("CASCADE".to_owned()),
    };
    let text = "//! Things. One\n//! line more.\n//!\n//! Not this.\n#[sea_orm(table_name = \"things\")]\n".to_owned();
    let files = [Source { path: "host/src/db/things.rs".to_owned(), text }];
    assert_eq!(page(&[column("planted", "id")], &files), Err(vec!["planted".to_owned()]));
    let one = page(&[column("things", "id")], &files).expect("owned");
    assert!(one.contains("\n## things\n\nThings. One line more. Owned by `host/src/db/things.rs`.\n"), "{one}");
    assert!(one.contains("| `id` | text |  | `other`, goes with it |\n"), "{one}");
    let two = page(&[column("things", "id"), column("things", "planted")], &files).expect("owned");
    assert_ne!(one, two);
}
