"""Starts a program as a service manager does that has opened its sockets.

What is to be handed over comes through stdin, which is a socket; the arguments are LISTEN_PID (or `self`), LISTEN_FDS (or `all`),
LISTEN_FDNAMES and the program with its own.
"""

import os
import socket
import sys

FIRST = 3
# Above everything that is open here, so that nothing is overwritten that is still needed.
ASIDE = 200

process, count, names = sys.argv[1:4]
_, given, _, _ = socket.recv_fds(socket.socket(fileno=os.dup(0)), 1, 64)
for number, descriptor in enumerate(given):
    os.dup2(descriptor, ASIDE + number, inheritable=False)
for number in range(len(given)):
    os.dup2(ASIDE + number, FIRST + number, inheritable=True)
# Whatever else this was started with is nobody's.
os.closerange(FIRST + len(given), ASIDE)
os.environ["LISTEN_PID"] = str(os.getpid()) if process == "self" else process
os.environ["LISTEN_FDS"] = str(len(given)) if count == "all" else count
os.environ["LISTEN_FDNAMES"] = names
os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
os.execv(sys.argv[4], sys.argv[4:])
