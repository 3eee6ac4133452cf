//! `init`: a config to fill in, and a token key.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use data_encoding::HEXLOWER;

use super::output::{Failure, code, line};
use crate::clock;

/// The commented example, which is also the reference.
const EXAMPLE: &str = include_str!("../../config/yesreply.toml");

/// Writes both files, mode 0600; neither may be there before.
pub fn run(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let folder =
        std::path::absolute(folder).map_err(|e| Failure::new(code::USAGE, format!("{}: {e}", folder.display())))?;
    let key = folder.join("token.key");
    for file in [path, key.as_path()] {
        if file.exists() {
            return Err(Failure::new(
                code::USAGE,
                format!("{} is there already and is left alone; name another place with --config FILE", file.display()),
            ));
        }
    }
    let random: [u8; 32] = clock::random();
    if random == [0; 32] {
        return Err(Failure::new(code::TRY_AGAIN, "the operating system gave no randomness for the token key"));
    }
    std::fs::create_dir_all(&folder)
        .map_err(|e| Failure::new(code::NO_PERMISSION, format!("create {}: {e}", folder.display())))?;
    write(&key, &format!("{}\n", HEXLOWER.encode(&random)))?;
    write(path, &example(&folder))?;
    line(format!("wrote {}\nwrote {}", path.display(), key.display()))?;
    line(format!("next: fill in the mailbox and the agents, then: yesreply --config {} check", path.display()))
}

fn example(folder: &Path) -> String {
    if folder == Path::new("/etc/yesreply") {
        return EXAMPLE.to_owned();
    }
    let folder = folder.display().to_string();
    EXAMPLE.replace("/etc/yesreply", &folder).replace("/var/lib/yesreply", &folder)
}

fn write(path: &Path, content: &str) -> Result<(), Failure> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .map_err(|e| Failure::new(code::NO_PERMISSION, format!("write {}: {e}", path.display())))
}
