//! The tables of a manifest: text, parsed and checked as a deployment does it. What is taken must be within
//! the operator's ceilings, and say the same when it is written and read again.

#![no_main]

use std::collections::BTreeMap;

use hardstop_domain::{
    Capabilities, LimitName, Limits, LimitsPatch, RetryPolicy, SnoozePolicy, TypeName,
};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;

/// The tables of `hardstop::deploy::Manifest` that strangers' values go into.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    types: BTreeMap<TypeName, Type>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Type {
    limits: LimitsPatch,
    retry: RetryPolicy,
    snooze: SnoozePolicy,
    capabilities: Capabilities,
}

fuzz_target!(|text: &str| {
    let Ok(manifest) = toml::from_str::<Manifest>(text) else {
        return;
    };
    let ceiling = Limits::default_ceiling();
    for (name, type_) in manifest.types {
        assert_eq!(name.as_str().parse::<TypeName>().as_ref(), Ok(&name));
        if let Ok(limits) = Limits::for_type(&ceiling, &type_.limits) {
            for name in LimitName::ALL {
                let (value, top) = (limits.get(name), ceiling.get(name));
                assert!(
                    top.is_none_or(|top| value.is_some_and(|value| value <= top)),
                    "{name}"
                );
                let _ = value.map(|value| name.format(value));
            }
        }
        let _ = type_.retry.check();
        let _ = type_.snooze.check();
        if type_.capabilities.check().is_ok() {
            let _ = type_.capabilities.describe();
            for rule in type_.capabilities.http.allow.iter() {
                let again = rule.to_string().parse();
                assert_eq!(again.as_ref(), Ok(rule), "{rule}");
            }
        }
    }
});
