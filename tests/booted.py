#!/usr/bin/python3
"""The unit under a really booted systemd: READY, credentials, a mail handled, a watchdog restart, a clean stop.

    tests/booted.py BINARY MAILHOST_FOLDER

Needs root, debootstrap and systemd-container. The bare Debian root is made once, in YESREPLY_BASE_ROOT
(default /var/tmp/yesreply-base-root), and copied for each run; it shares this machine's loopback.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "deploy"))
import people  # noqa: E402

BASE = pathlib.Path(os.environ.get("YESREPLY_BASE_ROOT", "/var/tmp/yesreply-base-root"))


def mirror():
    for path in ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"):
        if os.path.exists(path):
            for line in open(path):
                words = line.split()
                if line.startswith("URIs:") or line.startswith("deb "):
                    return words[1]
    return "http://deb.debian.org/debian"


def make_base():
    if (BASE / "usr/bin/systemctl").exists():
        return
    shutil.rmtree(BASE, ignore_errors=True)
    begun = time.monotonic()
    subprocess.run(["debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus,ca-certificates",
                    "bookworm", str(BASE), mirror()], check=True, stdout=subprocess.DEVNULL)
    print(f"a bare Debian root was made in {time.monotonic() - begun:.0f} s")


class Booted:
    def __init__(self, root):
        self.root = root
        self.console = open(f"{root}.console", "wb")
        self.process = subprocess.Popen(
            ["systemd-nspawn", "--register=no", "--keep-unit", "--quiet", "--boot", "-D", str(root), "--console=pipe"],
            stdin=subprocess.DEVNULL, stdout=self.console, stderr=self.console)
        self.wait("a booted system", lambda: self.init() and self.run("systemctl", "is-system-running")[1] in ("running", "degraded"), 60)

    def init(self):
        found = subprocess.run(["ps", "--ppid", str(self.process.pid), "-o", "pid="], capture_output=True, text=True).stdout.split()
        return found[0] if found else None

    def run(self, *command):
        done = subprocess.run(["nsenter", "-t", self.init(), "-m", "-u", "-i", "-p", "-r", "--wd=/", *command], capture_output=True, text=True)
        return done.returncode, done.stdout.strip() or done.stderr.strip()

    def show(self, name):
        return self.run("systemctl", "show", "yesreply", "-p", name, "--value")[1]

    def wait(self, what, happened, seconds=40):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if happened():
                return
            time.sleep(0.2)
        self.fail(f"waited {seconds} s in vain for {what}")

    def fail(self, reason):
        if self.init():
            print(self.run("journalctl", "-u", "yesreply", "--no-pager", "-n", "60")[1])
            print(self.run("yesreply", "case", "show", "1001", "--json")[1])
            print(self.run("systemctl", "status", "yesreply", "--no-pager")[1])
        self.down()
        sys.exit(f"FAILED: {reason}")

    def down(self):
        if self.process.poll() is None:
            if self.init():
                self.run("systemctl", "poweroff", "--force")
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.terminate()
                self.process.wait()


def install(root, binary, host):
    ports = people.MailHost(host).ports
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    shutil.copy(binary, root / "usr/bin/yesreply")
    shutil.copy(REPOSITORY / "deploy/yesreply.service", root / "etc/systemd/system/")
    shutil.copy(REPOSITORY / "deploy/yesreply.sysusers", root / "usr/lib/sysusers.d/yesreply.conf")
    # the watchdog is the unit's own, only faster
    override = root / "etc/systemd/system/yesreply.service.d"
    override.mkdir()
    (override / "faster.conf").write_text("[Service]\nWatchdogSec=6\nRestartSec=1\n")
    etc = root / "etc/yesreply"
    (etc / "secrets").mkdir(parents=True, mode=0o700)
    shutil.copy(pathlib.Path(host) / "tls/ca.pem", etc / "ca.pem")
    for name, text in (("token.key", "33" * 32), ("support.pass", "secret")):
        (etc / "secrets" / name).write_text(text)
        (etc / "secrets" / name).chmod(0o600)
    domain = f"booted{os.getpid()}.example"
    (etc / "yesreply.toml").write_text(f'''
[database]
url = "sqlite:/var/lib/yesreply/yesreply.db"
[token]
key = {{ credential = "secrets_token.key" }}
[mailbox.support]
address = "support@{domain}"
name = "Shop Support"
password = {{ credential = "secrets_support.pass" }}
imap = {{ host = "localhost", port = {ports["imaps"]}, tls = "implicit", ca = "/etc/yesreply/ca.pem" }}
smtp = {{ host = "localhost", port = {ports["submission"]}, tls = "starttls", ca = "/etc/yesreply/ca.pem" }}
[agent.anna]
name = "Anna"
address = "anna@agents.{domain}"
''')
    return domain


def main(binary, host):
    make_base()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="yesreply-booted."))
    root = folder / "root"
    subprocess.run(["cp", "-a", str(BASE), str(root)], check=True)
    domain = install(root, binary, host)
    machine = Booted(root)
    try:
        story(machine, host, domain)
    except SystemExit as end:
        if str(end.code).startswith("FAILED"):
            raise
        machine.fail(end.code)
    finally:
        machine.down()
        shutil.rmtree(folder, ignore_errors=True)


def story(machine, host, domain):
    post = people.MailHost(host)
    jane = post.person("Jane", f"jane@customer.{domain}")
    anna = post.person("Anna", f"anna@agents.{domain}")
    machine.run("systemd-sysusers")
    code, words = machine.run("systemctl", "start", "yesreply")
    if code != 0:
        machine.fail(f"systemctl start: {words}")
    # Type=notify: start returns only after READY
    print("READY:", machine.show("ActiveState"), machine.show("SubState"))
    machine.wait("a STATUS", lambda: "mailboxes" in machine.show("StatusText"))
    print("STATUS:", machine.show("StatusText"))
    user = machine.run("stat", "-c", "%U %a", "/var/lib/yesreply/yesreply.db")[1]
    if user != "yesreply 600":
        machine.fail(f"the database belongs to {user}")
    machine.wait("intake", lambda: "intake is connected" in machine.run("journalctl", "-u", "yesreply", "--no-pager")[1])
    jane.writes(f"support@{domain}", "Booted", "Is anybody there?")
    relay = anna.receives("Booted")
    anna.replies(relay, "Yes.")
    jane.receives("Re: Booted")
    print("a mail was handled and answered")

    before = machine.show("MainPID")
    code, words = machine.run("bash", "-c", f"kill -STOP {before}")
    if code != 0:
        machine.fail(f"SIGSTOP: {words}")
    machine.wait("a watchdog restart", lambda: machine.show("NRestarts") == "1" and machine.show("ActiveState") == "active", 60)
    journal = machine.run("journalctl", "-u", "yesreply", "--no-pager", "-o", "cat")[1]
    said = [line for line in journal.splitlines() if "Watchdog timeout" in line]
    if not said or machine.show("MainPID") == before:
        machine.fail("the restart was not the watchdog's")
    print("WATCHDOG:", said[0])
    jane.writes(f"support@{domain}", "Again", "And after the restart?")
    anna.receives("Again")
    print("a mail was handled after the restart")

    begun = time.monotonic()
    machine.run("systemctl", "stop", "yesreply")
    took = time.monotonic() - begun
    result = (machine.show("Result"), machine.show("ExecMainStatus"))
    if result != ("success", "0") or took > 10:
        machine.fail(f"the stop took {took:.1f} s and ended with {result}")
    print(f"STOP: clean, in {took:.1f} s")
    journal = machine.run("journalctl", "-u", "yesreply", "--no-pager", "-o", "cat")[1]
    for secret in (jane.address, anna.address, "Is anybody there?"):
        if secret in journal:
            machine.fail(f"the log holds {secret}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: tests/booted.py BINARY MAILHOST_FOLDER")
    main(*sys.argv[1:])
