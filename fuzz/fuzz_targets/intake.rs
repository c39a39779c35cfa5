//! A component's bytes, as far as the host itself looks at them: the scan of its structure, after which a
//! child compiles them. It must end in an outline or in a refusal, whatever the bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;

// The sandbox's own module, without the engine around it, which is not looked at here and takes long to build.
#[allow(dead_code)]
#[path = "../../host/crates/sandbox/src"]
mod sandbox {
    pub mod structure;
}

use sandbox::structure::{OutlineError, Part, StructureLimits, outline};

fuzz_target!(|wasm: &[u8]| {
    let limits = StructureLimits::default();
    // A mutation seldom leaves the header whole, and nothing else is looked at without one.
    let headed = [
        b"\0asm\x0d\0\x01\0".as_slice(),
        wasm.get(8..).unwrap_or_default(),
    ]
    .concat();
    for wasm in [wasm, &headed] {
        match outline(wasm, &limits) {
            Ok(outline) => {
                // What is taken under the limits is taken under wider ones, and is the same.
                let mut wide = limits.clone();
                for part in Part::all() {
                    wide.set(part, limits.get(part).saturating_mul(2));
                }
                let again = outline_of(wasm, &wide);
                assert_eq!(again, Some((outline.imports, outline.exports)));
            }
            Err(OutlineError::Over(error)) => assert!(!error.to_string().is_empty()),
            Err(OutlineError::Malformed(error)) => assert!(!error.message().is_empty()),
            Err(OutlineError::HigherOrder) => {}
        }
    }
});

fn outline_of(wasm: &[u8], limits: &StructureLimits) -> Option<(Vec<String>, Vec<String>)> {
    let outline = outline(wasm, limits).ok()?;
    Some((outline.imports, outline.exports))
}
