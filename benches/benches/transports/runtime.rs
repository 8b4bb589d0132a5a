//! The runtimes of the clients.

use std::future::Future;
use std::pin::Pin;

use async_executor::Executor;

/// The runtime of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// tokio's `current_thread`.
    Tokio,
    /// tokio with two workers.
    TokioTwo,
    /// async-io and async-executor on the current thread.
    AsyncIo,
    /// async-std, which uses async-io, on the current thread and its own threads for tasks.
    AsyncStd,
}

static EXECUTOR: Executor<'static> = Executor::new();

impl Runtime {
    /// Runs a future to its end. If the runtime has workers, the future is a task of a worker, as in a server.
    pub(crate) fn run<T: Send + 'static>(self, future: impl Future<Output = T> + Send + 'static) -> T {
        match self {
            Self::Tokio => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(future)
            }
            Self::TokioTwo => {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
                let runtime = runtime.expect("a runtime");
                runtime.block_on(runtime.spawn(future)).expect("the task does not panic")
            }
            Self::AsyncIo => async_io::block_on(EXECUTOR.run(future)),
            Self::AsyncStd => async_std::task::block_on(future),
        }
    }

    /// Starts a task.
    pub(crate) fn spawn<T: Send + 'static>(
        self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Pin<Box<dyn Future<Output = T> + Send>> {
        match self {
            Self::Tokio | Self::TokioTwo => {
                let task = tokio::spawn(future);
                Box::pin(async { task.await.expect("the task does not panic") })
            }
            Self::AsyncIo => Box::pin(EXECUTOR.spawn(future)),
            Self::AsyncStd => Box::pin(async_std::task::spawn(future)),
        }
    }
}
