#!/usr/bin/python3
"""Rates by hand, never a timed test: intake beside mbsync in alternating pairs, and the outbox into smtp-sink.

    benches/rates.py BINARY MAILHOST_FOLDER [MAILS] [PAIRS]

MAILHOST_FOLDER is that of a running deploy/mailhost. Needs root (it lays mails down for Dovecot) and, for the pairs, mbsync
(package isync).
"""

import os
import pathlib
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time


def ports(host):
    return dict(line.strip().split("=") for line in open(os.path.join(host, "ports")))


def lay_down(host, address, mails, size=4096):
    box = pathlib.Path(host) / "mail" / address
    for name in ("cur", "new", "tmp"):
        (box / name).mkdir(parents=True, exist_ok=True)
    filler = "A line of an ordinary letter, long enough to look like one.\n"
    for number in range(mails):
        head = (f"From: P{number} <p{number}@people.example>\nTo: {address}\nSubject: letter {number}\n"
                f"Message-ID: <{number}.{os.getpid()}@people.example>\nDate: Mon, 5 Jan 2026 10:00:00 +0000\n\n")
        text = head + filler * max(1, (size - len(head)) // len(filler))
        (box / "cur" / f"1767607200.M{number}P1.bench:2,").write_text(text)
    subprocess.run(["chown", "-R", "mail:mail", str(box)], check=True)


def config(folder, host, address, extra):
    p = ports(host)
    ca = f"{host}/tls/ca.pem"
    path = folder / "yesreply.toml"
    path.write_text(f'''[database]
url = "sqlite:{folder}/desk.db"
[token]
key = "{'44' * 32}"
[mailbox.support]
address = "{address}"
password = "secret"
imap = {{ host = "localhost", port = {p["imaps"]}, tls = "implicit", ca = "{ca}" }}
{extra}
[limits]
cases_per_address = "off"
relays_per_agent = "off"
''')
    path.chmod(0o600)
    return path


def count(folder, sql):
    try:
        with sqlite3.connect(f"file:{folder}/desk.db?mode=ro", uri=True) as connection:
            return connection.execute(sql).fetchone()[0]
    except sqlite3.Error:
        return 0


def run_until(binary, path, folder, sql, wanted):
    begun = time.monotonic()
    with open(folder / "log", "wb") as log:
        daemon = subprocess.Popen([binary, "--config", str(path), "serve"], stderr=log, env={**os.environ, "RUST_LOG": "warn"})
        peak = 0
        while count(folder, sql) < wanted:
            for line in open(f"/proc/{daemon.pid}/status"):
                if line.startswith("VmHWM"):
                    peak = int(line.split()[1]) // 1024
            if daemon.poll() is not None or time.monotonic() - begun > 600:
                sys.exit(f"it ended or is too slow; see {folder}/log")
            time.sleep(0.02)
        took = time.monotonic() - begun
        daemon.terminate()
        daemon.wait()
    return took, peak


def intake(binary, host, mails):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="yesreply-bench."))
    address = f"support@b{time.monotonic_ns()}.example"
    lay_down(host, address, mails)
    path = config(folder, host, address, 'smtp = { host = "localhost", port = 1, tls = "none" }\n[intake]\nstart = "all"')
    return folder, address, path


def mbsync(host, address, folder):
    p = ports(host)
    (folder / "copy").mkdir()
    rc = folder / "mbsyncrc"
    rc.write_text(f'''IMAPAccount a
Host localhost
Port {p["imaps"]}
User {address}
Pass secret
{"TLSType" if os.environ.get("MBSYNC_TLSTYPE") else "SSLType"} IMAPS
CertificateFile {host}/tls/ca.pem

IMAPStore far
Account a

MaildirStore near
Inbox {folder}/copy/inbox

Channel c
Far :far:
Near :near:
Patterns INBOX
Create Near
SyncState *
''')
    begun = time.monotonic()
    subprocess.run(["mbsync", "-c", str(rc), "-q", "c"], check=True)
    return time.monotonic() - begun


def outgoing(binary, host, mails):
    """Rows that are queued while the relay is away, then sent."""
    folder, address, _ = intake(binary, host, mails)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    smtp = f'smtp = {{ host = "localhost", port = {port}, tls = "none", auth = false }}\n[intake]\nstart = "all"'
    path = config(folder, host, address, smtp)
    run_until(binary, path, folder, "SELECT count(*) FROM cases", mails)
    database = sqlite3.connect(folder / "desk.db")
    raw = b"From: a@bench.example\r\nTo: b@bench.example\r\nSubject: x\r\n\r\n" + b"A line of an ordinary letter.\r\n" * 100
    row = "INSERT INTO outbox (event_id, number, mailbox, purpose, priority, recipient, recipient_key, recipient_domain, bounce, " \
          "message_id, message_hash, unauthenticated, bytes, splices, state, attempts, attempt, uncertain, next_attempt_at, " \
          "lease_until, data_started, last_reply, status, created_at) VALUES (?, 0, 'support', 'answer', 1, 'b@bench.example', " \
          "'b@bench.example', 'bench.example', 0, '<x@y>', x'00', 0, ?, '[]', 'queued', 0, 0, 0, 0, 0, 0, '', '', ?)"
    now = int(time.time() * 1000)
    with database:
        database.executemany(row, [(f"bench/{n}", raw, now) for n in range(mails)])
    database.close()
    sink = subprocess.Popen(["/usr/sbin/smtp-sink", "-u", "nobody", f"127.0.0.1:{port}", "64"], stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    took, _ = run_until(binary, path, folder, "SELECT count(*) FROM outbox WHERE state = 'sent'", mails)
    sink.terminate()
    shutil.rmtree(folder)
    return took


def main():
    binary, host = sys.argv[1:3]
    mails = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000
    pairs = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    ours, theirs = [], []
    for _ in range(pairs):
        folder, address, path = intake(binary, host, mails)
        took, peak = run_until(binary, path, folder, "SELECT count(*) FROM cases", mails)
        ours.append(mails / took)
        if shutil.which("mbsync"):
            theirs.append(mails / mbsync(host, address, folder))
        shutil.rmtree(folder)
        shutil.rmtree(pathlib.Path(host) / "mail" / address)
        other = f", mbsync {theirs[-1]:.0f}/s" if theirs else ""
        print(f"intake {ours[-1]:.0f}/s, peak {peak} MiB{other}", flush=True)
    print(f"intake median {statistics.median(ours):.0f}/s of {mails} mails" + (f", {statistics.median([a / b for a, b in zip(ours, theirs)]):.2f} x mbsync" if theirs else ""))
    took = outgoing(binary, host, min(mails, 5_000))
    print(f"outgoing {min(mails, 5_000) / took:.0f}/s into smtp-sink, 4 connections, every state committed")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main()
