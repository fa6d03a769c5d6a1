//! `weir man`: manual pages, made of the same words as the help.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};

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

/// Prints or writes the pages of the whole command line.
pub(crate) fn run(arguments: Arguments, command_line: Command) -> Result<(), Failure> {
    let failed = |place: &str, error: &io::Error| {
        Failure::Running(format!("the manual pages can't be written to `{place}`: {error}"))
    };
    match arguments.directory {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command_line)
                .render(&mut page)
                .map_err(|error| failed("memory", &error))?;
            Ok(output::data(String::from_utf8_lossy(&page))?)
        }
        Some(directory) => write_all(&directory, command_line)
            .map_err(|error| failed(&directory.display().to_string(), &error)),
    }
}

fn write_all(directory: &Path, command_line: Command) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(command_line, directory)
}
