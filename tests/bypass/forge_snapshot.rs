//! Makes a law without building it.
//@ outside
//@ error: E0451
pub fn forge_snapshot(was: pdp::snapshot::Snapshot, digest: pdp::digest::Digest) -> pdp::snapshot::Snapshot {
    pdp::snapshot::Snapshot { digest, ..was }
}
