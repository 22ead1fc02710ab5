"""This file knows how to be an application: it starts, serves, shrinks, grows, drains and crashes.

It runs by the bare interpreter (`python3 -S -E`) and starts in some 30 ms. With one worker it is
one process; with more, a parent that serves nothing forks them. USR1: down to one worker; USR2: up
to all of them; TERM: no new connection, an end once those there are have been answered.

GET /ready   200 once it can serve, else 503
GET /live    200
GET /full    200 once every worker it was asked to have can serve, else 503
GET /crash   no answer: the whole application ends at once with code 7
GET /hang    no answer, ever
GET /pid     200, the number of the process that answered
GET any      200, its name
"""

from __future__ import annotations

import argparse
import errno
import mmap
import os
import select
import signal
import socket
import sys
import time

MIB = 2**20
CRASHED = 7
TOLD = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGCHLD)
# what a worker answers before it can serve, or what it alone knows
ASKED_OF_ITSELF = ("/ready", "/live", "/full", "/pid")
FIRST_REQUEST_WITHIN_S = 1.0  # on a connection that was taken before the end


def options() -> argparse.Namespace:
    """Return what was asked of it."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--port", type=int, required=True)
    ask.add_argument("--name", default="")
    ask.add_argument("--start-s", type=float, default=0.0, help="before it listens")
    ask.add_argument("--listen-first", action="store_true", help="listen, and say 503 meanwhile")
    ask.add_argument("--memory-mib", type=int, default=0, help="touched by each worker")
    ask.add_argument("--workers", type=int, default=1)
    ask.add_argument("--worker-start-s", type=float, default=0.0, help="of each but the first")
    ask.add_argument("--capacity-rps", type=float, default=0.0, help="of a worker; 0: its most")
    ask.add_argument("--drain-s", type=float, default=0.0, help="stay so long after TERM")
    ask.add_argument("--ignore-term", action="store_true")
    ask.add_argument("--never-ready", action="store_true")
    ask.add_argument("--crash", choices=["start", "ready", "serving"])
    return ask.parse_args()


def say(*words: object) -> None:
    """Print a line at once: the log is all that is left of a crash."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def held(mib: int) -> bytearray:
    """Return memory every page of which was written to."""
    memory = bytearray(mib * MIB)
    for page in range(0, len(memory), mmap.PAGESIZE):
        memory[page] = 1
    return memory


def listening(port: int) -> socket.socket:
    """Return a listening socket, or end with a line that says why there is none."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        say(f"cannot listen on port {port}: {errno.errorcode[error.errno or 0]}")
        sys.exit(3)
    listener.listen(1024)
    listener.setblocking(False)
    return listener


class Server:
    """The loop of one process: answers one request after another, keeps connections open."""

    def __init__(self, asked: argparse.Namespace, listener: socket.socket, started: mmap.mmap):
        self.asked, self.listener, self.started = asked, listener, started
        self.epoll = select.epoll()
        self.epoll.register(listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        self.connections: dict[int, tuple[socket.socket, bytes]] = {}
        self.answered: set[int] = set()  # those of them that had a request already
        self.is_ready = False
        self.ends_at: float | None = None
        self.lifeline = -1
        # a signal alone does not end a wait: Python waits on
        self.woken, self.wake = os.pipe()
        self.epoll.register(self.woken, select.EPOLLIN)

    def run(self, until: float | None = None) -> None:
        """Serve until told to end, or until the instant `until`."""
        while True:
            stop = until
            if self.ends_at is not None:
                stop = self.ends_at + (FIRST_REQUEST_WITHIN_S if self.connections else 0)
            left = -1 if stop is None else max(stop - time.monotonic(), 0)
            if left == 0:
                return
            for number, event in self.epoll.poll(left):
                if number == self.listener.fileno():
                    self.accept()
                elif number == self.woken:
                    self.refuse()
                elif number == self.lifeline:
                    os._exit(0)  # the parent is gone
                else:
                    self.answer(number, event)

    def end(self, *_: object) -> None:
        """Be told to end: between two requests, as a signal comes at any instant."""
        os.write(self.wake, b"x")

    def refuse(self) -> None:
        """Take no new connection; end when those there are have been answered."""
        os.read(self.woken, 64)
        if self.asked.ignore_term:
            say("told to end; stays, as asked")
        elif self.ends_at is None:
            self.ends_at = time.monotonic() + self.asked.drain_s
            while self.accept():
                pass  # who was let in is answered
            self.epoll.unregister(self.listener)
            self.listener.close()
            for number in self.answered.intersection(
                number for number, (_, so_far) in self.connections.items() if not so_far
            ):
                self.forget(number)

    def accept(self) -> bool:
        """Take one connection; return whether there was one that no other worker took first."""
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return False
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections[connection.fileno()] = (connection, b"")
        self.epoll.register(connection, select.EPOLLIN)
        return True

    def forget(self, number: int) -> None:
        """Close a connection."""
        self.answered.discard(number)
        connection, _ = self.connections.pop(number)
        self.epoll.unregister(connection)
        connection.close()

    def answer(self, number: int, event: int) -> None:
        """Read what came on a connection and answer each whole request in it."""
        if number not in self.connections:
            return
        connection, so_far = self.connections[number]
        try:
            more = connection.recv(65536)
        except OSError:
            more = b""
        if not more or event & (select.EPOLLERR | select.EPOLLHUP):
            self.forget(number)
            return
        so_far += more
        while b"\r\n\r\n" in so_far:
            head, _, so_far = so_far.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].partition(b"?")[0].decode("latin-1")
            if path == "/hang":
                return
            is_last = self.ends_at is not None or b"connection: close" in head.lower()
            connection.sendall(self.answer_to(path, is_last=is_last))
            if is_last:
                self.forget(number)
                return
            self.answered.add(number)
        self.connections[number] = (connection, so_far)

    def answer_to(self, path: str, *, is_last: bool) -> bytes:
        """Return the answer to one request, after the time it takes."""
        if path == "/crash":
            say("crashed, as asked")
            os._exit(CRASHED)
        is_well = self.is_ready or path in ("/live", "/pid")
        if path == "/full":
            is_well = all(self.started[:])
        if is_well and self.asked.capacity_rps and path not in ASKED_OF_ITSELF:
            time.sleep(1 / self.asked.capacity_rps)
        body = str(os.getpid()) if path == "/pid" else self.asked.name
        return (
            f"HTTP/1.1 {'200 OK' if is_well else '503 Service Unavailable'}\r\n"
            f"Content-Length: {len(body)}\r\n{'Connection: close' if is_last else 'X-Kept: yes'}"
            f"\r\n\r\n{body}"
        ).encode()


class Parent:
    """Keeps as many workers as it was told to; the first is never ended by a shrink."""

    def __init__(self, asked: argparse.Namespace, listener: socket.socket, started: mmap.mmap):
        self.asked, self.listener, self.started = asked, listener, started
        self.workers: dict[int, int] = {}  # pid by slot
        self.wanted = asked.workers
        self.is_ending = False
        # open for reading in every worker, for writing here only: ends when the parent does
        self.lifeline, self.life = os.pipe()

    def run(self) -> None:
        """Keep the workers until told to end."""
        signal.pthread_sigmask(signal.SIG_BLOCK, TOLD)
        self.fill(start_s=0.0)
        say("started", self.wanted, "workers")
        while self.workers:
            told = signal.sigwait(TOLD)
            if told == signal.SIGUSR1:
                self.wanted = 1
                self.tell(slots=range(1, self.asked.workers))
            elif told == signal.SIGUSR2:
                self.wanted = self.asked.workers
            elif told == signal.SIGTERM:
                self.is_ending = not self.asked.ignore_term
                self.tell(slots=range(self.asked.workers))
            self.collect()
            if not self.is_ending:
                self.fill(start_s=self.asked.worker_start_s)

    def fill(self, *, start_s: float) -> None:
        """Fork the workers that are wanted and not there."""
        for slot in range(self.wanted):
            if slot not in self.workers:
                pid = os.fork()
                if pid == 0:
                    self.work(slot, start_s)
                self.workers[slot] = pid

    def tell(self, *, slots: range) -> None:
        """Tell workers to end."""
        for slot in slots:
            self.started[slot] = 0
            if slot in self.workers:
                os.kill(self.workers[slot], signal.SIGTERM)

    def collect(self) -> None:
        """Forget the workers that have ended; end with one that crashed."""
        for slot, pid in list(self.workers.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self.workers[slot]
                if os.WIFEXITED(status) and os.WEXITSTATUS(status) == CRASHED:
                    os._exit(CRASHED)

    def work(self, slot: int, start_s: float) -> None:
        """Be a worker, and never return."""
        os.close(self.life)
        server = Server(self.asked, self.listener, self.started)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)  # told to the parent
        signal.signal(signal.SIGTERM, server.end)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD)
        time.sleep(start_s)
        serve(server, slot, lifeline=self.lifeline)
        os._exit(0)


def serve(server: Server, slot: int, *, lifeline: int = -1) -> None:
    """Take the memory, be ready, and serve to the end."""
    memory = held(server.asked.memory_mib)
    if lifeline >= 0:
        server.lifeline = lifeline
        server.epoll.register(lifeline, select.EPOLLHUP)
    server.started[slot] = server.is_ready = True
    say("ready, holding", len(memory) // MIB, "MiB")  # before the first answer that says so
    if server.asked.crash == "serving":
        server.run(until=time.monotonic() + 0.3)
        say("served for a moment, then crashed as asked")
        os._exit(CRASHED)
    server.run()
    server.started[slot] = 0


def main() -> None:
    """Start as asked, serve, and end."""
    asked = options()
    signal.signal(signal.SIGTERM, signal.SIG_IGN if asked.ignore_term else signal.SIG_DFL)
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)  # one worker is the least and the most
    say("starting", asked.name, "on port", asked.port)
    if asked.crash == "start":
        say("cannot start: crashed as asked")
        sys.exit(5)
    started = mmap.mmap(-1, asked.workers)  # a byte of each worker, seen by all
    if not asked.listen_first:
        time.sleep(asked.start_s)
    server = Server(asked, listening(asked.port), started)
    if asked.listen_first:
        server.run(until=time.monotonic() + asked.start_s)
    if asked.never_ready:
        say("will never be ready, as asked")
        server.run()
    if asked.crash == "ready":
        say("nearly ready, then crashed as asked")
        sys.exit(6)
    if asked.workers > 1:
        server.epoll.close()  # it would hold the listener beside the workers'
        Parent(asked, server.listener, started).run()
    else:
        signal.signal(signal.SIGTERM, server.end)
        serve(server, 0)
    say("ended")


if __name__ == "__main__":
    main()
