//! Files that are no component, or none that can run here.

use hardstop_domain::Limits;
use hardstop_sandbox::{Part, PrepareError, Profile, SandboxError};

use super::*;

async fn refused(bytes: &[u8]) -> PrepareError {
    match SANDBOX.prepare(bytes, Profile::of(&limits())).await {
        Err(error) => error,
        Ok(_) => panic!("prepared"),
    }
}

#[tokio::test]
async fn what_is_no_component() {
    let _shared = shared().await;
    let echo = wasm("echo");
    for (bytes, expected) in [
        (&b""[..], "an empty file"),
        (b"hello", "not WebAssembly"),
        (b"(component)", "WebAssembly text"),
        (&echo[..6], "a truncated WebAssembly file"),
        (&echo[..echo.len() / 2], "a truncated component"),
        (&wasm("core-module"), "a core WebAssembly module"),
    ] {
        let error = refused(bytes).await;
        assert!(
            matches!(error, PrepareError::NotAComponent { .. }),
            "{error}"
        );
        assert!(error.to_string().contains(expected), "{error}");
        assert!(
            error.to_string().contains("--target wasm32-wasip2"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_is_too_large() {
    let _shared = shared().await;
    let error = refused(&vec![0; (32 << 20) + 1]).await.to_string();
    assert!(error.contains("the host takes up to 32MiB"), "{error}");
}

/// Under a kilobyte, and more instances than there is memory for.
#[tokio::test]
async fn what_instantiates_itself_over_and_over() {
    let _shared = shared().await;
    let bomb = wasm("instantiation-bomb");
    assert!(bomb.len() < 1024, "{} bytes", bomb.len());
    match refused(&bomb).await {
        PrepareError::Structure(error) => assert_eq!(error.part, Part::Instantiations),
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn what_is_garbage_inside() {
    let _shared = shared().await;
    let mut bytes = wasm("echo");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    let error = refused(&bytes).await;
    assert!(
        matches!(
            error,
            PrepareError::Invalid { .. } | PrepareError::NotAComponent { .. }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn what_does_not_fit_the_world() {
    let _shared = shared().await;
    for (name, expected) in [
        (
            "missing-export",
            "it exports `greet`, but neither `hardstop:job/handler@0.1.0` nor `wasi:cli/run`",
        ),
        (
            "unknown-import",
            "it imports `wasi:http/incoming-handler@0.2.0`",
        ),
    ] {
        let error = refused(&wasm(name)).await;
        assert!(matches!(error, PrepareError::WrongWorld { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_offered() {
    let _shared = shared().await;
    for name in ["shared-memory", "memory64"] {
        let error = refused(&wasm(name)).await;
        assert!(
            matches!(error, PrepareError::Unsupported { .. }),
            "{name}: {error}"
        );
    }
    let error = refused(&wasm("memory-absurd")).await;
    assert!(matches!(error, PrepareError::OverCeiling { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("raise the operator's ceiling (`memory`)"),
        "{error}"
    );
}

/// The most slots there can be, in as many engines as fit beside each other.
#[tokio::test]
async fn very_many_slots_leave_address_space_for_two_engines() {
    // No other test's sandboxes are in the address space meanwhile.
    let _alone = alone().await;
    let config = hardstop_sandbox::SandboxConfig {
        instances_max: hardstop_sandbox::INSTANCES_MAX,
        ..config()
    };
    let sandbox = hardstop_sandbox::Sandbox::new(config).unwrap();
    let echo = wasm("echo");
    for stack_bytes_max in [512 << 10, 256 << 10] {
        let limits = Limits {
            stack_bytes_max,
            ..limits()
        };
        let prepared = sandbox.prepare(&echo, Profile::of(&limits)).await.unwrap();
        let report = prepared.run(attempt(limits)).await;
        assert!(report.outcome.failure().is_none(), "{:?}", report.outcome);
    }
    let limits = Limits {
        stack_bytes_max: 64 << 10,
        ..limits()
    };
    let error = sandbox.prepare(&echo, Profile::of(&limits)).await.err();
    let text = error.unwrap().to_string();
    for part in ["than the 2 that", "10000 attempts at once", "256KiB"] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn stack_limits_beyond_the_number_of_engines() {
    let _shared = shared().await;
    let config = hardstop_sandbox::SandboxConfig {
        instances_max: 1,
        ..config()
    };
    let sandbox = hardstop_sandbox::Sandbox::new(config).unwrap();
    let echo = wasm("echo");
    let limits = |step: u64| Limits {
        stack_bytes_max: (64 + 16 * step) << 10,
        ..limits()
    };
    for step in 0..hardstop_sandbox::PROFILES_MAX as u64 {
        sandbox
            .prepare(&echo, Profile::of(&limits(step)))
            .await
            .unwrap();
    }
    let error = sandbox
        .prepare(&echo, Profile::of(&limits(99)))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(error, PrepareError::Sandbox(SandboxError::Profiles { .. })),
        "{error}"
    );
    assert!(
        error.to_string().contains("64KiB, 80KiB"),
        "names what is in use: {error}"
    );
    assert!(
        sandbox
            .facts()
            .iter()
            .any(|(name, value)| name == "engines" && value == "8 of 8")
    );
}
