//! The thread that uses the file, so that no executor's thread waits for the disk.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use futures_channel::oneshot;
use rusqlite::Connection;

use super::file;
use crate::StoreError;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle of the thread. When the last handle is dropped, it waits until all jobs are done and the file is closed, which
/// empties the log.
#[derive(Clone)]
pub(crate) struct Thread(Arc<Inner>);

struct Inner {
    /// `None` once the last handle is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    /// Opens the file on a new thread.
    pub(crate) async fn open(path: PathBuf) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (opened, is_open) = oneshot::channel();
        let work = move || match file::open(&path) {
            Ok(mut connection) => {
                // If the caller is gone, the queue is closed too.
                drop(opened.send(Ok(())));
                for job in queue {
                    job(&mut connection);
                }
            }
            Err(error) => drop(opened.send(Err(error))),
        };
        let thread = thread::Builder::new().name("chat-store".to_owned()).spawn(work);
        let thread = Some(thread.map_err(StoreError::unavailable)?);
        is_open.await.map_err(|_| ended())??;
        Ok(Self(Arc::new(Inner { jobs: Some(jobs), thread })))
    }

    /// Does a job on the thread. Jobs are done in order. A job is also done if the future is dropped.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let (done, result) = oneshot::channel();
        let job = Box::new(move |connection: &mut Connection| drop(done.send(job(connection))));
        let jobs = self.0.jobs.as_ref().ok_or_else(ended)?;
        jobs.send(job).map_err(|_| ended())?;
        result.await.map_err(|_| ended())?
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The queue ends, and so does the thread.
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic is an error of the job that was lost.
            let _ = thread.join();
        }
    }
}

/// The error if the thread has panicked.
fn ended() -> StoreError {
    StoreError::unavailable("its thread has ended; open the store again")
}
