//! Makes a call that has passed every stage.
//@ outside
//@ error: E0451
pub fn forge_call(was: pep::Call<pep::Proposed>, state: pep::Labelled) -> pep::Call<pep::Labelled> {
    let pep::Call { head, entry, .. } = was;
    pep::Call { head, entry, state }
}
