//! On whose errand a call is. Nobody decides about what may be their own work: not the caller, not whose task it is, and not
//! who opened that task and so holds its token.

use std::sync::Arc;

use pdp::approval::Asker;
use pdp::principal::Principal;

use crate::task::Task;

/// Everybody who has a part in what this principal does in this task.
#[must_use]
pub fn asker(task: &Arc<Task>, principal: &Principal) -> Asker {
    let above = || task.lineage();
    let named = |name: &&str| !name.is_empty();
    let owners = above().map(|task| task.owner()).filter(named).map(str::to_owned);
    let users = above().filter_map(|task| task.principal()).map(|principal| principal.user.clone());
    let openers = above().filter_map(|task| task.opened_by()).filter(named).map(str::to_owned);
    let opening_users = above().filter_map(|task| task.opening_user()).filter(named).map(str::to_owned);
    Asker {
        tenant: principal.tenant.clone(),
        keys: owners.chain([principal.key()]).collect(),
        users: users.chain([principal.user.clone()]).filter(|user| !user.is_empty()).collect(),
        openers: openers.collect(),
        opening_users: opening_users.collect(),
    }
}
