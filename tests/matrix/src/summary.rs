//! What came of all tests: a field for each pair, and two lines.

use crate::program::Program;
use comfy_table::{CellAlignment, Table, presets};
use std::collections::HashMap;
use std::fmt;

/// What came of one pair.
#[derive(Debug, Clone, Copy, Default)]
struct Field {
    passed: usize,
    failed: usize,
}

/// The matrix.
pub struct Summary {
    names: Vec<String>,
    fields: HashMap<(String, String), Field>,
}

impl Summary {
    /// Nothing has run yet.
    pub fn new(programs: &[Program]) -> Summary {
        let names = programs.iter().map(|program| program.name.clone()).collect();
        Summary { names, fields: HashMap::new() }
    }

    /// A test of a pair has run.
    pub fn add(&mut self, from: &str, to: &str, ok: bool) {
        let field = self.fields.entry((from.into(), to.into())).or_default();
        field.passed += usize::from(ok);
        field.failed += usize::from(!ok);
    }

    /// Whether something ran, and all of it passed.
    pub fn all_passed(&self) -> bool {
        !self.fields.is_empty() && self.fields.values().all(|field| field.failed == 0)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header(std::iter::once("passed, from \\ to").chain(self.names.iter().map(String::as_str)));
        for from in &self.names {
            let cells = self.names.iter().map(|to| match self.fields.get(&(from.clone(), to.clone())) {
                None => "-".to_string(),
                Some(Field { passed, failed: 0 }) => passed.to_string(),
                Some(Field { passed, failed }) => format!("{passed} of {}", passed + failed),
            });
            table.add_row(std::iter::once(from.clone()).chain(cells));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let good = self.fields.values().filter(|field| field.failed == 0).count();
        let (passed, failed) =
            self.fields.values().fold((0, 0), |sum, field| (sum.0 + field.passed, sum.1 + field.failed));
        writeln!(f, "{table}")?;
        writeln!(f, "{good} of {} pairs", self.names.len() * self.names.len())?;
        write!(f, "{passed} passed, {failed} failed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_counts_if_all_its_tests_passed_and_one_that_did_not_run_does_not() {
        let programs: Vec<Program> = ["c=c", "java-nio=j"].map(|text| text.parse().unwrap()).into();
        let mut summary = Summary::new(&programs);
        assert!(!summary.all_passed(), "nothing ran");
        for (from, to) in [("c", "c"), ("c", "java-nio"), ("c", "java-nio"), ("java-nio", "c")] {
            summary.add(from, to, true);
        }
        assert!(summary.all_passed() && summary.to_string().ends_with("\n3 of 4 pairs\n4 passed, 0 failed"));
        summary.add("c", "java-nio", false);
        assert!(!summary.all_passed() && summary.to_string().ends_with("\n2 of 4 pairs\n4 passed, 1 failed"));
        assert!(summary.to_string().contains("2 of 3"), "{summary}");
    }
}
