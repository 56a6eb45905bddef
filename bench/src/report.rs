//! `iceway-bench report results.json`: one page with tables and plots, without scripts, fonts or anything else from outside.
//!
//! `look` says how each peer looks, `scale` maps values to positions, `curves`, `sizes` and `bars` draw one panel each, `sections`
//! chooses what to draw from a run, and `page` fills the template.

mod bars;
mod curves;
mod look;
mod page;
mod panel;
mod scale;
mod sections;
mod sizes;
mod tables;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::results::Results;
use crate::{files, reach};

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// results.json of a run.
    results: PathBuf,
    /// The page to write; report.html beside the results if not given.
    #[arg(short, long)]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<()> {
    let results = files::read(&args.results)?;
    let output = match &args.output {
        Some(output) => output.clone(),
        None => args.results.with_file_name("report.html"),
    };
    write(&results, &output)?;
    reach::print(&results);
    println!("{}", output.display());
    Ok(())
}

/// Writes the page for a run.
pub(crate) fn write(results: &Results, path: &Path) -> anyhow::Result<()> {
    std::fs::write(path, page::render(results)?).with_context(|| format!("{}", path.display()))
}
