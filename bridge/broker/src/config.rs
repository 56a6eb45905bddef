//! The broker's resolved configuration: defaults, then `iceway.toml`, then the command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use iceway_bus::control::{Durability, Reliability};
use iceway_bus::{Limits, TopicName};
use iceway_msg::TypeName;
use serde::Deserialize;

use crate::cli::RunArgs;

/// What is wrong with the configuration, said so that a person can mend it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: {source}")]
    Toml {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error(
        "bad glob '{glob}' in {place}: {reason}. `*` matches within one name, `**` across '/', `?` one character, `{{a,b}}` either."
    )]
    Glob {
        glob: String,
        place: String,
        reason: String,
    },
    #[error("bad topic '{given}' in {place}: {reason}. Write /name or /name:package/msg/Type.")]
    Topic {
        given: String,
        place: String,
        reason: String,
    },
    #[error("bad value for {name}: {reason}")]
    Value { name: String, reason: String },
}

/// `iceway.toml`, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    domain: Option<u32>,
    topics: Vec<String>,
    allow: Vec<String>,
    deny: Vec<String>,
    limits: Option<Limits>,
    lanes: Option<Vec<LaneOptions>>,
    route: Vec<RouteTable>,
}

/// One `[[route]]` table: options for the topics that match its glob. The first table that matches and sets an option decides it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteTable {
    topic: String,
    direction: Option<Direction>,
    depth: Option<usize>,
    reliability: Option<Reliability>,
    durability: Option<Durability>,
    max_rate: Option<f64>,
    max_message_bytes: Option<u64>,
    lane: Option<String>,
}

/// Which way a route carries messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    Both,
    FromRos,
    ToRos,
}

/// A group of worker threads that take messages from ROS.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LaneOptions {
    pub(crate) name: String,
    #[serde(default = "one")]
    pub(crate) threads: usize,
}

fn one() -> usize {
    1
}

/// The lane of small messages.
pub(crate) const FAST_LANE: &str = "fast";
/// The lane of large messages, so that a point cloud never delays an IMU.
pub(crate) const BULK_LANE: &str = "bulk";

/// Options of one topic's route.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RouteOptions {
    pub(crate) direction: Direction,
    /// Depth of the ROS queues; `None` takes the default of 10, or what the client asks for.
    pub(crate) depth: Option<usize>,
    pub(crate) reliability: Option<Reliability>,
    pub(crate) durability: Option<Durability>,
    /// Shortest time between two frames from ROS; what comes sooner is dropped and counted.
    pub(crate) min_period: Option<Duration>,
    pub(crate) max_message_bytes: Option<u64>,
    /// `None`: by the size of the messages.
    pub(crate) lane: Option<String>,
}

/// The configuration that the broker runs with.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) domain: u32,
    pub(crate) topics: Vec<(TopicName, Option<TypeName>)>,
    pub(crate) limits: Limits,
    pub(crate) lanes: Vec<LaneOptions>,
    pub(crate) ros_args: Vec<String>,
    pub(crate) no_ros: bool,
    allow: Vec<GlobMatcher>,
    deny: Vec<GlobMatcher>,
    routes: Vec<(GlobMatcher, RouteTable)>,
}

impl Config {
    /// Resolves flags and file. `default_domain` is what the environment says (ROS_DOMAIN_ID, else 0).
    pub(crate) fn resolve(args: RunArgs, default_domain: u32) -> Result<Self, ConfigError> {
        let (file, place) = match &args.config {
            Some(path) => (read(path)?, path.display().to_string()),
            None => (File::default(), "--config".into()),
        };
        let lanes = file.lanes.unwrap_or_else(|| {
            [FAST_LANE, BULK_LANE]
                .map(|name| LaneOptions {
                    name: name.into(),
                    threads: 1,
                })
                .to_vec()
        });
        check_lanes(&lanes)?;
        let mut topics = Vec::new();
        for (given, place) in args
            .topics
            .iter()
            .map(|t| (t, "--topic"))
            .chain(file.topics.iter().map(|t| (t, place.as_str())))
        {
            topics.push(topic_and_type(given, place)?);
        }
        let mut routes = Vec::new();
        for table in file.route {
            check_route(&table, &lanes)?;
            routes.push((glob(&table.topic, &place)?, table));
        }
        let globs = |from_args: &[String],
                     flag: &str,
                     from_file: &[String]|
         -> Result<Vec<_>, ConfigError> {
            let from_args = from_args.iter().map(|g| glob(g, flag));
            from_args
                .chain(from_file.iter().map(|g| glob(g, &place)))
                .collect()
        };
        Ok(Self {
            domain: args.domain.domain.or(file.domain).unwrap_or(default_domain),
            topics,
            limits: file.limits.unwrap_or_default(),
            allow: globs(&args.allow, "--allow", &file.allow)?,
            deny: globs(&args.deny, "--deny", &file.deny)?,
            lanes,
            ros_args: args.ros_args,
            no_ros: args.no_ros,
            routes,
        })
    }

    /// Whether the topic may be bridged; if not, which rule says so.
    pub(crate) fn permits(&self, topic: &TopicName) -> Result<(), String> {
        let matches = |globs: &[GlobMatcher]| {
            globs
                .iter()
                .find(|g| g.is_match(topic.as_str()))
                .map(|g| g.glob().to_string())
        };
        if let Some(glob) = matches(&self.deny) {
            return Err(format!(
                "{topic} is denied by the broker's rule --deny '{glob}'"
            ));
        }
        if !self.allow.is_empty() && matches(&self.allow).is_none() {
            return Err(format!(
                "{topic} matches none of the broker's --allow globs"
            ));
        }
        Ok(())
    }

    /// The options of a topic's route.
    pub(crate) fn route(&self, topic: &TopicName) -> RouteOptions {
        let matching = || {
            self.routes
                .iter()
                .filter(|(glob, _)| glob.is_match(topic.as_str()))
                .map(|(_, table)| table)
        };
        RouteOptions {
            direction: matching()
                .find_map(|t| t.direction)
                .unwrap_or(Direction::Both),
            depth: matching().find_map(|t| t.depth),
            reliability: matching().find_map(|t| t.reliability),
            durability: matching().find_map(|t| t.durability),
            min_period: matching()
                .find_map(|t| t.max_rate)
                .map(|hz| Duration::from_secs_f64(1.0 / hz)),
            max_message_bytes: matching().find_map(|t| t.max_message_bytes),
            lane: matching().find_map(|t| t.lane.clone()),
        }
    }
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.into(),
        source,
    })?;
    toml::from_str(&text).map_err(|source| ConfigError::Toml {
        path: path.into(),
        source: Box::new(source),
    })
}

fn glob(given: &str, place: &str) -> Result<GlobMatcher, ConfigError> {
    // A leading slash may be left out, as on the ROS command line.
    let absolute = if given.starts_with(['/', '*']) {
        given.to_owned()
    } else {
        format!("/{given}")
    };
    let built = GlobBuilder::new(&absolute).literal_separator(true).build();
    built
        .map(|g| g.compile_matcher())
        .map_err(|e| ConfigError::Glob {
            glob: given.into(),
            place: place.into(),
            reason: e.kind().to_string(),
        })
}

fn topic_and_type(given: &str, place: &str) -> Result<(TopicName, Option<TypeName>), ConfigError> {
    let wrong = |reason: String| ConfigError::Topic {
        given: given.into(),
        place: place.into(),
        reason,
    };
    let (topic, type_name) = match given.split_once(':') {
        Some((topic, type_name)) => (topic, Some(type_name)),
        None => (given, None),
    };
    let topic = topic
        .parse::<TopicName>()
        .map_err(|e| wrong(e.to_string()))?;
    let type_name = type_name
        .map(|t| t.parse::<TypeName>().map_err(|e| wrong(e.to_string())))
        .transpose()?;
    Ok((topic, type_name))
}

fn check_lanes(lanes: &[LaneOptions]) -> Result<(), ConfigError> {
    let wrong = |reason: String| {
        Err(ConfigError::Value {
            name: "lanes".into(),
            reason,
        })
    };
    if lanes.is_empty() {
        return wrong("at least one lane is needed".into());
    }
    for (i, lane) in lanes.iter().enumerate() {
        if lane.threads == 0 || lane.threads > 64 {
            return wrong(format!(
                "lane '{}' has {} threads; give it 1 to 64",
                lane.name, lane.threads
            ));
        }
        if lanes[..i].iter().any(|l| l.name == lane.name) {
            return wrong(format!("lane '{}' is there twice", lane.name));
        }
    }
    Ok(())
}

fn check_route(table: &RouteTable, lanes: &[LaneOptions]) -> Result<(), ConfigError> {
    let wrong = |option: &str, reason: String| {
        Err(ConfigError::Value {
            name: format!("{option} of route '{}'", table.topic),
            reason,
        })
    };
    if table.depth == Some(0) {
        return wrong("depth", "0 keeps nothing; give 1 or more".into());
    }
    if let Some(hz) = table.max_rate
        && !(hz.is_finite() && hz > 0.0)
    {
        return wrong("max_rate", format!("{hz} is not a rate in Hz above 0"));
    }
    if let Some(name) = &table.lane
        && !lanes.iter().any(|l| l.name == *name)
    {
        return wrong(
            "lane",
            format!("there is no lane '{name}'; add it under [[lanes]]"),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use std::io::Write;

    fn resolve(flags: &str, toml: &str) -> Result<Config, ConfigError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(toml.as_bytes()).unwrap();
        let config = file.path().to_str().unwrap();
        let line = format!("iceway run --config {config} {flags}");
        let cli = Cli::from_args(line.split_whitespace().map(str::to_owned)).unwrap();
        let Command::Run(run) = cli.command else {
            unreachable!()
        };
        Config::resolve(run, 0)
    }

    fn topic(name: &str) -> TopicName {
        name.parse().unwrap()
    }

    #[test]
    fn deny_wins_over_allow_and_globs_stop_at_slashes() {
        let config = resolve("--allow /camera/* --deny /camera/secret", "").unwrap();
        assert!(config.permits(&topic("/camera/image")).is_ok());
        assert!(config.permits(&topic("/camera/left/image")).is_err());
        assert!(
            config
                .permits(&topic("/camera/secret"))
                .unwrap_err()
                .contains("--deny '/camera/secret'")
        );
    }

    #[test]
    fn flags_win_over_the_file() {
        let config = resolve("--domain 9", "domain = 3\ntopics = ['/a']").unwrap();
        assert_eq!(config.domain, 9);
        assert_eq!(config.topics.len(), 1);
    }

    #[test]
    fn the_first_matching_route_decides_each_option() {
        let config = resolve(
            "",
            "[[route]]\ntopic = '/cam/**'\nmax_rate = 10\n[[route]]\ntopic = '**'\nmax_rate = 1\ndepth = 3",
        )
        .unwrap();
        let options = config.route(&topic("/cam/left/image"));
        assert_eq!(options.min_period, Some(Duration::from_millis(100)));
        assert_eq!(options.depth, Some(3));
        assert_eq!(options.direction, Direction::Both);
    }

    #[test]
    fn mistakes_are_named() {
        for (flags, toml, expected) in [
            ("", "domian = 3", "line 1"),
            ("", "\n\nallow = 7", "line 3"),
            ("--allow /a[", "", "/a["),
            ("--topic /a:b", "", "--topic"),
            ("--topic 3//x", "", "--topic"),
            (
                "",
                "[[route]]\ntopic = '/a'\nmax_rate = 0",
                "max_rate of route '/a'",
            ),
            ("", "[[route]]\ntopic = '/a'\nlane = 'x'", "no lane 'x'"),
            ("", "lanes = [{name = 'a', threads = 0}]", "lane 'a'"),
        ] {
            let error = resolve(flags, toml).unwrap_err().to_string();
            assert!(
                error.contains(expected),
                "{error:?} does not name {expected:?}"
            );
        }
    }
}
