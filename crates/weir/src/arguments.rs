//! The command line: which commands there are and what holds for all of them. Each command's own arguments stand beside
//! what it does, in [`commands`](crate::commands).

use clap::builder::styling::{AnsiColor, Effects, Style, Styles};
use clap::{Parser, Subcommand};

use crate::commands::{
    balance, cert, check, completions, demo, duplicate, explain, hedge, help, man, mock, policy, queue, race,
    reload, run, status, top, upgrade, upstreams,
};
use crate::logging::{self, LogWords};

/// Columns that help may take. Wider lines are harder to read, however wide the terminal is.
const HELP_COLUMNS_MAX: usize = 80;

/// The help of the whole program; a line instead of a list of options, so that all commands fit on a screen.
const HELP: &str = "{about}
{usage-heading} weir [--log LEVEL] COMMAND; more: `weir COMMAND --help`, completions, man
Commands:
{subcommands}{after-help}";

const STYLES: Styles = Styles::styled()
    .header(bold(AnsiColor::Green))
    .usage(bold(AnsiColor::Green))
    .literal(bold(AnsiColor::Cyan))
    .placeholder(Style::new().fg_color(Some(clap::builder::styling::Color::Ansi(AnsiColor::Cyan))))
    .error(bold(AnsiColor::Red))
    .valid(bold(AnsiColor::Cyan))
    .invalid(bold(AnsiColor::Yellow));

const fn bold(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(clap::builder::styling::Color::Ansi(color))).effects(Effects::BOLD)
}

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "weir",
    version,
    about = "A reverse proxy that brings each request to the right server",
    after_help = "Example:\n  weir demo",
    help_template = HELP,
    disable_help_subcommand = true,
    max_term_width = HELP_COLUMNS_MAX,
    styles = STYLES,
    arg_required_else_help = true
)]
pub(crate) struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Log: off, warn, info, debug
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        env = logging::VARIABLE,
        hide_env_values = true,
        value_parser = LogWords::parse
    )]
    pub(crate) log: Option<LogWords>,
}

/// The commands, in the order in which a newcomer needs them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See it work: three servers, the proxy and a burst of requests
    Demo(demo::Arguments),
    /// Spread requests over servers, without a file
    Balance(balance::Arguments),
    /// Send each write to every server of an inventory
    Duplicate(duplicate::Arguments),
    /// Ask several servers, take the first usable answer
    Race(race::Arguments),
    /// Ask a second server when the first is slow
    Hedge(hedge::Arguments),
    /// Run what a configuration says, in the foreground
    Run(run::Arguments),
    /// Check a configuration without running it
    #[command(short_flag = 't')]
    Check(check::Arguments),
    /// Tell which route a request takes, and why not the others
    Explain(explain::Arguments),
    /// Show the certificates that are served, and until when
    Cert(cert::Arguments),
    /// Tell what is wrong with a running Weir
    Status(status::Arguments),
    /// Let a running Weir read its configuration again
    Reload(reload::Arguments),
    /// Watch the servers of a running Weir, take them out, put them back
    Top(top::Arguments),
    /// Replace a running Weir by a new one, without dropping a connection
    Upgrade(upgrade::Arguments),
    /// Show the servers of a running Weir and what was changed of them
    Upstreams(upstreams::Arguments),
    /// Show, retry or drop what waits for servers in a running Weir
    Queue(queue::Arguments),
    /// Policy groups: a proxy, a server or a client of packets over TCP
    Policy(policy::Arguments),
    /// Serve test answers on some ports: something to put behind a proxy
    Mock(mock::Arguments),
    /// Print the completions for a shell
    #[command(hide = true)]
    Completions(completions::Arguments),
    /// Print the manual page, or write one for each command
    #[command(hide = true)]
    Man(man::Arguments),
    /// Print the help of a command
    #[command(hide = true)]
    Help(help::Arguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_help_ends_with_an_example_that_is_taken() {
        let mut command = CommandLine::command();
        command.build();
        let all = std::iter::once(&command).chain(command.get_subcommands());
        for command in all.filter(|command| command.get_name() != "help") {
            let help = command.clone().render_long_help().to_string();
            let (_, example) = help.rsplit_once("Example:\n  ").unwrap_or_else(|| panic!("{help}"));
            let words = example.split_whitespace().take_while(|word| *word != ">");
            if let Err(error) = CommandLine::try_parse_from(words) {
                panic!("{example}: {error}");
            }
            assert!(!example.trim_end().contains('\n'), "{example}");
        }
    }

    #[test]
    fn a_check_has_a_short_spelling() {
        let parse = |words: &str| CommandLine::try_parse_from(words.split(' '));
        for words in [
            "weir -t",
            "weir -t -c x.yaml",
            "weir -tc x.yaml",
            "weir --log off -t --json",
            "weir -t --schema",
        ] {
            match parse(words) {
                Ok(CommandLine { command: Command::Check(_), .. }) => {}
                other => panic!("{words}: {other:?}"),
            }
        }
        assert!(
            matches!(parse("weir run -t"), Ok(CommandLine { command: Command::Run(run), .. }) if run.test)
        );
        for words in ["weir -t run", "weir -c x.yaml -t", "weir -c x.yaml", "weir run -tc"] {
            assert!(parse(words).is_err(), "{words}");
        }
    }

    #[test]
    fn the_log_is_set_before_and_after_the_command() {
        for words in ["weir --log warn check", "weir check --log warn"] {
            assert!(CommandLine::try_parse_from(words.split(' ')).is_ok(), "{words}");
        }
        assert!(CommandLine::try_parse_from(["weir", "check", "--log", "loud"]).is_err());
    }
}
