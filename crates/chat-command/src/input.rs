//! Reads a file or standard input in chunks.

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::Path;

/// Size of the read buffer.
const READ_SIZE: usize = 64 * 1024;

/// Reads `file`, or standard input if it is `-`, and passes it to `consume` until that returns `false`.
///
/// The chunks have `chunk_size` bytes, or are passed on as they were read if it is `None`. Reads run on a blocking thread,
/// so the caller can wait for something else at the same time, such as Ctrl-C.
pub(crate) async fn feed(
    file: &Path,
    chunk_size: Option<NonZeroUsize>,
    mut consume: impl FnMut(&[u8]) -> io::Result<bool>,
) -> io::Result<()> {
    let mut input: Box<dyn Read + Send> = match file.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(file).map_err(|error| with_path(file, &error))?),
    };
    let mut buffer = vec![0; READ_SIZE];
    // The bytes of an incomplete chunk.
    let mut pending = Vec::new();
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
            Err(error) => return Err(with_path(file, &error)),
        };
        let Some(size) = chunk_size else {
            if !consume(&buffer[..read])? {
                return Ok(());
            }
            continue;
        };
        pending.extend_from_slice(&buffer[..read]);
        let complete = pending.len() - pending.len() % size;
        for chunk in pending[..complete].chunks(size.get()) {
            if !consume(chunk)? {
                return Ok(());
            }
        }
        pending.drain(..complete);
    }
    if !pending.is_empty() {
        consume(&pending)?;
    }
    Ok(())
}

/// Adds the path to the error's message.
fn with_path(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}
