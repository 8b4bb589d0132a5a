//! The version of the tables.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient};

use super::connection::failed;
use super::sql::{self, in_schema};
use crate::StoreError;

/// Brings the tables to the newest version, and returns their schema. It needs no right to create tables if they have it.
pub(crate) async fn migrate(client: &mut Client) -> Result<String, StoreError> {
    let newest = sql::MIGRATIONS.len();
    let schema = schema(client).await?;
    if version(client, &schema).await? == Some(newest) {
        return Ok(schema);
    }
    let transaction = client.transaction().await.map_err(failed)?;
    transaction.batch_execute(sql::LOCK_MIGRATIONS).await.map_err(failed)?;
    let version = match version(&transaction, &schema).await? {
        Some(version) => version,
        None => {
            transaction.batch_execute(&in_schema(sql::CREATE_VERSION, &schema)).await.map_err(failed)?;
            0
        }
    };
    for step in &sql::MIGRATIONS[version..] {
        transaction.batch_execute(&in_schema(step, &schema)).await.map_err(failed)?;
    }
    transaction.execute(&in_schema(sql::SET_VERSION, &schema), &[&to_i64(newest)]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(schema)
}

/// The schema of the tables, as it is written in a statement.
async fn schema(client: &Client) -> Result<String, StoreError> {
    let row = client.query_one(sql::SCHEMA, &[]).await.map_err(failed)?;
    let schema: Option<String> = super::get(&row, 0)?;
    schema.ok_or_else(|| {
        StoreError::unavailable(
            "the search path has no schema that exists; create the schema first, or change the search path",
        )
    })
}

/// The version of the tables. `None` if there are no tables.
async fn version(client: &impl GenericClient, schema: &str) -> Result<Option<usize>, StoreError> {
    let has_version = client.query_typed(sql::HAS_VERSION, &[(&schema, Type::TEXT)]).await.map_err(failed)?;
    if !has_version.first().map_or(Ok(false), |row| super::get(row, 0))? {
        return Ok(None);
    }
    let row = client.query_opt(&in_schema(sql::VERSION, schema), &[]).await.map_err(failed)?;
    let what = "the version of the store";
    let row = row.ok_or_else(|| StoreError::unreadable(what, "the table chat_store_version is empty"))?;
    let found: i64 = row.try_get(0).map_err(|error| StoreError::unreadable(what, error))?;
    let newest = sql::MIGRATIONS.len();
    let version = usize::try_from(found).ok().filter(|version| *version <= newest);
    version.map(Some).ok_or(StoreError::NewerVersion { found, supported: to_i64(newest) })
}

fn to_i64(version: usize) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
