//! The process's umask stays as it is. A test of its own process: the umask belongs to all of its threads.
#![allow(missing_docs, unsafe_code)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};

use common::*;

fn umask() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .find(|line| line.starts_with("Umask:"))
        .unwrap()
        .to_owned()
}

/// Whether this system lets a thread have a umask of its own.
fn can_isolate() -> bool {
    // SAFETY: concerns that thread only.
    std::thread::spawn(|| unsafe { libc::unshare(libc::CLONE_FS) } == 0)
        .join()
        .unwrap()
}

#[test]
fn listeners_leave_the_umask_alone() {
    let bed = Bed::new();
    let node = bed.node("node");
    let channel = node.create_channel(&topic(), &spec()).unwrap();
    let (before, strict) = (umask(), can_isolate());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..100).for_each(|_| drop(channel.listener().unwrap()))))
            .collect();
        let watcher = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert!(!strict || umask() == before, "{}", umask());
            }
        });
        makers.into_iter().for_each(|maker| maker.join().unwrap());
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap();
    });
    assert_eq!(umask(), before);
}
