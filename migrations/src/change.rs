//! What a change is made of: statements, written for the database at hand.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::{prelude::*, schema};

/// One change with its way back.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) up: fn(&mut Script),
    pub(crate) down: fn(&mut Script),
}

/// Statements in the order in which they are executed.
pub(crate) struct Script {
    database: DbBackend,
    statements: Vec<String>,
}

impl Step {
    pub(crate) fn forward(&self, database: DbBackend) -> Vec<String> {
        Script::of(self.up, database)
    }

    fn back(&self, database: DbBackend) -> Vec<String> {
        Script::of(self.down, database)
    }
}

impl Script {
    fn of(write: fn(&mut Self), database: DbBackend) -> Vec<String> {
        let mut script = Self { database, statements: Vec::new() };
        write(&mut script);
        script.statements
    }

    fn is_postgres(&self) -> bool {
        self.database == DbBackend::Postgres
    }

    fn push(&mut self, statement: &impl SchemaStatementBuilder) {
        self.statements.push(if self.is_postgres() {
            statement.to_string(PostgresQueryBuilder)
        } else {
            statement.to_string(SqliteQueryBuilder)
        });
    }

    pub(crate) fn create_table(&mut self, table: &TableCreateStatement) {
        self.push(table);
    }

    /// Drops a table with its indexes.
    pub(crate) fn drop_table(&mut self, name: &'static str) {
        self.push(&Table::drop().table(name).to_owned());
    }

    /// A further column; rows that are there have its default.
    pub(crate) fn add_column(&mut self, table: &'static str, column: impl IntoColumnDef) {
        self.push(Table::alter().table(table).add_column(column));
    }

    /// Drops a column that no index names.
    pub(crate) fn drop_column(&mut self, table: &'static str, column: &'static str) {
        self.push(Table::alter().table(table).drop_column(column));
    }

    /// Moves rows: SQL that both databases read alike.
    pub(crate) fn rows(&mut self, statement: &str) {
        self.statements.push(statement.to_owned());
    }

    pub(crate) fn index(&mut self, table: &'static str, columns: &[&'static str]) {
        self.push(&index(table, columns));
    }

    /// An index of a name of its own over the rows that fit a condition, which both databases read alike.
    pub(crate) fn index_where(&mut self, table: &'static str, name: &str, columns: &[&'static str], condition: &str) {
        let (name, columns) = (index_name(table, &[name]), columns.join(r#"", ""#));
        self.statements.push(format!(r#"CREATE INDEX "{name}" ON "{table}" ("{columns}") WHERE {condition}"#));
    }

    pub(crate) fn unique(&mut self, table: &'static str, columns: &[&'static str]) {
        self.push(index(table, columns).unique());
    }

    pub(crate) fn drop_index(&mut self, table: &'static str, columns: &[&'static str]) {
        self.push(&Index::drop().name(index_name(table, columns)).table(table).to_owned());
    }

    /// A unique index on `keys` over the rows that still wait for a decision. A key is a column or,
    /// where the column can be null, an expression that puts a value in place of null: to both
    /// databases one null differs from another.
    pub(crate) fn unique_while_pending(&mut self, table: &'static str, keys: &[Key]) {
        let keys: Vec<String> = keys.iter().map(|key| key.sql(self.is_postgres())).collect();
        self.statements.push(format!(
            r#"CREATE UNIQUE INDEX "{table}_pending" ON "{table}" ({}) WHERE "status" = 'pending'"#,
            keys.join(", ")
        ));
    }

    /// A column of text that is compared and sorted byte by byte, in every database and locale.
    pub(crate) fn name(&self, column: &'static str) -> ColumnDef {
        let mut definition = schema::text(column);
        if self.is_postgres() {
            definition.extra(r#"COLLATE "C""#);
        }
        definition
    }
}

/// A part of a unique index that must tell null values apart from nothing.
pub(crate) enum Key {
    Column(&'static str),
    NullableId(&'static str),
    NullableNumber(&'static str),
}

impl Key {
    fn sql(&self, is_postgres: bool) -> String {
        match self {
            Self::Column(name) => format!(r#""{name}""#),
            Self::NullableId(name) if is_postgres => {
                format!(r#"(COALESCE("{name}", '00000000-0000-0000-0000-000000000000'::uuid))"#)
            }
            Self::NullableId(name) => format!(r#"COALESCE("{name}", x'')"#),
            Self::NullableNumber(name) => format!(r#"(COALESCE("{name}", 0))"#),
        }
    }
}

fn index_name(table: &str, columns: &[&str]) -> String {
    format!("{table}_{}", columns.join("_"))
}

fn index(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(index_name(table, columns)).table(table);
    for column in columns {
        index.col(*column);
    }
    index
}

/// A reference to the row that owns this one and takes it along when it goes.
pub(crate) fn owned_by(column: &'static str, owner: &'static str) -> ForeignKeyCreateStatement {
    let mut key = ForeignKey::create();
    key.from_col(column).to(owner, "id").on_delete(ForeignKeyAction::Cascade);
    key
}

impl MigrationName for Step {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, self.forward(manager.get_database_backend())).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, self.back(manager.get_database_backend())).await
    }

    /// A change is applied whole or not at all, on both databases.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

async fn execute(manager: &SchemaManager<'_>, statements: Vec<String>) -> Result<(), DbErr> {
    for statement in statements {
        manager.get_connection().execute_unprepared(&statement).await?;
    }
    Ok(())
}
