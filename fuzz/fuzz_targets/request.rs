//! A request against a rule, and an address against the ranges that are not public. The input is lines: a rule,
//! an authority, a method, a path, an address.

#![no_main]

use std::net::IpAddr;

use hardstop_domain::capability::address::{AddressRule, not_public};
use hardstop_domain::capability::http::{HttpRule, HttpTarget, Scheme};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (rule, authority, method, path, address) = (next(), next(), next(), next(), next());
    if let Ok(rule) = rule.parse::<HttpRule>() {
        assert_eq!(rule.to_string().parse().as_ref(), Ok(&rule), "{rule}");
        assert!(rule.overlaps(&rule), "{rule}");
        for scheme in [Scheme::Http, Scheme::Https] {
            let Ok(target) = HttpTarget::new(scheme, authority, method, path) else {
                continue;
            };
            if rule.matches(&target) {
                check_match(&rule, &target, path);
            }
        }
    }
    if let Ok(address) = address.parse::<IpAddr>() {
        // Written as a v6 address, a v4 address is what it was.
        if let IpAddr::V4(v4) = address {
            let mapped = IpAddr::V6(v4.to_ipv6_mapped());
            assert_eq!(
                not_public(mapped).is_some(),
                not_public(address).is_some(),
                "{address}"
            );
        }
        if address.is_loopback() || address.is_unspecified() || address.is_multicast() {
            assert!(not_public(address).is_some(), "{address}");
        }
        if let Ok(rule) = rule.parse::<AddressRule>() {
            assert_eq!(rule.to_string().parse().as_ref(), Ok(&rule), "{rule}");
            let _ = rule.covers(address, 80);
        }
    }
});

/// A rule that matches a request overlaps the rule for exactly that request's origin, and a path that it
/// matches stays below the rule's own, however a server decodes it.
fn check_match(rule: &HttpRule, target: &HttpTarget, path: &str) {
    let origin = target.origin();
    let exact = origin.parse::<HttpRule>();
    let exact = exact.unwrap_or_else(|error| panic!("{origin}: {error}"));
    assert!(exact.matches(target), "{origin}");
    assert!(rule.overlaps(&exact), "{rule} {origin}");
    let text = rule.to_string();
    let after_scheme = text.split_once("://").map_or("", |(_, rest)| rest);
    // The root is no limit: every path is below it.
    if after_scheme
        .split_once('/')
        .is_none_or(|(_, path)| path.is_empty())
    {
        return;
    }
    let decoded = path
        .split('?')
        .next()
        .unwrap_or_default()
        .to_lowercase()
        .replace("%2e", ".")
        .replace("%2f", "/")
        .replace("%5c", "/")
        .replace('\\', "/");
    let mut depth = 0;
    for part in decoded
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
    {
        depth += if part.split(';').next() == Some("..") {
            -1
        } else {
            1
        };
        assert!(depth > 0, "{rule}: {path}");
    }
}
