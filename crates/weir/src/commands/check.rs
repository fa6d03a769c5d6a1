//! `weir check`: everything that is wrong with a configuration, at once, without running it.

use std::path::{Path, PathBuf};

use clap::Args;
use weir_config::model::{Action, Model};
use weir_config::{LoadError, Loaded};

use crate::failure::Failure;
use crate::output::{self, Paint};

/// The configuration when none is named.
pub(crate) const DEFAULT_FILE: &str = "weir.yaml";

/// What `weir check` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 valid, also with warnings; 1 can't be read; 3 invalid.

Example:
  weir check -c weir.yaml")]
pub(crate) struct Arguments {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,

    /// Print the problems as JSON
    #[arg(long)]
    json: bool,

    /// Print the JSON Schema of configurations, for editors, and check nothing
    #[arg(long, conflicts_with_all = ["json", "config"])]
    schema: bool,
}

/// Checks, or prints the schema.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    if arguments.schema {
        return Ok(output::data(format_args!("{:#}\n", weir_config::schema()))?);
    }
    check(&arguments.config, arguments.json)
}

/// Checks one file and says what it holds.
///
/// # Errors
/// It can't be read, or has errors; as JSON these have been printed already.
pub(crate) fn check(file: &Path, as_json: bool) -> Result<(), Failure> {
    match weir_config::load(file) {
        Ok(loaded) if as_json => Ok(output::data(format_args!("{:#}\n", loaded.warnings.to_json()))?),
        Ok(loaded) => tell(file, &loaded),
        Err(LoadError::Invalid(report)) if as_json => {
            output::data(format_args!("{:#}\n", report.to_json()))?;
            Err(Failure::ConfigurationShown)
        }
        Err(error) => Err(error.into()),
    }
}

fn tell(file: &Path, loaded: &Loaded) -> Result<(), Failure> {
    output::message(loaded.warnings.render(output::messages_have_color()));
    let valid = Paint::Good.on(output::data_has_color(), "valid");
    Ok(output::data(format_args!("`{}` is {valid}: {}\n", file.display(), contents(&loaded.model)))?)
}

/// `2 services, 3 routes, 1 upstream, 4 servers`
fn contents(model: &Model) -> String {
    let counted = |count: usize, noun: &str| match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    };
    let routes = || model.services.iter().flat_map(|service| &service.routes);
    let forwards = || {
        routes().filter_map(|route| match &route.action {
            Action::Forward(forward) => Some(forward),
            Action::Redirect(_) | Action::Respond(_) => None,
        })
    };
    let mirrors: usize = forwards().map(|forward| forward.mirrors.len()).sum();
    let compared = forwards().filter(|forward| forward.compare.is_some()).count();
    let mut parts = vec![
        counted(model.services.len(), "service"),
        counted(routes().count(), "route"),
        counted(model.upstreams.len(), "upstream"),
        counted(model.upstreams.iter().map(|upstream| upstream.servers.len()).sum(), "server"),
    ];
    // What most have none of is told by those that have.
    if mirrors > 0 {
        parts.push(counted(mirrors, "mirror"));
    }
    if compared > 0 {
        parts.push(format!("answers of {} compared", counted(compared, "route")));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn check(text: &str, expected: &str) {
        let loaded = weir_config::parse("x", text.as_bytes(), &|_| None, Path::new("")).unwrap();
        assert_eq!(contents(&loaded.model), expected);
    }

    #[test]
    fn what_a_configuration_holds_is_counted() {
        let text = "listen: [':0']\nservices: [{host: a, respond: {body: x}}, {host: b, upstream: c}]\n";
        check(
            &format!("{text}upstreams: {{c: {{servers: ['d:1', 'e:2']}}}}\n"),
            "2 services, 2 routes, 1 upstream, 2 servers",
        );
        check(
            "listen: [':0']\nservices: [{host: a, respond: {body: x}}]\n",
            "1 service, 1 route, 0 upstreams, 0 servers",
        );
        let copied =
            "listen: [':0']\nservices: [{host: a, upstream: m, mirror: [n, o], compare: {upstream: p}}]\n";
        let upstream = |name: &str| format!("{name}: {{servers: ['{name}:1']}}");
        check(
            &format!("{copied}upstreams: {{{}}}\n", ["m", "n", "o", "p"].map(upstream).join(", ")),
            "1 service, 1 route, 4 upstreams, 4 servers, 2 mirrors, answers of 1 route compared",
        );
    }
}
