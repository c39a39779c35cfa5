use super::*;

/// A component that has so many of a part, and as little else as there can be.
fn component_with(part: Part, count: u64) -> Vec<u8> {
    let repeat = |text: &str| text.repeat(count as usize);
    let module = |fields: String| format!("(component (core module {fields}))");
    let function = |body: String| module(format!("(func (param i32) {body})"));
    let text = match part {
        Part::Functions => module(repeat("(func)")),
        // Its length and the count of its locals are not all of it: an `end` and a byte of locals stay.
        Part::BodyBytes => function(
            repeat("nop")
                .replace("nopnop", "nop nop ")
                .replace("  ", " "),
        ),
        Part::Locals => function(repeat("(local i64)")),
        Part::Nesting => function(format!("{}{}", repeat("(block "), repeat(")"))),
        Part::BranchTargets => function(format!("(br_table {} 0 (i32.const 0))", repeat("0 "))),
        Part::Types => module(
            (0..count)
                .map(|n| format!("(type (func (param {})))", "i32 ".repeat(n as usize)))
                .collect(),
        ),
        Part::Imports => module(
            (0..count)
                .map(|n| format!(r#"(import "" "{n}" (global i32))"#))
                .collect(),
        ),
        Part::Exports => module(format!(
            "(global $g i32 (i32.const 0)){}",
            (0..count)
                .map(|n| format!(r#"(export "{n}" (global $g))"#))
                .collect::<String>()
        )),
        Part::Globals => module(repeat("(global i32 (i32.const 0))")),
        Part::DataSegments => module(format!("(memory 1){}", repeat("(data (i32.const 0) \"\")"))),
        Part::ElementSegments => module(repeat("(elem func)")),
        Part::Memories => module(repeat("(memory 0)")),
        Part::Tables => module(repeat("(table 0 funcref)")),
        Part::Modules => format!("(component {})", repeat("(core module)")),
        Part::Components => format!("(component {})", repeat("(component)")),
        Part::ComponentDepth => format!("(component {}{})", repeat("(component "), repeat(")")),
        Part::Instantiations => format!(
            "(component (core module $m) {})",
            repeat("(core instance (instantiate $m))")
        ),
        Part::Definitions => format!("(component {})", repeat("(type u8)")),
    };
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{}: {error}\n{text}", part.name()))
}

fn limits(part: Part, max: u64) -> StructureLimits {
    let mut limits = StructureLimits::default();
    limits.set(part, max);
    limits
}

#[test]
fn the_table_is_in_the_order_of_the_parts() {
    for (index, entry) in ENTRIES.iter().enumerate() {
        assert_eq!(entry.part as usize, index, "{}", entry.name);
    }
}

#[test]
fn each_part_is_taken_up_to_its_limit_and_not_past_it() {
    for part in Part::all() {
        // The body of a function has an `end` and says how many locals it has.
        let found = match part {
            Part::BodyBytes => 9,
            _ => 7,
        };
        let wasm = component_with(part, 7);
        outline(&wasm, &limits(part, found))
            .unwrap_or_else(|error| panic!("{}: {error}", part.name()));
        match outline(&wasm, &limits(part, found - 1)) {
            Err(OutlineError::Over(error)) => {
                assert_eq!(
                    error,
                    StructureError {
                        part,
                        found,
                        limit: found - 1
                    }
                );
                let text = error.to_string();
                let limit = format!("the limit `{}` = {}; ", part.name(), found - 1);
                assert!(text.contains(&limit) && text.contains("raise"), "{text}");
            }
            other => panic!("{}: {other:?}", part.name()),
        }
    }
}

/// Ten components within each other, each of which instantiates the next so many times.
fn doubling(times: usize) -> Vec<u8> {
    let mut text = "(component $c)".to_owned();
    for _ in 0..10 {
        text = format!(
            "(component $c {text} {})",
            "(instance (instantiate $c))".repeat(times)
        );
    }
    wat::parse_str(format!("(component {text} (instance (instantiate $c)))")).expect("valid")
}

#[test]
fn instances_of_instances_are_counted_as_often_as_they_are_made() {
    let limits = StructureLimits::default();
    outline(&doubling(1), &limits).expect("ten in a row are no harm");
    let bomb = doubling(9);
    assert!(bomb.len() < 1024, "{} bytes", bomb.len());
    match outline(&bomb, &limits) {
        Err(OutlineError::Over(error)) => assert_eq!(error.part, Part::Instantiations),
        other => panic!("{other:?}"),
    }
}

#[test]
fn definitions_of_instances_are_counted_as_often_as_they_are_made() {
    let types = "(type u8)".repeat(1_000);
    let text = format!(
        "(component (component $c {types}) {})",
        "(instance (instantiate $c))".repeat(600)
    );
    match outline(
        &wat::parse_str(text).expect("valid"),
        &StructureLimits::default(),
    ) {
        Err(OutlineError::Over(error)) => assert_eq!(error.part, Part::Definitions),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_component_that_is_renamed_costs_what_it_is() {
    for text in [
        // Exported, and instantiated under the new number.
        r#"(component (component $c (core module $m) (core instance (instantiate $m)))
            (export $d "d" (component $c)) (instance (instantiate $d)) (instance (instantiate $d)))"#,
        // From further out.
        "(component (component $c (core module $m) (core instance (instantiate $m)))
            (component $e (alias outer 1 $c (component $d)) (instance (instantiate $d)) (instance (instantiate $d)))
            (instance (instantiate $e)))",
    ] {
        let wasm = wat::parse_str(text).expect("valid");
        let least = (1..10).find(|max| outline(&wasm, &limits(Part::Instantiations, *max)).is_ok());
        let expected = if text.contains("outer") { 5 } else { 4 };
        assert_eq!(least, Some(expected), "{text}");
    }
}

#[test]
fn a_component_from_outside_is_not_instantiated() {
    for text in [
        r#"(component (import "c" (component $c)) (instance (instantiate $c)))"#,
        r#"(component (import "i" (instance $i (export "c" (component))))
            (alias export $i "c" (component $c)) (instance (instantiate $c)))"#,
    ] {
        let wasm = wat::parse_str(text).expect("valid");
        let error = outline(&wasm, &StructureLimits::default()).expect_err(text);
        assert!(matches!(error, OutlineError::HigherOrder), "{error}");
    }
}

#[test]
fn names_of_the_outermost_only() {
    let wasm = wat::parse_str(
        r#"(component (import "a:b/c" (instance)) (component (import "inner" (instance)) (export "deep" (instance 0)))
            (export "d:e/f" (instance 0)))"#,
    )
    .expect("valid");
    let outline = outline(&wasm, &StructureLimits::default()).expect("small");
    assert_eq!(
        (outline.imports, outline.exports),
        (vec!["a:b/c".to_owned()], vec!["d:e/f".to_owned()])
    );
}

#[test]
fn half_a_component() {
    let wasm = component_with(Part::Functions, 100);
    // In the middle is the code; further out, one may end between two sections.
    for end in wasm.len() / 2..wasm.len() * 3 / 4 {
        match outline(&wasm[..end], &StructureLimits::default()) {
            Err(OutlineError::Malformed(_)) => {}
            other => panic!("{end} bytes: {other:?}"),
        }
    }
}

/// Bytes that were flipped, cut out, doubled or put in, at random places.
fn mutate(mut wasm: Vec<u8>, random: &mut fastrand::Rng) -> Vec<u8> {
    for _ in 0..random.usize(1..8) {
        let place = random.usize(0..wasm.len());
        let end = (place + random.usize(1..16)).min(wasm.len());
        match random.u8(0..5) {
            0 => wasm[place] = random.u8(..),
            1 => wasm[place] ^= 1 << random.u8(0..8),
            2 => drop(wasm.drain(place..end)),
            3 => {
                let piece = wasm[place..end].to_vec();
                let to = random.usize(0..=wasm.len());
                wasm.splice(to..to, piece);
            }
            // The largest number that is written in so many bytes.
            _ => drop(wasm.splice(place..place, [0xff, 0xff, 0xff, 0xff, 0x0f])),
        }
        if wasm.is_empty() {
            wasm.push(0);
        }
    }
    wasm
}

#[test]
fn mutants_are_counted_or_refused() {
    let mut seeds: Vec<Vec<u8>> = Part::all().map(|part| component_with(part, 7)).collect();
    seeds.push(doubling(2));
    let limits = StructureLimits::default();
    let mut random = fastrand::Rng::with_seed(4);
    let (mut good, mut over, mut bad) = (0, 0, 0);
    for round in 0..20_000 {
        let mut wasm = mutate(seeds[round % seeds.len()].clone(), &mut random);
        // The header decides whether anything is looked at.
        if wasm.len() >= 8 && random.u8(0..8) > 0 {
            wasm[..8].copy_from_slice(&seeds[0][..8]);
        }
        match outline(&wasm, &limits) {
            Ok(_) => good += 1,
            Err(OutlineError::Over(_)) => over += 1,
            Err(OutlineError::Malformed(_) | OutlineError::HigherOrder) => bad += 1,
        }
    }
    // Else these mutants say nothing.
    assert!(
        good > 100 && over > 100 && bad > 100,
        "{good} good, {over} over a limit, {bad} bad"
    );
}
