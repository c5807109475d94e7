//! `wicketgate registry retire`: a tool or a whole server out of use, kept with the day and the reason.

use std::process::ExitCode;

use clap::Args;

use super::super::{Places, print};
use super::{CHANGED_MEANWHILE, no_such_server, open, today};
use crate::findings::shown;
use crate::review;

#[derive(Debug, Args)]
pub(in crate::cli) struct Retire {
    /// The server's name in the registry
    name: String,
    /// The tool; without one the whole server
    tool: Option<String>,
    /// Why, for whoever wonders later
    #[arg(long, value_name = "WORDS", default_value = "")]
    why: String,
}

/// Writes the retirement.
pub(super) fn run(places: &Places, asked: &Retire) -> anyhow::Result<ExitCode> {
    let opened = match open(places) {
        Ok(opened) => opened,
        Err(words) => return Ok(print::failed(&words)),
    };
    let Some(server) = opened.registry.server(&asked.name) else { return Ok(no_such_server(&opened, &asked.name)) };
    let what = match &asked.tool {
        Some(tool) if !server.tools.contains_key(tool) => {
            let words = format!("`{}` has no tool `{}` in the registry", asked.name, shown(tool));
            return Ok(print::failed(&words));
        }
        Some(tool) => format!("{}/{}", asked.name, shown(tool)),
        None => asked.name.clone(),
    };
    let known = match &asked.tool {
        Some(tool) => server.tools.get(tool).and_then(|tool| tool.retired.clone()),
        None => server.retired.clone(),
    };
    if let Some(known) = known {
        print::line(&format!("{what} is out of use already: {}", shown(&known.to_string())));
        return Ok(ExitCode::SUCCESS);
    }
    let mut files = opened.texts(&asked.name);
    files.registry = review::retired(&files.registry, asked.tool.as_deref(), &today(), &asked.why)?;
    if let Err(words) = opened.with(&asked.name, &files) {
        return Ok(print::failed(&words));
    }
    if !opened.write(&asked.name, &files)? {
        return Ok(print::failed(CHANGED_MEANWHILE));
    }
    print::line(&format!("{what} is retired: neither listed nor callable. `registry review` brings it back."));
    Ok(ExitCode::SUCCESS)
}
