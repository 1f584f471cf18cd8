//! The allocator of components: that of `std`, but it begins with memory that an instance has from its start.
//!
//! An instance that grows its memory has the host change what of it may be touched, and change it back for the next instance in
//! its place. Each change interrupts all cores: for small inputs, that is a third of what an instance costs.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::memory_grow;
use core::cell::{Cell, UnsafeCell};
use core::ptr::null_mut;
use dlmalloc::{Allocator, Dlmalloc};

/// What it begins with. Most instances that get a single item need no more.
const FIRST_BYTES: usize = PAGE_BYTES;
const PAGE_BYTES: usize = 64 << 10;

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(Dlmalloc::new_with_allocator(Memory { first: Cell::new(true) })));

struct Heap(UnsafeCell<Dlmalloc<Memory>>);

// SAFETY: a component has one thread.
#[expect(unsafe_code, reason = "an allocator is unsafe by its nature")]
unsafe impl Sync for Heap {}

// SAFETY: all is as `dlmalloc` does it, whose functions have the same conditions; none of them is entered from another.
#[expect(unsafe_code, reason = "an allocator is unsafe by its nature")]
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { (*self.0.get()).malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { (*self.0.get()).calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { (*self.0.get()).free(at, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { (*self.0.get()).realloc(at, layout.size(), layout.align(), size) }
    }
}

/// Where the allocator has its memory from.
struct Memory {
    /// Nothing was taken yet.
    first: Cell<bool>,
}

#[repr(align(16))]
struct First(UnsafeCell<[u8; FIRST_BYTES]>);

// SAFETY: a component has one thread.
#[expect(unsafe_code, reason = "an allocator is unsafe by its nature")]
unsafe impl Sync for First {}

static FIRST: First = First(UnsafeCell::new([0; FIRST_BYTES]));

// SAFETY: what is given out is zeroed, belongs to nobody else, and is given out once.
#[expect(unsafe_code, reason = "an allocator is unsafe by its nature")]
unsafe impl Allocator for Memory {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        const NONE: (*mut u8, usize, u32) = (null_mut(), 0, 0);
        if self.first.replace(false) && size <= FIRST_BYTES {
            return (FIRST.0.get().cast(), FIRST_BYTES, 0);
        }
        let pages = size.div_ceil(PAGE_BYTES);
        let before = memory_grow::<0>(pages);
        if before == usize::MAX {
            return NONE;
        }
        let (begin, size) = (before * PAGE_BYTES, pages * PAGE_BYTES);
        // An object must not end where the address space does.
        let size = if begin.wrapping_add(size) == 0 { size - 16 } else { size };
        (begin as *mut u8, size, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE_BYTES
    }
}
