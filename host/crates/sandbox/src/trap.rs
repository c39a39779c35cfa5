//! What wasmtime's errors mean, in plain words.

use hardstop_domain::{LimitName, OutcomeKind};
use wasmtime::{Error, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::backtrace::{frames, is_recursion};
use crate::command::OutputOverflow;
use crate::journal::cut;

/// How much of an error's own text is repeated, in bytes.
const TEXT_BYTES_MAX: usize = 512;

/// How a guest was ended by an error.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) cause: Cause,
    pub(crate) backtrace: Vec<String>,
}

/// What was wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The host's stack limit.
    Stack,
    /// The stack that a guest keeps in its own memory, whose size its linker fixed.
    ShadowStack,
    /// No fuel left.
    Fuel,
    /// The guest's result was larger than the host takes in.
    ResultTooLarge,
    /// Past one of the limits that have no cause of their own.
    Limit(LimitName),
    /// The host's pools were full, which the admission should have prevented.
    NoSlot(String),
    /// Any other trap: what happened, as the end of a sentence about the guest.
    Trap(String),
}

impl Cause {
    pub(crate) fn kind(&self) -> OutcomeKind {
        match self {
            Self::Stack | Self::ShadowStack => OutcomeKind::StackOverflow,
            Self::Fuel => OutcomeKind::OutOfFuel,
            Self::ResultTooLarge => OutcomeKind::OutputTooLarge,
            Self::Limit(_) => OutcomeKind::LimitExceeded,
            Self::NoSlot(_) => OutcomeKind::FailedRetryable,
            Self::Trap(_) => OutcomeKind::Trapped,
        }
    }
}

/// Reads an error of a call into a guest.
pub(crate) fn read(error: &Error) -> Fault {
    let backtrace = error.downcast_ref::<WasmBacktrace>();
    let cause = cause(error, backtrace);
    Fault {
        cause,
        backtrace: backtrace.map(frames).unwrap_or_default(),
    }
}

fn cause(error: &Error, backtrace: Option<&WasmBacktrace>) -> Cause {
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return Cause::Trap(format!(
            "called `exit({code})` instead of returning an outcome"
        ));
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return match trap {
            Trap::StackOverflow => Cause::Stack,
            Trap::OutOfFuel => Cause::Fuel,
            Trap::MemoryOutOfBounds if backtrace.is_some_and(is_recursion) => Cause::ShadowStack,
            trap => Cause::Trap(words(*trap)),
        };
    }
    if error.is::<OutputOverflow>() {
        return Cause::ResultTooLarge;
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Cause::NoSlot(error.root_cause().to_string());
    }
    let text = error.root_cause().to_string();
    // The type of this error is private to wasmtime; a test holds the text.
    if text.starts_with("too much data is being copied") {
        return match backtrace {
            // Frames on the stack: it was a call from the guest to the host.
            Some(_) => Cause::Limit(LimitName::HostCall),
            None => Cause::ResultTooLarge,
        };
    }
    // Nor have these a type; the zoo holds their texts, too.
    for (part, name) in [
        (
            "resource limit exceeded: instance count",
            LimitName::Instances,
        ),
        ("resource limit exceeded: memory count", LimitName::Memories),
        ("resource limit exceeded: table count", LimitName::Tables),
        ("resource table has no free keys", LimitName::Handles),
        ("store handle limit exceeded", LimitName::Handles),
    ] {
        if text.contains(part) {
            return Cause::Limit(name);
        }
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Cause::Trap(format!(
        "broke the rules of a call: {}",
        cut(line, TEXT_BYTES_MAX)
    ))
}

fn words(trap: Trap) -> String {
    match trap {
        Trap::UnreachableCodeReached => "executed `unreachable`".to_owned(),
        Trap::MemoryOutOfBounds => "accessed memory out of bounds".to_owned(),
        Trap::TableOutOfBounds => "called through a table out of bounds".to_owned(),
        Trap::IndirectCallToNull => "called through an empty table entry".to_owned(),
        Trap::BadSignature => "called a function through a pointer of another type".to_owned(),
        Trap::IntegerOverflow => "overflowed in an integer division".to_owned(),
        Trap::IntegerDivisionByZero => "divided an integer by zero".to_owned(),
        Trap::BadConversionToInteger => {
            "converted a number that fits no integer to an integer".to_owned()
        }
        other => {
            let text = other.to_string();
            format!(
                "trapped: {}",
                text.strip_prefix("wasm trap: ").unwrap_or(&text)
            )
        }
    }
}
