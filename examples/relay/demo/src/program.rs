//! A relay as the command line names it; for the demo and for the matrix.

use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

/// How to start a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// A name of its own: the language, and after a dash what sets it apart from others in it (`java-nio`).
    pub name: String,
    /// The executable. A script is as good, if it ends in exec: signals go to the process that was started.
    pub path: PathBuf,
    /// What comes before the arguments that every relay gets.
    pub arguments: Vec<String>,
}

impl Program {
    /// What the relay itself says it is written in.
    pub fn language(&self) -> &str {
        self.name.split('-').next().unwrap_or_default()
    }

    /// The command, with all that the name says.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments);
        command
    }

    /// Whether the process `pid` that was started is the one that tells this, and in the right language.
    pub fn check_started(&self, pid: u32, started: &serde_json::Value) -> Result<(), String> {
        if started["pid"] != pid || started["language"] != self.language() {
            return Err(format!("{} was started as process {pid}, but: {started}", self.name));
        }
        Ok(())
    }
}

/// No two may have the same name: one could not tell them apart.
pub fn check_names(programs: &[Program]) -> Result<(), String> {
    let mut names: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("there are two relays {}", pair[0])),
        None => Ok(()),
    }
}

impl FromStr for Program {
    type Err = String;

    fn from_str(text: &str) -> Result<Program, String> {
        let (name, command) = text.split_once('=').ok_or("NAME=PATH is wanted")?;
        let mut words = command.split_whitespace();
        match words.next() {
            Some(path) if !name.is_empty() => Ok(Program {
                name: name.into(),
                path: path.into(),
                arguments: words.map(Into::into).collect(),
            }),
            _ => Err("NAME=PATH is wanted, and neither may be empty".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_program_has_a_name_a_path_and_arguments() {
        let program: Program = "java-nio=some/relay-java --transport nio".parse().unwrap();
        assert_eq!((program.name.as_str(), program.language()), ("java-nio", "java"));
        assert_eq!(program.path, PathBuf::from("some/relay-java"));
        assert_eq!(program.arguments, ["--transport", "nio"]);
        let plain: Program = "c=relay-c".parse().unwrap();
        assert_eq!((plain.language(), plain.arguments.len()), ("c", 0));
        for wrong in ["relay-c", "=relay-c", "c=", "c= "] {
            assert!(wrong.parse::<Program>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn two_of_the_same_name_are_an_error() {
        let programs = |texts: [&str; 3]| texts.map(|text| text.parse().unwrap());
        assert_eq!(check_names(&programs(["c=1", "java-nio=2", "java=2"])), Ok(()));
        assert!(check_names(&programs(["c=1", "java=2", "c=3"])).is_err());
    }

    #[test]
    fn another_process_or_language_than_was_started_is_an_error() {
        let program: Program = "java-nio=relay-java".parse().unwrap();
        let check = |pid, language| program.check_started(7, &json!({"pid": pid, "language": language}));
        assert_eq!(check(7, "java"), Ok(()));
        assert!(check(8, "java").is_err());
        assert!(check(7, "java-nio").is_err());
    }
}
