//! What Linux tells of a process: CPU time and memory, from `/proc`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

/// `proc(5)` counts CPU time in these; the kernel's interface fixes it at 100 for a second.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of a process since it began, in user and kernel mode, to 10 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Of its threads, also those that have ended.
    pub own: Duration,
    /// Of the children that it has waited for.
    pub children: Duration,
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// All that is mapped and present, shared or not.
    pub resident: u64,
    /// Written by this process alone: what goes away with it.
    pub private_dirty: u64,
}

/// What a thread did since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    pub name: String,
    /// Time on a processor.
    pub ran: Duration,
    /// How often it was given a processor.
    pub times: u64,
}

/// # Errors
/// When there is no such process.
pub fn cpu(pid: u32) -> anyhow::Result<Cpu> {
    let file = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {file}"))?;
    parse_stat(&text).with_context(|| format!("{file} is not as proc(5) says"))
}

/// CPU time of this process.
///
/// # Errors
/// When there is no `/proc`.
pub fn own_cpu() -> anyhow::Result<Cpu> {
    cpu(std::process::id())
}

/// The threads of a process that live, by their ids.
///
/// # Errors
/// When there is no such process, or the kernel keeps no `schedstat`.
pub fn threads(pid: u32) -> anyhow::Result<BTreeMap<u32, Thread>> {
    let folder = format!("/proc/{pid}/task");
    let mut threads = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {folder}"))? {
        let path = entry?.path();
        let id = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        // One that ends meanwhile has no files any more.
        let (Some(id), Ok(name)) = (id, std::fs::read_to_string(path.join("comm"))) else { continue };
        threads.insert(id, thread(&path, name.trim_end())?);
    }
    Ok(threads)
}

fn thread(path: &Path, name: &str) -> anyhow::Result<Thread> {
    let file = path.join("schedstat");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    parse_schedstat(name, &text).with_context(|| format!("{} is not as sched-stats.rst says", file.display()))
}

/// Memory of this process.
///
/// # Errors
/// When there is no `/proc/self/smaps_rollup` (Linux 4.14).
pub fn own_memory() -> anyhow::Result<Memory> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").context("reading /proc/self/smaps_rollup")?;
    parse_smaps(&text).context("/proc/self/smaps_rollup is not as proc(5) says")
}

fn parse_stat(text: &str) -> Option<Cpu> {
    // The name, in parentheses, may hold anything.
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_whitespace().collect();
    // The first of these is field 3 of proc(5); utime, stime, cutime and cstime are 14 to 17.
    let ticks = |number: usize| fields.get(number - 3)?.parse::<u32>().ok();
    Some(Cpu { own: TICK * (ticks(14)? + ticks(15)?), children: TICK * (ticks(16)? + ticks(17)?) })
}

/// Nanoseconds on a processor, nanoseconds of waiting for one, how often it got one.
fn parse_schedstat(name: &str, text: &str) -> Option<Thread> {
    let mut fields = text.split_whitespace().map(str::parse::<u64>);
    let (ran, _waited, times) = (fields.next()?.ok()?, fields.next()?.ok()?, fields.next()?.ok()?);
    Some(Thread { name: name.to_owned(), ran: Duration::from_nanos(ran), times })
}

fn parse_smaps(text: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    };
    Some(Memory { resident: bytes("Rss")?, private_dirty: bytes("Private_Dirty")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_whatever_name_the_program_has() {
        let text = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 7 3 20 0 4 0 100 0 0";
        let expected = Cpu { own: Duration::from_secs(3), children: Duration::from_millis(100) };
        assert_eq!(parse_stat(text), Some(expected));
        assert_eq!(parse_stat("42 (a) S 1"), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "55 - 7f r--p [rollup]\nRss:      2048 kB\nPss:   1 kB\nPrivate_Dirty:        4 kB\n";
        assert_eq!(parse_smaps(text), Some(Memory { resident: 2 << 20, private_dirty: 4096 }));
        assert_eq!(parse_smaps("Rss: 1 kB\n"), None);
    }

    #[test]
    fn a_thread_has_its_time_and_how_often_it_ran() {
        let expected = Thread { name: "guest".to_owned(), ran: Duration::from_millis(3), times: 7 };
        assert_eq!(parse_schedstat("guest", "3000000 500 7\n"), Some(expected));
        assert_eq!(parse_schedstat("guest", "3000000 500\n"), None);
    }

    #[test]
    fn this_process_has_all_of_it() {
        assert!(own_memory().expect("Linux").resident > 0);
        own_cpu().expect("Linux");
        assert!(!threads(std::process::id()).expect("Linux").is_empty());
    }
}
