//! Who an application is: PLAIN, LOGIN and SCRAM-SHA-256, one exchange at a time.
//!
//! Decides   whether a login is good. Salts and nonces are given.
//! Follows   RFC 4954 (AUTH), RFC 4616 (PLAIN), RFC 5802 and RFC 7677 (SCRAM-SHA-256), RFC 4013 (SASLprep).
//! Never     keeps a password, tells an unknown user from a wrong password, or compares with an early end.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// RFC 7677 section 4 asks for at least so many.
const ITERATIONS: u32 = 4096;
/// Octets of an answer of the client, decoded.
const ANSWER_BYTES_MAX: usize = 4096;

/// What is kept of a login.
#[derive(Clone)]
struct Login {
    application: String,
    /// Of the password, under our own key: for PLAIN and LOGIN.
    digest: [u8; 32],
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

/// All logins of a listener.
#[derive(Clone)]
pub struct Logins {
    users: BTreeMap<String, Login>,
    key: [u8; 32],
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Logins({} users)", self.users.len())
    }
}

/// How a client proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Never standardised, spoken by everybody.
    Login,
    /// RFC 7677.
    ScramSha256,
}

/// An exchange that has begun.
#[derive(Debug)]
pub enum Exchange {
    /// PLAIN without an initial response.
    Plain,
    /// LOGIN: the user is asked for.
    LoginUser,
    /// LOGIN: the password is asked for.
    LoginPassword(String),
    /// SCRAM: the client's first message is asked for.
    ScramFirst,
    /// SCRAM: the proof is asked for.
    ScramProof(Box<Scram>),
    /// SCRAM: the client has our signature and says nothing more.
    ScramEnd(String),
}

/// What was said in a SCRAM exchange.
#[derive(Debug)]
pub struct Scram {
    user: String,
    header: String,
    first_bare: String,
    server_first: String,
    nonce: String,
}

/// What follows from an answer of the client.
#[derive(Debug)]
pub enum Turn {
    /// 334 with this, and the exchange goes on.
    Ask(String, Exchange),
    /// It is this application.
    Accepted(String),
    /// It is not.
    Refused,
    /// It is no answer at all.
    Malformed,
}

impl Logins {
    /// User, password and application of each; `key` is ours and secret.
    #[must_use]
    pub fn new<'a>(key: [u8; 32], logins: impl Iterator<Item = (&'a str, &'a str, &'a str)>) -> Self {
        let mut all = Logins { users: BTreeMap::new(), key };
        for (user, password, application) in logins {
            let password = prepared(password);
            let mut salted = [0u8; 32];
            pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &all.salt(user), ITERATIONS, &mut salted);
            let login = Login {
                application: application.to_owned(),
                digest: mac(&all.key, password.as_bytes()),
                stored_key: Sha256::digest(mac(&salted, b"Client Key")).into(),
                server_key: mac(&salted, b"Server Key"),
            };
            all.users.insert(user.to_owned(), login);
        }
        all
    }

    /// Is there anybody to log in?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// The same for a user that there is and one that there is not.
    fn salt(&self, user: &str) -> [u8; 16] {
        let digest = mac(&self.key, format!("salt\0{user}").as_bytes());
        let mut salt = [0u8; 16];
        salt.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        salt
    }

    fn check(&self, user: &str, password: &str) -> Turn {
        let digest = mac(&self.key, prepared(password).as_bytes());
        match self.users.get(user) {
            Some(login) if same(&login.digest, &digest) => Turn::Accepted(login.application.clone()),
            _ => Turn::Refused,
        }
    }

    /// AUTH, with an initial response or without. `nonce` is random, printable, without a comma.
    #[must_use]
    pub fn begin(&self, mechanism: Mechanism, initial: &str, nonce: &str) -> Turn {
        let (first, asks) = match mechanism {
            Mechanism::Plain => (Exchange::Plain, String::new()),
            Mechanism::Login => (Exchange::LoginUser, BASE64.encode(b"Username:")),
            Mechanism::ScramSha256 => (Exchange::ScramFirst, String::new()),
        };
        match initial {
            "" => Turn::Ask(asks, first),
            // RFC 4954 section 4: a response of no octets
            "=" => self.answer(first, "", nonce),
            _ => self.answer(first, initial, nonce),
        }
    }

    /// An answer of the client, base64.
    #[must_use]
    pub fn answer(&self, exchange: Exchange, line: &str, nonce: &str) -> Turn {
        let decoded = BASE64.decode(line.trim_end().as_bytes()).ok().filter(|d| d.len() <= ANSWER_BYTES_MAX);
        let Some(text) = decoded.and_then(|d| String::from_utf8(d).ok()) else {
            return Turn::Malformed;
        };
        match exchange {
            Exchange::Plain => match text.split('\0').collect::<Vec<_>>().as_slice() {
                [as_whom, user, password] if as_whom.is_empty() || as_whom == user => self.check(user, password),
                _ => Turn::Malformed,
            },
            Exchange::LoginUser => Turn::Ask(BASE64.encode(b"Password:"), Exchange::LoginPassword(text)),
            Exchange::LoginPassword(user) => self.check(&user, &text),
            Exchange::ScramFirst => self.scram_first(&text, nonce),
            Exchange::ScramProof(scram) => self.scram_proof(&scram, &text),
            Exchange::ScramEnd(application) if text.is_empty() => Turn::Accepted(application),
            Exchange::ScramEnd(_) => Turn::Malformed,
        }
    }

    fn scram_first(&self, text: &str, nonce: &str) -> Turn {
        let mut pieces = text.splitn(3, ',');
        let (Some(binding), Some(as_whom), Some(bare)) = (pieces.next(), pieces.next(), pieces.next()) else {
            return Turn::Malformed;
        };
        let mut fields = bare.split(',');
        let user = fields.next().and_then(|f| f.strip_prefix("n=")).map(|u| u.replace("=2C", ",").replace("=3D", "="));
        let theirs = fields.next().and_then(|f| f.strip_prefix("r=")).filter(|n| !n.is_empty());
        let (Some(user), Some(theirs), true) = (user, theirs, matches!(binding, "n" | "y")) else {
            return Turn::Malformed;
        };
        if !as_whom.is_empty() && as_whom != format!("a={user}") {
            return Turn::Refused;
        }
        let nonce = format!("{theirs}{nonce}");
        let server_first = format!("r={nonce},s={},i={ITERATIONS}", BASE64.encode(&self.salt(&user)));
        let header = BASE64.encode(format!("{binding},{as_whom},").as_bytes());
        let asks = BASE64.encode(server_first.as_bytes());
        let scram = Scram { user, header, first_bare: bare.to_owned(), server_first, nonce };
        Turn::Ask(asks, Exchange::ScramProof(Box::new(scram)))
    }

    fn scram_proof(&self, scram: &Scram, text: &str) -> Turn {
        let Some((without_proof, proof)) = text.rsplit_once(",p=") else {
            return Turn::Malformed;
        };
        let Ok(proof) = BASE64.decode(proof.as_bytes()) else {
            return Turn::Malformed;
        };
        let expected = format!("c={},r={}", scram.header, scram.nonce);
        if without_proof != expected && !without_proof.starts_with(&format!("{expected},")) {
            return Turn::Refused;
        }
        let said = format!("{},{},{without_proof}", scram.first_bare, scram.server_first);
        let Some(login) = self.users.get(&scram.user).filter(|_| proof.len() == 32) else {
            return Turn::Refused;
        };
        let signature = mac(&login.stored_key, said.as_bytes());
        let client_key: Vec<u8> = proof.iter().zip(signature).map(|(p, s)| p ^ s).collect();
        if !same(&Sha256::digest(&client_key), &login.stored_key) {
            return Turn::Refused;
        }
        let ours = BASE64.encode(&mac(&login.server_key, said.as_bytes()));
        Turn::Ask(BASE64.encode(format!("v={ours}").as_bytes()), Exchange::ScramEnd(login.application.clone()))
    }
}

/// SASLprep; as it stands where that is not defined.
fn prepared(password: &str) -> String {
    stringprep::saslprep(password).map_or_else(|_| password.to_owned(), |p| p.into_owned())
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Constant-time comparison.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0u8, |d, (x, y)| d | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logins() -> Logins {
        Logins::new([3; 32], [("shop", "sécret", "shop"), ("crm", "other", "crm")].into_iter())
    }

    fn accepted(turn: &Turn) -> Option<&str> {
        match turn {
            Turn::Accepted(application) => Some(application),
            _ => None,
        }
    }

    #[test]
    fn plain_and_login_take_the_right_password_alone() {
        let logins = logins();
        for (text, expected) in [
            ("\0shop\0sécret", Some("shop")),
            ("shop\0shop\0sécret", Some("shop")),
            ("crm\0shop\0sécret", None),
            ("\0shop\0other", None),
            ("\0nobody\0sécret", None),
            ("\0shop\0", None),
            ("shop", None),
        ] {
            let line = BASE64.encode(text.as_bytes());
            assert_eq!(accepted(&logins.begin(Mechanism::Plain, &line, "n")), expected, "{text:?}");
        }
        let Turn::Ask(asks, exchange) = logins.begin(Mechanism::Login, "", "n") else { panic!("no question") };
        assert_eq!(asks, "VXNlcm5hbWU6");
        let Turn::Ask(_, exchange) = logins.answer(exchange, &BASE64.encode(b"crm"), "n") else {
            panic!("no question")
        };
        assert_eq!(accepted(&logins.answer(exchange, &BASE64.encode(b"other"), "n")), Some("crm"));
        assert!(matches!(logins.begin(Mechanism::Plain, "no base64!", "n"), Turn::Malformed));
    }

    /// A client of RFC 5802, step by step.
    fn scram(logins: &Logins, user: &str, password: &str) -> Turn {
        let bare = format!("n={user},r=clientnonce");
        let first = BASE64.encode(format!("n,,{bare}").as_bytes());
        let Turn::Ask(asks, exchange) = logins.begin(Mechanism::ScramSha256, &first, "servernonce") else {
            panic!("no question")
        };
        let server_first = String::from_utf8(BASE64.decode(asks.as_bytes()).unwrap_or_default()).unwrap_or_default();
        let salt = server_first.split(",s=").nth(1).and_then(|s| s.split(',').next()).unwrap_or_default();
        let salt = BASE64.decode(salt.as_bytes()).unwrap_or_default();
        let mut salted = [0u8; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, ITERATIONS, &mut salted);
        let without_proof = "c=biws,r=clientnonceservernonce";
        let said = format!("{bare},{server_first},{without_proof}");
        let client_key = mac(&salted, b"Client Key");
        let signature = mac(&Sha256::digest(client_key), said.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(k, s)| k ^ s).collect();
        let last = format!("{without_proof},p={}", BASE64.encode(&proof));
        let turn = logins.answer(exchange, &BASE64.encode(last.as_bytes()), "x");
        let Turn::Ask(asks, exchange) = turn else { return turn };
        let ours = BASE64.encode(&mac(&mac(&salted, b"Server Key"), said.as_bytes()));
        assert_eq!(BASE64.decode(asks.as_bytes()).ok(), Some(format!("v={ours}").into_bytes()), "we prove ourselves");
        logins.answer(exchange, "", "x")
    }

    #[test]
    fn scram_proves_both_sides() {
        let logins = logins();
        assert_eq!(accepted(&scram(&logins, "crm", "other")), Some("crm"));
        assert!(matches!(scram(&logins, "crm", "wrong"), Turn::Refused));
        assert!(matches!(scram(&logins, "nobody", "other"), Turn::Refused));
    }

    /// The example of RFC 7677 section 3 fixes how keys follow from a password.
    #[test]
    fn the_example_of_the_standard_holds() {
        let salt = BASE64.decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap_or_default();
        let mut salted = [0u8; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(b"pencil", &salt, 4096, &mut salted);
        let said = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
                    r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
                    c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let client_key = mac(&salted, b"Client Key");
        let signature = mac(&Sha256::digest(client_key), said.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(k, s)| k ^ s).collect();
        assert_eq!(BASE64.encode(&proof), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let ours = mac(&mac(&salted, b"Server Key"), said.as_bytes());
        assert_eq!(BASE64.encode(&ours), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
