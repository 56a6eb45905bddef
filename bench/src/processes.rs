//! Child processes: started, driven by lines of JSON, watched, and ended.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use serde::de::DeserializeOwned;

use crate::orders::Order;
use crate::procfs::{Usage, usage};
use crate::site::{Program, Site, Transport};

/// How long a child may take to start, and to do what takes no time by itself.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long a child may take to end by itself.
const FAREWELL: Duration = Duration::from_secs(4);

/// A child process. Ended by `drop`.
pub(crate) struct Process<'a> {
    site: &'a Site,
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl<'a> Process<'a> {
    /// Starts a child. Its stderr goes to a log, which is shown if something fails.
    pub(crate) fn start(
        site: &'a Site,
        name: &str,
        program: Program,
        transport: Option<Transport>,
    ) -> anyhow::Result<Self> {
        let log = std::fs::File::create(site.log(name))?;
        let mut child = site
            .command(program, transport)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // A Ctrl-C on the terminal is for the benchmark, which then ends its children.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let (sender, answers) = channel();
        let stdout = child.stdout.take().context("a pipe was asked for")?;
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // What libraries print on stdout is none of our business.
                if line.starts_with('{') && sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            site,
            name: name.to_owned(),
            stdin: child.stdin.take(),
            child,
            answers,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn usage(&self) -> Usage {
        usage(self.child.id())
    }

    /// Gives an order; the answer is taken by [`Process::answer`].
    pub(crate) fn order(&mut self, order: &Order) -> anyhow::Result<()> {
        let line = serde_json::to_string(order)?;
        let stdin = self.stdin.as_mut().context("the child has a pipe")?;
        writeln!(stdin, "{line}")
            .and_then(|()| stdin.flush())
            .map_err(|_| self.failure("does not listen any more"))
    }

    /// Waits for the answer to an order that takes `doing` by itself.
    pub(crate) fn answer<T: DeserializeOwned>(&mut self, doing: Duration) -> anyhow::Result<T> {
        let end = Instant::now() + doing + PATIENCE;
        let line = loop {
            self.site.go_on()?;
            match self.answers.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => break line,
                Err(RecvTimeoutError::Timeout) if Instant::now() < end => {}
                Err(RecvTimeoutError::Timeout) => return Err(self.failure("does not answer")),
                Err(RecvTimeoutError::Disconnected) => return Err(self.failure("ended")),
            }
        };
        let mut answer: serde_json::Value = serde_json::from_str(&line)?;
        if let Some(error) = answer.get("error").and_then(|e| e.as_str()) {
            return Err(self.failure(error));
        }
        serde_json::from_value(answer["ok"].take())
            .with_context(|| format!("the answer of {}", self.name))
    }

    /// Gives an order and waits for its answer.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, order: &Order) -> anyhow::Result<T> {
        self.order(order)?;
        self.answer(Duration::ZERO)
    }

    /// Gives an order whose answer says nothing.
    pub(crate) fn tell(&mut self, order: &Order) -> anyhow::Result<()> {
        self.ask::<serde_json::Value>(order).map(drop)
    }

    /// An error if the child has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(_) => Err(self.failure("ended")),
            None => Ok(()),
        }
    }

    fn failure(&self, what: &str) -> anyhow::Error {
        let log = std::fs::read_to_string(self.site.log(&self.name)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n  ");
        anyhow!("{}: {what}. The end of its log:\n  {tail}", self.name)
    }
}

impl Drop for Process<'_> {
    /// Children end when their pipe does, the broker by SIGTERM; who does not is killed.
    fn drop(&mut self) {
        drop(self.stdin.take());
        let pid = rustix::process::Pid::from_child(&self.child);
        let end = Instant::now() + FAREWELL;
        let mut told = false;
        while matches!(self.child.try_wait(), Ok(None)) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            if !told && (self.name == "broker" || left < FAREWELL / 2) {
                told = true;
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
