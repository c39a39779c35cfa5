//! Handlers, and the entries by which a component finds them.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Ctx;
use crate::failure::Failure;
use crate::outcome::Outcome;
use crate::payload;

/// A handler: what [`job`](macro@crate::job) makes of a function.
///
/// The attribute leaves the function as it is and puts a type of the same name beside it, which
/// implements this trait. So `resize(&ctx, input)` calls the function, and
/// `NextJob::of::<resize>(&input)` and `export!(resize)` name the type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    note = "put `#[hardstop_guest::job]` on the function"
)]
pub trait Handler {
    /// What the job is started with.
    type Input: DeserializeOwned + JsonSchema;
    /// What a job that completes leaves.
    type Output: Serialize + JsonSchema;
    /// The job type's name.
    const NAME: &'static str;
    /// What the job type does, in a paragraph for people.
    const DESCRIPTION: &'static str;

    /// Runs one attempt.
    fn call(ctx: &Ctx, input: Self::Input) -> Result<Outcome<Self::Output>, Failure>;
}

/// A handler with its types taken away: JSON text in, JSON text out.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub name: &'static str,
    pub description: &'static str,
    pub schemas: fn() -> Schemas,
    pub run: fn(&Ctx, &str) -> Result<Outcome<String>, Failure>,
}

/// JSON Schemas (2020-12) of a handler's payloads, as JSON text.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schemas {
    pub input: String,
    pub output: String,
}

impl Entry {
    /// The entry of a handler.
    pub const fn of<H: Handler>() -> Self {
        Self {
            name: H::NAME,
            description: H::DESCRIPTION,
            schemas: schemas::<H>,
            run: run::<H>,
        }
    }
}

fn schemas<H: Handler>() -> Schemas {
    let settings = SchemaSettings::draft2020_12;
    let input = settings().for_deserialize().into_generator();
    let output = settings().for_serialize().into_generator();
    Schemas {
        input: input
            .into_root_schema_for::<H::Input>()
            .as_value()
            .to_string(),
        output: output
            .into_root_schema_for::<H::Output>()
            .as_value()
            .to_string(),
    }
}

fn run<H: Handler>(ctx: &Ctx, input: &str) -> Result<Outcome<String>, Failure> {
    let input = payload::read(input, &format!("the input of job type `{}`", H::NAME))?;
    Ok(match H::call(ctx, input)? {
        Outcome::Complete(output) => Outcome::Complete(payload::write(
            &output,
            &format!("the output of job type `{}`", H::NAME),
        )?),
        Outcome::ContinueWith(next) => Outcome::ContinueWith(next.into_continuation()?),
        Outcome::Snooze(delay) => Outcome::Snooze(delay),
    })
}
