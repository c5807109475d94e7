//! Hands over an answer that nobody has labelled.
//@ inside: lib.rs
//@ error: E0308
async fn unlabelled(call: Call<Executed>, gate: &Arc<Gate>) -> Reply {
    s9_audit::seal(Ok(call), gate).await
}
