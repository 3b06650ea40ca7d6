//! New grants as rows, many in one statement. This is the ledger's busiest write, and the two databases take it fastest in
//! different ways: a file wants plain values, a server an array for each column.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, Connection as _, PgConnection, SqliteConnection};

use super::database::BEGIN;
use super::open_grants::{self, Places};
use super::quota::{self, Key, QuotaRow, used_of};

/// The columns of [`NewRow`], in the order of its fields.
macro_rules! columns {
    () => {
        "id, subject, profile, public_id, delivery_type, request, terms, reservations, request_id, address, \
         issued_at, expires_at, due_at"
    };
}

/// The columns of one row as parameters.
const PARAMETERS: &str = "(?,?,?,?,?,?,?,?,?,?,?,?,?)";

/// One statement for every power of two up to the largest batch, so that a handful of them stay prepared: parameters that
/// are not bound are null, and their rows are left out.
static SQLITE: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..=super::writer::MAX_BATCH.ilog2()).map(sqlite).collect());

/// The arrays of [`InsertGrants`] for a server, as a table.
macro_rules! arrays {
    () => {
        "UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], \
         $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[])"
    };
}

const POSTGRES: &str = concat!("INSERT INTO grants (", columns!(), ") SELECT * FROM ", arrays!());

/// Takes places of limits, the argument `$places`, and says how full each is then.
macro_rules! take_places {
    ($places:literal) => {
        concat!(
            "INSERT INTO quota_use (subject, profile, measure, period, used, ends_at) \
             SELECT value ->> 'subject', value ->> 'profile', value ->> 'measure', value ->> 'period', \
                    CAST(value ->> 'add' AS BIGINT), CAST(value ->> 'ends_at' AS BIGINT) FROM ",
            $places,
            " WHERE true ORDER BY 1, 2, 3, 4 \
             ON CONFLICT (subject, profile, measure, period) \
             DO UPDATE SET used = quota_use.used + excluded.used, ends_at = excluded.ends_at \
             RETURNING subject, profile, measure, period, used"
        )
    };
}

const TAKE_PLACES: &str = take_places!("json_each($1) AS items");

/// One statement takes places and inserts the grants that they are for, unless a limit is passed: a server is asked once.
const POSTGRES_WITHIN: &str = concat!(
    "WITH taken AS (",
    take_places!("jsonb_array_elements($14::jsonb) AS items(value)"),
    "), passed AS (SELECT count(*) AS limits FROM taken JOIN jsonb_array_elements($14::jsonb) AS items(value) \
     ON taken.subject = value ->> 'subject' AND taken.profile = value ->> 'profile' \
     AND taken.period = value ->> 'period' WHERE taken.used > CAST(value ->> 'limit' AS BIGINT)), \
     inserted AS (INSERT INTO grants (",
    columns!(),
    ") SELECT * FROM ",
    arrays!(),
    " WHERE (SELECT limits FROM passed) = 0) SELECT limits FROM passed"
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
    pub(super) address: String,
    pub(super) issued_at: i64,
    pub(super) expires_at: i64,
    pub(super) due_at: i64,
}

/// A connection that takes new grants.
pub(super) trait InsertGrants {
    /// Inserts `rows`, within the transaction that the connection is in.
    async fn insert_grants(&mut self, rows: &[&NewRow]) -> Result<(), sqlx::Error>;

    /// Inserts `rows` in a transaction of their own if `places` has room for all of them, and says whether it did. Where it
    /// has not, counters may have grown: they are to be corrected.
    async fn insert_within(
        &mut self,
        rows: &[&NewRow],
        places: &BTreeMap<Key, Places>,
    ) -> Result<bool, sqlx::Error>;
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

    async fn insert_within(
        &mut self,
        rows: &[&NewRow],
        places: &BTreeMap<Key, Places>,
    ) -> Result<bool, sqlx::Error> {
        let mut transaction = self.begin_with(BEGIN.sqlite).await?;
        let taken: Vec<QuotaRow> =
            sqlx::query_as(TAKE_PLACES).bind(open_grants::rows(places)).fetch_all(&mut *transaction).await?;
        let taken = quota::by_key(taken);
        let is_passed = |(key, places): (&Key, &Places)| used_of(&taken, key) > places.limit;
        if places.iter().any(is_passed) {
            transaction.rollback().await?;
            return Ok(false);
        }
        transaction.insert_grants(rows).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

impl InsertGrants for PgConnection {
    async fn insert_grants(&mut self, rows: &[&NewRow]) -> Result<(), sqlx::Error> {
        sqlx::query_with(POSTGRES, arrays(rows)?).execute(self).await?;
        Ok(())
    }

    async fn insert_within(
        &mut self,
        rows: &[&NewRow],
        places: &BTreeMap<Key, Places>,
    ) -> Result<bool, sqlx::Error> {
        let mut arguments = arrays(rows)?;
        arguments.add(open_grants::rows(places)).map_err(sqlx::Error::Encode)?;
        let passed: i64 = sqlx::query_scalar_with(POSTGRES_WITHIN, arguments).fetch_one(self).await?;
        Ok(passed == 0)
    }
}

/// The rows as an array for each column.
fn arrays(rows: &[&NewRow]) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for column in 0..TEXTS {
        let texts: Vec<_> = rows.iter().map(|row| row.texts()[column]).collect();
        arguments.add(texts).map_err(sqlx::Error::Encode)?;
    }
    for column in 0..NUMBERS {
        let numbers: Vec<_> = rows.iter().map(|row| row.numbers()[column]).collect();
        arguments.add(numbers).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

const TEXTS: usize = 10;
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
            address,
            ..
        } = self;
        [id, subject, profile, public_id, delivery_type, request, terms, reservations, request_id, address]
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
