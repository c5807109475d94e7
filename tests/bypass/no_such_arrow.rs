//! Advances over a stage: there is no arrow from Judged to Authorized.
//@ inside: stages/s5_approval.rs
//@ error: E0308
fn no_such_arrow(call: Call<crate::stages::s3_policy::Judged>, permit: Authorized) -> Call<Authorized> {
    call.advance(|_| permit)
}
