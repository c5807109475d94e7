//! Changes the body after it was judged.
//@ inside: lib.rs
//@ error: E0616
fn mutate_after(mut call: Call<Authorized>) {
    call.head.text = "evil".into();
}
