//! Threads that wait for their next task instead of ending: what most tasks do takes less time than to start a thread.
//!
//! No task ever waits for a thread: where none is idle, one more is started. So a task that never ends takes its thread
//! with it and keeps nobody from anything.

use std::fmt;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Most threads that wait; further ones end when they are done.
const MOST_IDLE: usize = 64;

/// Something to do.
pub(crate) type Task<'t> = Box<dyn FnOnce() + Send + 't>;

type Idle<'t> = Mutex<Vec<SyncSender<Task<'t>>>>;

/// The threads that wait, by their letter-boxes, the one that came last at the end: what it used is still in the caches.
/// Once this is dropped they end, and those that work as soon as they are done.
#[derive(Default)]
pub(crate) struct Threads<'t>(Arc<Idle<'t>>);

impl<'t> Threads<'t> {
    /// Gives a task to a thread that waits, else to a new one: `start` starts a thread that does what it is given.
    pub(crate) fn run<E>(&self, mut task: Task<'t>, start: impl FnOnce(Task<'t>) -> Result<(), E>) -> Result<(), E> {
        while let Some(idle) = locked(&self.0).pop() {
            match idle.try_send(task) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) => task = back,
            }
        }
        let threads = Arc::downgrade(&self.0);
        start(Box::new(move || work(task, &threads)))
    }
}

impl fmt::Debug for Threads<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Threads({} idle)", locked(&self.0).len())
    }
}

fn work<'t>(mut task: Task<'t>, threads: &Weak<Idle<'t>>) {
    loop {
        task();
        let tasks = {
            let Some(idle) = threads.upgrade() else { return };
            let mut idle = locked(&idle);
            if idle.len() >= MOST_IDLE {
                return;
            }
            // A new one each time: who kept the sender to its own letter-box would never see that nobody else has it.
            let (letter_box, tasks) = sync_channel(1);
            idle.push(letter_box);
            tasks
        };
        match tasks.recv() {
            Ok(next) => task = next,
            Err(_) => return,
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one push or pop.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, channel};

    #[test]
    fn a_thread_takes_one_task_after_the_other_and_none_waits_for_another() {
        let started = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let threads = Threads::default();
            let start = |work: Task<'static>| -> Result<(), Infallible> {
                started.fetch_add(1, Ordering::SeqCst);
                scope.spawn(work);
                Ok(())
            };
            let (tell, told) = channel();
            let task = |number: usize, go: Option<Receiver<()>>| -> Task<'static> {
                let tell = tell.clone();
                Box::new(move || {
                    go.into_iter().for_each(|go| go.recv().unwrap());
                    tell.send(number).unwrap();
                })
            };
            let wait_for_idle = |count| {
                while locked(&threads.0).len() < count {
                    std::thread::yield_now()
                }
            };
            for number in 0..10 {
                threads.run(task(number, None), start).unwrap();
                assert_eq!(told.recv(), Ok(number));
                wait_for_idle(1);
            }
            assert_eq!(started.load(Ordering::SeqCst), 1);
            let (go, held) = channel();
            threads.run(task(10, Some(held)), start).unwrap();
            threads.run(task(11, None), start).unwrap();
            assert_eq!(told.recv(), Ok(11));
            go.send(()).unwrap();
            assert_eq!(told.recv(), Ok(10));
            wait_for_idle(2);
            assert_eq!(started.load(Ordering::SeqCst), 2);
            // The scope ends only if the threads do.
        });
    }
}
