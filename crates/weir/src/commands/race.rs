//! `weir race`: every request to every endpoint, and the first usable answer to the client, without a file.
//!
//! Its flags are those of the program that had this mode first. [`spell_out`] lets them be written as there.

use std::ffi::OsString;
use std::time::Duration;

use clap::{ArgAction, Args, CommandFactory};
use weir_config::Complaint;
use weir_config::commandline::go_duration;
use weir_config::commandline::go_flag::{self, Flag, FlagValue, truth};
use weir_config::commandline::race::{Race, log_target, race};
use weir_config::model::{AccessLog, PlainLine};

use crate::arguments::CommandLine;
use crate::failure::Failure;
use crate::lifetime::{self, Extras};

/// The word on the command line.
const NAME: &str = "race";

/// What `weir race` takes.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Flags have one dash or two, `=` or a space, and may be shortened: `-e URL`.
Each request is one line of the log: what was asked, how long it took, which
endpoint's answer was taken, its bytes and status, how many were asked.

Example:
  weir race --endpoints http://localhost:8000,http://localhost:8001"
)]
pub(crate) struct Arguments {
    /// http(s) endpoints; one that is named twice is asked twice
    #[arg(long, value_name = "URL,URL", required = true)]
    endpoints: String,

    /// Where clients are accepted
    #[arg(long, value_name = "ADDRESS", default_value = ":8080")]
    address: String,

    /// Classes of answers that are taken; without any: 500
    #[arg(long, value_name = "N,N", default_value = "100,200,300,400")]
    terminal_responses: String,

    /// Ask all at once; `=false`: one after the other
    #[arg(long, value_name = "BOOL", default_value = "true", hide_default_value = true, value_parser = truth, action = ArgAction::Set)]
    fanout: bool,

    /// What each line of the log begins with
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    log_prefix: String,

    /// The date in lines of the log; on unless `=false`
    #[arg(long, value_name = "BOOL", default_value = "true", hide_default_value = true, value_parser = truth, action = ArgAction::Set)]
    log_date: bool,

    /// The time; on unless `=false`
    #[arg(long, value_name = "BOOL", default_value = "true", hide_default_value = true, value_parser = truth, action = ArgAction::Set)]
    log_time: bool,

    /// The time with microseconds
    #[arg(long, value_name = "BOOL", default_value = "false", hide_default_value = true, value_parser = truth, action = ArgAction::Set)]
    log_msec: bool,

    /// Date and time in UTC
    #[arg(long, value_name = "BOOL", default_value = "false", hide_default_value = true, value_parser = truth, action = ArgAction::Set)]
    log_utc: bool,

    /// `stdout`, `stderr` or a file to append to
    #[arg(long, value_name = "FILE", default_value = "stdout")]
    log_file: String,

    /// Drain after this time, such as 1m30s; 0: never
    #[arg(long, value_name = "DURATION", default_value = "0", hide_default_value = true, value_parser = go_duration::duration)]
    stop_after: Duration,
}

/// Runs until a signal, or until its time is over.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let asked = Race {
        endpoints: &arguments.endpoints,
        address: &arguments.address,
        terminal_responses: &arguments.terminal_responses,
        parallel: arguments.fanout,
    };
    let mut model = race(asked).map_err(Failure::usage)?;
    let line = PlainLine {
        prefix: arguments.log_prefix.into(),
        date: arguments.log_date,
        time: arguments.log_time,
        microseconds: arguments.log_msec,
        utc: arguments.log_utc,
    };
    model.access_log = AccessLog::Plain { line, target: log_target(&arguments.log_file) };
    let endpoints = model.upstreams.iter().map(|upstream| upstream.servers.len()).sum();
    let introduction = introduction(endpoints, arguments.fanout, &arguments.terminal_responses);
    let stop_after = (!arguments.stop_after.is_zero()).then_some(arguments.stop_after);
    lifetime::on_control_thread(lifetime::run_with(
        &model,
        Extras { introduction: Some(introduction), stop_after },
    ))
}

/// What becomes of which method.
fn introduction(endpoints: usize, parallel: bool, terminal_responses: &str) -> String {
    let how = match parallel {
        true => "all at once",
        false => "one after the other",
    };
    format!(
        "requests of every method go to {endpoints} endpoints, {how}; the first answer of a class among \
         {terminal_responses} is taken, and without one the client gets 500"
    )
}

/// The command line with the flags behind `race` spelled out.
///
/// # Errors
/// Flags that may mean several.
pub(crate) fn spell_out(line: impl IntoIterator<Item = OsString>) -> Result<Vec<OsString>, Vec<Complaint>> {
    let mut line = line.into_iter();
    let mut words: Vec<OsString> = line.by_ref().take(1).collect();
    while let Some(word) = line.next() {
        let is_command = !word.to_string_lossy().starts_with('-');
        let (is_ours, has_value) = (word == NAME, word == "--log");
        words.push(word);
        if is_ours {
            let command = CommandLine::command();
            words.extend(go_flag::spell_out(&flags(&command), line)?);
            return Ok(words);
        }
        if is_command {
            break;
        }
        if has_value {
            words.extend(line.next());
        }
    }
    words.extend(line);
    Ok(words)
}

/// The flags of this command and those of all.
fn flags(command: &clap::Command) -> Vec<Flag<'_>> {
    let own = command.get_subcommands().filter(|known| known.get_name() == NAME);
    let arguments = own.flat_map(clap::Command::get_arguments).chain(command.get_arguments());
    let flag = |argument: &clap::Arg| {
        let name = argument.get_long()?;
        let is_truth =
            argument.get_value_names().is_some_and(|names| names.iter().any(|name| name == "BOOL"));
        Some((name, if is_truth { FlagValue::Truth } else { FlagValue::Needed }))
    };
    // Names live as long as the command; `help` is added by the parser.
    let mut flags = vec![Flag { name: "help", value: FlagValue::None }];
    for argument in arguments {
        if let Some((name, value)) = flag(argument) {
            flags.push(Flag { name, value });
        }
    }
    flags
}
