//! A sibling makes a Cleared out of a Judged.
//@ inside: stages/s5_approval.rs
//@ error: E0451
fn forge_cleared(call: Call<crate::stages::s3_policy::Judged>) -> Call<Cleared> {
    call.advance(|was| {
        let (server, subject, decision, rules, facts) = was.into_parts();
        Cleared { server, subject, decision, rules, facts }
    })
}
