//! The root makes a reply without a record.
//@ inside: lib.rs
//@ error: E0451
fn early_reply() -> Reply {
    Reply { status: 200, headers: Vec::new(), body: Body::Empty }
}
