//! The only reader of time and the only source of randomness in the product.

use std::cell::RefCell;
use std::time::Instant;

use jiff::Timestamp;
pub use pdp::moment::rfc3339;
use pep::ports::{Clock, Entropy};

/// Wall-clock time that never goes backwards: the time of start plus a monotonic clock.
#[derive(Debug)]
pub struct SystemClock {
    started_us: i64,
    since: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { started_us: Timestamp::now().as_microsecond(), since: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now_us(&self) -> i64 {
        let passed = i64::try_from(self.since.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.started_us.saturating_add(passed)
    }
}

/// The operating system's randomness.
#[derive(Debug, Default)]
pub struct SystemEntropy;

/// The operating system cannot give random bytes; nothing secret can be made.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes: {0}")]
pub struct NoEntropy(String);

impl SystemEntropy {
    /// Checks at start that randomness can be had.
    ///
    /// # Errors
    /// When it cannot.
    pub fn new() -> Result<Self, NoEntropy> {
        let mut probe = [0; 16];
        getrandom::fill(&mut probe).map_err(|e| NoEntropy(e.to_string()))?;
        Ok(Self)
    }
}

impl Entropy for SystemEntropy {
    fn bytes(&self) -> [u8; 16] {
        POOL.with_borrow_mut(|pool| {
            pool.pop().unwrap_or_else(|| {
                let mut fresh = [[0; 16]; POOL_SIZE];
                while getrandom::fill(fresh.as_flattened_mut()).is_err() {
                    // Checked at start; since Linux 3.17 it cannot fail later. Guessable bytes must never take its place.
                    std::thread::yield_now();
                }
                let [first, rest @ ..] = fresh;
                pool.extend(rest);
                first
            })
        })
    }
}

/// How many draws one system call pays for.
const POOL_SIZE: usize = 32;

thread_local! {
    /// Bytes of the system's that nobody has been given yet. Each is handed out once.
    static POOL: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
}
