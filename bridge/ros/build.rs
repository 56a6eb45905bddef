//! Tells the crate which distribution it is built against, and the executables how to link.
//!
//! Link arguments of a library do not reach the executables that use it. So this script hands them on as metadata
//! (`DEP_ICEWAY_ROS_LINK_ARGS`, separated by `;`), which the build scripts of the executables print:
//! see `bridge/broker/build.rs`.

use std::env;
use std::path::{Path, PathBuf};

/// The wheels of ROS 2 on PyPI have libraries that need these symbols of Python; `wheels.rs` defines them.
const PYTHON_SYMBOLS: [&str; 2] = ["PyExc_RuntimeError", "_Py_TrueStruct"];

fn main() {
    println!("cargo:rustc-check-cfg=cfg(ros_humble)");
    println!("cargo:rustc-check-cfg=cfg(ros_wheels)");
    for variable in [
        "ROS_DISTRO",
        "ICEWAY_ROS_DISTRO",
        "ICEWAY_ROS_WHEELS",
        "AMENT_PREFIX_PATH",
    ] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let distro = env::var("ICEWAY_ROS_DISTRO")
        .or_else(|_| env::var("ROS_DISTRO"))
        .unwrap_or_default();
    println!("cargo:rustc-env=ICEWAY_BUILT_FOR={distro}");
    if matches!(distro.as_str(), "foxy" | "galactic" | "humble") {
        println!("cargo:rustc-cfg=ros_humble");
    }

    let prefixes = env::var_os("AMENT_PREFIX_PATH").unwrap_or_default();
    println!(
        "cargo:rustc-env=ICEWAY_BUILT_WITH_PREFIXES={}",
        prefixes.to_string_lossy()
    );
    let mut folders: Vec<PathBuf> = env::split_paths(&prefixes)
        .map(|p| p.join("lib"))
        .filter(|p| p.is_dir())
        .collect();
    let mut args = Vec::new();
    if let Some(wheels) = env::var_os("ICEWAY_ROS_WHEELS") {
        println!("cargo:rustc-cfg=ros_wheels");
        folders.extend(vendored(Path::new(&wheels)));
        // Linked in though nothing in the executable refers to them, and exported for the libraries.
        args.extend(PYTHON_SYMBOLS.map(|s| format!("-Wl,--undefined={s}")));
        args.extend(PYTHON_SYMBOLS.map(|s| format!("-Wl,--export-dynamic-symbol={s}")));
    }
    // An rpath, so that the executable also starts where LD_LIBRARY_PATH is not set; the old kind, which holds for the libraries' own needs too.
    args.push("-Wl,--disable-new-dtags".into());
    args.extend(
        folders
            .iter()
            .map(|f| format!("-Wl,-rpath,{}", f.display())),
    );
    println!("cargo:link_args={}", args.join(";"));
    for arg in &args {
        println!("cargo:rustc-link-arg-tests={arg}");
        println!("cargo:rustc-link-arg-examples={arg}");
    }
}

/// The folders in which the wheels keep the libraries that they bring along.
fn vendored(venv: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let lib = venv.join("lib");
    for python in std::fs::read_dir(lib).into_iter().flatten().flatten() {
        for entry in std::fs::read_dir(python.path().join("site-packages"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("ros_") && name.ends_with(".libs") {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}
