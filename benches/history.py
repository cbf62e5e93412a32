#!/usr/bin/env python3
"""Measures annals and git on a real git history, and on merges of big trees, and prints markdown.

    history.py GITREPO --annals PATH --root DIR [--src DIR] [--tiny DIR] [--runs N] [--out FILE.md]

What it needs, beside what compare.py needs (it uses that file):
  * GITREPO, a git repository with a long history (the figures wanted are for one of more than 80,000 commits, such as
    git's own), with tags. It is only read. `--far A B` names two tags far apart and `--path P` a file (both may be
    given several times); without them, pairs of git's own releases, or the oldest and the newest tag, and `Makefile`.
  * --root, a scratch directory on a real file system with room for six copies of the repository, and of SRC.
  * --src, a Linux source tree of some 79,000 files, for the merge with a renamed directory; left out if not given.
  * --tiny, a tree of a million files, for the merge of trees that differ in ten; left out if not given. The
    repository of annals is made in it and renamed away at the end; the twenty files changed get their bytes back.

git has its commit-graph with changed paths, and a repository of one pack. How it measures: see compare.py.
"""

import argparse
import os
import subprocess
import sys

import compare
from compare import MB, Bench, Failed, at_most, nth_file, q, ratio_to, say, size_of

WORKS = ["import", "log", "base", "diff", "merge", "million"]
PAIRS = [("v1.5.0", "v2.40.0"), ("v2.39.2", "v2.45.0")]


class History(Bench):
    def __init__(self, args):
        args.peers_only, args.all_peers = not args.annals, False
        super().__init__(args)
        self.source = os.path.abspath(args.gitrepo)
        self.clone, self.imported = self.path("history", "git.git"), self.path("history", "annals")

    def shown(self, command):
        line = super().shown(command)
        for real, name in ((self.source, "GITREPO"), (self.args.src, "SRC"), (self.args.tiny, "TINY")):
            line = line.replace(real, name) if real else line
        return line

    # what the works share

    def prepare(self):
        self.discard(self.path("history"))
        os.makedirs(self.path("history"))
        self.do(["git", "clone", "-q", "--bare", "--no-local", self.source, self.clone])
        self.do(["git", "-C", self.clone, "commit-graph", "write", "--reachable", "--changed-paths"])
        self.commits = int(self.text(["git", "-C", self.clone, "rev-list", "--count", "HEAD"]))
        self.head = self.text(["git", "-C", self.clone, "rev-parse", "--abbrev-ref", "HEAD"]).strip()
        tags = self.text(["git", "-C", self.clone, "for-each-ref", "--sort=creatordate", "--format=%(refname:short)", "refs/tags"]).split()
        self.pairs = [tuple(p) for p in self.args.far or PAIRS if set(p) <= set(tags)]
        if not self.pairs and len(tags) > 1:
            self.pairs = [(tags[0], tags[-1])]
        if not self.pairs:
            self.warn("the repository has no two tags: merge-base and diff are left out")

    def on_git(self, *args):
        return ["git", f"--git-dir={self.clone}", *args]

    def ready(self):
        """The history in annals, imported if no measured run has done it."""
        if self.annals and not os.path.isdir(self.imported):
            self.do([self.annals, "init", "--bare", self.imported])
            self.do(self.an(self.imported, "import", "git", self.source))

    def both(self, row, args, runs=None, git_args=None):
        self.ready()
        c = [("git", self.on_git(*(git_args or args)), None)]
        if self.annals:
            c.append(("annals", self.an(self.imported, *args), None))
        self.alternate(row, c, runs or self.cheap, warm=1)
        lines = {t: got[0].lines for t, got in row.samples.items()}
        if len(set(lines.values())) > 1:
            row.note("annals", "lines: " + ", ".join(f"{t} {n}" for t, n in lines.items()))

    # the works

    def work_import(self):
        row = self.row(f"import of {self.commits:,} commits", None, ratio_to(["git export + import"], 2.0),
                       at_most("bytes, against git repack -a -d -f,", "packed", 1.1, "×"))
        repacked = self.path("history", "repacked.git")
        self.do(["git", "clone", "-q", "--bare", "--no-local", self.source, repacked])
        say("git repack -a -d -f")
        s = self.do(["git", "-C", repacked, "repack", "-q", "-a", "-d", "-f"])
        best = size_of(os.path.join(repacked, "objects"))
        row.note("git repack -a -d -f", f"{best / MB:.1f} MB in {s.wall:.1f} s")
        for i in range(self.runs):
            for tool in ("git", "annals") if i % 2 == 0 else ("annals", "git"):
                if tool == "git":
                    to = self.path("history", "fast.git")
                    self.discard(to)
                    self.do(["git", "init", "-q", "--bare", to])
                    name = "git export + import"
                    self.measure(row, name, f"git -C {q(self.clone)} fast-export --all --signed-tags=verbatim --reencode=no"
                                 f" | git -C {q(to)} fast-import --quiet")
                    row.note(name, f"{size_of(os.path.join(to, 'objects')) / MB:.1f} MB")
                elif self.annals:
                    self.discard(self.imported)
                    self.do([self.annals, "init", "--bare", self.imported])
                    if self.measure(row, tool, self.an(self.imported, "import", "git", self.clone)):
                        size = size_of(self.imported)
                        row.note(tool, f"{size / MB:.1f} MB", packed=size / best)

    def work_log(self):
        row = self.row(f"log --oneline of {self.commits:,} commits", None, ratio_to(["git"], 1.0))
        self.both(row, ["log", "--oneline", self.head])
        for path in self.args.path or ["Makefile"]:
            row = self.row(f"log -- {path}", None, ratio_to(["git"], 1.0))
            self.both(row, ["log", "--oneline", self.head, "--", path])

    def work_base(self):
        for a, b in self.pairs:
            self.both(self.row(f"merge-base of {a} and {b}", None, ratio_to(["git"], 1.0)), ["merge-base", a, b], 2 * self.cheap)

    def work_diff(self):
        for a, b in self.pairs:
            self.both(self.row(f"diff -M --name-status {a} {b}", None, ratio_to(["git"], 0.5)), ["diff", "-M", "--name-status", a, b],
                      git_args=["diff", "-M", "-l0", "--name-status", a, b])

    def work_merge(self):
        if not self.args.src:
            return
        tools = ["git"] + (["annals"] if self.annals else [])
        self.discard(self.path("merge"))
        os.makedirs(self.path("merge"))
        run = {}
        for tool in tools:
            tree = self.path("merge", tool)
            self.do(["cp", "-a", self.args.src, tree])
            at = ["git", "-C", tree] if tool == "git" else self.an(tree)
            run[tool] = lambda *args, at=at: [*at, *args]
            if tool == "git":
                self.do(at + ["init", "-q", "-b", "main"])
                for k, v in (("gc.auto", "0"), ("core.compression", "0"), ("feature.manyFiles", "true")):
                    self.do(at + ["config", k, v])
                self.do(at + ["add", "-A", "."])
                self.do(at + ["commit", "-q", "-m", "base"])
            else:
                self.do([self.annals, "init", tree, "--commit", "base"])
            for branch in ("A", "B"):
                self.do(at + ["switch", "-q", "main"])
                self.do(at + ["switch", "-q", "-c", branch])
                compare.edit_branch(tree, branch)
                if tool == "git":
                    self.do(at + ["add", "-A", "."])
                self.do(at + ["commit", "-q", "-m", branch])
        row = self.row("merge-tree with one renamed directory (sound/) in SRC", None, ratio_to(["git"], 1.0))
        c = [("git", run["git"]("merge-tree", "--write-tree", "A", "B"), None)]
        if self.annals:
            c.append(("annals", run["annals"]("merge-tree", "A", "B"), None))
        self.alternate(row, c, 2 * self.cheap, warm=2)
        row = self.row("the same merge with a working tree", None, ratio_to(["git"], 1.0))
        for i in range(self.cheap + 1):
            for tool in tools if i % 2 == 0 else tools[::-1]:
                # A branch of its own for every merge: nothing has to be reset.
                self.do(run[tool]("switch", "-q", "B"))
                self.do(run[tool]("switch", "-q", "-c", f"merge{i}"))
                if i:
                    self.measure(row, tool, run[tool]("merge", "-q", "-m", "merged", "A"))
                else:
                    self.time(run[tool]("merge", "-q", "-m", "merged", "A"))
        if self.annals:
            same = subprocess.run(["diff", "-rq", "--no-dereference", "--exclude=.annals", "--exclude=.git",
                                   self.path("merge", "git"), self.path("merge", "annals")], stdout=subprocess.DEVNULL, check=False)
            self.check(row, "annals", same.returncode == 0, "the merged tree differs from git's")

    def work_million(self):
        """Two branches of TINY, ten files changed on each."""
        if not self.args.tiny or not self.annals:
            return
        tree = self.args.tiny
        row = self.row("merge-tree of two trees of TINY that differ in ten files", None, at_most("", "wall_ms", 20, "ms"))
        if os.path.lexists(os.path.join(tree, ".annals")):
            self.discard(os.path.join(tree, ".annals"))
        try:
            self.do([self.annals, "init", tree, "--commit", "base"])
            for branch, start in (("A", 500), ("B", 700)):
                self.do(self.an(tree, "switch", "-q", "main"))
                self.do(self.an(tree, "switch", "-q", "-c", branch))
                ten = [nth_file(tree, k) for k in range(start, start + 9500, 957)]
                for path in ten:
                    self.append(os.path.join(tree, path), f"one of ten of {branch}\n")
                self.do(self.an(tree, "commit", "-q", "-m", branch, *ten))
            self.alternate(row, [("annals", self.an(tree, "merge-tree", "A", "B"), None)], 2 * self.cheap, warm=2)
        finally:
            self.undo_changes()
            if os.path.lexists(os.path.join(tree, ".annals")):
                self.discard(os.path.join(tree, ".annals"))

    def run(self, works):
        self.load = [os.getloadavg()[0]]
        try:
            self.prepare()
            for w in works:
                say(f"── {w}")
                try:
                    getattr(self, "work_" + w)()
                except Failed as e:
                    self.warn(f"work {w} was given up: `{e}` failed")
        finally:
            self.load.append(os.getloadavg()[0])
        return self.report(works)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("gitrepo", help="the git repository whose history is imported")
    p.add_argument("--annals", help="the annals program, a release build; without it only git is measured")
    p.add_argument("--root", required=True, help="a scratch directory on a real file system")
    p.add_argument("--src", help="a Linux source tree")
    p.add_argument("--tiny", help="a tree of a million files")
    p.add_argument("--far", nargs=2, action="append", metavar=("A", "B"), help="two tags far apart")
    p.add_argument("--path", action="append", help="a file for `log -- PATH`")
    p.add_argument("--work", default=",".join(WORKS), help="which works, by commas (default: all)")
    p.add_argument("--runs", type=int, default=3, help="runs of a costly work; cheap ones run 2N+1 times (default 3)")
    p.add_argument("--tmpfs", default="/dev/shm", help=argparse.SUPPRESS)
    p.add_argument("--peer-bin", help=argparse.SUPPRESS)
    p.add_argument("--out", help="write the report there too")
    p.add_argument("--keep-trash", action="store_true", help="do not remove the trash in --root at the end")
    args = p.parse_args()
    args.src, args.tiny = (os.path.abspath(d) if d else None for d in (args.src, args.tiny))
    works = [w for w in args.work.split(",") if w]
    if set(works) - set(WORKS):
        p.error("no such work: " + ", ".join(sorted(set(works) - set(WORKS))))
    bench = History(args)
    text = bench.run(sorted(works, key=WORKS.index))
    print(text, end="")
    if args.out:
        with open(args.out, "w") as f:
            f.write(text)
    if not args.keep_trash:
        subprocess.run(["rm", "-rf", bench.trash], check=False)


if __name__ == "__main__":
    sys.exit(main())
