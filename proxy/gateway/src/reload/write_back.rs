//! Writes a bundle's files back into its directories: all of them, or none.
//!
//! What lies in the directories and what is in force are the same; whoever promotes a snapshot changes both. So it is refused
//! where that cannot be: a bundle that is built in, or one that something else deploys through symbolic links (Kubernetes'
//! mounted ConfigMaps, release folders that are swapped). Each file is replaced by a rename, so that no reader sees half
//! of one. Several renames are no transaction: the history knows what was begun, and the next start settles it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use pdp::snapshot::Sources;

use crate::config::Bundle;
use crate::history::all;

/// Why the files cannot be written back. But for `Torn`, nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteFault {
    /// There are no directories.
    #[error(
        "the policies and the registry are built into the gate, so there is nowhere to write: \
         make directories of your own with `wicketgate init`, and start the gate there"
    )]
    BuiltIn,
    /// Something else deploys them.
    #[error(
        "`{0}` is a symbolic link: something else deploys this directory, and would undo what is written here; \
         deploy the change there, and the gate follows"
    )]
    Deployed(String),
    /// The system refuses.
    #[error("`{path}` cannot be written ({why}); where the directory is mounted read-only, deploy the change there")]
    Unwritable {
        /// The file, as it lies on disk.
        path: String,
        /// What the system said.
        why: String,
    },
    /// Somebody else has just written it.
    #[error("`{0}` has just been edited; look at the edit, then try again")]
    Edited(String),
    /// It failed half-way, and what was written could not be taken back.
    #[error(
        "{why}, and `{path}` could not be put back ({back}): mend the directory by hand; the old snapshot is in force"
    )]
    Torn {
        /// The file that is not as it was.
        path: String,
        /// What went wrong first.
        why: String,
        /// What went wrong then.
        back: String,
    },
}

/// The files that must change for the directories to hold another bundle.
#[derive(Debug)]
pub(super) struct Plan {
    steps: Vec<Step>,
}

/// One file.
#[derive(Debug)]
struct Step {
    path: PathBuf,
    was: Option<String>,
    now: Option<String>,
}

impl Plan {
    /// From what lies in the directories to what shall.
    pub(super) fn new(bundle: Option<&Bundle>, was: &Sources, now: &Sources) -> Result<Self, WriteFault> {
        let Some(bundle) = bundle else { return Err(WriteFault::BuiltIn) };
        let text_in =
            |sources: &Sources, path: &str| all(sources).find(|file| file.path == path).map(|file| file.text.clone());
        let mut paths: Vec<&str> = all(was).chain(all(now)).map(|file| file.path.as_str()).collect();
        paths.sort_unstable();
        paths.dedup();
        let mut steps = Vec::new();
        for shown in paths {
            let (before, after) = (text_in(was, shown), text_in(now, shown));
            if before != after {
                steps.push(Step { path: place(bundle, shown)?, was: before, now: after });
            }
        }
        Ok(Self { steps })
    }

    /// Writes them.
    pub(super) fn carry_out(&self) -> Result<(), WriteFault> {
        if let Err(fault) = self.prepare() {
            self.sweep();
            return Err(fault);
        }
        for (done, step) in self.steps.iter().enumerate() {
            if let Err(fault) = step.take() {
                self.sweep();
                self.back(done, &fault.to_string())?;
                return Err(fault);
            }
        }
        self.steps.iter().for_each(Step::sync);
        Ok(())
    }

    /// Takes back what was written, and says why if that fails too: else the files are as they were.
    pub(super) fn undo(&self, why: &str) -> Result<(), WriteFault> {
        self.back(self.steps.len(), why)
    }

    /// Removes what was prepared and not used.
    pub(super) fn sweep(&self) {
        for step in &self.steps {
            // What is not there need not go; what stays is hidden, and overwritten by the next.
            let _gone = fs::remove_file(step.fresh());
        }
    }

    /// Writes the new texts beside the old ones. Nothing a reader sees has changed then.
    fn prepare(&self) -> Result<(), WriteFault> {
        self.steps.iter().try_for_each(|step| match &step.now {
            None => Ok(()),
            Some(text) => step.write(text).map_err(|e| step.unwritable(&e)),
        })
    }

    /// The first `done` steps back.
    fn back(&self, done: usize, why: &str) -> Result<(), WriteFault> {
        self.steps.iter().take(done).rev().try_for_each(|step| {
            let back = match &step.was {
                Some(text) => step.write(text).and_then(|()| fs::rename(step.fresh(), &step.path)),
                None => fs::remove_file(&step.path),
            };
            let path = || step.path.display().to_string();
            back.map_err(|back| WriteFault::Torn { path: path(), why: why.to_owned(), back: back.to_string() })?;
            step.sync();
            Ok(())
        })
    }
}

impl Step {
    /// Where the new text waits: hidden, so that it is no part of the bundle.
    fn fresh(&self) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".wicketgate-new");
        self.path.with_file_name(name)
    }

    fn write(&self, text: &str) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let fresh = self.fresh();
        // Made anew: what lies there under that name, a link perhaps, is not written to.
        let _gone = fs::remove_file(&fresh);
        let mut file = File::create_new(&fresh)?;
        file.write_all(text.as_bytes())?;
        // The new file is for the same readers as the old one.
        if let Ok(known) = fs::metadata(&self.path) {
            fs::set_permissions(&fresh, known.permissions())?;
        }
        file.sync_all()
    }

    /// Puts the new text in the place of the old one, unless somebody else has just written there.
    fn take(&self) -> Result<(), WriteFault> {
        let there = match fs::read_to_string(&self.path) {
            Ok(text) => Some(text),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(self.unwritable(&e)),
        };
        if there != self.was {
            return Err(WriteFault::Edited(self.path.display().to_string()));
        }
        let done = match &self.now {
            Some(_) => fs::rename(self.fresh(), &self.path),
            None => fs::remove_file(&self.path),
        };
        done.map_err(|e| self.unwritable(&e))
    }

    /// Has the directory remember it through a crash of the machine. Where it cannot, the next start finds what is there.
    fn sync(&self) {
        let _synced = self.path.parent().map(|folder| File::open(folder).and_then(|open| open.sync_all()));
    }

    fn unwritable(&self, e: &io::Error) -> WriteFault {
        WriteFault::Unwritable { path: self.path.display().to_string(), why: e.to_string() }
    }
}

/// Where a file of the bundle lies. Nothing is written through a link: what it leads to is somebody else's.
fn place(bundle: &Bundle, shown: &str) -> Result<PathBuf, WriteFault> {
    let (root, rest) = match (shown.strip_prefix("policies/"), shown.strip_prefix("registry/")) {
        (Some(rest), _) => (&bundle.policies, rest),
        (None, Some(rest)) => (&bundle.registry, rest),
        (None, None) => return Err(WriteFault::Edited(shown.to_owned())),
    };
    // Without a slash at its end, for a link with one is looked through.
    let mut at: PathBuf = root.components().collect();
    let linked = |path: &Path| path.is_symlink().then(|| WriteFault::Deployed(path.display().to_string()));
    if let Some(fault) = linked(&at) {
        return Err(fault);
    }
    for part in rest.split('/') {
        at.push(part);
        if let Some(fault) = linked(&at) {
            return Err(fault);
        }
    }
    Ok(at)
}
