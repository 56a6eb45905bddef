//! `iceway-bench hop`: shared memory alone, no middleware. From `send` in one process to the message in the hands of another that slept on
//! the channel; beside it the floor, a raw ring with a reader that spins, a copy of the same bytes, and other libraries.
//!
//! Times are CLOCK_MONOTONIC: when the message is sent (it is written by then) and the receiver's clock when it has the array. iceway notes the
//! first in the frame (`sent_ns`), the libraries in a mark in front of the data (`bench/peers/pairs.py`).

mod way;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};

use crate::gather::Gather;
use crate::keys::{benchmark, peer, transport};
use crate::libraries::Library;
use crate::processes::Process;
use crate::results::Measurement;
use crate::run::Run;
use crate::site::{Interrupted, Program};
use crate::world::PeerKind;
use way::Way;

/// Who takes part if nobody is named: what needs no environment of its own.
pub(crate) const OURS: [HopPeer; 4] = [
    HopPeer::IcewayPython,
    HopPeer::IcewayRust,
    HopPeer::SharedMemory,
    HopPeer::Memcpy,
];

#[derive(Debug, Clone, Args)]
pub(crate) struct HopArgs {
    /// Sizes of the array in the message, in bytes.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 4096, 65_536, 1_048_576, 6_220_800, 24_883_200])]
    pub(crate) sizes: Vec<usize>,
    /// Messages per second.
    #[arg(long, default_value_t = 100.0)]
    pub(crate) rate: f64,
    /// Messages of each turn that count.
    #[arg(long, default_value_t = 200)]
    pub(crate) count: u32,
    /// Messages of each turn before that.
    #[arg(long, default_value_t = 20)]
    pub(crate) warm_up: u32,
    /// Turns of each peer.
    #[arg(long, default_value_t = 3)]
    pub(crate) repetitions: u32,
    /// Who receives; the last three are libraries that `make bench-peers` installs.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = OURS)]
    pub(crate) peers: Vec<HopPeer>,
}

/// Who receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HopPeer {
    /// iceway's Python client.
    IcewayPython,
    /// The same, sent from Python too: what the libraries below compare with.
    IcewayPythonPair,
    /// iceway's client core from Rust.
    IcewayRust,
    /// A raw ring whose reader spins.
    SharedMemory,
    /// A copy of the same bytes.
    Memcpy,
    /// dora, Python to Python.
    Dora,
    /// zenoh, Python to Python.
    ZenohPython,
    /// iceoryx2's own package, Python to Python.
    Iceoryx2Python,
}

impl HopPeer {
    fn kind(self) -> Kind {
        match self {
            Self::IcewayPython => Kind::Channel(PeerKind::IcewayPython),
            Self::IcewayPythonPair => Kind::Pair,
            Self::IcewayRust => Kind::Channel(PeerKind::IcewayRust),
            Self::SharedMemory => Kind::Ring,
            Self::Memcpy => Kind::Memcpy,
            Self::Dora => Kind::Library(Library::Dora),
            Self::ZenohPython => Kind::Library(Library::ZenohPython),
            Self::Iceoryx2Python => Kind::Library(Library::Iceoryx2Python),
        }
    }
}

/// How a message gets to the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Channel(PeerKind),
    Pair,
    Ring,
    Memcpy,
    Library(Library),
}

pub(crate) fn run(run: &mut Run, args: &HopArgs) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.rate.is_finite() && args.rate > 0.0,
        "--rate must be above 0"
    );
    run.say(&format!(
        "hop through shared memory: {} sizes × {} turns",
        args.sizes.len(),
        args.repetitions
    ));
    let kinds: Vec<Kind> = args.peers.iter().map(|peer| peer.kind()).collect();
    let site = Arc::clone(&run.site);
    // It hands out the channels; no message passes through it.
    let _broker = kinds
        .iter()
        .any(|kind| matches!(kind, Kind::Channel(_) | Kind::Pair))
        .then(|| Process::start(&site, "broker", Program::BrokerAlone, None))
        .transpose()?;
    let largest = args.sizes.iter().copied().max().unwrap_or(0);
    let (mut ways, mut missing, mut copies) = (Vec::new(), 0, false);
    for kind in kinds {
        match kind {
            Kind::Channel(peer) => ways.push(Way::channel(&site, peer)?),
            Kind::Pair => ways.push(Way::pair(&site)?),
            Kind::Ring => ways.push(Way::ring(&site, largest)?),
            Kind::Memcpy => copies = true,
            Kind::Library(library) => {
                let started = library
                    .versions(&site.peers_python)
                    .and_then(|versions| Ok((versions, Way::library(&site, library)?)));
                if let Some((versions, way)) = pardon(run, library, started)? {
                    run.note(format!("{}: {}", library.name(), library.what()));
                    run.results.software.extend(versions);
                    ways.push(way);
                } else {
                    missing += 1;
                }
            }
        }
    }
    let asked = ways.len() + missing;
    sizes(run, args, &mut ways, copies)?;
    anyhow::ensure!(
        ways.len() == asked,
        "{} of {asked} peers did not take part to the end; see above",
        asked - ways.len()
    );
    Ok(())
}

/// A library that fails is noted, and the others go on.
fn pardon<T>(
    run: &mut Run,
    library: Library,
    outcome: anyhow::Result<T>,
) -> anyhow::Result<Option<T>> {
    match outcome {
        Err(error) if !error.is::<Interrupted>() => {
            run.note(format!(
                "From here on without {}: {error:#}",
                library.name()
            ));
            Ok(None)
        }
        outcome => outcome.map(Some),
    }
}

/// One way after the other in short turns, for each size. Ways that fail leave.
fn sizes(
    run: &mut Run,
    args: &HopArgs,
    ways: &mut Vec<Way<'_>>,
    copies: bool,
) -> anyhow::Result<()> {
    let mut next = 1;
    for &bytes in &args.sizes {
        let about = |peer: &str| Measurement {
            benchmark: benchmark::HOP.into(),
            peer: peer.into(),
            transport: transport::NONE.into(),
            bytes: bytes as u64,
            rate_hz: args.rate,
            topics: 1,
            ..Measurement::default()
        };
        let mut gathered = vec![Gather::default(); ways.len()];
        let outcome = turns(run, args, bytes, &mut next, ways, &mut gathered);
        for (way, gather) in ways.iter().zip(&gathered) {
            if !gather.is_empty() {
                run.add(gather.measurement(about(way.name)))?;
            }
        }
        if copies {
            run.add(memcpy(bytes, args.count).measurement(about(peer::MEMCPY)))?;
        }
        ways.retain(|way| !way.failed);
        outcome?;
    }
    Ok(())
}

fn turns(
    run: &mut Run,
    args: &HopArgs,
    bytes: usize,
    next: &mut u32,
    ways: &mut [Way<'_>],
    gathered: &mut [Gather],
) -> anyhow::Result<()> {
    for _ in 0..args.repetitions {
        for (way, gather) in ways.iter_mut().zip(&mut *gathered) {
            if way.failed {
                continue;
            }
            let outcome = way.turn(args, bytes, *next, gather);
            *next += args.warm_up + args.count;
            match way.library {
                Some(library) => way.failed = pardon(run, library, outcome)?.is_none(),
                None => outcome?,
            }
        }
    }
    Ok(())
}

/// What copying the same bytes once would cost, with warm memory.
fn memcpy(bytes: usize, count: u32) -> Gather {
    let source = vec![1_u8; bytes];
    let mut target = vec![0_u8; bytes];
    let mut gather = Gather::default();
    for _ in 0..count {
        let start = Instant::now();
        target.copy_from_slice(black_box(&source));
        black_box(&mut target);
        gather
            .times
            .add(i64::try_from(start.elapsed().as_nanos()).unwrap_or(i64::MAX));
    }
    gather.count(u64::from(count), u64::from(count));
    gather
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        hop: HopArgs,
    }

    fn peers(arguments: &[&str]) -> Vec<HopPeer> {
        let arguments = ["hop"].iter().chain(arguments);
        Cli::try_parse_from(arguments).unwrap().hop.peers
    }

    #[test]
    fn other_libraries_take_part_only_where_they_are_named() {
        assert_eq!(peers(&[]), OURS);
        assert!(
            OURS.iter()
                .all(|peer| !matches!(peer.kind(), Kind::Library(_)))
        );
        let named = peers(&["--peers", "iceway-python,zenoh-python,iceoryx2-python,dora"]);
        let kinds: Vec<Kind> = named.iter().map(|peer| peer.kind()).collect();
        assert_eq!(
            kinds,
            [
                Kind::Channel(PeerKind::IcewayPython),
                Kind::Library(Library::ZenohPython),
                Kind::Library(Library::Iceoryx2Python),
                Kind::Library(Library::Dora),
            ]
        );
    }

    #[test]
    fn peers_are_named_as_in_the_results() {
        for peer in HopPeer::value_variants() {
            let name = match peer.kind() {
                Kind::Channel(kind) => kind.name(),
                Kind::Pair => peer::ICEWAY_PYTHON_PAIR,
                Kind::Ring => peer::SHARED_MEMORY,
                Kind::Memcpy => peer::MEMCPY,
                Kind::Library(library) => library.name(),
            };
            assert_eq!(peers(&["--peers", &name.replace(':', "-")]), [*peer]);
        }
    }
}
