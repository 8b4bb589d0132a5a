//! The version of the tables.

use tokio_postgres::{Client, GenericClient};

use super::connection::failed;
use super::sql;
use crate::StoreError;

/// Brings the tables to the newest version. It needs no right to create tables if they have it.
pub(crate) async fn migrate(client: &mut Client) -> Result<(), StoreError> {
    let newest = sql::MIGRATIONS.len();
    if version(client).await? == Some(newest) {
        return Ok(());
    }
    let transaction = client.transaction().await.map_err(failed)?;
    transaction.batch_execute(sql::LOCK_MIGRATIONS).await.map_err(failed)?;
    let version = match version(&transaction).await? {
        Some(version) => version,
        None => {
            transaction.batch_execute(sql::CREATE_VERSION).await.map_err(failed)?;
            0
        }
    };
    for step in &sql::MIGRATIONS[version..] {
        transaction.batch_execute(step).await.map_err(failed)?;
    }
    transaction.execute(sql::SET_VERSION, &[&to_i64(newest)]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// The version of the tables. `None` if there are no tables.
async fn version(client: &impl GenericClient) -> Result<Option<usize>, StoreError> {
    let has_version = client.query_one(sql::HAS_VERSION, &[]).await.map_err(failed)?;
    if !has_version.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = client.query_one(sql::VERSION, &[]).await.map_err(failed)?;
    let (found, newest) = (row.get::<_, i64>(0), sql::MIGRATIONS.len());
    let version = usize::try_from(found).ok().filter(|version| *version <= newest);
    version.map(Some).ok_or(StoreError::NewerVersion { found, supported: to_i64(newest) })
}

fn to_i64(version: usize) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
