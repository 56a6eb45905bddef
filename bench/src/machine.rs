//! What the numbers were measured on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::results::Machine;
use crate::site::Site;

/// Settings of the kernel that matter for latency.
const SETTINGS: [(&str, &str); 6] = [
    ("net.core.rmem_max", "/proc/sys/net/core/rmem_max"),
    ("net.core.wmem_max", "/proc/sys/net/core/wmem_max"),
    (
        "scaling_governor",
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
    ),
    (
        "shmem_enabled",
        "/sys/kernel/mm/transparent_hugepage/shmem_enabled",
    ),
    ("isolated_cpus", "/sys/devices/system/cpu/isolated"),
    ("virtual_machine", "/sys/class/dmi/id/product_name"),
];

pub(crate) fn describe() -> Machine {
    let line = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines()
            .find_map(|l| l.strip_prefix(name))
            .map(|rest| rest.trim_start_matches([' ', '\t', ':']).trim().to_owned())
    };
    let kib = line("/proc/meminfo", "MemTotal")
        .and_then(|m| m.split(' ').next().and_then(|n| n.parse::<u64>().ok()));
    let shm = rustix::fs::statvfs("/dev/shm").map_or(0, |s| s.f_blocks * s.f_frsize);
    Machine {
        cpu: line("/proc/cpuinfo", "model name").unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        memory: kib.unwrap_or(0) * 1024,
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .unwrap_or_default()
            .trim()
            .to_owned(),
        load: fs::read_to_string("/proc/loadavg")
            .ok()
            .and_then(|l| l.split(' ').next().and_then(|n| n.parse().ok()))
            .unwrap_or(0.0),
        shm,
        settings: settings(),
    }
}

fn settings() -> BTreeMap<String, String> {
    SETTINGS
        .iter()
        .filter_map(|(name, file)| {
            let value = fs::read_to_string(file).ok()?.trim().to_owned();
            (!value.is_empty()).then(|| ((*name).to_owned(), value))
        })
        .collect()
}

/// Versions of what took part.
pub(crate) fn software(site: &Site) -> BTreeMap<String, String> {
    const PYTHON: &str = "import sys, json, importlib.metadata as m
def v(n):
    try: return m.version(n)
    except Exception: return ''
print(json.dumps({'python': sys.version.split()[0], 'numpy': v('numpy'), 'iceway': v('iceway'), 'rclpy': v('ros-jazzy-rclpy') or v('ros-kilted-rclpy') or v('rclpy')}))";
    let mut found = BTreeMap::from([("iceway".to_owned(), iceway_bus::VERSION.to_owned())]);
    found.insert("iceoryx2".into(), iceway_bus::ICEORYX2_VERSION.into());
    if let Some(commit) = output(
        Command::new("git")
            .args(["describe", "--always", "--dirty", "--abbrev=12"])
            .current_dir(&site.root),
    ) {
        found.insert("commit".into(), commit);
    }
    let mut python = |prefix: &str, wanted: &[&str], command: &mut Command| {
        let versions: BTreeMap<String, String> = output(command)
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        for (name, version) in versions {
            if !version.is_empty() && wanted.contains(&name.as_str()) {
                found.insert(format!("{prefix}{name}"), version);
            }
        }
    };
    python(
        "",
        &["python", "numpy"],
        Command::new(&site.python).args(["-c", PYTHON]),
    );
    if cfg!(feature = "ros") {
        python(
            "ros_",
            &["python", "numpy", "rclpy"],
            Command::new(site.ros_launcher()).args(["python3", "-c", PYTHON]),
        );
        found.insert("ros".into(), ros_distribution(&site.root));
        found.insert(
            "rmw".into(),
            std::env::var("RMW_IMPLEMENTATION")
                .unwrap_or_else(|_| "default of the distribution (rmw_fastrtps_cpp)".into()),
        );
    }
    found
}

fn ros_distribution(root: &Path) -> String {
    match std::env::var("AMENT_PREFIX_PATH") {
        Ok(sourced) if !sourced.is_empty() => std::env::var("ROS_DISTRO").unwrap_or_default(),
        _ => fs::read_to_string(root.join(".ros/distro"))
            .unwrap_or_default()
            .trim()
            .to_owned(),
    }
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
