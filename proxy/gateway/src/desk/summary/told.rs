//! A summary as text: sentences, then a table with its notes. What others wrote is escaped.

use std::collections::BTreeSet;

use super::{Cell, Person, Row, Summary};
use crate::clock::rfc3339;
use crate::desk::samples;
use crate::story::visible;

fn heading(labels: &BTreeSet<String>) -> String {
    if labels.is_empty() { "nothing read".to_owned() } else { labels.iter().cloned().collect::<Vec<_>>().join("+") }
}

fn cell(cell: &Cell) -> String {
    match cell.note {
        Some(note) => format!("{} [{note}]", cell.answer),
        None => cell.answer.clone(),
    }
}

fn name(row: &Row) -> String {
    format!("{} {}", visible::text(&row.server), visible::text(&row.tool))
}

/// What a summary rests on.
fn basis(found: &Summary) -> String {
    format!(
        "By snapshot {}: {} calls were judged, with arguments made up from what policies and schemas name, each the first call of its \
         task, at {}. The columns say what was read in the task before.",
        found.snapshot.get(..19).unwrap_or(&found.snapshot),
        found.judged,
        rfc3339(samples::NOW_MS * 1000)
    )
}

/// For a terminal, and wherever its columns may stand.
#[must_use]
pub fn text(found: &Summary) -> String {
    let mut out = String::new();
    for person in &found.people {
        out.push_str(&format!("{}\n\n", person.who.join("; ")));
        person.sentences.iter().for_each(|sentence| out.push_str(&format!("  {sentence}\n")));
        out.push('\n');
        table(person, &mut out);
        for (n, note) in person.notes.iter().enumerate() {
            out.push_str(&format!("  [{}] {note}\n", n + 1));
        }
        out.push('\n');
    }
    out.push_str(&basis(found));
    out
}

fn table(person: &Person, out: &mut String) {
    let mut lines: Vec<Vec<String>> = vec![vec!["tool".to_owned()]];
    lines.iter_mut().for_each(|line| line.extend(person.labels.iter().map(heading)));
    for row in &person.rows {
        lines.push(std::iter::once(name(row)).chain(row.cells.iter().map(cell)).collect());
    }
    let columns = person.labels.len() + 1;
    let width = |n: usize| lines.iter().filter_map(|line| line.get(n)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|n| width(n).unwrap_or(0)).collect();
    for line in &lines {
        let cells: String = line.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}  ")).collect();
        out.push_str(&format!("  {}\n", cells.trim_end()));
    }
}

/// For a review or a wiki.
#[must_use]
pub fn markdown(found: &Summary) -> String {
    let mut out = String::from("# Who may do what\n");
    for person in &found.people {
        out.push_str(&format!("\n## {}\n\n", person.who.join("; ")));
        person.sentences.iter().for_each(|sentence| out.push_str(&format!("- {sentence}\n")));
        let headings: Vec<String> = person.labels.iter().map(heading).collect();
        out.push_str(&format!("\n| tool | {} |\n|---{}|\n", headings.join(" | "), "|---".repeat(headings.len())));
        for row in &person.rows {
            let cells: Vec<String> = row.cells.iter().map(cell).collect();
            out.push_str(&format!("| {} | {} |\n", name(row), cells.join(" | ")));
        }
        out.push('\n');
        for (n, note) in person.notes.iter().enumerate() {
            out.push_str(&format!("- [{}] {note}\n", n + 1));
        }
    }
    out.push_str(&format!("\n{}\n", basis(found)));
    out
}
