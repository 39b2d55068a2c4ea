//! Checking a configuration and everything it names, without starting or writing anything.

use std::fmt::Write;

use engine::Snapshot;

use crate::activation::{self, Refusal};
use crate::config::Config;
use crate::memory;
use crate::tls::{self, Identity};

/// Everything that would keep a daemon from starting with this configuration, as far as it can be known beforehand, or a
/// few lines on what it would run.
///
/// # Errors
/// All faults, one after the other.
pub fn check(config: &Config) -> Result<String, String> {
    let mut faults = config.faults();
    let mut found = String::new();
    let compiled = activation::guarded(|| activation::compile(&config.policy.dir, config.policy.allow_empty));
    match &compiled {
        Ok((bundle, warnings)) => {
            let policy = &bundle.policy;
            let (rules, limits, breakers) = (policy.rules.len(), policy.limits.len(), policy.breakers.len());
            // Writing to a String cannot fail.
            let _ = writeln!(
                found,
                "policy {}: {rules} rules, {limits} limits, {breakers} breakers, {} tests passed",
                policy.version,
                bundle.tests.len()
            );
            found.push_str(warnings);
            match Snapshot::fits(policy, &config.tables.sizes([0; 16]), memory::free_bytes()) {
                Ok(bytes) => {
                    let _ = writeln!(found, "tables of {} MB, lists filled", bytes.div_ceil(1_000_000));
                }
                Err(error) => faults.push(error.to_string()),
            }
        }
        Err(refusal) => faults.push(refusal.to_string()),
    }
    match activation::guarded(|| activation::load_models(config)) {
        Ok(models) => {
            if let Ok((bundle, _)) = &compiled
                && let Err(refusal) = models.check(&bundle.policy.features)
            {
                faults.push(refusal.to_string());
            }
            match models.champion {
                Some(model) => found.push_str(&format!("model {}\n", model.forest.version)),
                None => found.push_str("no model\n"),
            }
            if let Some(model) = models.anomaly {
                found.push_str(&format!("anomaly model {}\n", model.forest.version));
            }
            for (model, share) in models.challengers {
                found.push_str(&format!("challenger {} for {share} % of accounts\n", model.forest.version));
            }
        }
        Err(refusal) => faults.push(Refusal::to_string(&refusal)),
    }
    if !config.tls.cert.as_os_str().is_empty() {
        let identity = Identity { cert: config.tls.cert.clone(), key: config.tls.key.clone() };
        if let Err(error) = tls::quic_config(config, &identity) {
            faults.push(error.to_string());
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(faults.join("\n")) }
}
