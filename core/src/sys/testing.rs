//! What the tests of this room share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Runs `body` in a process of its own (this test binary again): for what counts descriptors, sets limits, forks,
/// changes the user or handles signals; and for what a descriptor's last close does, since a child of another test holds
/// copies between fork and exec. `body` is a closure written in the test itself, whose name comes from its type.
pub fn alone<F: FnOnce()>(body: F) {
    let name = std::any::type_name::<F>().trim_end_matches("::{{closure}}");
    let name = name.split_once("::").expect("crate::module::test").1;
    if std::env::var("ZDT_TEST_ALONE").is_ok_and(|alone| alone == name) {
        // What it inherited from whoever started the tests would disturb the counts; it opened nothing itself yet.
        // SAFETY: no pointers; nothing in this process refers to those descriptors.
        assert_eq!(unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) }, 0);
        return body();
    }
    let output = Command::new(std::env::current_exe().expect("own path"))
        .args(["--exact", name, "--test-threads=1", "--nocapture"])
        .env("ZDT_TEST_ALONE", name)
        .output()
        .expect("this binary starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{}\n{text}\n{errors}", output.status);
}

/// A forked child, killed when dropped.
pub struct Child(libc::pid_t);

impl Child {
    /// Runs `body` in a child, which ends with it: with 0, or 101 where it panicked. Only in [`alone`].
    pub fn new(body: impl FnOnce()) -> Child {
        // SAFETY: in a process of its own, whose other thread only waits, so no lock is held across the fork.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "fork");
        if child == 0 {
            let code = if catch_unwind(AssertUnwindSafe(body)).is_ok() { 0 } else { 101 };
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(code) };
        }
        Child(child)
    }

    pub fn pid(&self) -> u32 {
        self.0 as u32
    }

    /// Waits for its end and returns its status, or the negative number of the signal that ended it.
    pub fn wait(self) -> i32 {
        let mut status = 0;
        // SAFETY: our own child, not waited for yet.
        assert_eq!(unsafe { libc::waitpid(self.0, &mut status, 0) }, self.0);
        std::mem::forget(self);
        if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -libc::WTERMSIG(status) }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: our own child, not waited for yet.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

/// Runs `body` in a forked child and returns its status. Only in [`alone`].
pub fn in_child(body: impl FnOnce()) -> i32 {
    Child::new(body).wait()
}

/// How many descriptors this process has open.
pub fn open_count() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("/proc").count() - 1
}

/// Leaves room for `free` descriptors beyond the open ones. Only in [`alone`].
pub fn leave_room_for(free: usize) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: reads and writes one rlimit, which outlives the calls.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = (open_count() + free) as libc::rlim_t;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
}

/// Blocks a signal in this thread. Only in [`alone`].
pub fn block_signal(signal: i32) {
    // SAFETY: sigemptyset initialises the set that the others read; it outlives them.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()), 0);
    }
}

/// Becomes the user nobody, for good; false where this process may not. Only in [`alone`].
pub fn become_nobody() -> bool {
    // SAFETY: no pointers.
    unsafe { libc::geteuid() == 0 && libc::setgid(65534) == 0 && libc::setuid(65534) == 0 }
}

/// A fresh directory, mode 0700, removed with everything in it when dropped.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn fresh() -> TempDir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("zdt-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a temporary directory");
        let directory = TempDir(path);
        directory.set_mode(0o700);
        directory
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn set_mode(&self, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&self.0, std::fs::Permissions::from_mode(mode)).expect("chmod");
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
