//! Since when the configuration is in force, and how reloads went. Written when one is published or refused, read by whoever asks.

use std::sync::{Mutex, MutexGuard, PoisonError};

use std::time::Duration;

use weir_core::ports::configuration::ConfigurationStatus;

/// See the module.
#[derive(Debug, Default)]
pub struct ConfigurationRecord(Mutex<ConfigurationStatus>);

impl ConfigurationRecord {
    /// That of a process whose first configuration was taken at this moment, in time since 1970.
    pub fn begun(at: Duration) -> Self {
        Self(Mutex::new(ConfigurationStatus { loaded: at, ..ConfigurationStatus::default() }))
    }

    fn status_mut(&self) -> MutexGuard<'_, ConfigurationStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another one is in force since this moment.
    pub fn note_done(&self, at: Duration) {
        let mut status = self.status_mut();
        status.loaded = at;
        status.reloads_done += 1;
        status.problem = None;
    }

    /// Another one was refused, for this reason; what was in force is.
    pub fn note_refused(&self, problem: String) {
        let mut status = self.status_mut();
        status.reloads_refused += 1;
        status.problem = Some(problem);
    }

    /// What is known.
    pub fn status(&self) -> ConfigurationStatus {
        self.status_mut().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_reload_is_told_until_one_is_done() {
        let record = ConfigurationRecord::begun(Duration::from_secs(5));
        record.note_refused("a key is unknown".to_owned());
        let status = record.status();
        assert_eq!((status.loaded.as_secs(), status.reloads_refused), (5, 1));
        assert_eq!(status.problem.as_deref(), Some("a key is unknown"));
        record.note_done(Duration::from_secs(9));
        let status = record.status();
        assert_eq!((status.loaded.as_secs(), status.reloads_done, status.problem), (9, 1, None));
    }
}
