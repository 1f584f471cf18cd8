//! The settings of wasmtime: one set of flags for compiling and running, two ways to allocate.

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

/// The call stack of a guest. Named in `wit/palisade.wit`; no one can raise it.
pub(crate) const STACK_BYTES: usize = 512 << 10;
/// Most elements of one table that a pool makes room for: the default ceiling of the limit `table-elements`.
const MAX_TABLE_ELEMENTS: usize = 100_000;
/// Core instances of one component: the ceiling of the limit `instances`. A Python component has about 40.
pub(crate) const MAX_CORE_INSTANCES: u32 = 64;
/// Memories and tables of one component: more than any toolchain makes.
const MAX_MEMORIES: u32 = 4;
const MAX_TABLES: u32 = 16;
/// Memory of an instance that is cleared by hand rather than given back to the system. Measured: with guests whose
/// stack is 128 KiB, 2.6 times as many fresh instances in a second as without.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;

/// How instances get their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allocator {
    /// From a pool for that many instances at once: quick, but it reserves gigabytes of address space.
    Pool {
        /// Instances at once.
        instances: u32,
    },
    /// From the system, for each instance anew: for the compile worker, and where address space is scarce.
    OnDemand,
}

/// The settings of an engine. Code that was compiled with one allocator runs with the other.
pub(crate) fn config(allocator: Allocator) -> Config {
    let mut config = Config::new();
    // What guests may do is what the compilers of Rust, C, Python and JavaScript emit and no more: each feature is
    // more code of wasmtime's that hostile bytes can reach.
    // (Threads, GC and exceptions are not even built in.)
    config
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false);
    // Same input, same output: NaNs have one form, and fuel is the only measure of work.
    config.consume_fuel(true).cranelift_nan_canonicalization(true);
    config
        .max_wasm_stack(STACK_BYTES)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // Stack traces go by frame pointers; unwind tables would be read by nobody.
        .native_unwind_info(false);
    if let Allocator::Pool { instances } = allocator {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances)));
    }
    config
}

fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(MAX_CORE_INSTANCES))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(4))
        .total_stacks(instances)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_memories_per_module(1)
        .max_tables_per_module(MAX_TABLES)
        .table_elements(MAX_TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}
