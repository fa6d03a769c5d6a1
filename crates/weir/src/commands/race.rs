//! `weir race`: every request to every endpoint, and the first usable answer to the client, without a file.
//!
//! Its flags are those of the program that had this mode first. [`spell_out`] lets them be written as there.

use std::ffi::OsString;
use std::time::Duration;

use clap::{ArgAction, Args};
use weir_config::Complaint;
use weir_config::commandline::go_duration;
use weir_config::commandline::go_flag::{self, Flag, FlagValue, truth};
use weir_config::commandline::race::{Race, log_target, race};
use weir_config::model::{AccessLog, PlainLine};

use crate::failure::Failure;
use crate::lifetime::{self, Extras};

/// The word on the command line.
const NAME: &str = "race";

/// What a flag with a truth value is shown to take, and how [`flags`] knows one.
const TRUTH: &str = "BOOL";

/// What `weir race` takes.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Flags have one dash or two, `=` or a space, and may be shortened: `-e URL`.

Example:
  weir race --endpoints http://localhost:8000,http://localhost:8001"
)]
pub(crate) struct Arguments {
    /// URLs; one named twice is asked twice
    #[arg(long, value_name = "URL,URL", required = true)]
    endpoints: String,

    /// Where clients are accepted
    #[arg(long, value_name = "ADDRESS", default_value = ":8080")]
    address: String,

    /// Taken; else 500
    #[arg(long, value_name = "N,N", default_value = "100,200,300,400")]
    terminal_responses: String,

    /// All at once; `=false`: one after the other
    #[arg(long, value_name = TRUTH, default_value = "true", hide_default_value = true, value_parser = truth, action = ArgAction::Set)]
    fanout: bool,

    /// What lines of the log begin with
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    log_prefix: String,

    /// With the date, unless `=false`
    #[arg(long, value_name = TRUTH, default_value = "true", hide_default_value = true, value_parser = truth, action = ArgAction::Set)]
    log_date: bool,

    /// With the time, unless `=false`
    #[arg(long, value_name = TRUTH, default_value = "true", hide_default_value = true, value_parser = truth, action = ArgAction::Set)]
    log_time: bool,

    /// With microseconds
    #[arg(long, value_name = TRUTH, default_value = "false", hide_default_value = true, value_parser = truth, action = ArgAction::Set)]
    log_msec: bool,

    /// In UTC instead of local time
    #[arg(long, value_name = TRUTH, default_value = "false", hide_default_value = true, value_parser = truth, action = ArgAction::Set)]
    log_utc: bool,

    /// A line per request to stdout, stderr or a file
    #[arg(long, value_name = "FILE", default_value = "stdout", hide_default_value = true)]
    log_file: String,

    /// Drain after this time, such as 1m30s
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
        Extras { introduction: Some(introduction), stop_after, ..Extras::default() },
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

/// The command line with the flags behind `race` spelled out, as this `command` takes them.
///
/// # Errors
/// Flags that may mean several.
pub(crate) fn spell_out(
    command: &clap::Command,
    line: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, Vec<Complaint>> {
    let mut line = line.into_iter();
    let mut words: Vec<OsString> = line.by_ref().take(1).collect();
    while let Some(word) = line.next() {
        let is_command = !word.to_string_lossy().starts_with('-');
        let (is_ours, has_value) = (word == NAME, word == "--log");
        words.push(word);
        if is_ours {
            words.extend(go_flag::spell_out(&flags(command), line)?);
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
    // `help` is added by the parser.
    arguments.filter_map(flag).chain([Flag { name: "help", value: FlagValue::None }]).collect()
}

fn flag(argument: &clap::Arg) -> Option<Flag<'_>> {
    let names = argument.get_value_names().unwrap_or_default();
    let value = if names.iter().any(|name| name == TRUTH) { FlagValue::Truth } else { FlagValue::Needed };
    Some(Flag { name: argument.get_long()?, value })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::arguments::{Command, CommandLine};

    fn spelled(line: &str) -> Vec<OsString> {
        spell_out(&CommandLine::command(), line.split(' ').map(OsString::from)).unwrap()
    }

    fn parsed(line: &str) -> Arguments {
        let words = spelled(line);
        match CommandLine::try_parse_from(words) {
            Ok(CommandLine { command: Command::Race(arguments), .. }) => arguments,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn check(line: &str, endpoints: &str, fanout: bool, log_prefix: &str) {
        let arguments = parsed(line);
        let found = (arguments.endpoints.as_str(), arguments.fanout, arguments.log_prefix.as_str());
        assert_eq!(found, (endpoints, fanout, log_prefix), "{line}");
    }

    #[test]
    fn flags_may_be_written_as_in_the_original() {
        for line in [
            "weir race --endpoints http://a,http://a",
            "weir race -endpoints http://a,http://a",
            "weir race -endpoints=http://a,http://a",
            "weir race -e http://a,http://a -f",
            "weir race -fanout --e=http://a,http://a",
            "weir --log warn race -e http://b -e http://a,http://a",
            "weir race -log warn -e http://a,http://a -fanout=1",
        ] {
            check(line, "http://a,http://a", true, "");
        }
        check("weir race -e http://a -fanout=false -log-p x", "http://a", false, "x");
        check("weir race -e http://a -f=0 --log-prefix=-e", "http://a", false, "-e");
        let arguments =
            parsed("weir race -e http://a -s 1m30s -log-d=f -log-t=F -log-m -log-u -log-f x -t 200 -a :1");
        assert_eq!(arguments.stop_after, Duration::from_secs(90));
        let truths = [arguments.log_date, arguments.log_time, arguments.log_msec, arguments.log_utc];
        assert_eq!(truths, [false, false, true, true]);
        let texts = [arguments.log_file.as_str(), &arguments.terminal_responses, &arguments.address];
        assert_eq!(texts, ["x", "200", ":1"]);
    }

    #[test]
    fn other_commands_keep_their_words() {
        for line in ["weir balance -l :1 a:1", "weir -t -c race", "weir --log race run -c race", "weir", ""] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(spelled(line), words, "{line}");
        }
        let words = spelled("weir --log=off race -f");
        assert_eq!(words, ["weir", "--log=off", "race", "--fanout=true"].map(OsString::from));
    }

    #[test]
    fn the_line_at_the_start_says_how() {
        assert!(introduction(4, true, "200").contains("4 endpoints, all at once"), "parallel");
        assert!(introduction(4, false, "200").contains("4 endpoints, one after the other"), "serial");
    }
}
