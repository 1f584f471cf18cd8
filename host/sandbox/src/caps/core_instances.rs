//! How many core instances one instantiation of a component makes, counted without making any.
//!
//! Wasmtime counts them too, but says so only when it is too late for a typed answer.

use super::CapsError;
use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef, Encoding,
    Instance, Payload,
};

/// Counts while a component is read from front to back.
#[derive(Debug, Default)]
pub(super) struct Counter {
    open: Vec<Scope>,
}

/// A component that was begun and has not ended.
#[derive(Debug, Default)]
struct Scope {
    /// What each component of its index space makes; none = it comes from outside.
    components: Vec<Option<u64>>,
    makes: u64,
    is_module: bool,
}

impl Counter {
    /// Takes the next part; gives the count when the outermost component ends.
    pub(super) fn add(&mut self, payload: &Payload<'_>) -> Result<Option<u64>, CapsError> {
        let outer = self.open.len().saturating_sub(1);
        match payload {
            Payload::Version { encoding, .. } => {
                self.open.push(Scope { is_module: *encoding == Encoding::Module, ..Scope::default() });
            }
            Payload::End(_) => {
                let ended = self.open.pop().unwrap_or_default();
                if self.open.is_empty() {
                    return Ok(Some(ended.makes));
                }
                if !ended.is_module {
                    self.named(Some(ended.makes));
                }
            }
            Payload::InstanceSection(instances) => {
                for instance in instances.clone() {
                    self.made(u64::from(matches!(instance?, Instance::Instantiate { .. })));
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances.clone() {
                    if let ComponentInstance::Instantiate { component_index, .. } = instance? {
                        let makes = self.component(outer, component_index).ok_or(CapsError::Opaque)?;
                        self.made(makes);
                    }
                }
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    if matches!(import?.ty, ComponentTypeRef::Component(_)) {
                        self.named(None);
                    }
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases.clone() {
                    match alias? {
                        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
                            self.named(None)
                        }
                        ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                            let scope = outer.checked_sub(count as usize);
                            let component = scope.and_then(|scope| self.component(scope, index));
                            self.named(component);
                        }
                        _ => {}
                    }
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports.clone() {
                    let export = export?;
                    if export.kind == ComponentExternalKind::Component {
                        let component = self.component(outer, export.index);
                        self.named(component);
                    }
                }
            }
            _ => {}
        }
        Ok(None)
    }

    fn component(&self, scope: usize, index: u32) -> Option<u64> {
        self.open.get(scope)?.components.get(index as usize).copied().flatten()
    }

    fn made(&mut self, instances: u64) {
        if let Some(scope) = self.open.last_mut() {
            scope.makes = scope.makes.saturating_add(instances);
        }
    }

    fn named(&mut self, component: Option<u64>) {
        if let Some(scope) = self.open.last_mut() {
            scope.components.push(component);
        }
    }
}
