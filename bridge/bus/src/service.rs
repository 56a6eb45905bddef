//! The flavour of iceoryx2 in use everywhere: between processes, ports usable from all threads, and no allocation for a message.
//!
//! It is iceoryx2's `ipc_threadsafe` but for [`Shared`]. iceoryx2 gives each loan a counted and locked handle; its own policy allocates it, and
//! sets a POSIX mutex up and destroys it, for every message. Processes of either flavour understand each other: what lies in shared memory is
//! the same.
#![allow(unsafe_code)]

use std::alloc::{Layout, handle_alloc_error};
use std::cell::RefCell;
use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use iceoryx2::prelude::ZeroCopySend;
use iceoryx2_bb_elementary_traits::testing::abandonable::Abandonable;
use iceoryx2_cal::arc_sync_policy::{ArcSyncPolicy, ArcSyncPolicyCreationError, LockGuard};
use iceoryx2_cal::shm_allocator::bump_allocator::BumpAllocator;
use iceoryx2_cal::shm_allocator::pool_allocator::PoolAllocator;
use iceoryx2_cal::{
    bag, dynamic_storage, event, hash, monitoring, reactor, resizable_shared_memory, serialize,
    shared_memory, static_storage, zero_copy_connection,
};
use parking_lot::{ReentrantMutex, ReentrantMutexGuard};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Ipc {}

impl iceoryx2::service::Service for Ipc {
    type StaticStorage = static_storage::recommended::Ipc;
    type ConfigSerializer = serialize::recommended::Recommended;
    type PersistentDynamicStorage<T: Debug + Send + Sync + ZeroCopySend + 'static> =
        dynamic_storage::recommended::PersistentIpc<T>;
    type Bag = bag::recommended::Recommended;
    type DynamicStorage<T: Debug + Send + Sync + ZeroCopySend + 'static> =
        dynamic_storage::recommended::Ipc<T>;
    type ServiceNameHasher = hash::recommended::Recommended;
    type SharedMemory = shared_memory::recommended::Ipc<PoolAllocator>;
    type ResizableSharedMemory = resizable_shared_memory::recommended::Ipc<PoolAllocator>;
    type Connection = zero_copy_connection::recommended::Ipc;
    type Event = event::recommended::Ipc;
    type Monitoring = monitoring::recommended::Ipc;
    type Reactor = reactor::recommended::Ipc;
    type ArcThreadSafetyPolicy<T: Send + Debug + Abandonable> = Shared<T>;
    type BlackboardMgmt<K: Send + Sync + Debug + ZeroCopySend + 'static> =
        dynamic_storage::recommended::Ipc<K>;
    type BlackboardPayload = shared_memory::recommended::Ipc<BumpAllocator>;
    type UniqueId = iceoryx2::unique_id_generator::unique_system_id::UniqueSystemId;
}

impl iceoryx2::service::internal::ServiceInternal<Ipc> for Ipc {}

/// A value that is counted and locked, as `Arc<ReentrantMutex<T>>`, in memory that is reused.
pub(crate) struct Shared<T: Send + Debug + Abandonable> {
    block: NonNull<Block<T>>,
    owns: PhantomData<Block<T>>,
}

struct Block<T> {
    count: AtomicUsize,
    value: ReentrantMutex<T>,
}

// SAFETY: the block is reached through the count and the mutex only, both made for several threads; `T` is `Send`, so any of them may be the one
// that drops it.
unsafe impl<T: Send + Debug + Abandonable> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Debug + Abandonable> Sync for Shared<T> {}

impl<T: Send + Debug + Abandonable> Shared<T> {
    fn block(&self) -> &Block<T> {
        // SAFETY: the block was written in `new` and lives until the last handle is dropped.
        unsafe { self.block.as_ref() }
    }
}

impl<T: Send + Debug + Abandonable> Clone for Shared<T> {
    fn clone(&self) -> Self {
        // Relaxed, as in `Arc`: whoever clones holds a handle already.
        let before = self.block().count.fetch_add(1, Ordering::Relaxed);
        assert!(before < usize::MAX / 2, "too many handles");
        Self {
            block: self.block,
            owns: PhantomData,
        }
    }
}

impl<T: Send + Debug + Abandonable> Drop for Shared<T> {
    fn drop(&mut self) {
        if self.block().count.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // What others did with the value comes before its end.
        fence(Ordering::Acquire);
        // SAFETY: this was the last handle, so nobody else reaches the block, and it is not used after this.
        unsafe { self.block.drop_in_place() };
        recycle(self.block.cast(), Layout::new::<Block<T>>());
    }
}

impl<T: Send + Debug + Abandonable> Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.block().value.fmt(f)
    }
}

impl<T: Send + Debug + Abandonable> Abandonable for Shared<T> {
    unsafe fn abandon_in_place(mut this: NonNull<Self>) {
        // SAFETY: by the contract of this function `this` is valid and not used afterwards.
        let shared = unsafe { this.as_mut() };
        if shared.block().count.load(Ordering::Acquire) == 1 {
            // SAFETY: this is the only handle.
            let value = unsafe { shared.block.as_mut() }.value.get_mut();
            // SAFETY: the value is valid, and the block is leaked: nothing uses it afterwards.
            unsafe { T::abandon_in_place(NonNull::from_mut(value)) };
        } else {
            // SAFETY: by the contract of this function.
            unsafe { this.drop_in_place() };
        }
    }
}

impl<T: Send + Debug + Abandonable> ArcSyncPolicy<T> for Shared<T> {
    type LockGuard<'parent>
        = Guard<'parent, T>
    where
        Self: 'parent,
        T: 'parent;

    fn new(value: T) -> Result<Self, ArcSyncPolicyCreationError> {
        let block = memory(Layout::new::<Block<T>>()).cast::<Block<T>>();
        // SAFETY: the memory is of the block's layout and ours alone.
        unsafe {
            block.write(Block {
                count: AtomicUsize::new(1),
                value: ReentrantMutex::new(value),
            });
        }
        Ok(Self {
            block,
            owns: PhantomData,
        })
    }

    fn lock(&self) -> Guard<'_, T> {
        Guard(self.block().value.lock())
    }
}

/// Access to a [`Shared`] value. A thread may hold several.
pub(crate) struct Guard<'parent, T>(ReentrantMutexGuard<'parent, T>);

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'parent, T: Send + Debug + Abandonable> LockGuard<'parent, T> for Guard<'parent, T> {}

/// What is reused: the blocks of loans are of this layout or less.
const SPARE: Layout = match Layout::from_size_align(128, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("a layout"),
};
/// A thread keeps so many.
const MAX_SPARES: usize = 8;

/// Memory of [`SPARE`]'s layout that this thread may use next.
struct Spares(Vec<NonNull<u8>>);

thread_local! {
    static SPARES: RefCell<Spares> = const { RefCell::new(Spares(Vec::new())) };
}

impl Drop for Spares {
    fn drop(&mut self) {
        for memory in self.0.drain(..) {
            // SAFETY: it came from `memory` with this layout, and nothing uses it.
            unsafe { std::alloc::dealloc(memory.as_ptr(), SPARE) };
        }
    }
}

const fn is_spare(layout: Layout) -> bool {
    layout.size() <= SPARE.size() && layout.align() <= SPARE.align()
}

/// Uninitialised memory of at least this layout, which must not be of size 0. It ends with [`recycle`].
fn memory(layout: Layout) -> NonNull<u8> {
    let layout = if is_spare(layout) {
        // No thread-local is left when a thread ends.
        let spare = SPARES.try_with(|spares| spares.borrow_mut().0.pop());
        if let Ok(Some(spare)) = spare {
            return spare;
        }
        SPARE
    } else {
        layout
    };
    // SAFETY: a block holds a count, so the layout is not of size 0.
    let memory = unsafe { std::alloc::alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Takes memory back that [`memory`] gave for this layout.
fn recycle(memory: NonNull<u8>, layout: Layout) {
    let layout = if is_spare(layout) {
        let kept = SPARES.try_with(|spares| {
            let spares = &mut spares.borrow_mut().0;
            let room = spares.len() < MAX_SPARES;
            if room {
                spares.push(memory);
            }
            room
        });
        if kept == Ok(true) {
            return;
        }
        SPARE
    } else {
        layout
    };
    // SAFETY: it came from `memory` with this layout, and nothing uses it any more.
    unsafe { std::alloc::dealloc(memory.as_ptr(), layout) };
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Holds a reference while it lives.
    #[derive(Debug)]
    struct Counted<const N: usize> {
        _living: Arc<()>,
        bytes: [u8; N],
    }

    fn counted<const N: usize>(living: &Arc<()>) -> Shared<Counted<N>> {
        let _living = living.clone();
        Shared::new(Counted {
            _living,
            bytes: [7; N],
        })
        .unwrap()
    }

    impl<const N: usize> Abandonable for Counted<N> {
        unsafe fn abandon_in_place(_: NonNull<Self>) {}
    }

    fn handles_end_with_their_last<const N: usize>() {
        let living = Arc::new(());
        let first = counted::<N>(&living);
        let others: Vec<_> = (0..8).map(|_| first.clone()).collect();
        drop(first);
        std::thread::scope(|scope| {
            for other in others {
                scope.spawn(move || {
                    // Locked twice by one thread.
                    let (a, b) = (other.lock(), other.lock());
                    assert!(a.bytes == [7; N] && b.bytes == [7; N]);
                    // While this thread holds it: another's lock would be shown in its place.
                    assert!(format!("{other:?}").contains("Counted"));
                    drop((a, b));
                    drop(other);
                });
            }
        });
        assert_eq!(Arc::strong_count(&living), 1);
    }

    #[test]
    fn a_value_ends_with_its_last_handle() {
        handles_end_with_their_last::<8>();
        handles_end_with_their_last::<4096>();
    }

    #[test]
    fn locks_exclude_other_threads() {
        let shared = counted::<8>(&Arc::new(()));
        let guard = shared.lock();
        let other = shared.clone();
        let (entering, entered) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            entering.send("waits").unwrap();
            let _guard = other.lock();
            entering.send("has it").unwrap();
        });
        assert_eq!(entered.recv(), Ok("waits"));
        assert!(entered.try_recv().is_err());
        drop(guard);
        assert_eq!(entered.recv(), Ok("has it"));
        thread.join().unwrap();
    }

    #[test]
    fn memory_of_small_values_is_reused() {
        let living = Arc::new(());
        let first = counted::<8>(&living);
        let at = first.block.addr();
        drop(first);
        let second = counted::<8>(&living);
        assert_eq!(second.block.addr(), at);
        // More than are kept: the others are given back.
        let many: Vec<_> = (0..3 * MAX_SPARES).map(|_| counted::<8>(&living)).collect();
        drop((many, second));
        SPARES.with(|spares| assert_eq!(spares.borrow().0.len(), MAX_SPARES));
    }
}
