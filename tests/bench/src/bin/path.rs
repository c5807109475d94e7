//! Carries calls through the pipeline in this process: `path BYTES POLICIES TOOLS CALLS`. `bench instructions` runs it
//! under callgrind; it prints how often the calls allocated, and how many bytes.

use std::alloc::System;
use std::io::Write as _;

use anyhow::Context as _;
use bench::bundle::Size;
use bench::path::Path;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

/// Counts; it adds two atomic additions to an allocation.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> anyhow::Result<()> {
    let numbers = std::env::args().skip(1).map(|word| word.parse().with_context(|| format!("`{word}` is no number")));
    let numbers = numbers.collect::<anyhow::Result<Vec<usize>>>()?;
    let [bytes, policies, tools, calls] = numbers.as_slice() else {
        anyhow::bail!("usage: path BYTES POLICIES TOOLS CALLS")
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        let path = Path::open(Size { policies: *policies, tools: *tools }, *bytes).await?;
        let region = Region::new(ALLOCATOR);
        path.calls(*calls).await?;
        let change = region.change();
        let out = std::io::stdout();
        writeln!(&out, "{} {}", change.allocations + change.reallocations, change.bytes_allocated)?;
        Ok(())
    })
}
