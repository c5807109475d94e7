//! Skips the law: a classified call goes straight to the action stage.
//@ inside: lib.rs
//@ error: E0308
async fn skip_policy(frame: Frame, gate: &Arc<Gate>) -> Result<Call<Executed>, Stopped> {
    let call = s1_intake::admit(frame, gate)?;
    let call = s2_classify::classify(call, gate).await?;
    s7_action::execute(call, &gate.ports).await
}
