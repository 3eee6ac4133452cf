#!/usr/bin/python3
"""Rates of what applications hand in and of what goes out, by hand, never a timed test, each in alternating pairs.

    benches/delivery.py BINARY MAILHOST_FOLDER [MAILS] [PAIRS]

Submission: smtp-source with 10 sessions and 4 KiB into the listener, and into the Postfix of MAILHOST_FOLDER (a deploy/mailhost of
its own: its deliveries are put off meanwhile, as ours are by a relay that is not there). Memory: 500 sessions. Outgoing: rows of the
outbox through 8 connections into smtp-sink, and smtp-source with 8 sessions into the same. LMTP: from the delivery's begin to
Postfix's 250 for the relay to the agent. Needs root; everything measured runs at a real-time priority.
"""

import os
import pathlib
import shutil
import smtplib
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

from latency import Wire
from rates import count, ports

PRIORITY = ["chrt", "-r", "10"]


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


class Daemon:
    """A desk with a listener; `relay` is where it sends."""

    def __init__(self, binary, host, relay, protocol="smtp", domain="bench.example"):
        p = ports(host)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="yesreply-bench."))
        self.port, self.domain = free_port(), domain
        path = self.folder / "yesreply.toml"
        path.write_text(f'''[database]
url = "sqlite:{self.folder}/desk.db"
[token]
key = "{'66' * 32}"
[mailbox.support]
address = "support@{domain}"
password = "secret"
imap = {{ host = "localhost", port = {p["imaps"]}, tls = "implicit", ca = "{host}/tls/ca.pem" }}
smtp = {{ host = "127.0.0.1", port = {relay}, tls = "none", auth = false, connections = 8 }}
[agent.anna]
address = "anna@agents.{domain}"
[listener.local]
address = "127.0.0.1:{self.port}"
protocol = "{protocol}"
connections = 600
[application.shop]
mailbox = "support"
trust = "loopback"
[limits]
cases_per_address = "off"
relays_per_agent = "off"
''')
        path.chmod(0o600)
        self.path, self.binary = path, binary

    def start(self):
        command = [*PRIORITY, self.binary, "--config", str(self.path), "serve"]
        log = self.folder / "log"
        self.process = subprocess.Popen(command, stderr=open(log, "wb"), env={**os.environ, "RUST_LOG": "info"})
        while "yesreply is ready" not in log.read_text():
            if self.process.poll() is not None:
                sys.exit(f"it ended; see {log}")
            time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def forget(self):
        shutil.rmtree(self.folder)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self.forget()

    def peak_mib(self):
        status = open(f"/proc/{self.process.pid}/status").read()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def source(port, mails, sessions, size=4096):
    command = [*PRIORITY, "/usr/sbin/smtp-source", "-s", str(sessions), "-l", str(size), "-m", str(mails),
               "-f", "noreply@bench.example", "-t", "jane@customer.example", f"127.0.0.1:{port}"]
    begun = time.monotonic()
    subprocess.run(command, check=True)
    return mails / (time.monotonic() - begun)


def submission(binary, host, mails):
    with Daemon(binary, host, free_port()) as daemon:
        rate = source(daemon.port, mails, 10)
        stored = count(daemon.folder, "SELECT count(*) FROM outbox")
        assert stored == mails, f"{stored} of {mails} are stored"
        return rate, daemon.peak_mib()


def outgoing(binary, host, mails, sink):
    """Rows that are queued while the relay is away, then sent; the start of the daemon counts."""
    nowhere = free_port()
    daemon = Daemon(binary, host, nowhere)
    daemon.start()
    source(daemon.port, mails, 10)
    daemon.stop()
    with sqlite3.connect(daemon.folder / "desk.db") as database:
        database.execute("UPDATE outbox SET next_attempt_at = 0")
    daemon.path.write_text(daemon.path.read_text().replace(f'"127.0.0.1", port = {nowhere},', f'"127.0.0.1", port = {sink},'))
    begun = time.monotonic()
    with daemon:
        while count(daemon.folder, "SELECT count(*) FROM outbox WHERE state <> 'sent'"):
            time.sleep(0.02)
            if time.monotonic() - begun > 300:
                sys.exit(f"it is too slow; see {daemon.folder}/log")
        return mails / (time.monotonic() - begun)


def lmtp(binary, host, mails):
    p = ports(host)
    domain = f"m{time.monotonic_ns()}.example"
    wire = Wire(int(p["smtp"]), f"anna@agents.{domain}")
    took = []
    with Daemon(binary, host, wire.port, "lmtp", domain) as daemon:
        server = smtplib.LMTP("127.0.0.1", daemon.port)
        for number in range(mails):
            before = len(wire.queued)
            mail = (f"From: Jane <jane{number}@customer.example>\r\nTo: support@{domain}\r\nSubject: Parcel {number}\r\n"
                    f"Message-ID: <{number}@customer.example>\r\n\r\nWhere is parcel {number}?\r\n")
            begun = time.monotonic()
            server.sendmail(f"jane{number}@customer.example", [f"support@{domain}"], mail)
            while len(wire.queued) == before and time.monotonic() - begun < 10:
                time.sleep(0.0005)
            took.append((wire.queued[-1] - begun) * 1000 if len(wire.queued) > before else float("inf"))
            time.sleep(0.1)
    return took


def main():
    binary, host = sys.argv[1:3]
    mails = int(sys.argv[3]) if len(sys.argv) > 3 else 5_000
    pairs = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    postfix = int(ports(host)["smtp"])
    took = lmtp(binary, host, 50)
    nine = sorted(took)[len(took) * 9 // 10]
    print(f"LMTP to the relay queued: median {statistics.median(took):.0f} ms, nine of ten {nine:.0f} ms", flush=True)
    postconf = ["/usr/sbin/postconf", "-c", f"{host}/postfix"]
    # otherwise cleanup waits a second where more comes in than goes out
    subprocess.run([*postconf, "-e", "defer_transports=lmtp", "in_flow_delay=0"], check=True)
    subprocess.run(["/usr/sbin/postfix", "-c", f"{host}/postfix", "reload"], check=True, stderr=subprocess.DEVNULL)
    # smtpd and cleanup inherit it
    subprocess.run(["chrt", "-r", "-p", "10", open(f"{host}/queue/pid/master.pid").read().strip()], check=True)
    time.sleep(2)
    for _ in range(pairs):
        ours, peak = submission(binary, host, mails)
        theirs = source(postfix, mails, 10)
        subprocess.run(["/usr/sbin/postsuper", "-c", f"{host}/postfix", "-d", "ALL"], stderr=subprocess.DEVNULL)
        print(f"submission {ours:.0f}/s, Postfix {theirs:.0f}/s, ratio {ours / theirs:.2f}, peak {peak:.0f} MiB", flush=True)
    with Daemon(binary, host, free_port()) as daemon:
        rate = source(daemon.port, mails, 500)
        print(f"500 sessions: {rate:.0f}/s, peak {daemon.peak_mib():.0f} MiB", flush=True)
    sink = free_port()
    process = subprocess.Popen([*PRIORITY, "/usr/sbin/smtp-sink", "-u", "nobody", f"127.0.0.1:{sink}", "64"], stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    for _ in range(pairs):
        ours, theirs = outgoing(binary, host, mails, sink), source(sink, mails * 4, 8)
        print(f"outgoing {ours:.0f}/s, smtp-source {theirs:.0f}/s, ratio {ours / theirs:.2f}", flush=True)
    process.terminate()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main()
