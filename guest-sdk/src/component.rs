//! A component: the handlers that one `export!` line names.

use crate::handler::Entry;
#[cfg(any(test, target_family = "wasm"))]
use crate::{Ctx, Failure, Outcome};

/// The handlers of a component. Implemented by [`export!`](crate::export).
#[doc(hidden)]
pub trait Component {
    const ENTRIES: &'static [Entry];
}

/// Makes a component of the crate: its handlers, named by their functions. Stands once in a crate.
///
/// ```
/// # use hardstop_guest::{Ctx, Failure};
/// # #[hardstop_guest::job] fn thumbnail(_: &Ctx, _: u32) -> Result<u32, Failure> { Ok(1) }
/// # mod image {
/// #     use hardstop_guest::{Ctx, Failure};
/// #     #[hardstop_guest::job] pub fn resize(_: &Ctx, _: u32) -> Result<u32, Failure> { Ok(1) }
/// # }
/// # fn main() {}
/// hardstop_guest::export!(thumbnail, image::resize);
/// ```
///
/// Two handlers of one name do not compile:
///
/// ```compile_fail
/// # use hardstop_guest::{Ctx, Failure};
/// #[hardstop_guest::job(name = "same")]
/// fn one(_: &Ctx, _: u32) -> Result<u32, Failure> { Ok(1) }
///
/// #[hardstop_guest::job(name = "same")]
/// fn other(_: &Ctx, _: u32) -> Result<u32, Failure> { Ok(2) }
///
/// hardstop_guest::export!(one, other);
/// ```
#[macro_export]
macro_rules! export {
    ($($handler:path),+ $(,)?) => {
        const _: () = {
            struct Exported;

            impl $crate::Component for Exported {
                const ENTRIES: &'static [$crate::Entry] =
                    &[$($crate::Entry::of::<$handler>()),+];
            }

            $crate::check_names(<Exported as $crate::Component>::ENTRIES);

            $crate::__export_component!(Exported);
        };
    };
}

/// Natively there is nothing to export: the handlers are plain functions.
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    ($component:ident) => {};
}

/// Stops the compilation where two handlers have one name.
#[doc(hidden)]
pub const fn check_names(entries: &[Entry]) {
    let mut left = 0;
    while left < entries.len() {
        let mut right = left + 1;
        while right < entries.len() {
            assert!(
                !same(
                    entries[left].name.as_bytes(),
                    entries[right].name.as_bytes()
                ),
                "two exported handlers have one name: give one `#[job(name = \"...\")]`"
            );
            right += 1;
        }
        left += 1;
    }
}

/// `==` is not yet const.
const fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// Runs the handler of the context's job type.
#[cfg(any(test, target_family = "wasm"))]
pub fn run(entries: &[Entry], ctx: &Ctx, input: &str) -> Result<Outcome<String>, Failure> {
    match entries.iter().find(|entry| entry.name == ctx.job_type()) {
        Some(entry) => (entry.run)(ctx, input),
        None => {
            let names: Vec<_> = entries.iter().map(|entry| entry.name).collect();
            Err(Failure::fatal(format!(
                "this component has no handler `{}`; it has `{}`",
                ctx.job_type(),
                names.join("`, `")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;
    use crate::next::NextJob;
    use serde_json::Value;

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    struct Count {
        to: u32,
        #[serde(default)]
        step: u32,
    }

    /// Counts, a step an attempt.
    #[crate::job]
    fn count_up(_ctx: &Ctx, count: Count) -> Result<Outcome<u32>, Failure> {
        match count.to {
            0 => Err(Failure::fatal("nothing to count")),
            1 => Ok(Outcome::complete(1)),
            2 => Ok(Outcome::snooze(std::time::Duration::from_secs(2))),
            to => Ok(Outcome::continue_with(NextJob::of::<count_up>(&Count {
                to: to - 1,
                step: 1,
            }))),
        }
    }

    #[crate::job(name = "math.halve", description = "Halves.")]
    fn halve(_ctx: &Ctx, number: i64) -> Result<i64, std::num::TryFromIntError> {
        Ok(i64::from(u32::try_from(number)? / 2))
    }

    #[crate::job]
    fn unwritable(_ctx: &Ctx, _input: ()) -> Result<std::collections::BTreeMap<Key, u32>, Failure> {
        Ok([(Key(vec![1]), 1)].into())
    }

    #[derive(PartialEq, Eq, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
    struct Key(Vec<u8>);

    crate::export!(count_up, halve, unwritable);

    const ENTRIES: [Entry; 3] = [
        Entry::of::<count_up>(),
        Entry::of::<halve>(),
        Entry::of::<unwritable>(),
    ];

    fn run_as(job_type: &str, input: &str) -> Result<Outcome<String>, Failure> {
        run(&ENTRIES, &Ctx::for_test().with_job_type(job_type), input)
    }

    #[test]
    fn names_and_descriptions_come_from_the_function_or_the_attribute() {
        let told: Vec<_> = ENTRIES
            .iter()
            .map(|entry| (entry.name, entry.description))
            .collect();
        assert_eq!(
            told,
            [
                ("count-up", "Counts, a step an attempt."),
                ("math.halve", "Halves."),
                ("unwritable", ""),
            ]
        );
    }

    #[test]
    fn schemas_say_what_may_be_left_out() {
        let schemas = (ENTRIES[0].schemas)();
        let input: Value = serde_json::from_str(&schemas.input).expect("JSON");
        assert_eq!(
            input["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        assert_eq!(input["required"], serde_json::json!(["to"]));
        let output: Value = serde_json::from_str(&schemas.output).expect("JSON");
        assert_eq!(output["type"], "integer");
    }

    #[test]
    fn outcomes_pass_as_json_text() {
        assert_eq!(
            run_as("count-up", r#"{"to":1}"#),
            Ok(Outcome::Complete("1".to_owned()))
        );
        assert_eq!(
            run_as("count-up", r#"{"to":2}"#),
            Ok(Outcome::snooze(std::time::Duration::from_secs(2)))
        );
        assert_eq!(
            run_as("count-up", r#"{"to":3}"#),
            Ok(Outcome::continue_with(NextJob::named(
                "count-up",
                &Count { to: 2, step: 1 }
            )))
        );
        assert_eq!(
            run_as("math.halve", "8"),
            Ok(Outcome::Complete("4".to_owned()))
        );
    }

    #[test]
    fn failures_keep_their_kind() {
        let kind = |result: Result<_, Failure>| result.expect_err("failure").kind;
        assert_eq!(kind(run_as("count-up", r#"{"to":0}"#)), FailureKind::Fatal);
        assert_eq!(kind(run_as("math.halve", "-1")), FailureKind::Retryable);
        assert_eq!(kind(run_as("math.halve", "\"x\"")), FailureKind::Fatal);
    }

    #[test]
    fn an_unknown_handler_is_fatal_and_names_those_there_are() {
        assert_eq!(
            run_as("nobody", "{}").expect_err("failure"),
            Failure::fatal(
                "this component has no handler `nobody`; it has `count-up`, `math.halve`, \
                 `unwritable`"
            )
        );
    }

    #[test]
    fn an_output_that_is_no_json_is_fatal() {
        let failure = run_as("unwritable", "null").expect_err("failure");
        assert_eq!(failure.kind, FailureKind::Fatal);
        assert!(
            failure
                .message
                .starts_with("the output of job type `unwritable` cannot be written"),
            "{failure}"
        );
    }
}
