//! The command line: `yesreply [--config FILE] COMMAND`.
//!
//! Follows   sysexits(3): 0, 64 usage, 65 bad data, 69 unavailable, 75 try again, 77 permission, 78 config.

mod calls;
mod case;
mod check;
mod domains;
mod explain;
mod init;
mod keeping;
mod notifications;
mod order;
mod orders;
mod output;
mod people;
mod probe;
mod queues;
mod sendmail;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::findings::Finding;
use crate::config::{Config, DEFAULT_PATH};
use crate::daemon;
use crate::store::{OpenError, Store};

use output::{Failure, code};

/// A reply-able email gateway: every mail has a real address to answer to.
#[derive(Debug, Parser)]
#[command(name = "yesreply", version, about, max_term_width = 100)]
struct Arguments {
    /// The config file
    #[arg(long, global = true, default_value = DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
    /// Answer as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon: read the mailboxes, send the outbox
    Serve,
    /// Write a commented config and a token key
    Init,
    /// Check the config, without a network or a database; where there is one, with what the daemon recorded
    Check {
        /// Log in everywhere, send a probe that must be received, answered as a customer would, and open a case, and read
        /// the SPF, DKIM and DMARC records of the sending domains
        #[arg(long)]
        online: bool,
    },
    /// Cases
    #[command(subcommand)]
    Case(case::Command),
    /// Mail that waits to be sent
    #[command(subcommand)]
    Outbox(queues::Outbox),
    /// Mail that could not be handled
    #[command(subcommand)]
    Quarantine(queues::Quarantine),
    /// Say how messages would be read and where they would go, and why; changes nothing
    Explain {
        /// Message files; - is standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Mailboxes and how their accounts fare
    #[command(subcommand)]
    Mailbox(people::Mailbox),
    /// Agents
    #[command(subcommand)]
    Agent(people::Agent),
    /// Write a mail that can be answered
    Send(notifications::Send),
    /// Take a mail like sendmail(8) does: -t -i -oi -f -F -N -bs, recipients as arguments
    Sendmail {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        arguments: Vec<String>,
    },
    /// Addresses that get no notifications
    #[command(subcommand)]
    Suppression(notifications::Suppression),
    /// What applications are told: customers' choices, suppressions, complaints
    #[command(subcommand)]
    Calls(calls::Calls),
    /// Every stored message by its one outcome
    Audit,
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse_from(called_as()) {
        Ok(arguments) => arguments,
        Err(error) => {
            // a closed standard error is no reason for another error
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(code::USAGE) } else { ExitCode::SUCCESS };
        }
    };
    log();
    if let Err(error) = keep_secrets() {
        tracing::warn!(%error, "a core dump of this process could hold secrets");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime could not be started");
            return ExitCode::from(code::TRY_AGAIN);
        }
    };
    let done = runtime.block_on(run(arguments));
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.words.is_empty() {
                warn(&failure.words);
            }
            ExitCode::from(failure.code)
        }
    }
}

/// No core dump, and no look at our memory by others of our user: there are passwords and keys in it.
fn keep_secrets() -> std::io::Result<()> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Installed as `sendmail`, it is `yesreply sendmail`.
fn called_as() -> Vec<std::ffi::OsString> {
    let mut words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let name = words.first().map(PathBuf::from);
    if name.is_some_and(|n| n.file_name().is_some_and(|n| n == "sendmail")) {
        words.insert(1, "sendmail".into());
    }
    words
}

fn log() {
    use std::io::IsTerminal;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,sqlx=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// A line on standard error.
fn warn(words: &str) {
    use std::io::Write;
    // nobody is left to be told if this fails
    let _ = writeln!(std::io::stderr(), "yesreply: {words}");
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { config: path, json, command } = arguments;
    match command {
        Command::Init => init::run(&path),
        Command::Check { online } => check::run(&path, online, json).await,
        Command::Explain { files } => explain::run(&path, &files).await,
        Command::Serve => {
            let config = load(&path)?;
            let store = open(&config).await?;
            Ok(daemon::serve(config, store).await?)
        }
        Command::Case(command) => {
            let config = load(&path)?;
            let store = open(&config).await?;
            case::run(store, config, command, json).await
        }
        Command::Outbox(command) => queues::outbox(&open(&load(&path)?).await?, command, json).await,
        Command::Quarantine(command) => {
            let config = load(&path)?;
            let store = open(&config).await?;
            queues::quarantine(store, config, command, json).await
        }
        Command::Mailbox(people::Mailbox::List) => {
            let config = load(&path)?;
            people::mailboxes(&config, &open(&config).await?, json).await
        }
        Command::Agent(people::Agent::List) => {
            let config = load(&path)?;
            let store = open(&config).await.ok();
            people::agents(&config, store.as_ref(), json).await
        }
        Command::Agent(people::Agent::Welcome { name }) => {
            let config = load(&path)?;
            people::welcome(&open(&config).await?, config, &name, json).await
        }
        Command::Agent(people::Agent::Away { name, until }) => {
            let config = load(&path)?;
            people::presence(&open(&config).await?, config, &name, Some(until.as_deref()), json).await
        }
        Command::Agent(people::Agent::Back { name }) => {
            let config = load(&path)?;
            people::presence(&open(&config).await?, config, &name, None, json).await
        }
        Command::Send(asked) => {
            let config = load(&path)?;
            let store = open(&config).await?;
            notifications::send(config, store, asked, json).await
        }
        Command::Sendmail { arguments } => sendmail::run(&path, &arguments),
        Command::Suppression(command) => notifications::suppression(&open(&load(&path)?).await?, command, json).await,
        Command::Calls(command) => {
            let config = load(&path)?;
            let store = open(&config).await?;
            calls::run(store, config, command, json).await
        }
        Command::Audit => queues::audit(&open(&load(&path)?).await?, json).await,
    }
}

/// The config, or every finding on standard error.
fn load(path: &Path) -> Result<Config, Failure> {
    Config::load(path).map_err(|findings| {
        let lines: Vec<String> = findings.iter().filter(|f| f.fails).map(finding).collect();
        Failure::new(code::CONFIG, format!("the config cannot be used\n{}", lines.join("\n")))
    })
}

/// A finding as a line.
fn finding(finding: &Finding) -> String {
    let Finding { fails, key, file, message, hint } = finding;
    let level = if *fails { "error" } else { "note" };
    let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
    format!("{level}: {}: {key}{message}; {hint}", file.display())
}

/// The store of a config. Root becomes the owner of an embedded database first, so that no file of it ends up root's.
async fn open(config: &Config) -> Result<Store, Failure> {
    let url = &config.file.database.url;
    become_owner(url)?;
    Store::open(url).await.map_err(cannot_open)
}

/// The store of a config as it is, for reading; `None` if there is none that this release can read.
async fn open_unchanged(config: &Config) -> Result<Option<Store>, Failure> {
    let url = &config.file.database.url;
    become_owner(url)?;
    Store::open_unchanged(url).await.map_err(cannot_open)
}

fn cannot_open(error: OpenError) -> Failure {
    let code = match &error {
        OpenError::Newer(_) => code::CONFIG,
        OpenError::Foreign(_) => code::NO_PERMISSION,
        OpenError::Other(_) => code::UNAVAILABLE,
    };
    match error {
        OpenError::Other(error) => Failure::new(code, format!("{error:#}")),
        other => Failure::new(code, other),
    }
}

/// Runs this command again as the owner of the database file, if we are root and somebody else owns it.
fn become_owner(url: &str) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;
    let Some(path) = Store::sqlite_path(url) else {
        return Ok(());
    };
    let Ok(file) = std::fs::metadata(&path) else {
        return Ok(());
    };
    let me = rustix::process::geteuid().as_raw();
    if me != 0 || file.uid() == 0 {
        return Ok(());
    }
    let program =
        std::env::current_exe().map_err(|e| Failure::new(code::NO_PERMISSION, format!("find this program: {e}")))?;
    let error =
        std::process::Command::new(program).args(std::env::args_os().skip(1)).uid(file.uid()).gid(file.gid()).exec();
    Err(Failure::new(code::NO_PERMISSION, format!("become the owner of {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    #[test]
    fn nobody_of_our_user_looks_into_our_memory() {
        assert!(super::keep_secrets().is_ok());
        let state = rustix::process::dumpable_behavior();
        assert_eq!(state.ok(), Some(rustix::process::DumpableBehavior::NotDumpable));
    }
}
