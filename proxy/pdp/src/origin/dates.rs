//! Days and times of day, in the spellings that mails, calendars and forms use.
//!
//! A date of numbers alone may mean two days, where day and month can be exchanged; both count.

use jiff::civil::Date;

use super::words::Words;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// A date that stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    /// The days it may mean.
    pub(super) days: Vec<Date>,
    /// The time of day that follows it: hours and minutes.
    pub(super) time: Option<(u8, u8)>,
    /// How many words it takes.
    pub(super) words: usize,
}

/// The date that begins at a word, where one does.
pub(super) fn date_at(words: &Words<'_>, at: usize) -> Option<Placed> {
    // Most words begin no date, and that is seen at once.
    let first = words.word(at);
    let named = first.len() >= 3 && month(first).is_some();
    if !(first.starts_with(|c: char| c.is_ascii_digit()) || named) {
        return None;
    }
    let (days, time, taken) = numeric(words, at).or_else(|| spelt(words, at)).or_else(|| compact(first))?;
    if days.is_empty() {
        return None;
    }
    let next = at.saturating_add(taken);
    let Some(time) = time else {
        let (time, more) = time_at(words, next).map_or((None, 0), |(time, more)| (Some(time), more));
        return Some(Placed { days, time, words: taken.saturating_add(more) });
    };
    // The hours stood in the word of the day, as ISO 8601 has it: minutes, and perhaps seconds, follow.
    let (minutes, more) = minutes_at(words, next)?;
    Some(Placed { days, time: Some((time, minutes)), words: taken.saturating_add(more) })
}

type Days = (Vec<Date>, Option<u8>, usize);

/// `2026-11-21`, `2026/11/21`, `21.11.2026`, `11/21/2026`, `2026-11-21t10`.
fn numeric(words: &Words<'_>, at: usize) -> Option<Days> {
    let (one, two, three) = (words.word(at), words.word(at.saturating_add(1)), words.word(at.saturating_add(2)));
    let gaps = [at.saturating_add(1), at.saturating_add(2)].map(|index| words.gap(index));
    let sign = gaps[0].sign().filter(|sign| "-/.".contains(*sign) && !gaps[0].is_apart() && gaps[0] == gaps[1])?;
    let (last, hours) = match three.split_once('t') {
        Some((day, hours)) => (day, Some(number(hours, 2)?)),
        None => (three, None),
    };
    let (a, b, c) = (number(one, 4)?, number(two, 2)?, number(last, 4)?);
    let days: Vec<Date> = if one.len() == 4 {
        date(a, b, c).into_iter().collect()
    } else if last.len() == 4 {
        let swapped = if sign == '.' || a == b { None } else { date(c, a, b) };
        date(c, b, a).into_iter().chain(swapped).collect()
    } else {
        return None;
    };
    Some((days, hours.and_then(|hours| u8::try_from(hours).ok()), 3))
}

/// `21 november 2026`, `21st of nov. 2026`, `november 21, 2026`.
fn spelt(words: &Words<'_>, at: usize) -> Option<Days> {
    let word = |n: usize| words.word(at.saturating_add(n));
    let day = |word: &str| {
        let digits = ["st", "nd", "rd", "th"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
        number(digits, 2)
    };
    let of = usize::from(word(1) == "of");
    if let (Some(day), Some(month), Some(year)) = (day(word(0)), month(word(1 + of)), number(word(2 + of), 4)) {
        return (word(2 + of).len() == 4).then(|| (date(year, month, day).into_iter().collect(), None, 3 + of));
    }
    let (month, day, year) = (month(word(0))?, day(word(1))?, number(word(2), 4)?);
    (word(2).len() == 4).then(|| (date(year, month, day).into_iter().collect(), None, 3))
}

/// `20261121`, `20261121t1000`.
fn compact(word: &str) -> Option<Days> {
    let day = word.split_once('t').map_or(word, |(day, _)| day);
    if day.len() != 8 || !(day.starts_with("19") || day.starts_with("20")) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| number(day.get(range)?, 4);
    let found = date(part(0..4)?, part(4..6)?, part(6..8)?)?;
    Some((vec![found], None, 1))
}

/// `10:00`, `at 10:00:00`, `10:00 pm`, `10pm`.
fn time_at(words: &Words<'_>, at: usize) -> Option<((u8, u8), usize)> {
    let skipped = usize::from(words.word(at) == "at");
    let at = at.saturating_add(skipped);
    let first = words.word(at);
    let half = |word: &str| match word {
        "am" => Some(0),
        "pm" => Some(12),
        _ => None,
    };
    let twelve = |hours: u8, half: u8| if hours == 12 { half } else { hours.saturating_add(half) };
    if let Some((hours, suffix)) = first.len().checked_sub(2).and_then(|cut| first.split_at_checked(cut))
        && let (Some(hours), Some(half)) = (number(hours, 2), half(suffix))
    {
        return Some(((twelve(u8::try_from(hours).ok().filter(|h| *h <= 12)?, half), 0), skipped + 1));
    }
    let hours = u8::try_from(number(first, 2)?).ok().filter(|hours| *hours < 24)?;
    let (minutes, more) = minutes_at(words, at.saturating_add(1))?;
    let next = at.saturating_add(1).saturating_add(more);
    match half(words.word(next)) {
        Some(half) if hours <= 12 => Some(((twelve(hours, half), minutes), skipped + more + 2)),
        Some(_) | None => Some(((hours, minutes), skipped + more + 1)),
    }
}

/// `:00`, `:00:00`, `:00z`, and how many words that takes.
fn minutes_at(words: &Words<'_>, at: usize) -> Option<(u8, usize)> {
    let is_next = |index: usize| !words.gap(index).is_apart() && words.gap(index).sign() == Some(':');
    if !is_next(at) {
        return None;
    }
    let minutes =
        u8::try_from(number(words.word(at).trim_end_matches('z'), 2)?).ok().filter(|minutes| *minutes < 60)?;
    let next = at.saturating_add(1);
    let seconds = is_next(next) && number(words.word(next).trim_end_matches('z'), 2).is_some();
    let taken = if seconds { 2 } else { 1 };
    Some((minutes, taken + zone_at(words, at.saturating_add(taken))))
}

/// How many words a fraction of a second and an offset from UTC take. Times are compared as they are written: a time is
/// mostly repeated in its own zone, or without one.
fn zone_at(words: &Words<'_>, at: usize) -> usize {
    let joined = |index: usize, signs: &str| {
        !words.gap(index).is_apart() && words.gap(index).sign().is_some_and(|sign| signs.contains(sign))
    };
    let fraction = usize::from(joined(at, ".") && number(words.word(at).trim_end_matches('z'), 9).is_some());
    let at = at.saturating_add(fraction);
    if !(joined(at, "+-") && number(words.word(at), 4).is_some()) {
        return fraction;
    }
    let minutes = joined(at.saturating_add(1), ":") && number(words.word(at.saturating_add(1)), 2).is_some();
    fraction + if minutes { 2 } else { 1 }
}

fn month(word: &str) -> Option<i16> {
    let found = MONTHS
        .iter()
        .position(|name| *name == word || name.get(..3) == Some(word) || (word == "sept" && *name == "september"))?;
    i16::try_from(found.saturating_add(1)).ok()
}

fn number(digits: &str, len_max: usize) -> Option<i16> {
    let plain = !digits.is_empty() && digits.len() <= len_max && digits.bytes().all(|byte| byte.is_ascii_digit());
    // What is longer than a year is a fraction, of which nobody asks for the value.
    if plain { Some(digits.parse().unwrap_or(i16::MAX)) } else { None }
}

fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_same_however_it_is_written() {
        for (text, want) in [
            ("2026-11-21", "2026-11-21"),
            ("2026/11/21", "2026-11-21"),
            ("21.11.2026", "2026-11-21"),
            ("11/21/2026", "2026-11-21"),
            ("03/04/2026", "2026-04-03 2026-03-04"),
            ("21 november 2026", "2026-11-21"),
            ("21st of nov 2026", "2026-11-21"),
            ("november 21, 2026", "2026-11-21"),
            ("sept 3rd 2026", "2026-09-03"),
            ("20261121", "2026-11-21"),
            ("2026-11-21t10:00:00z", "2026-11-21 @10:00"),
            ("2026-11-21t10:00:00.000+01:00", "2026-11-21 @10:00"),
            ("2026-11-21 10:05", "2026-11-21 @10:05"),
            ("nov 21, 2026 at 3:30 pm", "2026-11-21 @15:30"),
            ("21 nov 2026, 9am", "2026-11-21 @9:00"),
            ("2026-13-45", ""),
            ("1.2.3", ""),
            ("may i 3 2026", ""),
            ("", ""),
        ] {
            let words = Words::of(text);
            let shown = date_at(&words, 0).map(|found| {
                assert_eq!(found.words, words.list.len(), "{text}");
                let mut all: Vec<String> = found.days.iter().map(ToString::to_string).collect();
                all.extend(found.time.map(|(h, m)| format!("@{h}:{m:02}")));
                all.join(" ")
            });
            assert_eq!(shown.unwrap_or_default(), want, "{text}");
        }
    }
}
