//! The pass over a component's bytes.

use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, FunctionBody, Operator, Parser, Payload,
    SectionLimited,
};

use super::{Part, StructureError, StructureLimits};

/// What the outermost component imports and exports.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

/// Why no outline can be drawn.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutlineError {
    /// More of something than there may be.
    #[error(transparent)]
    Over(#[from] StructureError),
    /// It does not parse.
    #[error(transparent)]
    Malformed(#[from] BinaryReaderError),
    /// A component that is instantiated comes from an import, or out of an instance: how much it holds is only
    /// known once everything is put together.
    #[error("it instantiates a component that it does not contain itself")]
    HigherOrder,
}

/// What an instance of a component is made of, its parts counted as often as they are instantiated.
#[derive(Debug, Default, Clone, Copy)]
struct Cost {
    instantiations: u64,
    definitions: u64,
}

/// A component or module that is being read.
#[derive(Default)]
struct Frame {
    is_module: bool,
    cost: Cost,
    /// The index space of components; none for one that comes from outside.
    components: Vec<Option<Cost>>,
}

struct Counter<'l> {
    limits: &'l StructureLimits,
    /// From the outermost to the one that is being read.
    frames: Vec<Frame>,
    /// Of the parts that are counted over the whole file, by number.
    totals: [u64; super::ENTRIES.len()],
    outline: Outline,
}

/// Counts everything that has a limit.
pub(crate) fn outline(wasm: &[u8], limits: &StructureLimits) -> Result<Outline, OutlineError> {
    let mut counter = Counter {
        limits,
        frames: vec![Frame::default()],
        totals: Default::default(),
        outline: Outline::default(),
    };
    for payload in Parser::new(0).parse_all(wasm) {
        counter.payload(payload?)?;
    }
    Ok(counter.outline)
}

impl Counter<'_> {
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), OutlineError> {
        match payload {
            // Core modules.
            Payload::TypeSection(section) => self.add(Part::Types, section.count()),
            Payload::ImportSection(section) => self.add(Part::Imports, section.count()),
            Payload::FunctionSection(section) => self.add(Part::Functions, section.count()),
            Payload::TableSection(section) => self.in_module(Part::Tables, section.count()),
            Payload::MemorySection(section) => self.in_module(Part::Memories, section.count()),
            Payload::GlobalSection(section) => self.add(Part::Globals, section.count()),
            Payload::TagSection(section) => self.add(Part::Types, section.count()),
            Payload::ExportSection(section) => self.add(Part::Exports, section.count()),
            Payload::ElementSection(section) => self.add(Part::ElementSegments, section.count()),
            Payload::DataSection(section) => self.add(Part::DataSegments, section.count()),
            Payload::DataCountSection { count, .. } => self.in_module(Part::DataSegments, count),
            // What a module defines without code never gets here: the validator refuses it.
            Payload::CodeSectionStart { count, .. } => self.in_module(Part::Functions, count),
            Payload::CodeSectionEntry(body) => self.body(&body),
            // Components.
            Payload::ModuleSection { .. } => {
                self.add(Part::Modules, 1)?;
                self.frames.push(Frame {
                    is_module: true,
                    ..Frame::default()
                });
                Ok(())
            }
            Payload::ComponentSection { .. } => {
                self.add(Part::Components, 1)?;
                self.frames.push(Frame::default());
                let depth = self.frames.len() as u64 - 1;
                self.check(Part::ComponentDepth, depth)
            }
            Payload::InstanceSection(section) => self.core_instances(&section),
            Payload::CoreTypeSection(section) => self.types(section.count()),
            Payload::ComponentTypeSection(section) => self.types(section.count()),
            Payload::ComponentInstanceSection(section) => self.instances(section),
            Payload::ComponentAliasSection(section) => self.aliases(section),
            Payload::ComponentCanonicalSection(section) => self.define(section.count()),
            Payload::ComponentImportSection(section) => self.imports(section),
            Payload::ComponentExportSection(section) => self.exports(section),
            Payload::End(_) => {
                self.end();
                Ok(())
            }
            Payload::Version { .. }
            | Payload::StartSection { .. }
            | Payload::ComponentStartSection { .. }
            | Payload::CustomSection(_)
            | Payload::UnknownSection { .. } => Ok(()),
            _ => Ok(()),
        }
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), OutlineError> {
        let range = body.range();
        self.check(Part::BodyBytes, (range.end - range.start) as u64)?;
        let mut locals = 0_u64;
        for declared in body.get_locals_reader()? {
            let (count, _) = declared?;
            locals += u64::from(count);
            self.check(Part::Locals, locals)?;
        }
        let mut depth = 0_u64;
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            match operators.read()? {
                Operator::Block { .. }
                | Operator::Loop { .. }
                | Operator::If { .. }
                | Operator::Try { .. }
                | Operator::TryTable { .. } => {
                    depth += 1;
                    self.check(Part::Nesting, depth)?;
                }
                Operator::End => depth = depth.saturating_sub(1),
                Operator::BrTable { targets } => {
                    self.check(Part::BranchTargets, u64::from(targets.len()))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn core_instances<T>(&mut self, section: &SectionLimited<'_, T>) -> Result<(), OutlineError> {
        self.define(section.count())?;
        let count = u64::from(section.count());
        self.spend(Cost {
            instantiations: count,
            definitions: 0,
        })
    }

    fn instances(
        &mut self,
        section: SectionLimited<'_, ComponentInstance<'_>>,
    ) -> Result<(), OutlineError> {
        self.define(section.count())?;
        for instance in section {
            let mut cost = Cost {
                instantiations: 1,
                definitions: 0,
            };
            if let ComponentInstance::Instantiate {
                component_index, ..
            } = instance?
            {
                let inner = self.component(0, component_index).flatten();
                let inner = inner.ok_or(OutlineError::HigherOrder)?;
                cost.instantiations += inner.instantiations;
                cost.definitions += inner.definitions;
            }
            self.spend(cost)?;
        }
        Ok(())
    }

    fn aliases(
        &mut self,
        section: SectionLimited<'_, ComponentAlias<'_>>,
    ) -> Result<(), OutlineError> {
        self.define(section.count())?;
        for alias in section {
            match alias? {
                ComponentAlias::Outer {
                    kind: ComponentOuterAliasKind::Component,
                    count,
                    index,
                } => {
                    let component = self.component(count, index).flatten();
                    self.push_component(component);
                }
                ComponentAlias::InstanceExport {
                    kind: ComponentExternalKind::Component,
                    ..
                } => self.push_component(None),
                _ => {}
            }
        }
        Ok(())
    }

    fn imports(
        &mut self,
        section: wasmparser::ComponentImportSectionReader<'_>,
    ) -> Result<(), OutlineError> {
        self.add(Part::Imports, section.count())?;
        self.define(section.count())?;
        for import in section {
            let import = import?;
            if self.frames.len() == 1 {
                self.outline.imports.push(import.name.name.to_owned());
            }
            if let ComponentTypeRef::Component(_) = import.ty {
                self.push_component(None);
            }
        }
        Ok(())
    }

    fn exports(
        &mut self,
        section: wasmparser::ComponentExportSectionReader<'_>,
    ) -> Result<(), OutlineError> {
        self.add(Part::Exports, section.count())?;
        self.define(section.count())?;
        for export in section {
            let export = export?;
            if self.frames.len() == 1 {
                self.outline.exports.push(export.name.name.to_owned());
            }
            // An export defines what it exports once more, under a number of its own.
            if export.kind == ComponentExternalKind::Component {
                let component = self.component(0, export.index).flatten();
                self.push_component(component);
            }
        }
        Ok(())
    }

    /// A module or component ends.
    fn end(&mut self) {
        // The outermost stays: nothing comes after its end.
        if self.frames.len() > 1
            && let Some(ended) = self.frames.pop()
            && !ended.is_module
        {
            self.push_component(Some(ended.cost));
        }
    }

    /// A component by its number, so many components further out. None where there is no such number: the
    /// validator's business.
    fn component(&self, outward: u32, index: u32) -> Option<Option<Cost>> {
        let frame = self.frames.iter().rev().nth(outward as usize)?;
        frame.components.get(index as usize).copied()
    }

    fn push_component(&mut self, component: Option<Cost>) {
        if let Some(frame) = self.frames.last_mut() {
            frame.components.push(component);
        }
    }

    fn types(&mut self, count: u32) -> Result<(), OutlineError> {
        self.add(Part::Types, count)?;
        self.define(count)
    }

    /// The component that is being read defines so many more things.
    fn define(&mut self, count: u32) -> Result<(), OutlineError> {
        self.spend(Cost {
            instantiations: 0,
            definitions: u64::from(count),
        })
    }

    /// The component that is being read costs so much more. Checked at once, so that no sum comes near its end.
    fn spend(&mut self, more: Cost) -> Result<(), OutlineError> {
        let Some(frame) = self.frames.last_mut() else {
            return Ok(());
        };
        frame.cost.instantiations = frame
            .cost
            .instantiations
            .saturating_add(more.instantiations);
        frame.cost.definitions = frame.cost.definitions.saturating_add(more.definitions);
        let cost = frame.cost;
        self.check(Part::Instantiations, cost.instantiations)?;
        self.check(Part::Definitions, cost.definitions)
    }

    /// So many more in the whole file.
    fn add(&mut self, part: Part, count: u32) -> Result<(), OutlineError> {
        let total = &mut self.totals[part as usize];
        *total = total.saturating_add(u64::from(count));
        let total = *total;
        self.check(part, total)
    }

    /// So many in one module, as its one section says.
    fn in_module(&self, part: Part, count: u32) -> Result<(), OutlineError> {
        self.check(part, u64::from(count))
    }

    fn check(&self, part: Part, found: u64) -> Result<(), OutlineError> {
        Ok(self.limits.check(part, found)?)
    }
}
