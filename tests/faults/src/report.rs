//! What came of all cases, as `report.json` keeps it.

use crate::case::{Case, Role};
use crate::play::Outcome;
use serde::Serialize;
use std::path::Path;

/// All of it.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub cases: usize,
    pub failed: usize,
    pub results: Vec<Result>,
}

/// What came of one case.
#[derive(Debug, Serialize)]
pub struct Result {
    pub point: String,
    pub kind: &'static str,
    pub role: &'static str,
    pub from: String,
    pub to: String,
    #[serde(flatten)]
    pub outcome: Outcome,
    pub seconds: f64,
    pub ok: bool,
    pub why: Option<String>,
}

impl Result {
    /// `why`: what is wrong, if something is.
    pub fn new(case: &Case, outcome: Outcome, seconds: f64, why: Option<String>) -> Result {
        Result {
            point: case.point.clone(),
            kind: case.kind.name(),
            role: match case.role {
                Role::Predecessor => "predecessor",
                Role::Successor => "successor",
                Role::Owner => "owner",
            },
            from: case.from.clone(),
            to: case.to.clone(),
            outcome,
            seconds: (seconds * 1000.0).round() / 1000.0,
            ok: why.is_none(),
            why,
        }
    }
}

impl Report {
    pub fn add(&mut self, result: Result) {
        self.cases += 1;
        self.failed += usize::from(!result.ok);
        self.results.push(result);
    }

    /// Writes it, in an order that does not depend on which case ended first.
    pub fn write(&mut self, path: &Path) -> std::io::Result<()> {
        self.results
            .sort_by(|a, b| (&a.from, &a.to, &a.point, a.kind).cmp(&(&b.from, &b.to, &b.point, b.kind)));
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")
    }
}
