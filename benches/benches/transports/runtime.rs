//! The runtimes.

use std::future::Future;
use std::pin::Pin;

use async_executor::Executor;

/// What clients run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// tokio on the thread that waits for it.
    Tokio,
    /// tokio on two threads of its own.
    TokioTwo,
    /// smol's parts, on the thread that waits for them.
    AsyncIo,
    /// async-std, which is async-io below, on the thread that waits for it; tasks run on threads of its own too.
    AsyncStd,
}

static EXECUTOR: Executor<'static> = Executor::new();

impl Runtime {
    /// Runs a future to its end: as a task of a worker where there are workers, which is where a server's code runs.
    pub(crate) fn run<T: Send + 'static>(self, future: impl Future<Output = T> + Send + 'static) -> T {
        match self {
            Self::Tokio => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(future)
            }
            Self::TokioTwo => {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
                let runtime = runtime.expect("a runtime");
                runtime.block_on(runtime.spawn(future)).expect("it does not panic")
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
                Box::pin(async { task.await.expect("it does not panic") })
            }
            Self::AsyncIo => Box::pin(EXECUTOR.spawn(future)),
            Self::AsyncStd => Box::pin(async_std::task::spawn(future)),
        }
    }
}
