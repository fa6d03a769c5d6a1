//! `weir man`: manual pages, made of the same words as the help.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};

use crate::arguments::CommandLine;
use crate::failure::Failure;
use crate::output;

/// What `weir man` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weir man ~/.local/share/man/man1")]
pub(crate) struct Arguments {
    /// Write `weir.1` and a page for each command there, instead of printing one
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Prints or writes the pages.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let failed = |place: &str, error: &io::Error| {
        Failure::Running(format!("the manual pages can't be written to `{place}`: {error}"))
    };
    match arguments.directory {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(CommandLine::command())
                .render(&mut page)
                .map_err(|error| failed("memory", &error))?;
            output::data(String::from_utf8_lossy(&page))
        }
        Some(directory) => {
            write_all(&directory).map_err(|error| failed(&directory.display().to_string(), &error))
        }
    }
}

fn write_all(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(CommandLine::command(), directory)
}
