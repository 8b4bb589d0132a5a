//! The options of output on a terminal.

use clap::Args;
#[cfg(feature = "terminal")]
use clap::ValueEnum;

/// How answers are printed to a terminal.
#[cfg(feature = "terminal")]
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Output {
    /// Print the text as it arrives, without rendering its Markdown
    #[arg(long, conflicts_with = "json")]
    pub(crate) raw: bool,
    /// When to use colors and links
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) color: Color,
}

/// Without the feature `terminal`, answers are printed as they arrive.
#[cfg(not(feature = "terminal"))]
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Output {}

/// The values of `--color`.
#[cfg(feature = "terminal")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// on a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`
    #[default]
    Auto,
    /// always, even in a pipe
    Always,
    /// never
    Never,
}
