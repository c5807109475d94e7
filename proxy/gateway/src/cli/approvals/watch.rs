//! `wicketgate approvals watch`: joins what the gate tells, what somebody presses and the passing of time into frames.
//! Without a terminal it prints a line for each change.

use std::io::IsTerminal as _;
use std::time::Duration;

use pep::ports::Clock as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{MissedTickBehavior, interval};

use super::feed::{self, News};
use super::terminal::{Screen, read_keys};
use super::view::{Act, Key, View};
use super::{Desk, Failed, shown};
use crate::cli::print;

/// How long opening a request may take.
const OPEN_MAX: Duration = Duration::from_secs(10);
/// How often the waits are told anew.
const TICK: Duration = Duration::from_secs(1);

/// Watches until somebody ends it.
pub(super) async fn run(desk: &Desk) -> Result<(), Failed> {
    let (to, mut news) = channel(64);
    let feed = feed::tell(&desk.gate, to);
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let watched = async { if terminal { on_screen(desk, &mut news).await } else { in_lines(desk, &mut news).await } };
    tokio::select! {
        outcome = watched => outcome,
        // It ends only when it was refused, which the other side has yet to read.
        () = async { feed.await; std::future::pending().await } => Ok(()),
    }
}

/// A line for each change, for whoever reads a pipe.
async fn in_lines(desk: &Desk, news: &mut Receiver<News>) -> Result<(), Failed> {
    while let Some(next) = news.recv().await {
        let now_us = desk.clock.now_us();
        match next {
            News::All(all) => all.iter().for_each(|one| print::line(shown::row(one, now_us).trim_end())),
            News::One(one) => print::line(shown::row(&one, now_us).trim_end()),
            News::Lost(words) => print::warned(&format!("connecting again: {words}")),
            News::Refused(words) => return Err(words.into()),
        }
    }
    Ok(())
}

/// What the system may say meanwhile.
struct Signals {
    resized: Signal,
    interrupted: Signal,
    ended: Signal,
    hung_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            interrupted: signal(SignalKind::interrupt())?,
            ended: signal(SignalKind::terminate())?,
            hung_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next; whether it asks to end.
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.resized.recv() => false,
            _ = self.interrupted.recv() => true,
            _ = self.ended.recv() => true,
            _ = self.hung_up.recv() => true,
        }
    }
}

async fn on_screen(desk: &Desk, news: &mut Receiver<News>) -> Result<(), Failed> {
    let failed = |e: std::io::Error| Failed::from(format!("the terminal cannot be used: {e}"));
    let mut signals = Signals::new().map_err(failed)?;
    let mut screen = Screen::enter().map_err(failed)?;
    let (to, mut pressed) = channel(16);
    let keys = std::thread::spawn(move || read_keys(&to));
    let outcome = frames(desk, news, &mut pressed, &mut signals, &mut screen).await;
    // The reader of keys ends within a tenth of a second; until then it would take what is typed for the shell.
    drop(pressed);
    keys.join().unwrap_or_default();
    outcome
}

async fn frames(
    desk: &Desk,
    news: &mut Receiver<News>,
    pressed: &mut Receiver<Key>,
    signals: &mut Signals,
    screen: &mut Screen,
) -> Result<(), Failed> {
    let mut view = View::default();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (width, height) = screen.size();
        let drawn = screen.draw(view.frame(width, height, desk.clock.now_us()));
        drawn.map_err(|e| Failed::from(format!("the terminal cannot be used: {e}")))?;
        tokio::select! {
            _ = tick.tick() => {}
            ends = signals.next() => if ends {
                return Ok(());
            },
            next = news.recv() => match next {
                Some(News::All(all)) => view.all(all),
                Some(News::One(one)) => view.one(one),
                Some(News::Lost(words)) => view.lost(words),
                Some(News::Refused(words)) => return Err(words.into()),
                None => return Ok(()),
            },
            key = pressed.recv() => match key.map_or(Act::Quit, |key| view.press(key, height)) {
                Act::Nothing => {}
                Act::Quit => return Ok(()),
                Act::Open(id) => {
                    let asked = tokio::time::timeout(OPEN_MAX, desk.request(&id)).await;
                    view.open(match asked {
                        Ok(Ok(request)) => Ok(request),
                        Ok(Err(failed)) => Err(failed.words),
                        Err(_) => Err("the gate does not answer in time".to_owned()),
                    }, desk.clock.now_us());
                }
            },
        }
    }
}
