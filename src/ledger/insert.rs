//! New grants as rows, many in one statement. This is the ledger's busiest write, and the two databases take it fastest in
//! different ways: a file wants plain values, a server an array for each column.

use std::sync::LazyLock;

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, PgConnection, SqliteConnection};

/// The columns of [`NewRow`], in the order of its fields.
macro_rules! columns {
    () => {
        "id, subject, profile, public_id, delivery_type, request, terms, reservations, request_id, issued_at, \
         expires_at, due_at"
    };
}

/// The columns of one row as parameters.
const PARAMETERS: &str = "(?,?,?,?,?,?,?,?,?,?,?,?)";

/// One statement for every power of two up to the largest batch, so that a handful of them stay prepared: parameters that
/// are not bound are null, and their rows are left out.
static SQLITE: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..=super::writer::MAX_BATCH.ilog2()).map(sqlite).collect());

const POSTGRES: &str = concat!(
    "INSERT INTO grants (",
    columns!(),
    ") SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], \
     $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[])"
);

/// A new grant, column by column.
#[derive(Debug)]
pub(super) struct NewRow {
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) profile: String,
    pub(super) public_id: String,
    pub(super) delivery_type: &'static str,
    pub(super) request: String,
    pub(super) terms: String,
    pub(super) reservations: String,
    pub(super) request_id: String,
    pub(super) issued_at: i64,
    pub(super) expires_at: i64,
    pub(super) due_at: i64,
}

/// A connection that takes new grants.
pub(super) trait InsertGrants {
    /// Inserts `rows`, within the transaction that the connection is in.
    async fn insert_grants(&mut self, rows: &[&NewRow]) -> Result<(), sqlx::Error>;
}

impl InsertGrants for SqliteConnection {
    async fn insert_grants(&mut self, rows: &[&NewRow]) -> Result<(), sqlx::Error> {
        let statement = &SQLITE[usize::try_from(rows.len().next_power_of_two().ilog2()).unwrap_or_default()];
        let mut arguments = SqliteArguments::default();
        arguments.reserve(rows.len() * (TEXTS + NUMBERS), 0);
        for row in rows {
            for text in row.texts() {
                arguments.add(text).map_err(sqlx::Error::Encode)?;
            }
            for number in row.numbers() {
                arguments.add(number).map_err(sqlx::Error::Encode)?;
            }
        }
        let insert = sqlx::query_with(statement.as_str(), arguments);
        insert.execute(self).await?;
        Ok(())
    }
}

impl InsertGrants for PgConnection {
    async fn insert_grants(&mut self, rows: &[&NewRow]) -> Result<(), sqlx::Error> {
        let mut insert = sqlx::query(POSTGRES);
        for column in 0..TEXTS {
            insert = insert.bind(rows.iter().map(|row| row.texts()[column]).collect::<Vec<_>>());
        }
        for column in 0..NUMBERS {
            insert = insert.bind(rows.iter().map(|row| row.numbers()[column]).collect::<Vec<_>>());
        }
        insert.execute(self).await?;
        Ok(())
    }
}

const TEXTS: usize = 9;
const NUMBERS: usize = 3;

impl NewRow {
    fn texts(&self) -> [&str; TEXTS] {
        let Self {
            id,
            subject,
            profile,
            public_id,
            delivery_type,
            request,
            terms,
            reservations,
            request_id,
            ..
        } = self;
        [id, subject, profile, public_id, delivery_type, request, terms, reservations, request_id]
    }

    const fn numbers(&self) -> [i64; NUMBERS] {
        [self.issued_at, self.expires_at, self.due_at]
    }
}

/// A statement for 2 to the power of `exponent` rows.
fn sqlite(exponent: u32) -> String {
    let rows = vec![PARAMETERS; 1 << exponent].join(",");
    format!("INSERT INTO grants ({}) SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL", columns!())
}
