//! The solver: cvc5, a program of its own, started as a child and spoken to over its standard streams.
//!
//! It answers whether a request exists that breaks a claim. A question has a time limit; a solver that is silent beyond it
//! is ended and the question is unsettled, which is never a proof.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cedar_policy_symcc::err::Error;
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env};

/// What a solver may take beyond its own limit before it is ended.
const GRACE: Duration = Duration::from_secs(2);

/// What of the environment a solver gets: what finds its libraries and its interpreter, and no secret.
const PASSED: [&str; 5] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// A solver that answers to its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solver {
    path: PathBuf,
    version: String,
}

/// Why there is no solver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSolver {
    /// Nothing is installed.
    #[error(
        "cvc5 was not found, so nothing was proved.\n    \
         Install it (Debian, Ubuntu: `apt-get install cvc5`) or name the program: CVC5=/path/to/cvc5.\n    \
         Without root: `apt-get download cvc5 libcvc5-1 libcvc5parser1`, then `dpkg -x` each into a folder; set \
         LD_LIBRARY_PATH to its libraries."
    )]
    Missing,
    /// What was named does not run as cvc5.
    #[error("`{path}` does not run as cvc5, so nothing was proved: {why}")]
    Broken {
        /// The program.
        path: String,
        /// What it did.
        why: String,
    },
}

impl Solver {
    /// The solver that the variable `CVC5` names, else `cvc5` on the search path. It is started once, for its version.
    ///
    /// # Errors
    /// When there is none, or it does not run.
    pub fn find(named: Option<OsString>, search: Option<OsString>) -> Result<Self, NoSolver> {
        let named = named.filter(|name| !name.is_empty()).map(PathBuf::from);
        let found = || {
            let folders: Vec<PathBuf> = std::env::split_paths(&search.unwrap_or_default()).collect();
            folders.into_iter().map(|folder| folder.join("cvc5")).find(|path| path.is_file())
        };
        let path = named.or_else(found).ok_or(NoSolver::Missing)?;
        let version = version(&path)?;
        Ok(Self { path, version })
    }

    /// Its name and version, for reports.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    fn start(&self, limit: Duration) -> Result<CedarSymCompiler<LocalSolver>, Unsettled> {
        let broken = |e: &dyn std::fmt::Display| Unsettled(format!("cvc5 cannot be started: {e}"));
        let mut command = tokio::process::Command::new(&self.path);
        command.args(["--lang", "smt"]).arg(format!("--tlimit-per={}", limit.as_millis()));
        command.env_clear().envs(passed()).kill_on_drop(true);
        let solver = LocalSolver::from_command(&mut command).map_err(|e| broken(&e))?;
        CedarSymCompiler::new(solver).map_err(|e| broken(&e))
    }
}

fn passed() -> impl Iterator<Item = (&'static str, OsString)> {
    PASSED.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)))
}

fn version(path: &Path) -> Result<String, NoSolver> {
    let broken = |why: String| NoSolver::Broken { path: path.display().to_string(), why };
    let mut command = std::process::Command::new(path);
    command.arg("--version").stdin(std::process::Stdio::null()).env_clear().envs(passed());
    let output = command.output().map_err(|e| broken(e.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let number = said.split("cvc5 version ").nth(1).and_then(|rest| rest.split_whitespace().next());
    match number {
        Some(number) if output.status.success() => Ok(format!("cvc5 {}", number.trim_end_matches(','))),
        Some(_) | None => Err(broken(format!("it does not name its version ({})", output.status))),
    }
}

/// A question that got no answer, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unsettled(pub(super) String);

/// What is asked.
pub(super) enum Question<'a> {
    /// Whether everything the first allows is allowed by the second.
    Implies(&'a CompiledPolicySet, &'a CompiledPolicySet),
    /// Whether a policy can never err.
    NeverErrs(&'a CompiledPolicy),
    /// Whether a policy can never match.
    NeverMatches(&'a CompiledPolicy),
}

/// What is answered.
pub(super) enum Answer {
    /// It holds for every request.
    Holds,
    /// It does not; with a request that shows it, where one could be read.
    Broken(Option<Box<Env>>),
}

/// A conversation with one solver, started when first needed and anew after a failure.
pub(super) struct Session<'s> {
    solver: &'s Solver,
    limit: Duration,
    compiler: Option<CedarSymCompiler<LocalSolver>>,
}

impl<'s> Session<'s> {
    pub(super) fn new(solver: &'s Solver, limit: Duration) -> Self {
        Self { solver, limit, compiler: None }
    }

    /// Asks one question.
    pub(super) async fn ask(&mut self, question: &Question<'_>) -> Result<Answer, Unsettled> {
        // A solver that failed or was silent is not asked again: it is dropped, which ends it.
        let mut compiler = match self.compiler.take() {
            Some(compiler) => compiler,
            None => self.solver.start(self.limit)?,
        };
        let asked = async {
            match question {
                Question::Implies(narrow, wide) => compiler.check_implies_with_counterexample_opt(narrow, wide).await,
                Question::NeverErrs(policy) => compiler.check_never_errors_with_counterexample_opt(policy).await,
                Question::NeverMatches(policy) => compiler.check_never_matches_with_counterexample_opt(policy).await,
            }
        };
        let answer = tokio::time::timeout(self.limit + GRACE, Box::pin(asked)).await;
        let over = || Unsettled(format!("no answer within {} s", self.limit.as_secs_f64()));
        match answer {
            Err(_) => Err(over()),
            Ok(Ok(found)) => {
                self.compiler = Some(compiler);
                Ok(found.map_or(Answer::Holds, |env| Answer::Broken(Some(Box::new(env)))))
            }
            Ok(Err(Error::SolverUnknown)) => Err(over()),
            // The request exists; only its reading failed.
            Ok(Err(Error::DecodeModel(_) | Error::ConcretizeError(_))) => Ok(Answer::Broken(None)),
            Ok(Err(other)) => Err(Unsettled(chain(&other))),
        }
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        out = format!("{out}: {cause}");
        next = cause.source();
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}
