//! `authenticate`: one proof or several, and what each of them needs.

mod api_key;
mod basic;
mod jwt;
pub(super) mod sources;

use std::sync::Arc;

use weir_auth::rule::{DEPTH_MAX, PROOFS_MAX, Rule};

use crate::file::authenticate::{AuthenticateFile, AuthenticateKey};
use crate::model::{Authenticate, Proof};
use crate::problem::{Problem, Problems};
use crate::source::At;

use self::sources::Sources;

/// What a route asks for: its own word, else that of its service.
///
/// A word that is wrong asks for nothing here; it was noted, so nothing is made of this model.
pub(super) fn authenticate(
    own: Option<&AuthenticateKey>,
    of_service: Option<&Arc<Authenticate>>,
    sources: &Sources<'_>,
    problems: &mut Problems,
) -> Option<Arc<Authenticate>> {
    match own {
        None => of_service.map(Arc::clone),
        Some(AuthenticateKey::Off) => None,
        Some(AuthenticateKey::Asked(asked)) => {
            let mut check = Check { sources, problems, proofs: Vec::new(), count: 0 };
            let rule = check.rule(asked, 1)?;
            Some(Arc::new(Authenticate { rule, proofs: check.proofs }))
        }
    }
}

struct Check<'c> {
    sources: &'c Sources<'c>,
    problems: &'c mut Problems,
    proofs: Vec<Proof>,
    /// Proofs that were written, whether or not they could be used.
    count: usize,
}

impl Check<'_> {
    /// The rule of one mapping; `None` when something in it was wrong, which has been noted then.
    fn rule(&mut self, asked: &At<AuthenticateFile>, depth: usize) -> Option<Rule> {
        let At { value: file, span } = asked;
        match file.keys.as_slice() {
            [] => {
                if !self.problems.has_error_in(*span) {
                    self.problems.push(
                        Problem::error(*span, "this does not say what a client has to prove").hint(
                            "write `api_key`, `basic`, `jwt`, `any` or `all`; to ask for nothing, write `authenticate: off`",
                        ),
                    );
                }
                return None;
            }
            [_] => {}
            [(first, first_place), (second, place), ..] => {
                self.problems.push(
                    Problem::error(*place, format!("is it `{first}` and `{second}`, or one of them?"))
                        .beside(*first_place, format!("`{first}` is written here"))
                        .hint(format!("write `any: [{{{first}: …}}, {{{second}: …}}]`, or `all` for both")),
                );
                return None;
            }
        }
        if depth > DEPTH_MAX {
            let message = format!("`any` and `all` stand in each other more than {DEPTH_MAX} deep");
            self.problems.push(Problem::error(*span, message));
            return None;
        }
        if let Some(any) = &file.any {
            return self.rules(any, depth).map(Rule::Any);
        }
        if let Some(all) = &file.all {
            return self.rules(all, depth).map(Rule::All);
        }
        self.count += 1;
        if self.count == PROOFS_MAX + 1 {
            self.problems.push(Problem::error(*span, format!("these are more than {PROOFS_MAX} proofs")));
        }
        let proof = self.proof(file)?;
        self.proofs.push(proof);
        Some(Rule::One(self.proofs.len() - 1))
    }

    fn proof(&mut self, file: &AuthenticateFile) -> Option<Proof> {
        if let Some(api_key) = &file.api_key {
            return api_key::api_key(api_key, self.sources.base_dir, self.problems).map(Proof::ApiKey);
        }
        if let Some(jwt) = &file.jwt {
            return jwt::jwt(jwt, self.sources, self.problems).map(Proof::Jwt);
        }
        basic::basic(file.basic.as_ref()?, self.sources.base_dir, self.problems).map(Proof::Basic)
    }

    fn rules(&mut self, asked: &[At<AuthenticateFile>], depth: usize) -> Option<Vec<Rule>> {
        // All are looked at, so that one run tells everything.
        let rules: Vec<Option<Rule>> = asked.iter().map(|asked| self.rule(asked, depth + 1)).collect();
        rules.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
