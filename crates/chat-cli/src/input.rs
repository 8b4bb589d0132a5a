//! Bytes from a file or standard input, in chunks of a size.

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::Path;

/// What is read at a time where nothing else is asked for.
const READ: usize = 64 * 1024;

/// Feeds a file, or standard input if it is `-`, to `take`, in chunks of `size` or as it is read; until `take` wants no
/// more. A read may take for ever, and whoever waits for this may wait for something else beside it.
pub(crate) async fn feed(
    file: &Path,
    size: Option<NonZeroUsize>,
    mut take: impl FnMut(&[u8]) -> io::Result<bool>,
) -> io::Result<()> {
    let mut input: Box<dyn Read + Send> = match file.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(file).map_err(|error| named(file, &error))?),
    };
    let mut buffer = vec![0; READ];
    // Bytes that wait for their chunk to be full.
    let mut rest = Vec::new();
    loop {
        let read;
        (input, buffer, read) = tokio::task::spawn_blocking(move || {
            let read = input.read(&mut buffer);
            (input, buffer, read)
        })
        .await?;
        let read = match read {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(named(file, &error)),
        };
        let Some(size) = size else {
            if !take(&buffer[..read])? {
                return Ok(());
            }
            continue;
        };
        rest.extend_from_slice(&buffer[..read]);
        let whole = rest.len() - rest.len() % size;
        for chunk in rest[..whole].chunks(size.get()) {
            if !take(chunk)? {
                return Ok(());
            }
        }
        rest.drain(..whole);
    }
    if !rest.is_empty() {
        take(&rest)?;
    }
    Ok(())
}

/// The same error, saying which file it is about.
fn named(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}
