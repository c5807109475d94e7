//! Who is signed in with a browser. A session is known by 256 random bits that the browser keeps in a cookie; here lies
//! only their digest, in memory, so that a restart signs everybody out. No clock and no randomness of its own.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio_util::sync::CancellationToken;

use crate::auth::{Visitor, token_digest};

/// How many sessions one principal may have; the oldest gives way. Principals are those of the configuration, so this
/// bounds them all.
const PER_PRINCIPAL_MAX: usize = 16;

/// What a session is kept under.
pub(crate) type Key = [u8; 32];

/// Everybody who is signed in.
#[derive(Debug)]
pub struct Sessions {
    idle_us: i64,
    whole_us: i64,
    live: Mutex<HashMap<Key, Session>>,
}

#[derive(Debug)]
struct Session {
    visitor: Visitor,
    csrf: Secret,
    began_us: i64,
    seen_us: i64,
    ended: CancellationToken,
}

/// A text that no log may show.
#[derive(Clone)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A session as it is looked at.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Who.
    pub visitor: Visitor,
    /// When it ends at the latest, in microseconds since 1970-01-01T00:00Z.
    pub expires_us: i64,
    pub(crate) key: Key,
    /// Told when it is over before its time.
    pub(crate) ended: CancellationToken,
    csrf: Secret,
}

impl Signed {
    /// What a page of the console sends along with each request.
    #[must_use]
    pub fn csrf(&self) -> &str {
        &self.csrf.0
    }

    /// Whether this is that text. Digests are compared, which tells nothing of how much of it was right.
    #[must_use]
    pub fn is_csrf(&self, given: &str) -> bool {
        token_digest(given) == token_digest(&self.csrf.0)
    }
}

/// A session that was just opened: what the browser keeps, and what was ended for it.
pub struct Opened {
    /// The cookie's value.
    pub cookie: String,
    /// The session.
    pub signed: Signed,
    /// How many sessions of the same principal gave way.
    pub displaced: usize,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("signed", &self.signed).finish_non_exhaustive()
    }
}

impl Sessions {
    /// Nobody yet. A session ends after `idle` without a request, and after `whole` in any case.
    #[must_use]
    pub fn new(idle: Duration, whole: Duration) -> Self {
        let us = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        Self { idle_us: us(idle), whole_us: us(whole), live: Mutex::default() }
    }

    fn live(&self) -> MutexGuard<'_, HashMap<Key, Session>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self, session: &Session, now_us: i64) -> bool {
        now_us.saturating_sub(session.seen_us) > self.idle_us || now_us.saturating_sub(session.began_us) > self.whole_us
    }

    fn signed(&self, key: Key, session: &Session) -> Signed {
        Signed {
            visitor: session.visitor.clone(),
            expires_us: session.began_us.saturating_add(self.whole_us),
            key,
            ended: session.ended.clone(),
            csrf: session.csrf.clone(),
        }
    }

    /// Signs somebody in. `fresh` is random: the session's own bits, and those of its protection against forged requests.
    pub fn open(&self, visitor: Visitor, fresh: [[u8; 32]; 2], now_us: i64) -> Opened {
        let [own, csrf] = fresh.map(|bits| URL_SAFE_NO_PAD.encode(bits));
        let key = token_digest(&own);
        let mut live = self.live();
        remove(&mut live, |session| self.is_over(session, now_us));
        let principal = visitor.principal.key();
        let mut of_one: Vec<(i64, Key)> = live
            .iter()
            .filter(|(_, session)| session.visitor.principal.key() == principal)
            .map(|(key, session)| (session.began_us, *key))
            .collect();
        of_one.sort_unstable();
        let displaced = (of_one.len() + 1).saturating_sub(PER_PRINCIPAL_MAX);
        for (_, oldest) in of_one.iter().take(displaced) {
            take(&mut live, oldest);
        }
        let session =
            Session { visitor, csrf: Secret(csrf), began_us: now_us, seen_us: now_us, ended: CancellationToken::new() };
        let signed = self.signed(key, &session);
        live.insert(key, session);
        Opened { cookie: own, signed, displaced }
    }

    /// Whose session a cookie is, and counts this as use of it. Nothing where it is over, or never was.
    #[must_use]
    pub fn find(&self, cookie: &str, now_us: i64) -> Option<Signed> {
        let key = token_digest(cookie);
        let mut live = self.live();
        if self.is_over(live.get(&key)?, now_us) {
            take(&mut live, &key);
            return None;
        }
        let session = live.get_mut(&key)?;
        session.seen_us = session.seen_us.max(now_us);
        Some(self.signed(key, session))
    }

    /// Whether a session still stands, which is no use of it: a page that is left open does not stay signed in.
    pub(crate) fn stands(&self, key: &Key, now_us: i64) -> bool {
        self.live().get(key).is_some_and(|session| !self.is_over(session, now_us))
    }

    /// Signs out. Answers who was signed in.
    pub fn end(&self, cookie: &str) -> Option<Visitor> {
        take(&mut self.live(), &token_digest(cookie)).map(|session| session.visitor)
    }
}

/// Takes a session out, and tells whoever still answers it.
fn take(live: &mut HashMap<Key, Session>, key: &Key) -> Option<Session> {
    let session = live.remove(key)?;
    session.ended.cancel();
    Some(session)
}

fn remove(live: &mut HashMap<Key, Session>, over: impl Fn(&Session) -> bool) {
    live.retain(|_, session| {
        let stays = !over(session);
        if !stays {
            session.ended.cancel();
        }
        stays
    });
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::sync::Arc;

    use pdp::principal::Principal;

    use super::*;
    use crate::config::Role;

    const SECOND: i64 = 1_000_000;

    fn visitor(agent: &str) -> Visitor {
        let principal = Principal {
            agent: agent.into(),
            teams: vec![],
            user: String::new(),
            tenant: "default".into(),
            method: "token".into(),
        };
        Visitor { principal: Arc::new(principal), role: Some(Role::Viewer) }
    }

    fn sessions() -> Sessions {
        Sessions::new(Duration::from_secs(10), Duration::from_secs(25))
    }

    fn open(sessions: &Sessions, agent: &str, n: u8, at: i64) -> Opened {
        sessions.open(visitor(agent), [[n; 32], [n ^ 0xff; 32]], at)
    }

    #[test]
    fn a_session_ends_when_it_is_not_used_and_when_its_time_is_up() {
        let all = sessions();
        let one = open(&all, "ann", 1, 0);
        assert_eq!(all.find(&one.cookie, 10 * SECOND).unwrap().visitor.principal.agent, "ann");
        assert_eq!(all.find(&one.cookie, 20 * SECOND).unwrap().expires_us, 25 * SECOND);
        // Used all the time, and over nevertheless.
        assert!(all.find(&one.cookie, 25 * SECOND).is_some() && !one.signed.ended.is_cancelled());
        assert!(all.find(&one.cookie, 25 * SECOND + 1).is_none() && one.signed.ended.is_cancelled());
        let two = open(&all, "ann", 2, 0);
        assert!(all.find(&two.cookie, 10 * SECOND + 1).is_none());
        assert!(all.find(&two.cookie, 0).is_none(), "what is over does not come back");
    }

    #[test]
    fn looking_whether_a_session_stands_is_no_use_of_it() {
        let all = sessions();
        let one = open(&all, "ann", 1, 0);
        assert!(all.stands(&one.signed.key, 10 * SECOND) && !all.stands(&one.signed.key, 10 * SECOND + 1));
    }

    #[test]
    fn the_oldest_session_of_the_same_principal_gives_way() {
        let all = sessions();
        let other = open(&all, "ben", 200, 0);
        let mine: Vec<Opened> = (0..20).map(|n| open(&all, "ann", n, i64::from(n))).collect();
        assert_eq!(mine.iter().map(|one| one.displaced).sum::<usize>(), 4);
        for (n, one) in mine.iter().enumerate() {
            assert_eq!(all.find(&one.cookie, 30).is_some(), n >= 4, "{n}");
            assert_eq!(one.signed.ended.is_cancelled(), n < 4, "{n}");
        }
        assert!(all.find(&other.cookie, 30).is_some());
    }

    #[test]
    fn who_signs_out_is_out_and_nobody_else() {
        let all = sessions();
        let (one, two) = (open(&all, "ann", 1, 0), open(&all, "ann", 2, 0));
        assert!(all.end("guess").is_none());
        assert_eq!(all.end(&one.cookie).unwrap().principal.agent, "ann");
        assert!(
            all.end(&one.cookie).is_none() && all.find(&one.cookie, 1).is_none() && one.signed.ended.is_cancelled()
        );
        assert!(all.find(&two.cookie, 1).is_some());
    }

    #[test]
    fn each_session_has_bits_of_its_own_and_no_debug_shows_them() {
        let all = sessions();
        let one = open(&all, "ann", 1, 0);
        assert_eq!(one.cookie.len(), 43);
        assert!(one.cookie != one.signed.csrf() && one.signed.is_csrf(one.signed.csrf()));
        for wrong in ["", one.cookie.as_str(), one.signed.csrf().get(1..).unwrap(), "a"] {
            assert!(!one.signed.is_csrf(wrong), "{wrong}");
        }
        let shown = format!("{one:?} {all:?}");
        assert!(!shown.contains(&one.cookie) && !shown.contains(one.signed.csrf()), "{shown}");
    }
}
