//! Takes a call apart before its record is sealed.
//@ inside: lib.rs
//@ error: E0599
fn unsealed_record(call: Call<Executed>) {
    let _parts = call.into_parts();
}
