//! `iceway stats`

use crate::cli::StatsArgs;

pub(crate) fn run(args: &StatsArgs) -> anyhow::Result<()> {
    let (client, interrupted) = super::connect(&args.client)?;
    let stats = client.stats(&mut || interrupted.get())?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&stats)?);
        return Ok(());
    }
    let broker = client.broker();
    println!(
        "broker {} (process {}), up {:.0} s",
        broker.version, broker.pid, stats.uptime_s
    );
    println!("ROS: {}", broker.ros.as_deref().unwrap_or("none"));
    for route in &stats.routes {
        println!("\n{} [{}]", route.topic, route.type_name);
        println!(
            "  AI processes: {} subscribe, {} publish",
            route.subscribers, route.publishers
        );
        for (way, qos) in [("from ROS", &route.from_ros), ("to ROS", &route.to_ros)] {
            if let Some(qos) = qos {
                println!("  {way}: {qos}");
            }
        }
        for (name, value) in route.counters.iter().filter(|(_, value)| **value > 0) {
            println!("  {name:20} {value}");
        }
    }
    Ok(())
}
