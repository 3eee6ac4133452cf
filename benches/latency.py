#!/usr/bin/python3
"""How long a relay takes, by hand, never a timed test: from the IMAP server's IDLE notification to Postfix's 250 for the relay.

    benches/latency.py BINARY MAILHOST_FOLDER [MAILS]

A second connection idles on the same folder and notes when EXISTS comes (Dovecot holds each notification back for 500 ms, for both
alike, so that time is not ours); a wire between the daemon and Postfix notes when the relay to the agent is queued.
"""

import os
import pathlib
import random
import smtplib
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time


def ports(host):
    return dict(line.strip().split("=") for line in open(os.path.join(host, "ports")))


class Watcher(threading.Thread):
    """Idles, and notes the time of each EXISTS."""

    def __init__(self, port, ca, user):
        super().__init__(daemon=True)
        context = ssl.create_default_context(cafile=ca)
        self.wire = context.wrap_socket(socket.create_connection(("localhost", port)), server_hostname="localhost")
        self.lines = self.wire.makefile("rb")
        self.seen = []
        for tag, command in (("a", f"LOGIN {user} secret"), ("b", "EXAMINE INBOX")):
            self.wire.sendall(f"{tag} {command}\r\n".encode())
            while not self.lines.readline().startswith(f"{tag} OK".encode()):
                pass
        self.wire.sendall(b"c IDLE\r\n")
        self.start()

    def run(self):
        for line in self.lines:
            if line.rstrip().endswith(b"EXISTS"):
                self.seen.append(time.monotonic())


class Wire(threading.Thread):
    """Between the daemon and Postfix, in plain text: notes when a mail to this recipient is queued."""

    def __init__(self, target, recipient):
        super().__init__(daemon=True)
        self.target, self.recipient, self.queued = target, recipient.encode(), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(("127.0.0.1", self.target))
            for wire in (near, far):
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wanted = [False]
            threading.Thread(target=self.copy, args=(near, far, wanted, True), daemon=True).start()
            threading.Thread(target=self.copy, args=(far, near, wanted, False), daemon=True).start()

    def copy(self, source, sink, wanted, asks):
        try:
            while data := source.recv(65536):
                if asks and b"RCPT TO:<" in data:
                    wanted[0] = self.recipient in data
                if not asks and wanted[0] and b"queued as" in data:
                    self.queued.append(time.monotonic())
                    wanted[0] = False
                sink.sendall(data)
        except OSError:
            pass
        for wire in (source, sink):
            try:
                wire.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def main():
    binary, host = sys.argv[1:3]
    mails = int(sys.argv[3]) if len(sys.argv) > 3 else 50
    p = ports(host)
    ca = f"{host}/tls/ca.pem"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="yesreply-latency."))
    domain = f"l{time.monotonic_ns()}.example"
    desk, anna, jane = f"support@{domain}", f"anna@agents.{domain}", f"jane@customer.{domain}"
    wire = Wire(int(p["smtp"]), anna)
    path = folder / "yesreply.toml"
    path.write_text(f'''[database]
url = "{os.environ.get("DATABASE_URL", f"sqlite:{folder}/desk.db")}"
[token]
key = "{'55' * 32}"
[mailbox.support]
address = "{desk}"
password = "secret"
imap = {{ host = "localhost", port = {p["imaps"]}, tls = "implicit", ca = "{ca}" }}
smtp = {{ host = "localhost", port = {wire.port}, tls = "none", auth = false }}
[agent.anna]
address = "{anna}"
[limits]
cases_per_address = "off"
relays_per_agent = "off"
''')
    path.chmod(0o600)
    log = folder / "log"
    daemon = subprocess.Popen([binary, "--config", str(path), "serve"], stderr=open(log, "wb"))
    while "intake is connected" not in log.read_text():
        time.sleep(0.05)
    watcher = Watcher(int(p["imaps"]), ca, desk)
    took, dice = [], random.Random(1)
    for number in range(mails):
        before = len(wire.queued)
        with smtplib.SMTP("127.0.0.1", int(p["smtp"])) as post:
            post.sendmail(jane, [desk], f"From: Jane <{jane}>\r\nTo: {desk}\r\nSubject: mail {number}\r\n"
                          f"Message-ID: <{number}.{domain}>\r\n\r\nA question.\r\n")
        end = time.monotonic() + 30
        while len(wire.queued) == before:
            if time.monotonic() > end:
                sys.exit(f"mail {number} was not relayed; see {log}")
            time.sleep(0.002)
        took.append((wire.queued[-1] - watcher.seen[-1]) * 1000)
        time.sleep(0.6 + dice.random())
    daemon.terminate()
    daemon.wait()
    took.sort()
    print(f"from EXISTS to the relay queued by Postfix, {mails} mails one by one: median {statistics.median(took):.0f} ms, "
          f"nine of ten {took[len(took) * 9 // 10]:.0f} ms, longest {took[-1]:.0f} ms")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main()
