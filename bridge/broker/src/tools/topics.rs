//! `iceway topics`

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::cli::ClientArgs;

pub(crate) fn run(args: &ClientArgs) -> anyhow::Result<()> {
    let (client, interrupted) = super::connect(args)?;
    let topics = client.topics(&mut || interrupted.get())?;
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header([
        "TOPIC",
        "TYPE",
        "ROS pub/sub",
        "AI pub/sub",
        "BRIDGED",
    ]);
    for topic in &topics {
        table.add_row([
            topic.name.clone(),
            topic.types.join(" and "),
            format!("{}/{}", topic.ros_publishers, topic.ros_subscriptions),
            format!("{}/{}", topic.publishers, topic.subscribers),
            if topic.bridged { "yes" } else { "" }.to_owned(),
        ]);
    }
    println!("{table}");
    Ok(())
}
