//! `weir reload`: a running Weir reads its configuration again; what that changed, or why it did not.

use clap::Args;
use hyper::{Method, StatusCode};
use serde_json::Value;
use weir_tools::admin_client::AskError;

use super::admin_arguments::AdminArguments;
use crate::failure::Failure;
use crate::lifetime;
use crate::output::{self, Paint};

/// What `weir reload` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
It asks the admin listener of the Weir that runs, which reads the file it was
started with. A configuration that is wrong changes nothing.
Exit codes: 0 it is in use; 1 it can't be asked or can't use it; 3 invalid.

Example:
  weir reload --admin 127.0.0.1:9180")]
pub(crate) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Asks, and shows the answer.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    lifetime::on_control_thread(perform(&arguments))
}

async fn perform(arguments: &Arguments) -> Result<(), Failure> {
    let client = arguments.admin.client()?;
    let (status, answer) = client.ask_for_all(Method::POST, "/reload").await?;
    match status {
        StatusCode::OK if arguments.json => output::data(format_args!("{answer:#}\n"))?,
        StatusCode::OK => {
            for warning in answer["warnings"].as_array().into_iter().flatten() {
                output::message(warning.as_str().unwrap_or_default());
            }
            output::data(shown(&answer, output::data_has_color()))?;
        }
        // As `weir check` does, whoever looks.
        StatusCode::UNPROCESSABLE_ENTITY if arguments.json => {
            output::data(format_args!("{:#}\n", answer["report"]))?;
            return Err(Failure::ConfigurationShown);
        }
        StatusCode::UNPROCESSABLE_ENTITY => {
            output::message(answer["detail"].as_str().unwrap_or_default());
            return Err(Failure::ConfigurationShown);
        }
        status => {
            let detail = answer["detail"].as_str().unwrap_or("it says no more").to_owned();
            return Err(AskError::Refused { status: status.as_u16(), detail }.into());
        }
    }
    Ok(())
}

/// `3 changes are in use, after 12 ms`, and what they are.
fn shown(answer: &Value, color: bool) -> String {
    let total = answer["changes_total"].as_u64().unwrap_or_default();
    let took = answer["took_seconds"].as_f64().unwrap_or_default() * 1000.0;
    let changes: Vec<&Value> = answer["changes"].as_array().into_iter().flatten().collect();
    let mut text = match total {
        0 => "the configuration says nothing new\n".to_owned(),
        1 => format!("1 change is in use, after {took:.0} ms\n"),
        _ => format!("{total} changes are in use, after {took:.0} ms\n"),
    };
    for change in &changes {
        let word = |key: &str| change[key].as_str().unwrap_or_default();
        let (sign, paint) = match word("how") {
            "added" => ("+", Paint::Good),
            "removed" => ("-", Paint::Bad),
            _ => ("~", Paint::Strong),
        };
        text.push_str(&format!("  {} {} {}\n", paint.on(color, sign), word("what"), word("name")));
    }
    match total - changes.len() as u64 {
        0 => {}
        more => text.push_str(&format!("  and {more} more\n")),
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_listed_with_their_signs() {
        let change = |what: &str, how: &str, name: &str| json!({"what": what, "how": how, "name": name});
        let changes = [
            change("listener", "added", "127.0.0.1:8081"),
            change("route", "changed", "a.test /orders/"),
            change("upstream", "removed", "old"),
        ];
        let answer = json!({"changes": changes, "changes_total": 5, "took_seconds": 0.0124});
        assert_eq!(
            shown(&answer, false),
            "5 changes are in use, after 12 ms\n  + listener 127.0.0.1:8081\n  ~ route a.test /orders/\n  - upstream old\n  \
             and 2 more\n"
        );
        let nothing = json!({"changes": [], "changes_total": 0, "took_seconds": 0.0124});
        assert_eq!(shown(&nothing, false), "the configuration says nothing new\n");
    }
}
