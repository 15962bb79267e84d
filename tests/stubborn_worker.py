"""A worker process for tests that takes for ever to import: it holds Python's own lock, starts a process of its
own, and hears no polite signal."""

import signal
import subprocess

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
subprocess.Popen(["sleep", "600"])
print(sum(range(10**13)))
