//! Opens what an upstream said.
//@ outside
//@ error: E0616
pub fn open_raw(raw: pep::Raw) {
    let _sealed = raw.0;
}
