//! Who may come, as meant: each by one token, and each name one principal.

use std::collections::HashMap;

use pdp::fault::{Fault, SourceFile};
use pdp::principal::Principal;
use pdp::task::Limits as Budget;
use toml::Spanned;

use super::written::PrincipalTable;
use super::{Known, OWN_TEAMS, Role, hex32};

/// The principals, and how much they may do, by their keys.
pub(super) fn meant(
    file: &SourceFile,
    written: &[Spanned<PrincipalTable>],
    faults: &mut Vec<Fault>,
) -> (Vec<Known>, HashMap<String, Budget>) {
    let mut principals: Vec<Known> = Vec::new();
    for table in written {
        let Some(one) = known(file, table, faults) else { continue };
        // Whoever names an agent means one user and his teams, whichever of its tokens it comes with.
        if principals
            .iter()
            .any(|other| other.principal.key() == one.principal.key() && other.principal != one.principal)
        {
            let words = format!("the agent `{}` is another user here, or of other teams", one.principal.key());
            faults.push(Fault::at(file, table.span().start, words, "give each its own name in `agent`"));
        }
        if principals.iter().any(|other| other.token_sha256 == one.token_sha256) {
            let at = table.get_ref().token_sha256.span().start;
            faults.push(Fault::at(file, at, "this token is another principal's as well", "make a token for each"));
        }
        principals.push(one);
    }
    (principals, written.iter().filter_map(|written| budget(written.get_ref())).collect())
}

fn known(file: &SourceFile, written: &Spanned<PrincipalTable>, faults: &mut Vec<Fault>) -> Option<Known> {
    let table = written.get_ref();
    let mut role = None;
    for word in &table.roles {
        match Role::ALL.iter().find(|(name, _)| name == word.get_ref()) {
            Some((_, found)) => role = role.max(Some(*found)),
            None => {
                let words = format!("`{}` is no role", word.get_ref());
                faults.push(Fault::at(
                    file,
                    word.span().start,
                    words,
                    "use viewer, member, operator, approver or admin",
                ));
            }
        }
    }
    if table.tenant.is_empty() || table.tenant.contains('/') {
        let words = format!("no tenant is called `{}`: a principal is known as `tenant/agent`", table.tenant);
        faults.push(Fault::at(file, written.span().start, words, "choose a name without `/`"));
    }
    if table.agent.is_empty() {
        faults.push(Fault::at(file, written.span().start, "an agent without a name", "give it one in `agent`"));
    }
    if table.limits.is_some_and(|limits| limits.elapsed_s == Some(0)) {
        let words = "the limit `elapsed_s` cannot be 0: the counts would begin anew with each call";
        faults.push(Fault::at(file, written.span().start, words, "use 1 or more seconds"));
    }
    if let Some(team) = table.teams.iter().find(|team| team.starts_with(OWN_TEAMS)) {
        let words = format!("the team `{team}` is the gate's own: its errands belong to it");
        faults.push(Fault::at(file, written.span().start, words, "choose another name"));
    }
    let digest = table.token_sha256.get_ref().trim_start_matches("sha256:").to_owned();
    let Some(token_sha256) = hex32(&digest) else {
        let remedy = "write the SHA-256 of the token as 64 hexadecimal digits: `printf %s TOKEN | sha256sum`";
        faults.push(Fault::at(file, table.token_sha256.span().start, "`token_sha256` is no SHA-256", remedy));
        return None;
    };
    let principal = Principal {
        agent: table.agent.clone(),
        teams: table.teams.clone(),
        user: table.user.clone(),
        tenant: table.tenant.clone(),
        method: "token".to_owned(),
    };
    Some(Known { principal, role, token_sha256 })
}

/// What one principal may do; nothing where that has no limits.
fn budget(table: &PrincipalTable) -> Option<(String, Budget)> {
    let budget = table.limits.filter(|budget| !budget.is_none())?;
    Some((format!("{}/{}", table.tenant, table.agent), budget))
}
