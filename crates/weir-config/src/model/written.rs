//! What a configuration says, for people.

use std::fmt;
use std::sync::Arc;

/// What was written and the defaults of what was not, in JSON, without secrets. It does not print: beside a model it says all of
/// it once more.
#[derive(Clone)]
pub struct Written(pub Arc<str>);

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}
