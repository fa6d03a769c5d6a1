//! What proofs are looked at with, apart from the workers: one of each for the process, whatever is configured next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use weir_config::model;

use super::key_fetch::{self, KeyRequest};
use super::key_source::KeySource;
use super::passwords::PasswordThreads;
use crate::runtime::control::Control;

/// See the module.
#[derive(Debug, Default)]
pub struct Verifiers {
    passwords: Arc<PasswordThreads>,
    /// Where keys are fetched; without it none are.
    control: Option<Arc<Control>>,
    /// Sources of keys by what they are for. A new configuration with the same issuer finds its keys here, and proofs with
    /// the same issuer share them.
    sources: Mutex<HashMap<Box<str>, Registered>>,
}

#[derive(Debug)]
struct Registered {
    source: Weak<KeySource>,
    request: Arc<Mutex<Arc<KeyRequest>>>,
}

impl Verifiers {
    /// Keys are fetched on this thread.
    pub(crate) fn new(control: &Arc<Control>) -> Self {
        Self { control: Some(Arc::clone(control)), ..Self::default() }
    }

    /// Who holds passwords against hashes. Whoever only looks at a configuration starts no threads for it.
    pub(super) fn passwords(&self) -> &Arc<PasswordThreads> {
        if self.control.is_some() {
            self.passwords.start();
        }
        &self.passwords
    }

    /// Where the keys of an issuer are. They are fetched from now on, unless they are already; then they are fetched as this
    /// model says from now on, because files that it names may have changed.
    pub(super) fn key_source(&self, model: &model::Jwks) -> Arc<KeySource> {
        let request = Arc::new(KeyRequest::new(model));
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.retain(|_, registered| registered.source.strong_count() > 0);
        if let Some(registered) = sources.get(&model.identity)
            && let Some(source) = registered.source.upgrade()
        {
            *registered.request.lock().unwrap_or_else(PoisonError::into_inner) = request;
            source.want();
            return source;
        }
        let (source, fetcher) = KeySource::new(&key_fetch::name(model), &model.algorithms);
        let source = Arc::new(source);
        let request = Arc::new(Mutex::new(request));
        let registered = Registered { source: Arc::downgrade(&source), request: Arc::clone(&request) };
        sources.insert(model.identity.clone(), registered);
        if let Some(control) = &self.control {
            control.begin("keys of an issuer", move || {
                let request = Arc::clone(&request);
                fetcher.clone().run(move || {
                    let request = Arc::clone(&request.lock().unwrap_or_else(PoisonError::into_inner));
                    async move { request.fetch().await }
                })
            });
        }
        source
    }
}
