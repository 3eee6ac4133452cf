//! A wire between the daemon and a server that can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

pub struct Proxy {
    pub port: u16,
    open: Arc<AtomicBool>,
    wires: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let open = Arc::new(AtomicBool::new(true));
        let wires: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let (is_open, all) = (open.clone(), wires.clone());
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if !is_open.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { continue };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                all.lock().expect("wires").extend([near.try_clone().expect("clone"), far.try_clone().expect("clone")]);
                std::thread::spawn(move || copy(near, far));
                std::thread::spawn(move || copy(far_too, near_too));
            }
        });
        Proxy { port, open, wires }
    }

    /// Ends all connections; new ones are taken.
    pub fn cut(&self) {
        for wire in self.wires.lock().expect("wires").drain(..) {
            let _ = wire.shutdown(Shutdown::Both);
        }
    }

    /// Ends all connections and takes no new ones.
    pub fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
        self.cut();
    }

    pub fn reopen(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0u8; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// Which side of a COMMIT the wire is cut on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cut {
    /// It does not reach the server.
    Before,
    /// It does, and the answer does not come back.
    After,
}

/// A wire to a PostgreSQL that cuts itself at a COMMIT.
pub struct CommitProxy {
    pub port: u16,
    armed: Arc<Mutex<Option<(Cut, u32)>>>,
}

impl CommitProxy {
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let armed: Arc<Mutex<Option<(Cut, u32)>>> = Arc::default();
        let shared = armed.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { continue };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let (shared, deaf) = (shared.clone(), Arc::new(AtomicBool::new(false)));
                let deaf_too = deaf.clone();
                std::thread::spawn(move || asks(near, far, &shared, &deaf));
                std::thread::spawn(move || answers(far_too, near_too, &deaf_too));
            }
        });
        CommitProxy { port, armed }
    }

    /// Cuts at the nth COMMIT from now on.
    pub fn arm(&self, cut: Cut, nth: u32) {
        *self.armed.lock().expect("armed") = Some((cut, nth));
    }

    pub fn has_cut(&self) -> bool {
        self.armed.lock().expect("armed").is_none()
    }
}

/// From us to the server. sqlx sends COMMIT as a simple query, in a write of its own.
fn asks(mut near: TcpStream, mut far: TcpStream, armed: &Mutex<Option<(Cut, u32)>>, deaf: &AtomicBool) {
    let mut buffer = [0u8; 16 * 1024];
    while let Ok(n @ 1..) = near.read(&mut buffer) {
        let mut cut = None;
        if buffer[..n].windows(7).any(|bytes| bytes == b"COMMIT\0") {
            let mut armed = armed.lock().expect("armed");
            match *armed {
                Some((side, 1)) => cut = Some(side),
                Some((side, nth)) => *armed = Some((side, nth - 1)),
                None => {}
            }
            if cut.is_some() {
                *armed = None;
            }
        }
        match cut {
            Some(Cut::Before) => break,
            // the answer is waited for, so that it was given, and swallowed
            Some(Cut::After) => deaf.store(true, Ordering::SeqCst),
            None => {}
        }
        if far.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = (near.shutdown(Shutdown::Both), far.shutdown(Shutdown::Both));
}

/// From the server to us, until one answer is to be swallowed.
fn answers(mut far: TcpStream, mut near: TcpStream, deaf: &AtomicBool) {
    let mut buffer = [0u8; 16 * 1024];
    while let Ok(n @ 1..) = far.read(&mut buffer) {
        if deaf.load(Ordering::SeqCst) || near.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = (near.shutdown(Shutdown::Both), far.shutdown(Shutdown::Both));
}
