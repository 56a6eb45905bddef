//! Which messages are this context's own.

use std::collections::{HashSet, VecDeque};

use parking_lot::RwLock;

/// Messages of a publisher may still be queued when it has ended, so its id is remembered for a while: until this many others ended too.
const REMEMBERED: usize = 4096;

/// The ids of this context's publishers.
#[derive(Default)]
pub(crate) struct OwnGids(RwLock<Gids>);

#[derive(Default)]
struct Gids {
    known: HashSet<[u8; 24]>,
    ended: VecDeque<[u8; 24]>,
}

impl OwnGids {
    pub(crate) fn add(&self, gid: [u8; 24]) {
        self.0.write().known.insert(gid);
    }

    pub(crate) fn ended(&self, gid: [u8; 24]) {
        let mut gids = self.0.write();
        gids.ended.push_back(gid);
        if gids.ended.len() > REMEMBERED
            && let Some(oldest) = gids.ended.pop_front()
        {
            gids.known.remove(&oldest);
        }
    }

    pub(crate) fn contains(&self, gid: &[u8; 24]) -> bool {
        self.0.read().known.contains(gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_remembered_but_not_for_ever() {
        let gid = |n: usize| {
            let mut gid = [0; 24];
            gid[..8].copy_from_slice(&n.to_le_bytes());
            gid
        };
        let own = OwnGids::default();
        for n in 0..=REMEMBERED {
            own.add(gid(n));
            own.ended(gid(n));
        }
        own.add(gid(usize::MAX));
        assert!(!own.contains(&gid(0)));
        assert!(own.contains(&gid(1)) && own.contains(&gid(usize::MAX)));
        assert_eq!(own.0.read().known.len(), REMEMBERED + 1);
    }
}
