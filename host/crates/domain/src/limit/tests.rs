use super::*;

fn patch(toml_like: &str) -> LimitsPatch {
    serde_json::from_str(toml_like).expect("a patch")
}

#[test]
fn a_type_gets_what_it_asks_for_under_the_ceiling() {
    let ceiling = Limits {
        memory_bytes_max: 32 << 20,
        ..Limits::default_ceiling()
    };
    let limits = Limits::for_type(&ceiling, &patch(r#"{"wall_timeout":"2s"}"#)).expect("valid");
    assert_eq!(limits.wall_timeout_ms, 2_000);
    assert_eq!(
        limits.memory_bytes_max,
        32 << 20,
        "a default over the ceiling comes down to it"
    );

    let error = Limits::for_type(&ceiling, &patch(r#"{"memory":"64MiB"}"#)).expect_err("over");
    assert_eq!(
        error.to_string(),
        "limit `memory` = 64MiB is over the operator's ceiling of 32MiB"
    );
}

#[test]
fn a_ceiling_on_fuel_meters_every_type() {
    let ceiling = Limits {
        fuel: Some(1_000),
        ..Limits::default_ceiling()
    };
    let limits = Limits::for_type(&ceiling, &LimitsPatch::default()).expect("valid");
    assert_eq!(limits.fuel, Some(1_000));
}

#[test]
fn a_job_may_only_lower() {
    let ceiling = Limits::default_ceiling();
    let of_type = Limits::for_type(&ceiling, &patch(r#"{"cpu_time":"1s"}"#)).expect("valid");
    let lowered = of_type
        .for_job(&ceiling, &patch(r#"{"cpu_time":"200ms"}"#))
        .expect("lower");
    assert_eq!(lowered.cpu_time_ms, 200);
    let error = of_type
        .for_job(&ceiling, &patch(r#"{"cpu_time":"2s"}"#))
        .expect_err("higher");
    assert!(
        error.to_string().contains("a job may only lower it"),
        "{error}"
    );
    let error = of_type
        .for_job(&ceiling, &patch(r#"{"stack":"128KiB"}"#))
        .expect_err("stack");
    assert!(error.to_string().contains("set it for the type"), "{error}");
    let error = of_type
        .for_job(&ceiling, &patch(r#"{"fuel":100}"#))
        .expect_err("fuel");
    assert!(error.to_string().contains("set it for the type"), "{error}");
}

#[test]
fn a_ceiling_that_came_down_after_deployment_holds() {
    let of_type = Limits::default();
    let ceiling = Limits {
        wall_timeout_ms: 1_000,
        ..Limits::default_ceiling()
    };
    let limits = of_type
        .for_job(&ceiling, &LimitsPatch::default())
        .expect("valid");
    assert_eq!(limits.wall_timeout_ms, 1_000);
}

#[test]
fn a_name_is_written_as_its_key() {
    for name in LimitName::ALL {
        assert_eq!(
            serde_json::to_string(&name).expect("serialises"),
            format!("\"{}\"", name.key())
        );
    }
}

#[test]
fn specs_from_before_a_limit_read_with_its_default() {
    let mut json = serde_json::to_value(Limits::default()).expect("serialises");
    let fields = json.as_object_mut().expect("an object");
    for name in ["children_max", "handles_max", "progress_per_s_max"] {
        assert!(fields.remove(name).is_some(), "{name}");
    }
    let limits: Limits = serde_json::from_value(json).expect("reads");
    assert_eq!(limits, Limits::default());
}

#[test]
fn offspring_is_limited_as_all_else() {
    let ceiling = Limits::default_ceiling();
    let error = Limits::for_type(&ceiling, &patch(r#"{"descendants":100001}"#)).expect_err("over");
    assert_eq!(
        error.to_string(),
        "limit `descendants` = 100001 is over the operator's ceiling of 100000"
    );
    let of_type = Limits::for_type(&ceiling, &patch(r#"{"children":7}"#)).expect("valid");
    let lowered = of_type
        .for_job(&ceiling, &patch(r#"{"children":0,"depth":1}"#))
        .expect("lower");
    assert_eq!((lowered.children_max, lowered.depth_max), (0, 1));
    let error = of_type
        .for_job(&ceiling, &patch(r#"{"children":8}"#))
        .expect_err("higher");
    assert_eq!(
        error.to_string(),
        "limit `children` = 8 is over its type's limit of 7: a job may only lower it"
    );
}

#[test]
fn unknown_keys_and_hopeless_values_are_errors() {
    let error = serde_json::from_str::<LimitsPatch>(r#"{"walltimeout":"1s"}"#).expect_err("key");
    assert!(
        error.to_string().contains("unknown field `walltimeout`"),
        "{error}"
    );
    let ceiling = Limits::default_ceiling();
    let error = Limits::for_type(&ceiling, &patch(r#"{"memory":"1KiB"}"#)).expect_err("low");
    assert_eq!(
        error.to_string(),
        "limit `memory` = 1KiB is below the minimum of 64KiB"
    );
}

#[test]
fn values_are_read_in_their_unit_and_nothing_else() {
    let read = patch(r#"{"wall_timeout":"2s","memory":"1MiB","output":100,"handles":7}"#);
    assert_eq!(read.get(LimitName::WallTimeout), Some(2_000));
    assert_eq!(read.get(LimitName::Memory), Some(1 << 20));
    assert_eq!(read.get(LimitName::Output), Some(100));
    assert_eq!(read.get(LimitName::Handles), Some(7));
    let written = serde_json::to_string(&read).expect("serialises");
    assert_eq!(patch(&written), read);
    for (text, expected) in [
        (
            r#"{"wall_timeout":5}"#,
            r#"limit `wall_timeout`: 5 has no unit: write "5ms" or "5s""#,
        ),
        (
            r#"{"handles":"many"}"#,
            r#"limit `handles`: "many" is not a number: write it without quotes"#,
        ),
        (r#"{"memory":"big"}"#, "limit `memory`: `big` is not a size"),
        (r#"{"memory":-1}"#, "a number from 0, or a text"),
        (r#"{"log":1,"log":2}"#, "limit `log` is given twice"),
    ] {
        let error = serde_json::from_str::<LimitsPatch>(text).expect_err(text);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn rows_of_the_table_agree() {
    for name in LimitName::ALL {
        let (default, ceiling) = (Limits::default(), Limits::default_ceiling());
        if let (Some(default), Some(ceiling)) = (default.get(name), ceiling.get(name)) {
            assert!(default <= ceiling, "limit `{name}`");
            assert!(name.minimum() <= default, "limit `{name}`");
        }
        assert_eq!(name.key(), LimitName::KEYS[name as usize]);
        let description = name.description();
        assert!(description.ends_with('.'), "{description}");
    }
}
