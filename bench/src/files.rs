//! Reading `results.json`.

use std::path::Path;

use anyhow::Context;

use crate::results::{FORMAT, Results};

/// The run in a file; a format of another version is refused.
pub(crate) fn read(path: &Path) -> anyhow::Result<Results> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    parse(&text).with_context(|| format!("{}", path.display()))
}

fn parse(text: &str) -> anyhow::Result<Results> {
    #[derive(serde::Deserialize)]
    struct Version {
        format: u32,
    }
    // First the version alone: another one may not have the same fields.
    let Version { format } = serde_json::from_str(text).context("no results.json")?;
    anyhow::ensure!(
        format == FORMAT,
        "results.json has format {format}, this iceway-bench reads {FORMAT}"
    );
    Ok(serde_json::from_str(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn results_survive_the_round_trip() {
        let results = sample::run();
        let text = serde_json::to_string_pretty(&results).unwrap();
        assert!(
            parse(&text).unwrap() == results,
            "every number is the one that was written"
        );
    }

    #[test]
    fn another_format_is_refused_by_its_number() {
        let error = parse(r#"{"format": 7, "runs": []}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "results.json has format 7, this iceway-bench reads 1"
        );
        assert!(parse("[]").is_err());
    }
}
