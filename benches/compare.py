#!/usr/bin/env python3
"""Measures annals and its peers in one run, on the same data, and prints markdown.

    compare.py ROOT --annals PATH [--work NAME,...] [--runs N] [--out FILE.md]
    compare.py ROOT --peers-only  [--work NAME,...] [--runs N] [--out FILE.md]

What it needs
  * Linux, Python 3.9 or later (standard library only), bash, git, GNU coreutils and findutils.
  * ROOT, a directory on a real file system, with the corpora:
      SRC    a source tree of some 79,000 files, 1.3 GB, with sound/, kernel/ and drivers/net/ (a Linux kernel)
      BIN    ten large binaries, 4.7 GB;  BINv2  the same after small edits, every path changed
      TINY   a million files of about 60 bytes in nested directories
      FLAT   200,000 files in one directory
    Only those that the chosen works use. About 20 GB must be free in ROOT beside them.
  * A tmpfs (--tmpfs, default /dev/shm) with twice the size of BIN free, for the restores.
  * Peers on PATH or in --peer-bin DIR: bupstash and conserve are the yardsticks, git is needed; with --all-peers
    also restic, borg, git-annex and git-lfs, once each. A peer that is missing is left out and the report says so.
  * A machine that does nothing else. The report records the load before and after.

Works (--work, default all of them, in this order)
  src     first record of SRC                      bin      first record of BIN, then BINv2 in the same repository
  tiny    first record of TINY                     status   status of SRC, TINY and FLAT, nothing changed
  change  find one changed file in TINY, commit    path     commit one named path in TINY and in FLAT
  restore restore SRC and BIN into an empty tree   switch   switch between two versions of SRC
  log     log of --commits commits                 diff     two versions of TINY that differ in ten files
Peak memory is taken from all of them.

How it measures
  Whole processes: wall clock, and cpu and peak resident memory from wait4() (peak of the largest process; the
  timer itself is the floor of about 12 MB). Tools alternate, the order turns round every run, medians are reported.
  Caches are warm: the corpus is read first, status and the like have one run that is not counted. `sync` comes
  before every measured command. Restores read from and write to a tmpfs. Nothing is deleted in ROOT while anything
  is measured, because ext4 creates files several times more slowly for minutes after many were deleted: what is no
  longer needed is renamed into ROOT/work/trash (big store files are cut to nothing there), which is removed at the
  very end; wait some minutes before the next run, or say --keep-trash.
  The repository of annals for SRC, TINY and FLAT is made in the corpus itself (ROOT/SRC/.annals) and renamed away
  whenever a peer reads the corpus as a whole, and at the end. The few files that are changed get their bytes and
  times back.
"""

import argparse
import array
import os
import pickle
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
import zlib

WORKS = ["src", "bin", "tiny", "status", "change", "path", "restore", "switch", "log", "diff"]
INDEX = ("index", "lookup")  # what a repository keeps for speed, beside what it records
ONCE = ("restic", "borg", "git", "git-annex", "git-lfs")  # measured in the first round only
MB = 1e6


# ── running and timing ──────────────────────────────────────────────────────────────────────────────────────────────


class Sample:
    """What one run of one command cost."""

    def __init__(self, cost, lines):
        self.wall, self.cpu, self.peak, self.rc, self.wchar = cost
        self.lines = lines


class Row:
    """One line of the report: what each tool took, and what was asked of annals."""

    def __init__(self, title, corpus=None):
        self.title, self.corpus = title, corpus
        self.samples, self.commands, self.notes, self.criteria = {}, {}, {}, []
        self.broken = set()

    def add(self, tool, sample):
        self.samples.setdefault(tool, []).append(sample)

    def median(self, tool, what="wall"):
        got = self.samples.get(tool)
        return statistics.median(getattr(s, what) for s in got) if got else None

    def peak(self, tool):
        return max((s.peak for s in self.samples.get(tool, [])), default=None)

    def note(self, tool, text, **numbers):
        self.notes.setdefault(tool, []).append((text, numbers))

    def number(self, tool, name):
        """The median of a number noted under `name`."""
        got = [n[name] for _, n in self.notes.get(tool, []) if name in n]
        return statistics.median(got) if got else None


def ratio_to(peers, most):
    """The criterion `annals takes at most `most` times the best of `peers``."""

    def judge(row):
        theirs = [row.median(p) for p in peers if row.median(p) is not None]
        mine = row.median("annals")
        if mine is None or not theirs:
            return None, None
        r = mine / min(theirs)
        return r, r <= most

    return f"at most {most:g} × {'the best of ' if len(peers) > 1 else ''}{', '.join(peers)}", "ratio", judge


def at_most(text, name, limit, unit):
    """The criterion that a number of annals (noted, or the wall time in ms) is at most `limit`."""

    def judge(row):
        if name == "wall_ms":
            mine = row.median("annals")
            mine = None if mine is None else mine * 1000
        else:
            mine = row.number("annals", name)
        return mine, None if mine is None else mine <= limit

    return f"{text} at most {limit:g} {unit}".strip(), unit, judge


class Timer:
    """A process of its own that starts and times the others.

    A process counts as its own peak what its parent held when it was started, so the parent must stay small.
    """

    def __init__(self):
        (ask_r, ask_w), (tell_r, tell_w) = os.pipe(), os.pipe()
        if os.fork() == 0:
            os.close(ask_w), os.close(tell_r)
            self.serve(os.fdopen(ask_r, "rb"), os.fdopen(tell_w, "wb"))
        os.close(ask_r), os.close(tell_w)
        self.ask, self.tell = os.fdopen(ask_w, "wb"), os.fdopen(tell_r, "rb")

    def run(self, *job):
        pickle.dump(job, self.ask)
        self.ask.flush()
        return pickle.load(self.tell)

    @staticmethod
    def serve(ask, tell):
        while True:
            try:
                argv, cwd, env, out, err = pickle.load(ask)
            except (EOFError, KeyboardInterrupt):
                os._exit(0)
            with open(out, "wb") as o, open(err, "wb") as e:
                start = time.monotonic()
                try:
                    child = subprocess.Popen(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=o, stderr=e)
                except OSError as error:
                    e.write(str(error).encode())
                    cost = (0, 0, 0, 127, 0)
                else:
                    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
                    wall = time.monotonic() - start
                    wchar = written_by(child.pid)
                    _, status, used = os.wait4(child.pid, 0)
                    child.returncode = os.waitstatus_to_exitcode(status)
                    cost = (wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / MB, child.returncode, wchar)
            pickle.dump(cost, tell)
            tell.flush()


class Bench:
    def __init__(self, args):
        self.timer = Timer()
        self.args, self.root = args, os.path.abspath(args.root)
        self.work = os.path.join(self.root, "work")
        self.trash = os.path.join(self.work, "trash")
        self.tmpfs = os.path.join(args.tmpfs, f"compare-{os.getpid()}")
        self.annals = None if args.peers_only else os.path.abspath(args.annals)
        self.runs, self.cheap = args.runs, 2 * args.runs + 1
        self.rows, self.remarks, self.warnings = [], [], []
        self.stores, self.gits, self.repos, self.changed, self.mtimes = {}, {}, {}, {}, {}
        for d in (self.trash, self.path("home")):
            os.makedirs(d, exist_ok=True)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "ANNALS_", "BORG_", "RESTIC_"))}
        who = {f"{t}_{r}_{f}": "bench" for t in ("GIT", "ANNALS") for r in ("AUTHOR", "COMMITTER") for f in ("NAME", "EMAIL")}
        self.env.update(who, HOME=self.path("home"), XDG_CACHE_HOME=self.path("home/cache"), XDG_CONFIG_HOME=self.path("home/config"),
                        GIT_CONFIG_NOSYSTEM="1", GIT_TERMINAL_PROMPT="0", NO_COLOR="1", LC_ALL="C.UTF-8", RESTIC_PASSWORD="x",
                        BORG_BASE_DIR=self.path("home/borg"), BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes",
                        BORG_RELOCATED_REPO_ACCESS_IS_OK="yes")
        if args.peer_bin:
            self.env["PATH"] = os.path.abspath(args.peer_bin) + ":" + self.env["PATH"]
        self.tools = {t: shutil.which(t, path=self.env["PATH"]) for t in
                      ("git", "bupstash", "conserve", "restic", "borg", "git-annex", "git-lfs")}

    # paths

    def path(self, *parts):
        return os.path.join(self.work, *parts)

    def corpus(self, name):
        return os.path.join(self.root, name)

    def has(self, name):
        if os.path.isdir(self.corpus(name)):
            return True
        self.warn(f"{name} is not in ROOT: its rows are left out")
        return False

    def warn(self, text):
        if text not in self.warnings:
            self.warnings.append(text)
            say("!! " + text)

    def discard(self, path):
        """Renames `path` into the trash and frees the space of its big files without freeing their inodes."""
        if not os.path.lexists(path):
            return
        where = os.path.join(self.trash, f"{time.monotonic_ns()}")
        os.rename(path, where)
        for top, _, files in os.walk(where):
            for f in files:
                p = os.path.join(top, f)
                st = os.lstat(p)
                if st.st_nlink == 1 and st.st_size > 65536 and not os.path.islink(p):
                    os.chmod(p, 0o600)
                    os.truncate(p, 0)

    # commands

    def time(self, command, cwd=None):
        """Runs `command` (a list, or a line for bash) and returns what it cost."""
        argv = ["bash", "-c", command] if isinstance(command, str) else command
        cost = self.timer.run(argv, cwd, self.env, self.path("stdout"), self.path("stderr"))
        with open(self.path("stdout"), "rb") as out:
            s = Sample(cost, sum(1 for _ in out))
        if s.rc:
            with open(self.path("stderr"), errors="replace") as err:
                text = self.shown(err.read().strip()[-300:]).replace("\n", " ")
            self.warn(f"`{self.shown(command)}` ended with {s.rc}: {text}")
        return s

    def do(self, command, cwd=None):
        """Runs a command that is not measured; a failure ends the work."""
        s = self.time(command, cwd)
        if s.rc:
            raise Failed(self.shown(command))
        return s

    def text(self, command, cwd=None):
        self.do(command, cwd)
        with open(self.path("stdout"), errors="replace") as f:
            return f.read()

    def shown(self, command):
        """A command as the report shows it: without the paths of this machine."""
        line = command if isinstance(command, str) else " ".join(a if re.fullmatch(r"[\w@%+=:,./~^-]+", a) else repr(a) for a in command)
        places = [(self.annals or "\0", "annals"), (self.tmpfs, "TMPFS"), (self.work, "WORK"), (self.root, "ROOT")]
        for real, name in places:
            line = line.replace(real, name)
        return line

    def measure(self, row, tool, command, cwd=None):
        """One counted run. A tool that fails is left out of the row from then on."""
        if tool in row.broken:
            return None
        os.sync()
        s = self.time(command, cwd)
        row.commands.setdefault(tool, self.shown(command) + (f"   (in {self.shown(cwd)})" if cwd else ""))
        if s.rc:
            row.broken.add(tool)
            row.samples.pop(tool, None)
            row.note(tool, f"failed with exit code {s.rc}")
            return None
        row.add(tool, s)
        say(f"{row.title:<52} {tool:<12} {s.wall:9.3f} s  cpu {s.cpu:8.3f}  peak {s.peak:7.1f} MB")
        return s

    def alternate(self, row, contenders, runs, before=None, warm=0):
        """`contenders`: [(tool, command, cwd)]. They take turns; the order turns round every run."""
        for _ in range(warm):
            for tool, command, cwd in contenders:
                s = self.time(command, cwd)
                if s.rc:
                    row.broken.add(tool)
                    row.note(tool, f"failed with exit code {s.rc}")
        for i in range(runs):
            if before:
                before(i)
            for tool, command, cwd in contenders if i % 2 == 0 else contenders[::-1]:
                self.measure(row, tool, command, cwd)

    def warm(self, *names):
        for n in names:
            subprocess.run(["bash", "-c", f"find {q(self.corpus(n))} -type f -print0 | xargs -0 -n 5000 cat > /dev/null"], check=False)

    def row(self, title, corpus=None, *criteria):
        row = Row(title, corpus)
        row.criteria = list(criteria)
        self.rows.append(row)
        return row

    def check(self, row, tool, right, text):
        if not right:
            row.note(tool, "WRONG: " + text)
            self.warn(f"{row.title}: {tool}: {text}")

    # annals' repositories in the corpora

    def park(self, name):
        """Takes the repository of annals out of the corpus, so that peers do not see it."""
        here = os.path.join(self.corpus(name), ".annals")
        if os.path.lexists(here):
            self.discard(self.path("parked", name))
            os.makedirs(self.path("parked"), exist_ok=True)
            os.rename(here, self.path("parked", name))
            self.keep_mtime(name)

    def unpark(self, name):
        """Puts the repository of annals into the corpus; makes it if this run has not done so."""
        if not self.annals:
            return
        here = os.path.join(self.corpus(name), ".annals")
        if os.path.lexists(here):
            return
        if name in self.repos and os.path.lexists(self.path("parked", name)):
            os.rename(self.path("parked", name), here)
            self.keep_mtime(name)
        else:
            self.do([self.annals, "init", self.corpus(name), "--commit", "first"])
            self.keep_mtime(name)
            self.repos[name] = here

    def keep_mtime(self, name):
        os.utime(self.corpus(name), ns=(self.mtimes[name], self.mtimes[name]))

    def an(self, where, *args):
        return [self.annals, "-C", where, *args]

    # changes to files of a corpus, undone at the end

    def append(self, path, text):
        if path not in self.changed:
            with open(path, "rb") as f:
                self.changed[path] = (f.read(), os.stat(path).st_mtime_ns)
        with open(path, "ab") as f:
            f.write(text.encode())

    def undo_changes(self):
        for path, (data, mtime) in self.changed.items():
            with open(path, "wb") as f:
                f.write(data)
            os.utime(path, ns=(mtime, mtime))
        self.changed.clear()

    # git beside a corpus

    def git(self, name, tuned, *args):
        """A git command on corpus `name`, whose git directory is in ROOT/work."""
        gitdir = self.path("git", name + ("-tuned" if tuned else "") + ".git")
        return ["git", f"--git-dir={gitdir}", f"--work-tree={self.corpus(name)}", *args]

    def git_ready(self, name):
        """Records corpus `name` in git, packed, uncompressed: once plain, once with index v4 and untracked cache."""
        plain, tuned = self.path("git", name + ".git"), self.path("git", name + "-tuned.git")
        if name in self.gits:
            return
        self.gits[name] = plain
        self.park(name)
        fresh = os.path.exists(os.path.join(plain, "made"))
        if not fresh:
            self.discard(plain)
            say(f"recording {name} in git")
            os.makedirs(self.path("git"), exist_ok=True)
            self.do(["git", "init", "-q", "--bare", "-b", "main", plain])
            for k, v in (("gc.auto", "0"), ("core.compression", "0"), ("maintenance.auto", "false")):
                self.do(["git", "-C", plain, "config", k, v])
            os.makedirs(os.path.join(plain, "info"), exist_ok=True)
            with open(os.path.join(plain, "info", "exclude"), "w") as f:
                f.write("/.annals/\n")
            self.do(f"{q(sys.executable)} {q(os.path.abspath(__file__))} --feed {q(self.corpus(name))}"
                    f" | git -C {q(plain)} fast-import --quiet")
            self.do(["git", "-C", plain, "tag", "first", "main"])
        # Commits of an earlier run are forgotten: the files of the corpus have their first content again.
        self.do(self.git(name, False, "reset", "-q", "first"), self.corpus(name))
        self.time(self.git(name, False, "update-index", "-q", "--refresh"), self.corpus(name))
        open(os.path.join(plain, "made"), "w").close()
        self.discard(tuned)
        self.do(["cp", "-a", plain, tuned])
        self.do(self.git(name, True, "config", "feature.manyFiles", "true"))
        self.do(self.git(name, True, "update-index", "--index-version", "4"))
        self.do(self.git(name, True, "update-index", "--untracked-cache"))
        for t in (False, True, True):
            s = self.do(self.git(name, t, "status", "--short"), self.corpus(name))
            if s.lines:
                self.warn(f"git finds {s.lines} paths of {name} changed after recording it")

    # peers that record a directory into a store

    def recorders(self, corpus):
        """The peers that record a directory: {name: (make the store, record, where its bytes are)}."""
        if not self.stores:
            self.discard(self.path("stores"))  # what an earlier run left
        p = {
            "bupstash": ("bupstash init -r {s}/r && bupstash new-key -o {s}/k",
                         "bupstash put -q -r {s}/r -k {s}/k --send-log {s}/log name={tag} {dir}"),
            "conserve": ("conserve init {s}/r", "conserve backup --no-progress --no-stats {s}/r {dir}"),
        }
        if self.args.all_peers:
            p["restic"] = ("restic -q -r {s}/r init", "cd {dir} && restic -q -r {s}/r --no-cache backup .")
            p["borg"] = ("borg init -e none {s}/r", "cd {dir} && borg create {s}/r::{tag} .")
            g = "git --git-dir={s}/g --work-tree={dir}"
            if corpus != "BIN":
                p["git"] = ("git init -q --bare {s}/g && git -C {s}/g config gc.auto 0 && git -C {s}/g config core.compression 0",
                            f"cd {{dir}} && {g} add -A . && {g} commit -qm {{tag}}")
            else:
                p["git-annex"] = ("cp -a {dir} {s}/w && cd {s}/w && git init -q && git annex init -q b",
                                  "cd {s}/w && git annex add -q --jobs=2 . && git commit -qm {tag}")
                p["git-lfs"] = ("cp -al {dir} {s}/w && cd {s}/w && git init -q && git lfs install --local > /dev/null"
                                " && git lfs track '*.so*' '*.whl' '*.deb' > /dev/null",
                                "cd {s}/w && git add -A . && git commit -qm {tag}")
        if corpus == "TINY":
            p = {k: v for k, v in p.items() if k in ("bupstash", "restic")}
        missing = [t for t in p if not self.tools.get(t)]
        for t in missing:
            self.warn(f"{t} was not found and is left out")
        return {k: v for k, v in p.items() if k not in missing}

    def fill(self, line, name, store, tag="a", directory=None):
        d = directory or self.corpus(name)
        return line.replace("{s}", q(store)).replace("{dir}", q(d)).replace("{tag}", tag)

    def new_store(self, tool, name, make):
        store = self.path("stores", f"{tool}-{name}")
        self.discard(store)
        os.makedirs(store)
        self.do(self.fill(make, name, store))
        self.stores[tool, name] = store
        return store

    def store_bytes(self, tool, store):
        """What the tool added to the disk; a working copy beside the store is not counted."""
        return size_of(os.path.join(store, "w", ".git") if os.path.isdir(os.path.join(store, "w")) else store)

    # the works

    def first(self, name, title, *criteria):
        """First record of a corpus that annals records in place."""
        if not self.has(name):
            return
        row = self.row(title, name, *criteria)
        peers = self.recorders(name)
        tools = list(peers) + (["annals"] if self.annals else [])
        self.park(name)
        self.warm(name)
        for i in range(self.runs):
            if name != "TINY" and i:
                self.warm(name)
            for tool in tools if i % 2 == 0 else tools[::-1]:
                if i and tool in ONCE:
                    continue
                if tool == "annals":
                    repo = os.path.join(self.corpus(name), ".annals")
                    self.discard(self.path("parked", name))
                    s = self.measure(row, tool, [self.annals, "init", self.corpus(name), "--commit", "first"])
                    self.keep_mtime(name)
                    if s:
                        self.repos[name] = repo
                        row.note(tool, f"store {size_of(repo) / MB:.1f} MB ({parts_of(repo)})", store=size_of(repo) / MB)
                    self.park(name)
                else:
                    store = self.new_store(tool, name, peers[tool][0])
                    if self.measure(row, tool, self.fill(peers[tool][1], name, store)):
                        row.note(tool, f"store {self.store_bytes(tool, store) / MB:.1f} MB", store=self.store_bytes(tool, store) / MB)
                    if tool in ONCE:
                        self.discard(store)

    def work_src(self):
        self.first("SRC", "first record of SRC", ratio_to(["bupstash"], 0.6), at_most("store", "store", 200, "MB"))

    def work_tiny(self):
        self.first("TINY", "first record of TINY", ratio_to(["bupstash"], 0.6))

    def work_bin(self):
        if not (self.has("BIN") and self.has("BINv2")):
            return
        one = self.row("first record of BIN", "BIN", ratio_to(["bupstash"], 0.5))
        two = self.row("recording BINv2, every path changed", "BIN", ratio_to(["bupstash"], 0.4), at_most("added", "added", 8, "MB"))
        peers = self.recorders("BIN")
        tools = list(peers) + (["annals"] if self.annals else [])
        for i in range(self.runs):
            for tool in tools if i % 2 == 0 else tools[::-1]:
                if i and tool in ONCE:
                    continue
                self.warm("BIN", "BINv2")
                if tool == "annals":
                    tree, repo = self.bin_tree(), self.path("bin", ".annals")
                    s = self.measure(one, tool, [self.annals, "init", tree, "--commit", "first"])
                    if not s:
                        continue
                    before = size_of(repo)
                    one.note(tool, f"store {before / MB:.1f} MB ({parts_of(repo)})", store=before / MB)
                    self.bin_swap("BINv2")
                    self.warm("BINv2")
                    if self.measure(two, tool, self.an(tree, "commit", "-q", "-m", "second")):
                        added = (size_of(repo) - before) / MB
                        two.note(tool, f"added {added:.2f} MB", added=added)
                        self.repos["BIN"] = (repo, "HEAD~1")
                        self.check(two, tool, self.time(self.an(tree, "status", "-s")).lines == 0, "status is not clean afterwards")
                    continue
                store = self.new_store(tool, "BIN", peers[tool][0])
                if not self.measure(one, tool, self.fill(peers[tool][1], "BIN", store)):
                    self.discard(store)
                    continue
                before = self.store_bytes(tool, store)
                one.note(tool, f"store {before / MB:.1f} MB", store=before / MB)
                if tool.startswith("git"):
                    self.discard(self.path("stores", "old"))
                    os.makedirs(self.path("stores", "old"))
                    move_children(os.path.join(store, "w"), self.path("stores", "old"), keep=(".git", ".gitattributes"))
                    self.do(["cp", "-a" if tool == "git-annex" else "-al", self.corpus("BINv2") + "/.", os.path.join(store, "w")])
                self.warm("BINv2")
                if self.measure(two, tool, self.fill(peers[tool][1], "BIN", store, "z", self.corpus("BINv2"))):
                    added = (self.store_bytes(tool, store) - before) / MB
                    two.note(tool, f"added {added:.2f} MB", added=added)
                if tool in ONCE:
                    self.discard(store)
                    self.discard(self.path("stores", "old"))

    def bin_tree(self):
        """A working tree for annals with the files of BIN, by hard links."""
        self.discard(self.path("bin"))
        os.makedirs(self.path("bin"))
        self.bin_swap("BIN")
        return self.path("bin")

    def bin_swap(self, name):
        old = os.path.join(self.trash, f"{time.monotonic_ns()}")
        os.makedirs(old)
        move_children(self.path("bin"), old, keep=(".annals",))
        self.do(["cp", "-al", self.corpus(name) + "/.", self.path("bin")])

    def work_status(self):
        for name in ("SRC", "TINY", "FLAT"):
            if not self.has(name):
                continue
            row = self.row(f"status of {name}, nothing changed", name, ratio_to(["git tuned"], 0.9))
            self.git_ready(name)
            self.unpark(name)
            where = self.corpus(name)
            c = [("git", self.git(name, False, "status", "--short"), where), ("git tuned", self.git(name, True, "status", "--short"), where)]
            if self.annals:
                c.append(("annals", self.an(where, "status", "-s"), None))
            self.alternate(row, c, self.cheap, warm=2)
            for tool, got in row.samples.items():
                self.check(row, tool, all(s.lines == 0 for s in got), "status is not empty")

    def work_change(self):
        if not self.has("TINY"):
            return
        row = self.row("find one changed file in TINY and commit it", "TINY", ratio_to(["git tuned"], 0.4))
        self.git_ready("TINY")
        self.unpark("TINY")
        where, path = self.corpus("TINY"), nth_file(self.corpus("TINY"), 4242)
        c = [("git tuned", " ".join(map(q, self.git("TINY", True, "add", "-A", "."))) + " && "
              + " ".join(map(q, self.git("TINY", True, "commit", "-q", "-m", "change"))), where)]
        if self.annals:
            c.append(("annals", self.an(where, "commit", "-q", "-m", "change"), None))
        self.one_change(row, "TINY", path, c)

    def work_path(self):
        for name in ("TINY", "FLAT"):
            if not self.has(name):
                continue
            row = self.row(f"commit one named path in {name}", name, at_most("", "wall_ms", 50, "ms"),
                           at_most("written beside the index", "beside", 64, "KiB"))
            self.git_ready(name)
            self.unpark(name)
            path = nth_file(self.corpus(name), 1234)
            c = [("git tuned", self.git(name, True, "commit", "-q", "-m", "path", path), self.corpus(name))]
            if self.annals:
                c.append(("annals", self.an(self.corpus(name), "commit", "-q", "-m", "path", path), None))
            self.one_change(row, name, path, c, written=True)

    def one_change(self, row, name, path, contenders, written=False):
        """Appends a line to `path`, then lets every contender commit it; the first round is not counted."""
        repo = os.path.join(self.corpus(name), ".annals")
        for i in range(self.cheap + 1):
            self.append(os.path.join(self.corpus(name), path), f"changed {i}\n")
            for tool, command, cwd in contenders if i % 2 == 0 else contenders[::-1]:
                if i == 0:
                    if self.time(command, cwd).rc:
                        row.broken.add(tool)
                        row.note(tool, "failed")
                    continue
                look = written and tool == "annals"
                before, pages = (files_of(repo), pages_of(repo)) if look else (None, None)
                s = self.measure(row, tool, command, cwd)
                if s and look:
                    beside, index, names = written_between(repo, before, pages)
                    row.note(tool, f"{beside / 1024:.1f} KiB beside the index, {index / 1024:.1f} KiB to the index; "
                             f"{s.wchar / 1024:.1f} KiB by write calls; touched: {names}", beside=beside / 1024)
        if self.annals and "annals" in row.samples:
            with open(os.path.join(self.corpus(name), path)) as f:
                now = f.read()
            self.check(row, "annals", self.text(self.an(self.corpus(name), "cat", f"HEAD:{path}")) == now, "the commit has not the new content")

    def work_restore(self):
        for name in ("SRC", "BIN"):
            if self.has(name):
                row = self.row(f"restore {name} into an empty tree", name, ratio_to(["bupstash", "conserve"], 0.7))
                self.park("SRC")
                self.restore(row, name)

    def restore(self, row, name):
        self.warm(name)
        peers = {k: v for k, v in self.recorders(name).items() if k in ("bupstash", "conserve")}
        back = {"bupstash": "bupstash restore -q -r {s}/r -k {s}/k --query-cache {s}/qc --into {out} name=a",
                "conserve": "conserve restore --no-progress --no-stats -b b0 {s}/r {out}/x"}
        for tool, (make, record) in peers.items():
            if (tool, name) not in self.stores:
                self.do(self.fill(record, name, self.new_store(tool, name, make)))
        source, repo = "HEAD", self.path("parked", name)
        if self.annals and name == "BIN":
            if "BIN" not in self.repos:
                self.do([self.annals, "init", self.bin_tree(), "--commit", "first"])
                self.repos["BIN"] = (self.path("bin", ".annals"), "HEAD")
            repo, source = self.repos["BIN"]
        elif self.annals:
            self.unpark(name)
            self.park(name)
        tools = list(peers) + (["annals"] if self.annals else [])
        size = size_of(self.corpus(name)) * 2
        os.makedirs(self.tmpfs, exist_ok=True)
        free = shutil.disk_usage(self.tmpfs).free
        if free < size:
            self.warn(f"the tmpfs has {free / MB:.0f} MB free, {size / MB:.0f} wanted: restore of {name} left out")
            return
        # Pages the machine has never touched cost several times more: touch them before anything counts.
        subprocess.run(["dd", "if=/dev/zero", f"of={self.tmpfs}/touch", "bs=1M", f"count={int(size / 2**20)}"],
                       stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["rm", "-rf", self.tmpfs], check=False)
        for i in range(self.runs):
            for tool in tools if i % 2 == 0 else tools[::-1]:
                os.makedirs(self.tmpfs)
                out = os.path.join(self.tmpfs, "out")
                os.makedirs(out)
                if tool == "annals":
                    self.do(["cp", "-a", repo, os.path.join(out, ".annals")])
                    # A repository that was copied notices it once; that is not part of a restore.
                    self.time(self.an(out, "log", "-n", "1"))
                    s = self.measure(row, tool, self.an(out, "restore", "--source", source, "."))
                    got = out
                else:
                    self.do(["cp", "-a", self.stores[tool, name], os.path.join(self.tmpfs, "store")])
                    s = self.measure(row, tool, back[tool].replace("{s}", os.path.join(self.tmpfs, "store")).replace("{out}", out))
                    got = os.path.join(out, "x") if tool == "conserve" else out
                if i == 0 and s:
                    same = subprocess.run(["diff", "-rq", "--no-dereference", "--exclude=.annals", self.corpus(name), got],
                                          stdout=subprocess.DEVNULL, check=False).returncode == 0
                    self.check(row, tool, same, "what was restored differs from the corpus")
                subprocess.run(["rm", "-rf", self.tmpfs], check=False)

    def work_switch(self):
        if not self.has("SRC"):
            return
        row = self.row("switch between two versions of SRC", "SRC", ratio_to(["git"], 1.0))
        self.git_ready("SRC")
        self.park("SRC")
        trees = {t: self.path("switch", t) for t in ("git", "annals") if t == "git" or self.annals}
        self.discard(self.path("switch"))
        os.makedirs(self.path("switch"))
        for tree in trees.values():
            self.do(["cp", "-a", self.corpus("SRC"), tree])
        gitdir = self.path("switch", "git.git")
        g = ["git", f"--git-dir={gitdir}", f"--work-tree={trees['git']}"]
        self.do(["git", "clone", "-q", "--bare", "--shared", self.gits["SRC"], gitdir])
        for k, v in (("gc.auto", "0"), ("core.compression", "0"), ("core.bare", "false"), ("feature.manyFiles", "true")):
            self.do(["git", "-C", gitdir, "config", k, v])
        self.do(g + ["reset", "-q", "main"], trees["git"])

        def both(tool, branch, base):
            if tool == "git":
                self.do(g + ["checkout", "-q", base], trees["git"])
                self.do(g + ["checkout", "-q", "-b", branch], trees["git"])
            else:
                self.do(self.an(trees[tool], "switch", "-q", base))
                self.do(self.an(trees[tool], "switch", "-q", "-c", branch))
            edit_branch(trees[tool], branch)
            if tool == "git":
                self.do(g + ["add", "-A", "."], trees["git"])
                self.do(g + ["commit", "-q", "-m", branch], trees["git"])
            else:
                self.do(self.an(trees[tool], "commit", "-q", "-m", branch))

        if self.annals:
            self.do([self.annals, "init", trees["annals"], "--commit", "base"])
        for tool in trees:
            both(tool, "A", "main")
            both(tool, "B", "main")
        differ = len(self.text(g + ["diff", "--no-renames", "--name-only", "A", "B"]).splitlines())
        row.title = f"switch between two versions of SRC that differ in {differ:,} paths"
        os.sync()
        for branch in ("A", "B"):
            self.time(g + ["checkout", "-q", branch], trees["git"])
            if self.annals:
                self.time(self.an(trees["annals"], "switch", "-q", branch))
        for i in range(self.cheap):
            for branch in ("A", "B"):
                c = [("git", g + ["checkout", "-q", branch], trees["git"])]
                if self.annals:
                    c.append(("annals", self.an(trees["annals"], "switch", "-q", branch), None))
                for tool, command, cwd in c if i % 2 == 0 else c[::-1]:
                    self.measure(row, tool, command, cwd)
        if self.annals:
            same = subprocess.run(["diff", "-rq", "--no-dereference", "--exclude=.annals", trees["git"], trees["annals"]],
                                  stdout=subprocess.DEVNULL, check=False).returncode == 0
            self.check(row, "annals", same, "the tree differs from git's")
            self.check(row, "annals", self.do(self.an(trees["annals"], "status", "-s")).lines == 0, "status is not clean afterwards")

    def work_log(self):
        n = self.args.commits
        row = self.row(f"log --oneline of {n:,} commits", None, at_most("", "wall_ms", 20 * n / 10000, "ms"))
        gitdir, tree = self.path("log", f"{n}.git"), self.path("log", str(n))
        os.makedirs(self.path("log"), exist_ok=True)
        if not os.path.exists(os.path.join(gitdir, "made")):
            self.discard(gitdir)
            self.do(["git", "init", "-q", "--bare", "-b", "main", gitdir])
            self.do(f"{q(sys.executable)} {q(os.path.abspath(__file__))} --feed-log {n} | git -C {q(gitdir)} fast-import --quiet")
            self.do(["git", "-C", gitdir, "commit-graph", "write", "--reachable", "--changed-paths"])
            open(os.path.join(gitdir, "made"), "w").close()
        c = [("git", ["git", f"--git-dir={gitdir}", "log", "--oneline"], None)]
        if self.annals:
            if not (os.path.exists(os.path.join(tree, ".annals")) and self.time(self.an(tree, "log", "--oneline")).lines == n):
                say(f"making {n} commits with annals (once; kept)")
                self.discard(tree)
                os.makedirs(tree)
                for i in range(10):
                    with open(os.path.join(tree, f"file{i}.txt"), "w") as f:
                        f.write("empty\n")
                for i in range(n):
                    with open(os.path.join(tree, f"file{i % 10}.txt"), "w") as f:
                        f.write(f"state {i}\n")
                    self.do([self.annals, "init", tree, "--commit", "commit 0"] if i == 0 else
                            self.an(tree, "commit", "-q", "-m", f"commit {i}", f"file{i % 10}.txt"))
            c.append(("annals", self.an(tree, "log", "--oneline"), None))
        self.alternate(row, c, 2 * self.cheap, warm=2)
        for tool, got in row.samples.items():
            self.check(row, tool, all(s.lines == n for s in got), f"{got[0].lines} lines, not {n}")

    def work_diff(self):
        if not self.has("TINY"):
            return
        row = self.row("diff --name-status of two versions of TINY that differ in ten files", "TINY", at_most("", "wall_ms", 10, "ms"))
        self.git_ready("TINY")
        self.unpark("TINY")
        where = self.corpus("TINY")
        ten = [nth_file(where, k) for k in range(500, 10000, 957)]
        for p in ten:
            self.append(os.path.join(where, p), "one of ten\n")
        self.do(self.git("TINY", True, "add", *ten), where)
        self.do(self.git("TINY", True, "commit", "-q", "-m", "ten"), where)
        c = [("git", self.git("TINY", True, "diff", "--name-status", "HEAD~1", "HEAD"), None)]
        if self.annals:
            self.do(self.an(where, "commit", "-q", "-m", "ten", *ten))
            c.append(("annals", self.an(where, "diff", "--name-status", "HEAD~1", "HEAD"), None))
        self.alternate(row, c, 2 * self.cheap, warm=2)
        for tool, got in row.samples.items():
            self.check(row, tool, all(s.lines == 10 for s in got), f"{got[0].lines} lines, not 10")

    # the whole

    def run(self, works):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self.load = [os.getloadavg()[0]]
        for name in ("SRC", "TINY", "FLAT"):
            if os.path.isdir(self.corpus(name)):
                self.mtimes[name] = os.stat(self.corpus(name)).st_mtime_ns
                self.discard(os.path.join(self.corpus(name), ".annals"))
                self.keep_mtime(name)
        try:
            for w in works:
                say(f"── {w}")
                try:
                    getattr(self, "work_" + w)()
                except Failed as e:
                    self.warn(f"work {w} was given up: `{e}` failed")
        finally:
            self.load.append(os.getloadavg()[0])
            for name in self.mtimes:
                self.park(name)
            self.undo_changes()
            subprocess.run(["rm", "-rf", self.tmpfs], check=False)
        return self.report(works)

    # the report

    def versions(self):
        ask = {"git": "git --version", "bupstash": "bupstash --version", "conserve": "conserve --version", "restic": "restic version",
               "borg": "borg --version", "git-annex": "git annex version | head -1", "git-lfs": "git lfs version"}
        used = {t.split()[0] for r in self.rows for t in r.samples}
        lines = []
        for t, command in [*ask.items(), *([("annals", [self.annals, "--version"])] if self.annals else [])]:
            if t in used or t == "git":
                lines.append(f"* {t}: " + first_line(self.text(command)))
        return lines

    def machine(self):
        cpu, memory = "unknown", 0
        with open("/proc/cpuinfo") as f:
            for line in f:
                if line.startswith("model name"):
                    cpu = line.split(":", 1)[1].strip()
                    break
        with open("/proc/meminfo") as f:
            memory = int(f.readline().split()[1]) * 1024
        return (f"{os.cpu_count()} × {cpu}, {memory / 2**30:.0f} GiB of memory, {file_system(self.root)} (ROOT), "
                f"{file_system(self.args.tmpfs)} (restores), Linux {platform.release().split('-')[0]}; "
                f"load before {self.load[0]:.2f}, after {self.load[1]:.2f}")

    def report(self, works):
        out = ["# annals and its peers" if self.annals else "# The peers of annals", "",
               f"Made by `benches/{os.path.basename(sys.argv[0])}`, {time.strftime('%Y-%m-%d', time.gmtime())}; works: {', '.join(works)}; "
               f"medians of {self.runs} runs (cheap ones {self.cheap} or more).", "", "Machine: " + self.machine(), ""]
        out += self.versions() + ["", "## Result", "",
                                  "| work | peers: median s (peak MB) | annals: median s (peak MB) | ratio or value | wanted | met |",
                                  "|---|---|---|---:|---|---|"]
        for row in self.rows:
            peers = "; ".join(f"{t} {sec(row.median(t))} ({row.peak(t):.0f})" for t in row.samples if t != "annals") or "–"
            mine = f"{sec(row.median('annals'))} ({row.peak('annals'):.0f})" if "annals" in row.samples else "–"
            for k, (wanted, unit, judge) in enumerate(row.criteria):
                value, met = judge(row)
                shown = "–" if value is None else f"{value:.2f}" if unit == "ratio" else f"{value:.1f} {unit}"
                cells = [row.title, peers, mine] if k == 0 else ["", "", ""]
                out.append("| " + " | ".join(cells + [shown, wanted.strip(), yes(met)]) + " |")
        for corpora, limit in ((("SRC", "BIN"), 150), (("TINY",), 250)):
            best = {}
            for row in self.rows:
                for t in row.samples if row.corpus in corpora else ():
                    if row.peak(t) > best.get(t, (0, ""))[0]:
                        best[t] = (row.peak(t), row.title)
            if best:
                mine = best.pop("annals", None)
                out.append(f"| peak memory on {' and '.join(corpora)} | " + "; ".join(f"{t} {v[0]:.0f} MB" for t, v in best.items())
                           + f" | {f'{mine[0]:.0f} MB ({mine[1]})' if mine else '–'} | {f'{mine[0]:.0f} MB' if mine else '–'}"
                           + f" | at most {limit} MB | {yes(mine and mine[0] <= limit)} |")
        out += ["", "## Sizes and remarks", ""]
        for row in self.rows:
            for tool in row.notes:
                texts = [t for t, _ in row.notes[tool]]
                wrong = [t for t in texts if t.startswith(("WRONG", "failed"))]
                right = [t for t in texts if t not in wrong]
                for t in dict.fromkeys(wrong + right[-1:]):
                    out.append(f"* {row.title}: {tool}: {t}")
        out += ["", "## Every tool", "", "| work | tool | n | wall median | min | max | cpu median | peak MB |", "|---|---|---:|---:|---:|---:|---:|---:|"]
        for row in self.rows:
            for tool, got in row.samples.items():
                walls = [s.wall for s in got]
                out.append(f"| {row.title} | {tool} | {len(got)} | {sec(statistics.median(walls))} | {sec(min(walls))} | {sec(max(walls))} | "
                           f"{sec(row.median(tool, 'cpu'))} | {row.peak(tool):.0f} |")
        out += ["", "## Commands", "", "```"]
        for row in self.rows:
            out += [f"{row.title}: {tool}: {command}" for tool, command in row.commands.items()]
        out += ["```"]
        if self.warnings:
            out += ["", "## Warnings", ""] + ["* " + w for w in self.warnings]
        return "\n".join(out) + "\n"


# ── small helpers ───────────────────────────────────────────────────────────────────────────────────────────────────


class Failed(Exception):
    """A command that prepares a work failed."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def q(word):
    return word if re.fullmatch(r"[\w@%+=:,./-]+", word) else "'" + word.replace("'", "'\\''") + "'"


def sec(value):
    return "–" if value is None else f"{value:.4f}" if value < 0.1 else f"{value:.3f}" if value < 1 else f"{value:.2f}"


def yes(met):
    return "–" if met is None else "yes" if met else "**no**"


def first_line(text):
    return text.strip().splitlines()[0] if text.strip() else "unknown"


def written_by(pid):
    """Bytes that an ended process, not yet waited for, gave to write calls."""
    try:
        with open(f"/proc/{pid}/io") as f:
            return int(dict(line.split(": ") for line in f)["wchar"])
    except (OSError, KeyError, ValueError):
        return 0


def size_of(path):
    """Apparent bytes of everything under `path`, directories included, as `du -sb` counts."""
    got = subprocess.run(["du", "-sb", path], capture_output=True, text=True, check=False).stdout.split()
    return int(got[0]) if got else 0


def parts_of(repo):
    return ", ".join(f"{n} {size_of(os.path.join(repo, n)) / MB:.1f}" for n in sorted(os.listdir(repo))
                     if size_of(os.path.join(repo, n)) > 50_000)


def files_of(repo):
    """Every file under `repo` with its inode, size and time of change."""
    seen = {}
    for top, _, files in os.walk(repo):
        for f in files:
            p = os.path.join(top, f)
            st = os.lstat(p)
            seen[os.path.relpath(p, repo)] = (st.st_ino, st.st_size, st.st_mtime_ns, st.st_blocks)
    return seen


def pages_of(repo):
    """Check sums of the 4 KiB pages of every file beside the index, to see later which were written over."""
    seen = {}
    for path, (_, size, _, _) in files_of(repo).items():
        if path.split(os.sep)[0] not in INDEX and size < 64 << 20:
            with open(os.path.join(repo, path), "rb") as f:
                seen[path] = array.array("L", (zlib.crc32(page) for page in iter(lambda: f.read(4096), b"")))
    return seen


def written_between(repo, before, pages):
    """Bytes written beside the index, bytes written to it (at least), and the files touched.

    A file that is new or was replaced counts whole. One that was changed in place counts its growth and every
    earlier page (4 KiB) that has other content now.
    """
    beside, index, names = 0, 0, []
    for path, now in files_of(repo).items():
        was = before.get(path)
        if was == now:
            continue
        if was is None or was[0] != now[0]:
            wrote, how = now[1], "new"
        else:
            wrote, how = max(0, now[1] - was[1]), "in place"
            if path in pages:
                with open(os.path.join(repo, path), "rb") as f:
                    for k, old in enumerate(pages[path]):
                        length = min(4096, was[1] - 4096 * k)
                        wrote += 4096 if zlib.crc32(f.read(length)) != old else 0
        names.append(f"{path} {how} {wrote}")
        if path.split(os.sep)[0] in INDEX:
            index += wrote
        else:
            beside += wrote
    return beside, index, ", ".join(names)


def file_system(path):
    """The type of the file system that holds `path`."""
    best = ("", "unknown")
    with open("/proc/mounts") as f:
        for line in f:
            _, where, kind = line.split()[:3]
            if (os.path.realpath(path) + "/").startswith(where.rstrip("/") + "/") and len(where) >= len(best[0]):
                best = (where, kind)
    return best[1]


def nth_file(tree, n):
    """The path of one file of `tree`, the same for every run, found without walking all of it."""
    path, at = tree, n
    while True:
        entries = sorted(e.name for e in os.scandir(path) if e.name != ".annals")
        at, name = at // len(entries) + 7 * n, entries[at % len(entries)]
        path = os.path.join(path, name)
        if not os.path.isdir(path):
            return os.path.relpath(path, tree)


def move_children(source, target, keep=()):
    for name in os.listdir(source):
        if name not in keep:
            os.rename(os.path.join(source, name), os.path.join(target, name))


def edit_branch(tree, branch):
    """Branch A renames sound/ and edits 50 files of kernel/; branch B edits 500 files, 200 of them in sound/."""

    def sources(under, count):
        found = []
        for top, dirs, files in os.walk(os.path.join(tree, under)):
            dirs.sort()
            found += [os.path.join(top, f) for f in sorted(files) if f.endswith(".c")]
        return sorted(found)[:count]

    if branch == "A":
        os.rename(os.path.join(tree, "sound"), os.path.join(tree, "soundsys"))
        chosen = sources("kernel", 50)
    else:
        chosen = sources("sound", 200) + sources("drivers/net", 300)
    for path in chosen:
        with open(path, "a") as f:
            f.write(f"/* edit {branch} */\n")


def feed(tree):
    """Writes a stream for `git fast-import` with everything under `tree` as one commit."""
    out = sys.stdout.buffer
    out.write(b"commit refs/heads/main\ncommitter bench <bench> 1700000000 +0000\ndata 5\nfirst\n")
    for top, dirs, files in os.walk(os.fsencode(tree)):
        dirs[:] = sorted(d for d in dirs if d != b".annals")
        links = [d for d in dirs if os.path.islink(os.path.join(top, d))]
        for name in sorted(files + links):
            path = os.path.join(top, name)
            if os.path.islink(path):
                mode, data = b"120000", os.readlink(path)
            else:
                mode = b"100755" if os.stat(path).st_mode & 0o100 else b"100644"
                with open(path, "rb") as f:
                    data = f.read()
            rel = os.path.relpath(path, os.fsencode(tree))
            if b"\n" in rel or rel.startswith(b'"'):
                raise SystemExit(f"a name that this feed cannot quote: {rel!r}")
            out.write(b"M " + mode + b" inline " + rel + b"\ndata %d\n" % len(data) + data + b"\n")


def feed_log(n):
    """Writes a stream for `git fast-import` with `n` commits of one small file each."""
    out = sys.stdout
    for i in range(n):
        message, data = f"commit {i}", f"state {i}\n"
        out.write(f"commit refs/heads/main\ncommitter bench <bench> {1700000000 + i} +0000\ndata {len(message)}\n{message}\n"
                  f"M 100644 inline file{i % 10}.txt\ndata {len(data)}\n{data}\n")


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--feed":
        return feed(sys.argv[2])
    if len(sys.argv) == 3 and sys.argv[1] == "--feed-log":
        return feed_log(int(sys.argv[2]))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("root", help="the directory with the corpora")
    p.add_argument("--annals", help="the annals program, a release build")
    p.add_argument("--peers-only", action="store_true", help="leave annals out")
    p.add_argument("--all-peers", action="store_true", help="also restic, borg, git, git-annex and git-lfs, once each, in the first records")
    p.add_argument("--work", default=",".join(WORKS), help="which works, by commas (default: all)")
    p.add_argument("--runs", type=int, default=3, help="runs of a costly work; cheap ones run 2N+1 times (default 3)")
    p.add_argument("--commits", type=int, default=10000, help="length of the history for `log`")
    p.add_argument("--tmpfs", default="/dev/shm", help="a tmpfs for the restores")
    p.add_argument("--peer-bin", help="a directory with peers, put before PATH")
    p.add_argument("--out", help="write the report there too")
    p.add_argument("--keep-trash", action="store_true", help="do not remove ROOT/work/trash at the end")
    args = p.parse_args()
    if not args.annals and not args.peers_only:
        p.error("give --annals PATH or --peers-only")
    works = [w for w in args.work.split(",") if w]
    if set(works) - set(WORKS):
        p.error("no such work: " + ", ".join(sorted(set(works) - set(WORKS))))
    bench = Bench(args)
    text = bench.run(sorted(works, key=WORKS.index))
    print(text, end="")
    if args.out:
        with open(args.out, "w") as f:
            f.write(text)
    if not args.keep_trash:
        subprocess.run(["rm", "-rf", bench.trash], check=False)


if __name__ == "__main__":
    main()
