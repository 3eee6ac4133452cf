//! A command that is told on its standard input.
//!
//! Follows   sysexits(3): 0 takes it, 65 refuses it, everything else is tried again.
//! Never     uses a shell, hands on our environment, or waits for a command that does not end: it is ended with its time.

use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::store::calls::Due;

use super::{ANSWER_BYTES_MAX, Attempt, answer, reason};

/// What a command knows of our environment.
const KEPT: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];
/// EX_DATAERR.
const REFUSED: i32 = 65;

/// Runs the command once.
pub async fn run(words: &[String], call: &Due) -> Attempt {
    match ended(words, call).await {
        Ok((Some(0), output)) => Attempt::Taken(answer(&output)),
        Ok((Some(REFUSED), output)) => Attempt::Refused(reason("exit 65", &output)),
        Ok((Some(code), output)) => Attempt::Failed(reason(&format!("exit {code}"), &output)),
        Ok((None, _)) => Attempt::Failed("it was ended by a signal".to_owned()),
        Err(error) => Attempt::Failed(format!("run it: {error}")),
    }
}

async fn ended(words: &[String], call: &Due) -> std::io::Result<(Option<i32>, Vec<u8>)> {
    let (program, arguments) = words.split_first().ok_or_else(|| std::io::Error::other("there is no program"))?;
    let mut child = Command::new(program)
        .args(arguments)
        // our own environment may hold passwords
        .env_clear()
        .envs(KEPT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("YESREPLY_CALL", &call.call_id)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let told = async {
        if let Some(mut stdin) = stdin {
            // a command that reads nothing has its own reasons
            let _ = stdin.write_all(call.payload.as_bytes()).await;
        }
    };
    let said = async {
        let mut output = Vec::new();
        if let Some(mut stdout) = stdout {
            let limit = u64::try_from(ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
            (&mut stdout).take(limit).read_to_end(&mut output).await?;
            // what is beyond the limit is read and dropped, so that the command can end
            tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await?;
        }
        Ok::<_, std::io::Error>(output)
    };
    let ((), output) = tokio::join!(told, said);
    let status = child.wait().await?;
    Ok((status.code(), output?))
}
