//! Hands the link arguments of the ROS side on to the executable; see `bridge/ros/build.rs`.

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_ICEWAY_ROS_LINK_ARGS");
    for arg in std::env::var("DEP_ICEWAY_ROS_LINK_ARGS")
        .unwrap_or_default()
        .split(';')
        .filter(|a| !a.is_empty())
    {
        println!("cargo:rustc-link-arg-bins={arg}");
    }
}
