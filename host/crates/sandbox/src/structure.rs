//! What a component is made of, counted before anything of it is compiled.
//!
//! The compiler takes time and memory that grow faster than its input: one function of a megabyte, nested
//! or branching in the worst way, costs it a minute, and a component of under a kilobyte that instantiates its
//! parts over and over costs it all memory there is. Sizes alone do not tell, so this looks at the structure.
//!
//! One pass over the bytes, which neither validates nor keeps anything but counts and the names of the outermost
//! imports and exports. Types are counted by what their sections declare and not read: they nest.

mod count;

use hardstop_domain::quantity::format_size;

pub(crate) use count::{Outline, OutlineError, outline};

/// One thing that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Functions that modules define, all together.
    Functions,
    /// The code of one function, in bytes.
    BodyBytes,
    /// Local variables of one function, without its parameters.
    Locals,
    /// How deep blocks lie within each other in one function.
    Nesting,
    /// Targets of one `br_table`.
    BranchTargets,
    /// Types that modules and components declare, all together.
    Types,
    /// Imports, all together.
    Imports,
    /// Exports, all together.
    Exports,
    /// Globals, all together.
    Globals,
    /// Data segments, all together.
    DataSegments,
    /// Element segments, all together.
    ElementSegments,
    /// Memories that one module defines.
    Memories,
    /// Tables that one module defines.
    Tables,
    /// Core modules, all together.
    Modules,
    /// Components within the component, all together.
    Components,
    /// How deep components lie within each other.
    ComponentDepth,
    /// Instances that an instance of the component is made of, counted as often as they are made.
    Instantiations,
    /// What the component and its parts define, import and export, counted as often as it is instantiated.
    Definitions,
}

/// Of one part: its name in `hardstop.toml`, its default, what it counts, and what to do about too many. The
/// largest that were seen in real components are in the comments.
struct Entry {
    part: Part,
    name: &'static str,
    default: u64,
    what: &'static str,
    remedy: &'static str,
}

const fn entry(
    part: Part,
    name: &'static str,
    default: u64,
    what: &'static str,
    remedy: &'static str,
) -> Entry {
    Entry {
        part,
        name,
        default,
        what,
        remedy,
    }
}

const SPLIT: &str = "split the component";
const SPLIT_FUNCTION: &str = "split the function";
const SMALLER: &str = "build it with `opt-level = \"s\"` and `lto = true`";
const FLATTEN: &str = "compose it of fewer parts";

#[rustfmt::skip]
const ENTRIES: [Entry; 18] = [
    entry(Part::Functions, "functions", 200_000, "functions", SMALLER),
    // 430 KB in CPython.
    entry(Part::BodyBytes, "body_bytes", 2 << 20, "of code in one function", SPLIT_FUNCTION),
    // 270.
    entry(Part::Locals, "locals", 10_000, "local variables in one function", SPLIT_FUNCTION),
    // 780.
    entry(Part::Nesting, "nesting", 4_000, "blocks within each other in one function", SPLIT_FUNCTION),
    entry(Part::BranchTargets, "branch_targets", 20_000, "targets of one `br_table`", SPLIT_FUNCTION),
    entry(Part::Types, "types", 100_000, "types", SPLIT),
    entry(Part::Imports, "imports", 100_000, "imports of its modules and components", SPLIT),
    entry(Part::Exports, "exports", 100_000, "exports of its modules and components", SPLIT),
    entry(Part::Globals, "globals", 100_000, "globals", SPLIT),
    entry(Part::DataSegments, "data_segments", 100_000, "data segments", SMALLER),
    entry(Part::ElementSegments, "element_segments", 100_000, "element segments", SMALLER),
    entry(Part::Memories, "memories", 16, "memories in one module", SPLIT),
    entry(Part::Tables, "tables", 16, "tables in one module", SPLIT),
    // 108 instances of fewer modules.
    entry(Part::Modules, "modules", 500, "core modules", FLATTEN),
    entry(Part::Components, "components", 500, "components within it", FLATTEN),
    entry(Part::ComponentDepth, "component_depth", 16, "components within each other", FLATTEN),
    entry(Part::Instantiations, "instantiations", 2_000, "instances", FLATTEN),
    entry(Part::Definitions, "definitions", 500_000, "definitions in its instances", FLATTEN),
];

impl Part {
    /// All of them, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        ENTRIES.iter().map(|entry| entry.part)
    }

    /// Its name in `hardstop.toml`.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// How many there may be where nobody says otherwise.
    pub fn default_max(self) -> u64 {
        self.entry().default
    }

    fn entry(self) -> &'static Entry {
        &ENTRIES[self as usize]
    }
}

/// How many of each [`Part`] a component may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StructureLimits([u64; ENTRIES.len()]);

impl Default for StructureLimits {
    /// Well above what real components have: interpreters of whole languages included.
    fn default() -> Self {
        Self(ENTRIES.map(|entry| entry.default))
    }
}

impl StructureLimits {
    /// How many there may be.
    pub fn get(&self, part: Part) -> u64 {
        self.0[part as usize]
    }

    /// Sets how many there may be.
    pub fn set(&mut self, part: Part, max: u64) {
        self.0[part as usize] = max;
    }

    pub(crate) fn check(&self, part: Part, found: u64) -> Result<(), StructureError> {
        let limit = self.get(part);
        if found > limit {
            return Err(StructureError { part, found, limit });
        }
        Ok(())
    }
}

/// A component has more of something than it may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the component has {} {}, over the limit `{name}` = {limit}; {}, or raise `{name}` in the table \
     [structure] of hardstop.toml",
    written(*.part, *.found),
    .part.entry().what,
    .part.entry().remedy,
    name = .part.name()
)]
pub struct StructureError {
    /// Of what.
    pub part: Part,
    /// How many were found. There may be more: counting ends at the first limit that is passed.
    pub found: u64,
    /// How many there may be.
    pub limit: u64,
}

fn written(part: Part, found: u64) -> String {
    match part {
        Part::BodyBytes => format_size(found),
        _ => found.to_string(),
    }
}

#[cfg(test)]
mod tests;
