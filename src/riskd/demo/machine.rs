//! Facts about the machine that a figure is worth nothing without.

/// What the demo ran on.
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Most memory this process held at once; 0 where the system does not say.
    pub memory_peak_mib: u64,
}

impl Machine {
    /// The machine this runs on.
    pub fn here() -> Machine {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let peak = field(&read("/proc/self/status"), "VmHWM");
        let peak = peak.and_then(|text| text.trim_end_matches(" kB").parse::<u64>().ok());
        Machine {
            processor: field(&read("/proc/cpuinfo"), "model name")
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_peak_mib: peak.unwrap_or(0) / 1024,
        }
    }
}

/// The value of the first line `name: value`.
fn field(text: &str, name: &str) -> Option<String> {
    let (_, value) =
        text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}
