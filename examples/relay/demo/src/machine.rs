//! Where it ran.

use serde::Serialize;

/// What figures depend on.
#[derive(Debug, Default, Serialize)]
pub struct Machine {
    /// The system: `Debian GNU/Linux 12 (bookworm)`.
    pub system: String,
    /// The kernel's release.
    pub kernel: String,
    /// The processor, by its own name.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory.
    pub memory_kb: u64,
}

impl Machine {
    /// This one. What it does not tell stays empty.
    pub fn this() -> Machine {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let memory = field(&read("/proc/meminfo"), "MemTotal", ':');
        let cpu = field(&read("/proc/cpuinfo"), "model name", ':');
        Machine {
            system: field(&read("/etc/os-release"), "PRETTY_NAME", '=').trim_matches('"').into(),
            kernel: read("/proc/sys/kernel/osrelease").trim().into(),
            // Not every architecture names its processors.
            cpu: if cpu.is_empty() { std::env::consts::ARCH.into() } else { cpu },
            cores: std::thread::available_parallelism().map_or(0, Into::into),
            memory_kb: memory.trim_end_matches(" kB").parse().unwrap_or_default(),
        }
    }
}

/// The first value of this name in lines of the form `name: value`.
fn field(text: &str, name: &str, separator: char) -> String {
    let lines = text.lines().filter_map(|line| line.split_once(separator));
    let value = lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim()).next();
    value.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_kernel_cores_and_memory() {
        let machine = Machine::this();
        assert!(!machine.kernel.is_empty() && !machine.cpu.is_empty(), "{machine:?}");
        assert!(machine.cores > 0 && machine.memory_kb > 0, "{machine:?}");
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "cpu cores\t: 2\nmodel\t\t: 7\nmodel name\t: A: B\n";
        assert_eq!(field(text, "model name", ':'), "A: B");
        assert_eq!(field(text, "model", ':'), "7");
        assert_eq!(field(text, "name", ':'), "");
    }
}
