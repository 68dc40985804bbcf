# SPDX-License-Identifier: GPL-3.0-or-later
"""The log child as a real process, with this test in control's place."""

import contextlib
import os
import re
import socket
import struct
import subprocess
import threading

import pytest
from gateway import BUILD
from peers import wait_for

USER = "nobody"  # any user does; the package's is sixgate-agent
HELLO, STATS, DRAIN, QUIT, ACK, NAK = 1, 2, 3, 4, 48, 49
LOG_PIPE, LOG_REOPEN, LOG_STATS = 64, 65, 66
HEADER = struct.Struct("!BBHIQ")


def is_sanitized():
    """Such a build keeps its root folder and its system calls."""
    linked = subprocess.run(["ldd", os.path.join(BUILD, "sixgate-agent")], capture_output=True,
                            text=True, check=True)
    return "asan" in linked.stdout


class Child:
    """sixgate-agent --log and the other end of its channel."""

    def __init__(self, folder, *before):
        self.folder = str(folder)
        root = os.path.join(self.folder, "root")
        os.makedirs(root, exist_ok=True)
        self.logs = os.path.join(self.folder, "logs")
        os.makedirs(self.logs, exist_ok=True)
        os.chmod(self.folder, 0o755)
        os.chmod(self.logs, 0o777)
        self.errors = os.path.join(self.folder, "errors")
        self.channel, theirs = socket.socketpair(socket.AF_UNIX,
                                                 socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self.channel.settimeout(10)
        with theirs, open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(
                [*before, os.path.join(BUILD, "sixgate-agent"), "--log", "--user", USER,
                 "--root", root, "--folder", self.logs, "--file", "access.log"],
                preexec_fn=lambda: os.dup2(theirs.fileno(), 3), close_fds=False,
                stdin=subprocess.DEVNULL, stderr=errors)
        kind, _, data = self.receive()
        assert kind == HELLO
        self.pid = struct.unpack("!I", data[-4:])[0]

    def path(self, name="access.log"):
        """The file as the child sees it, in whatever mount namespace that is."""
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            link = f"/proc/{self.pid}/fd/{fd}"
            if os.path.isdir(link):
                return os.path.join(link, name)
        raise AssertionError("the folder is not open")

    def text(self, name="access.log"):
        with open(os.path.join(self.logs, name), encoding="ascii") as log:
            return log.read()

    def stderr(self):
        with open(self.errors, encoding="utf-8") as errors:
            return errors.read()

    def send(self, kind, number=0, fds=()):
        socket.send_fds(self.channel, [HEADER.pack(1, 0, kind, number, 9)], fds)

    def receive(self):
        data = self.channel.recv(70000)
        assert data, f"the channel ended: {self.stderr()}"
        _, _, kind, number, _ = HEADER.unpack(data[:HEADER.size])
        return kind, number, data[HEADER.size:]

    def ask(self, kind, number=0, fds=()):
        """Sends a message; returns None for ACK and the reason for NAK."""
        self.send(kind, number, fds)
        answer, echo, data = self.receive()
        assert echo == number and struct.unpack("!H", data[:2])[0] == kind
        assert answer in (ACK, NAK)
        return None if answer == ACK else data[6:].decode()

    def pipe(self, number=1):
        """A new worker's pipe: returns the write end."""
        reader, writer = os.pipe()
        try:
            assert self.ask(LOG_PIPE, number, [reader]) is None
        finally:
            os.close(reader)
        return open(writer, "wb", buffering=0)

    def stats(self):
        assert self.ask(STATS) is None
        kind, _, data = self.receive()
        assert kind == LOG_STATS
        return struct.unpack("!QQ", data)

    def wait_lines(self, count):
        """Until count lines are written or dropped."""
        wait_for(lambda: sum(self.stats()) >= count, 20, f"{count} lines")

    def end(self):
        """Closes the channel; returns the exit code."""
        self.channel.close()
        return self.process.wait(10)


@pytest.fixture
def child(tmp_path):
    one = Child(tmp_path)
    yield one
    assert one.end() == 0
    assert "ERROR" not in one.stderr(), one.stderr()


def test_the_child_has_given_up_everything(child):
    with open(f"/proc/{child.pid}/status", encoding="ascii") as status:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split()
    assert status["Groups"].strip() == ""
    for which in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        assert int(status[which], 16) == 0
    assert status["NoNewPrivs"] == "1"
    if not is_sanitized():
        assert os.listdir(f"/proc/{child.pid}/root/") == []
        assert status["Seccomp"] == "2"


def test_lines_of_many_workers_never_mix(child):
    n_workers, n_lines = 6, 1500

    def work(number):
        with child_pipes[number] as pipe:
            for i in range(n_lines):
                line = b"%d %d %s\n" % (number, i, b"x" * (i * 37 % 3000))
                while line:  # the file of a pipe takes what fits
                    line = line[pipe.write(line):]

    child_pipes = [child.pipe(number) for number in range(n_workers)]
    threads = [threading.Thread(target=work, args=(n,)) for n in range(n_workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    child.wait_lines(n_workers * n_lines)
    assert child.stats() == (n_workers * n_lines, 0)
    seen = [0] * n_workers
    for line in child.text().splitlines():
        number, i, text = line.split(" ")
        assert int(i) == seen[int(number)] and text == "x" * (int(i) * 37 % 3000)
        seen[int(number)] += 1
    assert seen == [n_lines] * n_workers


def test_half_a_line_waits_for_its_rest(child):
    with child.pipe(1) as one, child.pipe(2) as two:
        one.write(b"first ha")
        two.write(b"other\n")
        child.wait_lines(1)
        assert child.text() == "other\n"
        one.write(b"lf\n")
        child.wait_lines(2)
        assert child.text() == "other\nfirst half\n"


def test_a_worker_that_dies_in_a_line_spoils_no_other(child):
    one = child.pipe(1)
    one.write(b"whole\nhal")
    one.close()
    with child.pipe(1) as successor:
        child.wait_lines(2)
        successor.write(b"next\n")
        child.wait_lines(3)
        assert child.text() == "whole\nnext\n"
        assert child.stats() == (2, 1)


def test_rotation_makes_a_new_file(child):
    with child.pipe() as pipe:
        pipe.write(b"old\n")
        child.wait_lines(1)
        os.rename(os.path.join(child.logs, "access.log"), os.path.join(child.logs, "access.log.1"))
        assert child.ask(LOG_REOPEN) is None
        pipe.write(b"new\n")
        child.wait_lines(2)
    assert child.text("access.log.1") == "old\n"
    assert child.text() == "new\n"


def test_a_reopen_that_fails_says_why_and_recovers(child):
    with child.pipe() as pipe:
        os.mkdir(os.path.join(child.logs, "access.log"))
        assert "access.log: Is a directory" in child.ask(LOG_REOPEN)
        pipe.write(b"lost\n")
        child.wait_lines(1)
        os.rmdir(os.path.join(child.logs, "access.log"))
        assert child.ask(LOG_REOPEN) is None
        pipe.write(b"kept\n")
        child.wait_lines(2)
    assert child.text() == "kept\n"
    assert child.stats() == (1, 1)


def test_disk_full_drops_whole_lines_counts_and_says_so_once(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    child = Child(tmp_path, "unshare", "--mount", "sh", "-c",
                  f'mount -t tmpfs -o size=64k,mode=777 tmpfs {logs} && exec "$@"', "sh")
    line = b"%05d" + b"." * 94 + b"\n"
    with child.pipe() as pipe:
        filler = child.path("filler")
        with open(filler, "wb") as full:
            full.write(b"f" * 32768)
        for i in range(1000):  # 100 KiB into 32 KiB
            pipe.write(line % i)
        child.wait_lines(999)  # one line may be there in part, and counts when it is whole
        written, dropped = child.stats()
        assert 300 <= written <= 327 and dropped >= 670
        os.unlink(filler)
        pipe.write(line % 1000)
        pipe.write(line % 1001)
        child.wait_lines(1002)
        with open(child.path(), "rb") as log:
            lines = log.read().split(b"\n")
        assert lines.pop() == b""
        assert all(len(one) == 99 for one in lines)
        numbers = [int(one[:5]) for one in lines]
        assert numbers == [*range(len(numbers) - 2), 1000, 1001]
        written, dropped = child.stats()
        assert written == len(lines) and written + dropped == 1002
    assert child.end() == 0
    told = re.findall(r"(\d+) lines lost: No space left on device", child.stderr())
    assert len(told) == 2, child.stderr()  # at once, and what came after it at the end
    assert sum(int(one) for one in told) == dropped


def test_after_the_channel_it_reads_on_until_the_pipes_end(tmp_path):
    child = Child(tmp_path)
    pipe = child.pipe()
    child.channel.close()
    pipe.write(b"late\n")
    with pytest.raises(subprocess.TimeoutExpired):
        child.process.wait(0.3)
    pipe.write(b"later\n")
    pipe.close()
    assert child.process.wait(10) == 0
    assert child.text() == "late\nlater\n"


def test_drain_ends_it_with_the_last_pipe(tmp_path):
    child = Child(tmp_path)
    pipe = child.pipe()
    child.send(DRAIN)
    pipe.write(b"last\n")
    pipe.close()
    assert child.process.wait(10) == 0
    assert child.text() == "last\n"


def test_quit_takes_what_is_in_the_pipes(tmp_path):
    child = Child(tmp_path)
    with child.pipe(1) as one, child.pipe(2) as two:
        os.kill(child.pid, 19)  # SIGSTOP: so that the lines are in the pipes when QUIT comes
        for i in range(500):
            one.write(b"one %d %s\n" % (i, b"." * 100))
            two.write(b"two %d\n" % i)
        child.send(QUIT)
        os.kill(child.pid, 18)
        assert child.process.wait(10) == 0
    assert len(child.text().splitlines()) == 1000


def test_a_restarted_child_goes_on_with_the_same_pipe(tmp_path):
    reader, writer = os.pipe()
    first = Child(tmp_path)
    assert first.ask(LOG_PIPE, 1, [reader]) is None
    os.write(writer, b"first\n")
    first.wait_lines(1)
    first.process.kill()
    first.process.wait()
    os.write(writer, b"between\n")
    second = Child(tmp_path)
    assert second.ask(LOG_PIPE, 1, [reader]) is None
    os.close(reader)
    os.write(writer, b"second\n")
    second.wait_lines(2)
    os.close(writer)
    first.channel.close()
    assert second.end() == 0
    assert second.text() == "first\nbetween\nsecond\n"


def test_a_line_without_end_is_dropped_and_the_next_is_whole(child):
    with child.pipe() as pipe:
        for _ in range(4):
            pipe.write(b"a" * 50000)
        pipe.write(b"\nnext\n")
        child.wait_lines(2)
        assert child.text() == "next\n"
        assert child.stats() == (1, 1)


def test_a_pipe_message_without_a_pipe_is_refused(child):
    assert "0 descriptors" in child.ask(LOG_PIPE)
    with contextlib.ExitStack() as fds:
        null = fds.enter_context(open(os.devnull, "rb"))
        assert "2 descriptors" in child.ask(LOG_PIPE, 1, [null.fileno(), null.fileno()])
    assert child.stats() == (0, 0)


def test_an_unknown_message_ends_it_with_an_error(tmp_path):
    child = Child(tmp_path)
    child.send(999)
    assert child.process.wait(10) == 1
    assert "message 999" in child.stderr()
    child.channel.close()


def test_descriptors_do_not_leak(child):
    before = len(os.listdir(f"/proc/{child.pid}/fd"))
    for number in range(300):
        with child.pipe(number) as pipe:
            pipe.write(b"line\n")
        child.wait_lines(number + 1)
    child.ask(STATS)
    child.receive()
    # one more: the file, opened by the first line
    wait_for(lambda: len(os.listdir(f"/proc/{child.pid}/fd")) == before + 1, 10, "closed pipes")


def test_without_a_folder_it_writes_to_standard_output(tmp_path):
    channel, theirs = socket.socketpair(socket.AF_UNIX,
                                        socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    with theirs:
        process = subprocess.Popen(
            [os.path.join(BUILD, "sixgate-agent"), "--log", "--user", USER, "--root",
             str(tmp_path)], preexec_fn=lambda: os.dup2(theirs.fileno(), 3), close_fds=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    reader, writer = os.pipe()
    socket.send_fds(channel, [HEADER.pack(1, 0, LOG_PIPE, 1, 1)], [reader])
    os.write(writer, b"a line\n")
    os.close(writer)
    os.close(reader)
    channel.close()
    with process.stdout:
        assert process.stdout.read() == b"a line\n"
    assert process.wait(10) == 0


@pytest.mark.parametrize("arguments", [
    [], ["--log", "--folder", "/tmp"], ["--log", "--file", "x"],
    ["--log", "--folder", "/tmp", "--file", "../x"], ["--log", "more"], ["--wrong"]])
def test_wrong_arguments_are_refused(arguments):
    done = subprocess.run([os.path.join(BUILD, "sixgate-agent"), *arguments],
                          capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 2 and done.stderr
