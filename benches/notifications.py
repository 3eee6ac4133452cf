#!/usr/bin/python3
"""Many stored notifications, by hand, never a timed test: what a look-up of one takes, and what intake takes beside few.

    benches/notifications.py BINARY MAILHOST_FOLDER [STORED] [MAILS] [PAIRS]

A generator writes STORED rows (default 10 million, small ones: about 5 GB on the disk, gone at the end) into a desk's store, and ten
thousand into another's. Then, in pairs that change their order, smtp-source with 10 sessions and 4 KiB hands MAILS mails to each, once
more before to warm both.
"""

import pathlib
import random
import sqlite3
import statistics
import sys
import time

from delivery import Daemon, free_port, source

STATEMENT = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :rows)
INSERT INTO notifications
SELECT -9223372036854775807 + i * :step + abs(random() % :step), 1767607200000 + i, 'shop', 'support',
       'p' || i || '@customer.example', '', 'noreply@bench.example', '', 'Your order ' || i,
       '<' || i || '@bench.example>', randomblob(16), randomblob(32), 'Your order ' || i || ' has left.', '[]', NULL, NULL, 0,
       CAST('Subject: Your order' AS BLOB), 'none', 'listen/bench/' || i FROM n
"""


def fill(folder, rows):
    database = sqlite3.connect(folder / "desk.db")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("DROP INDEX notifications_message")
    with database:
        database.execute(STATEMENT, {"rows": rows, "step": 2 ** 64 // rows - 1})
    database.execute("CREATE INDEX notifications_message ON notifications (message_hash)")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.execute("PRAGMA synchronous = FULL")
    database.close()


def looked_up(folder, column, times=2_000):
    """Medians and nine of ten, in milliseconds, of rows that were drawn by chance."""
    database = sqlite3.connect(f"file:{folder}/desk.db?mode=ro", uri=True)
    highest, dice, took = database.execute("SELECT max(rowid) FROM notifications").fetchone()[0], random.Random(1), []
    for _ in range(times):
        row = dice.randrange(1, highest + 1)
        value = database.execute(f"SELECT {column} FROM notifications WHERE rowid >= ? LIMIT 1", (row,)).fetchone()[0]
        fresh = sqlite3.connect(f"file:{folder}/desk.db?mode=ro", uri=True)
        fresh.execute("SELECT count(*) FROM cases").fetchone()
        begun = time.perf_counter()
        found = fresh.execute(f"SELECT * FROM notifications WHERE {column} = ?", (value,)).fetchall()
        took.append((time.perf_counter() - begun) * 1000)
        assert len(found) == 1
        fresh.close()
    return statistics.median(took), sorted(took)[times * 9 // 10]


def main():
    binary, host = sys.argv[1:3]
    given = [int(n) for n in sys.argv[3:6]]
    stored, mails, pairs = given + [10_000_000, 5_000, 3][len(given):]
    many, few = Daemon(binary, host, free_port()), Daemon(binary, host, free_port())
    for daemon, rows in ((few, 10_000), (many, stored)):
        daemon.start()
        daemon.stop()
        begun = time.monotonic()
        fill(daemon.folder, rows)
        size = pathlib.Path(daemon.folder / "desk.db").stat().st_size / 2 ** 30
        print(f"{rows} rows in {time.monotonic() - begun:.0f} s, {size:.2f} GiB", flush=True)
        for column in ("case_key", "message_hash"):
            median, nine = looked_up(daemon.folder, column)
            print(f"found among {rows} by {column}: median {median:.3f} ms, nine of ten {nine:.3f} ms", flush=True)
    for pair in range(pairs + 1):
        rates = {}
        for daemon in (few, many) if pair % 2 else (many, few):
            daemon.start()
            rates[daemon] = source(daemon.port, mails, 10)
            daemon.stop()
        if pair:
            ratio = rates[many] / rates[few]
            print(f"intake beside few {rates[few]:.0f}/s, beside many {rates[many]:.0f}/s, ratio {ratio:.2f}", flush=True)
    for daemon in (few, many):
        daemon.forget()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main()
