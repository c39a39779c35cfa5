//! What the host and the child that compiles for it say to each other.

use std::fmt;
use std::str::FromStr;

use crate::engine::Profile;

/// The first word of an order. A person does not write it by chance.
const MARK: &str = "hardstop-order-2";

/// What a child does with what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Makes machine code of a component.
    Compile,
    /// Makes a component of a core module.
    Adapt,
}

/// What a child is asked to do, as its second argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) task: Task,
    pub(super) profile: Profile,
    pub(super) cpu_seconds: u64,
    pub(super) memory_bytes: u64,
    pub(super) wasm_bytes_max: u64,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            task,
            profile,
            cpu_seconds,
            memory_bytes,
            wasm_bytes_max,
        } = self;
        let adapts = u8::from(*task == Task::Adapt);
        let (metered, stack) = (u8::from(profile.metered), profile.stack_bytes_max);
        write!(
            f,
            "{MARK} {adapts} {metered} {stack} {cpu_seconds} {memory_bytes} {wasm_bytes_max}"
        )
    }
}

impl FromStr for Order {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let numbers = text.strip_prefix(MARK).ok_or(())?;
        let numbers: Vec<u64> = numbers
            .split_whitespace()
            .map(|number| number.parse().map_err(|_| ()))
            .collect::<Result<_, _>>()?;
        let [
            adapts,
            metered,
            stack_bytes_max,
            cpu_seconds,
            memory_bytes,
            wasm_bytes_max,
        ] = numbers[..]
        else {
            return Err(());
        };
        Ok(Self {
            task: match adapts {
                1 => Task::Adapt,
                _ => Task::Compile,
            },
            profile: Profile {
                metered: metered == 1,
                stack_bytes_max,
            },
            cpu_seconds,
            memory_bytes,
            wasm_bytes_max,
        })
    }
}

/// The first byte of what the child writes: what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// Machine code, or a component.
    Made = b'C' as isize,
    /// What is wrong with what was read.
    Refused = b'R' as isize,
    /// It asked for memory and got none. Nothing follows.
    OutOfMemory = b'M' as isize,
}

impl Reply {
    pub(super) fn of(byte: u8) -> Option<Self> {
        [Self::Made, Self::Refused, Self::OutOfMemory]
            .into_iter()
            .find(|reply| *reply as u8 == byte)
    }
}

/// The second byte: whether the child could leave the network.
pub(super) const ISOLATED: u8 = b'1';
pub(super) const NOT_ISOLATED: u8 = b'0';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_as_they_are_written() {
        for task in [Task::Compile, Task::Adapt] {
            let order = Order {
                task,
                profile: Profile {
                    metered: true,
                    stack_bytes_max: 1,
                },
                cpu_seconds: 2,
                memory_bytes: 3,
                wasm_bytes_max: 4,
            };
            assert_eq!(order.to_string().parse(), Ok(order));
        }
        for text in [
            "",
            "module.wasm",
            MARK,
            "hardstop-order-2 0 0 1 2 3",
            "hardstop-order-2 0 0 1 2 3 x",
        ] {
            assert_eq!(text.parse::<Order>(), Err(()), "{text}");
        }
    }
}
