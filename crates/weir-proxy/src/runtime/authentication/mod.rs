//! What the clients of a route prove, as it runs: the proofs with what is counted of them.

pub mod api_key;

use weir_auth::rule::Rule;
use weir_config::model;
use weir_core::ports::AuthenticatedStatus;

use self::api_key::ApiKey;

/// What is asked of the clients of a route.
#[derive(Debug)]
pub struct Authentication {
    /// Which of the proofs; its numbers are indexes of `proofs`.
    pub rule: Rule,
    /// The proofs.
    pub proofs: Vec<Proof>,
}

/// One proof.
#[derive(Debug)]
pub enum Proof {
    /// A key.
    ApiKey(ApiKey),
}

impl Authentication {
    /// Makes it of the model.
    pub fn new(model: &model::Authenticate) -> Self {
        let proof = |proof: &model::Proof| match proof {
            model::Proof::ApiKey(api_key) => Proof::ApiKey(ApiKey::new(api_key)),
        };
        Self { rule: model.rule.clone(), proofs: model.proofs.iter().map(proof).collect() }
    }

    /// Adds what was counted, one entry for each name of each proof.
    pub fn add_to(&self, status: &mut Vec<AuthenticatedStatus>) {
        for proof in &self.proofs {
            match proof {
                Proof::ApiKey(api_key) => api_key.add_to(status),
            }
        }
    }
}

impl Proof {
    /// The field that holds the credential.
    pub fn field(&self) -> &str {
        match self {
            Self::ApiKey(api_key) => &api_key.header,
        }
    }

    /// Whether servers get the credential too.
    pub fn is_forwarded(&self) -> bool {
        match self {
            Self::ApiKey(api_key) => api_key.forward,
        }
    }
}
