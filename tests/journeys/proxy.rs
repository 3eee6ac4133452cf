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
