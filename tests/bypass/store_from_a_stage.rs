//! A stage after intake reads the snapshot store.
//@ inside: stages/s3_policy.rs
//@ error: E0609
fn store(ports: &Ports) -> Arc<pdp::snapshot::Snapshot> {
    ports.snapshots.current()
}
