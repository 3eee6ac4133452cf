//! The options of sendmail(8) that programs use.

use crate::mail::Address;

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Recipients on the command line.
    pub recipients: Vec<Address>,
    /// `-t`: also those of To, Cc and Bcc.
    pub from_header: bool,
    /// `-i`: a dot on a line of its own is text.
    pub dots_are_text: bool,
    /// `-f`: reverse-path; `<>` is empty.
    pub sender: Option<String>,
    /// `-F`: name in a From that is missing.
    pub full_name: Option<String>,
    /// `-N`: DSN conditions.
    pub notify: Option<String>,
    /// `-bs`: SMTP on standard input.
    pub speaks: bool,
}

impl Arguments {
    /// Reads them.
    ///
    /// # Errors
    /// Which is not known, in words. Options that name files, queues or daemons are none of ours.
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut parsed = Arguments::default();
        let mut rest = arguments.iter();
        let mut options = true;
        while let Some(argument) = rest.next() {
            match argument.strip_prefix('-') {
                Some("-") if options => options = false,
                Some(option) if options && !option.is_empty() => parsed.option(option, &mut rest)?,
                _ => {
                    let bare = argument.trim().trim_start_matches('<').trim_end_matches('>');
                    match Address::parse(bare).filter(|a| !a.local().starts_with('-')) {
                        Some(address) => parsed.recipients.push(address),
                        None => return Err(format!("\"{}\" is no address", argument.escape_debug())),
                    }
                }
            }
        }
        Ok(parsed)
    }

    fn option<'a>(&mut self, option: &str, rest: &mut impl Iterator<Item = &'a String>) -> Result<(), String> {
        let (letter, value) = option.split_at_checked(1).ok_or_else(|| format!("option -{option} is not known"))?;
        let mut value = || match value {
            "" => rest.next().cloned().ok_or_else(|| format!("option -{letter} needs a value")),
            attached => Ok(attached.to_owned()),
        };
        match letter {
            "f" | "r" => {
                let sender = value()?.trim().trim_start_matches('<').trim_end_matches('>').to_owned();
                if !is_sender(&sender) {
                    return Err(format!("\"{}\" is no address", sender.escape_debug()));
                }
                self.sender = Some(sender);
            }
            "F" => self.full_name = Some(value()?),
            "N" => self.notify = Some(conditions(&value()?)?),
            // body type, envelope id, return, tag: nothing here depends on them
            "B" | "V" | "R" | "L" => drop(value()?),
            _ => self.flag(option)?,
        }
        Ok(())
    }

    fn flag(&mut self, option: &str) -> Result<(), String> {
        match option {
            "i" | "oi" => self.dots_are_text = true,
            "bs" => self.speaks = true,
            "bm" | "v" | "n" | "m" | "om" | "U" | "G" | "o7" | "o8" => {}
            "t" => self.from_header = true,
            // -ti and the like
            "ti" | "it" => (self.from_header, self.dots_are_text) = (true, true),
            _ if option.starts_with("oe") || option.starts_with("od") => {}
            _ => return Err(format!("option -{option} is not known")),
        }
        Ok(())
    }
}

/// Nothing, an address, or the bare name of a user here. What comes from a web form may hold more: whole commands of SMTP
/// after a line end, or an option (PHPMailer, CVE-2016-10033).
fn is_sender(text: &str) -> bool {
    let name = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-'));
    let address = Address::parse(text).is_some() && !text.contains(|c: char| c.is_control() || matches!(c, '<' | '>'));
    !text.starts_with('-') && (name || address)
}

fn conditions(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    let good = upper == "NEVER" || upper.split(',').all(|word| matches!(word, "SUCCESS" | "FAILURE" | "DELAY"));
    if good { Ok(upper) } else { Err(format!("-N {text}: never, or some of success, failure and delay")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_programs_write() {
        let all = parse("-t -i -f bounce@shop.example -F Shop -N failure,delay jane@customer.example");
        assert_eq!(
            all,
            Ok(Arguments {
                recipients: Address::parse("jane@customer.example").into_iter().collect(),
                from_header: true,
                dots_are_text: true,
                sender: Some("bounce@shop.example".to_owned()),
                full_name: Some("Shop".to_owned()),
                notify: Some("FAILURE,DELAY".to_owned()),
                speaks: false,
            })
        );
        for (line, from_header, dots) in [
            ("-ti", true, true),
            ("-oi -oem -odb -- a@b.example", false, true),
            ("-fa@b.example <c@d.example>", false, false),
        ] {
            let parsed = parse(line).unwrap_or_default();
            assert_eq!((parsed.from_header, parsed.dots_are_text), (from_header, dots), "{line}");
        }
        assert_eq!(parse("-f <>").map(|a| a.sender), Ok(Some(String::new())));
    }

    #[test]
    fn t40_senders_and_recipients_hold_no_commands_and_no_options() {
        let parse = |option: &str, value: &str| Arguments::parse(&[option.to_owned(), value.to_owned()]);
        for sender in ["", "www-data", "user.name+x@shop.example", "jürgen@shop.example"] {
            assert!(parse("-f", sender).is_ok(), "{sender}");
        }
        for text in [
            "a@b.example>\r\nRCPT TO:<victim@c.example",
            "a@b.example> BODY=8BITMIME",
            "a\n@b.example",
            "\"a\r\nb\"@c.example",
            "a@b.example\r\nDATA",
            "-oQ/tmp/x -X/var/www/shell.php",
            "two words",
        ] {
            assert!(parse("-f", text).is_err(), "{text:?} as sender");
            assert!(parse("--", text).is_err(), "{text:?} as recipient");
        }
    }

    #[test]
    fn options_of_daemons_queues_and_files_are_refused() {
        for line in [
            "-X/tmp/x",
            "-C/etc/x",
            "-OQueueDirectory=/tmp",
            "-q",
            "-bd",
            "-bp",
            "-f -X/tmp/x",
            "-- -X@b.example",
            "nobody",
            "-f",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
