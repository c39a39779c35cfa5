use super::*;
use proptest::prelude::*;

fn target(method: &str, url: &str) -> HttpTarget {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let scheme = Scheme::parse(scheme).expect("a scheme");
    HttpTarget::new(scheme, &rest[..at], method, &rest[at..]).expect(url)
}

fn rule(text: &str) -> HttpRule {
    text.parse().expect(text)
}

#[track_caller]
fn check(rule_text: &str, method: &str, url: &str, expected: bool) {
    let matched = rule(rule_text).matches(&target(method, url));
    assert_eq!(matched, expected, "`{rule_text}` and {method} {url}");
}

#[test]
fn scheme_host_and_port_must_be_the_same() {
    let exact = "https://api.example.com";
    for (url, expected) in [
        ("https://api.example.com/", true),
        ("https://api.example.com", true),
        ("https://API.Example.COM./x?y", true),
        ("https://api.example.com:443/", true),
        ("https://api.example.com:8443/", false),
        ("http://api.example.com/", false),
        ("http://api.example.com:443/", false),
        ("https://example.com/", false),
        ("https://x.api.example.com/", false),
        ("https://api.example.com.evil.org/", false),
        ("https://apiXexample.com/", false),
    ] {
        check(exact, "GET", url, expected);
    }
    check("http://h:8080", "GET", "http://h:8080/", true);
    check("http://h:8080", "GET", "http://h/", false);
}

#[test]
fn a_star_stands_for_names_below() {
    for (url, expected) in [
        ("https://a.example.org/", true),
        ("https://a.b.example.org/", true),
        ("https://example.org/", false),
        ("https://evilexample.org/", false),
        ("https://a.example.org.evil.com/", false),
    ] {
        check("https://*.example.org", "GET", url, expected);
    }
    check("https://*", "GET", "https://anything.at.all/", true);
    check("https://*", "GET", "https://[2606:4700::1111]/", true);
    check("https://*.org", "GET", "https://8.8.8.8/", false);
}

#[test]
fn addresses_are_the_same_however_they_are_written() {
    check(
        "http://[::1]:8080",
        "GET",
        "http://[0:0:0:0:0:0:0:1]:8080/",
        true,
    );
    check("http://127.0.0.1", "GET", "http://127.0.0.1./", true);
    check("http://127.0.0.1", "GET", "http://127.0.0.2/", false);
}

#[test]
fn methods_are_exact() {
    check("GET,POST https://h.de", "POST", "https://h.de/", true);
    check("GET,POST https://h.de", "PUT", "https://h.de/", false);
    check("GET https://h.de", "get", "https://h.de/", false);
    check("https://h.de", "PURGE", "https://h.de/", true);
}

#[test]
fn paths_match_part_by_part() {
    for prefix in ["https://h.de/v1", "https://h.de/v1/"] {
        for (path, expected) in [
            ("/v1", true),
            ("/v1/", true),
            ("/v1/x", true),
            ("/v1?a=/../b", true),
            ("/%761/x", true),
            ("/v1/a;b=c", true),
            ("/v1/a..b/...", true),
            ("/v10", false),
            ("/", false),
            ("", false),
            ("/V1/x", false),
            ("/v2/v1", false),
        ] {
            check(prefix, "GET", &format!("https://h.de{path}"), expected);
        }
    }
    check("https://h.de/a/b%20c", "GET", "https://h.de/", false);
}

#[test]
fn paths_that_servers_read_differently_match_no_path() {
    for path in [
        "/v1/../admin",
        "/v1/./x",
        "/v1/%2e%2e/admin",
        "/v1/%2E./admin",
        "/v1/.%2e;x/admin",
        "/v1/..;/admin",
        "/v1/..%2fadmin",
        "/v1/..%5cadmin",
        "/v1/x%5C..%5Cadmin",
        "/v1\\..\\admin",
        "/v1/%252e%252e/admin",
        "/v1//admin",
        "//v1/x",
        "/v1/x%00y",
        "/v1/x%0d%0ay",
        "/v1/%",
        "/v1/%zz",
        "/v1/x%2",
        "/v1/;/x",
        "v1",
    ] {
        let target = HttpTarget::new(Scheme::Https, "h.de", "GET", path).expect("an authority");
        assert!(!rule("https://h.de/v1").matches(&target), "{path}");
        assert!(
            rule("https://h.de").matches(&target),
            "{path}: of no interest here"
        );
        // A path that is none is no root either.
        assert!(
            rule("https://h.de/").matches(&target),
            "{path}: `/` stands for all"
        );
    }
}

#[test]
fn hosts_in_disguise_are_refused() {
    for (authority, expected) in [
        ("user@h.de", AuthorityError::UserInfo),
        ("h.de@evil.org", AuthorityError::UserInfo),
        (
            "2130706433",
            AuthorityError::OddAddress("2130706433".into()),
        ),
        (
            "0x7f000001",
            AuthorityError::OddAddress("0x7f000001".into()),
        ),
        (
            "0x7f.0x0.0x0.0x1",
            AuthorityError::OddAddress("0x7f.0x0.0x0.0x1".into()),
        ),
        (
            "017700000001",
            AuthorityError::OddAddress("017700000001".into()),
        ),
        (
            "0177.0.0.1",
            AuthorityError::OddAddress("0177.0.0.1".into()),
        ),
        ("127.1", AuthorityError::OddAddress("127.1".into())),
        (
            "127.0.0.1.2",
            AuthorityError::OddAddress("127.0.0.1.2".into()),
        ),
        ("256.0.0.1", AuthorityError::OddAddress("256.0.0.1".into())),
        ("a.0x", AuthorityError::OddAddress("a.0x".into())),
        ("", AuthorityError::Host("".into())),
        (".", AuthorityError::Host(".".into())),
        ("a..b", AuthorityError::Host("a..b".into())),
        ("a b", AuthorityError::Host("a b".into())),
        ("a%2eb", AuthorityError::Host("a%2eb".into())),
        ("[::1%25eth0]", AuthorityError::Host("[::1%25eth0]".into())),
        ("[127.0.0.1]", AuthorityError::Host("[127.0.0.1]".into())),
        ("\u{ff11}27.0.0.1", AuthorityError::NotAscii),
        ("h.de:", AuthorityError::Port("".into())),
        ("h.de:0", AuthorityError::Port("0".into())),
        ("h.de:+80", AuthorityError::Port("+80".into())),
        ("h.de:80:80", AuthorityError::Port("80:80".into())),
        ("h.de:65536", AuthorityError::Port("65536".into())),
    ] {
        let target = HttpTarget::new(Scheme::Http, authority, "GET", "/");
        assert_eq!(target, Err(expected), "{authority}");
    }
    let long = format!("{}.de", "a".repeat(64));
    assert!(HttpTarget::new(Scheme::Http, &long, "GET", "/").is_err());
}

#[test]
fn mistakes_in_rules_are_named() {
    for (text, expected) in [
        ("", "it is not of the form"),
        ("api.example.com", "it is not of the form"),
        ("ftp://h.de", "it is not of the form"),
        ("get https://h.de", "its method `get`"),
        ("GET, POST https://h.de", "its method ``"),
        ("CONNECT https://h.de", "its method `CONNECT`"),
        ("https://u:p@h.de", "user or password"),
        ("https://h.de:99999", "its port `99999`"),
        ("https://10.1", "is a number"),
        ("https://*.10.0.0.1", "its host `*.10.0.0.1`"),
        ("https://a*.de", "its host `a*.de`"),
        ("https://b\u{fc}cher.de", "beyond ASCII"),
        ("https://h.de/a/../b", "its path `/a/../b`"),
        ("https://h.de?x", "its path `?x`"),
        ("https://h.de/a?x", "its path `/a?x`"),
        ("https://h.de\\a", "its path `\\a`"),
    ] {
        let error = text.parse::<HttpRule>().expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(
            error.starts_with(&format!("HTTP rule `{text}`: ")),
            "{error}"
        );
    }
    let long = format!("https://h.de/{}", "a".repeat(HTTP_RULE_BYTES_MAX));
    let error = long.parse::<HttpRule>().expect_err("long").to_string();
    assert!(error.contains("1037 bytes and may have 1024"), "{error}");
}

#[test]
fn rules_are_written_as_they_are_read() {
    for text in [
        "https://api.example.com",
        "GET,POST https://*.example.org:8443/v1/",
        "http://[::1]:8080",
        "https://*",
        "PURGE http://10.0.0.1/a%20b",
    ] {
        assert_eq!(rule(text).to_string(), text.replace("  ", " "));
        let json = serde_json::to_string(&rule(text)).expect("serialises");
        let read: HttpRule = serde_json::from_str(&json).expect("reads back");
        assert_eq!(read, rule(text));
    }
}

#[test]
fn lists_are_bounded() {
    let rules = |count: usize| -> Result<HttpRules, _> {
        HttpRules::try_from(vec![rule("https://h.de"); count])
    };
    assert!(rules(HTTP_RULES_MAX).is_ok());
    let error = rules(HTTP_RULES_MAX + 1).expect_err("one more").to_string();
    assert!(
        error.contains("257 HTTP rules is over the maximum of 256"),
        "{error}"
    );
}

#[test]
fn rules_that_nothing_can_match_together_are_found() {
    for (one, other, expected) in [
        ("https://a.de", "https://a.de", true),
        ("https://a.de", "https://b.de", false),
        ("https://*.a.de", "https://x.a.de", true),
        ("https://*.a.de", "https://a.de", false),
        ("https://*.a.de", "https://*.b.a.de", true),
        ("https://*.a.de", "https://*.b.de", false),
        ("https://*", "https://b.de", true),
        ("https://*", "http://b.de", false),
        ("https://a.de", "https://a.de:8443", false),
        ("GET https://a.de", "POST https://a.de", false),
        ("GET https://a.de", "https://a.de", true),
        ("https://a.de/v1", "https://a.de/v1/x", true),
        ("https://a.de/v1", "https://a.de/v2", false),
    ] {
        let (one, other) = (rule(one), rule(other));
        assert_eq!(one.overlaps(&other), expected, "{one} {other}");
        assert_eq!(other.overlaps(&one), expected, "{other} {one}");
    }
    let list = |texts: &[&str]| -> HttpRules {
        let rules: Vec<HttpRule> = texts.iter().copied().map(rule).collect();
        rules.try_into().expect("few")
    };
    let asked = list(&["https://x.a.de", "https://b.de"]);
    let outside = asked.first_outside(&list(&["https://*.a.de"]));
    assert_eq!(outside, Some(&rule("https://b.de")));
}

proptest! {
    #[test]
    fn nothing_panics(text in "\\PC{0,40}", path in "[/.%a2fe;\\\\?]{0,20}") {
        let _ = text.parse::<HttpRule>();
        let _ = format!("https://{text}").parse::<HttpRule>();
        let _ = HttpTarget::new(Scheme::Http, &text, &text, &path);
    }

    #[test]
    fn what_matches_a_path_stays_below_it(path in "(/(v1|x|\\.|\\.\\.|%2e|%2E|%2f|;|\\\\|)){0,6}") {
        let target = HttpTarget::new(Scheme::Https, "h.de", "GET", &path).expect("an authority");
        if rule("https://h.de/v1").matches(&target) {
            // However a server decodes and resolves it, it never leaves `/v1`.
            let mut depth = 0;
            let decoded = path.to_lowercase().replace("%2e", ".").replace("%2f", "/").replace('\\', "/");
            for part in decoded.split('/').filter(|part| !part.is_empty() && *part != ".") {
                depth += if part.split(';').next() == Some("..") { -1 } else { 1 };
                prop_assert!(depth > 0, "{path}");
            }
        }
    }
}
