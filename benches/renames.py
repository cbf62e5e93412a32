#!/usr/bin/env python3
"""Compares the renames that annals finds with git's, over the first-parent steps of a real history.

    renames.py GITREPO --annals PATH [--every] [--steps N] [--work DIR] [--out FILE.md]

GITREPO is a git repository, bare or not; it is only read. Of each step from a commit to its first parent that adds
and deletes files, the files that differ are written to a directory (as they were before, then as they are after)
and recorded as two commits of annals; then `annals diff -M --name-status` is compared with `git diff-tree -M -l0`.
Without --steps all such steps are compared, else so many, evenly spread. With --every the steps are those of all
commits but merges, on whatever branch. A step whose content the repository lacks is left out and counted.

Reported: pairs in both, only in git's, only in ours (steps in which nothing was added and deleted have none in
either); of the pairs in both how far the scores differ, apart for pairs with a side of more than 16 KiB, whose
score annals estimates from manifests. Every pair that is in one only is listed with git's score.

Needs Python 3.9 or later, git, and room in DIR (default: a temporary directory) for one step at a time and what
annals keeps of all of them.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

SMALL = 16 * 1024


def run(*words, **options):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, **options).stdout


class Absent(Exception):
    """A snapshot of a repository may lack its largest files."""


class Git:
    def __init__(self, path):
        self.path = path
        self.batch = subprocess.Popen(
            ["git", "-C", path, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __call__(self, *words):
        return run("git", "-C", self.path, *words)

    def blob(self, name):
        self.batch.stdin.write(name + b"\n")
        self.batch.stdin.flush()
        header = self.batch.stdout.readline().split()
        if len(header) < 3:
            raise Absent
        data = self.batch.stdout.read(int(header[2]))
        self.batch.stdout.read(1)
        return data

    def steps(self, which):
        """(parent, commit) of each step that adds and deletes files."""
        words = ["log", *which, "--no-renames", "--raw", "--no-abbrev", "-z", "--format=%x01%H %P"]
        for part in self(*words).split(b"\x01")[1:]:
            head, _, rest = part.partition(b"\0")
            ids = head.split()
            if len(ids) < 2:
                continue
            letters = {word[-1:] for word in rest.split(b"\0") if word.lstrip(b"\n").startswith(b":")}
            if b"A" in letters and b"D" in letters:
                yield ids[1].decode(), ids[0].decode()

    def changes(self, old, new):
        """(status, old mode, new mode, old blob, new blob, path) without renames."""
        words = self("diff-tree", "-r", "-z", "--no-renames", "--raw", old, new).split(b"\0")
        for at in range(0, len(words) - 1, 2):
            old_mode, new_mode, a, b, status = words[at][1:].split(b" ")
            yield status, old_mode, new_mode, a, b, words[at + 1]

    def renames(self, old, new):
        return pairs(self("diff-tree", "-r", "-z", "-M", "-l0", "--name-status", old, new))


def pairs(text):
    """{(old path, new path): score} of `--name-status -z`."""
    words, found, at = text.split(b"\0"), {}, 0
    while at < len(words) - 1:
        if words[at][:1] in (b"R", b"C"):
            found[words[at + 1], words[at + 2]] = int(words[at][1:])
            at += 3
        else:
            at += 2
    return found


class Annals:
    def __init__(self, program, root):
        self.program, self.root = program, root
        self.environment = dict(os.environ, ANNALS_NOW="1700000000", HOME=root)
        for who in ("AUTHOR", "COMMITTER"):
            self.environment[f"ANNALS_{who}_NAME"] = "Ada"
            self.environment[f"ANNALS_{who}_EMAIL"] = "ada@example.org"
        self("init", "-q")

    def __call__(self, *words):
        return run(self.program, *words, cwd=self.root, env=self.environment)

    def record(self, files):
        for name in os.listdir(self.root):
            path = os.path.join(self.root, name)
            if name != ".annals":
                shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.remove(path)
        for path, (mode, data) in files.items():
            path = os.path.join(self.root.encode(), path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if mode == b"120000":
                os.symlink(data, path)
            else:
                with open(path, "wb") as file:
                    file.write(data)
                os.chmod(path, 0o755 if mode == b"100755" else 0o644)
        self("commit", "-q", "--allow-empty", "-m", "x")

    def renames(self):
        return pairs(self("diff", "-M", "--name-status", "-z", "HEAD~1", "HEAD"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository")
    parser.add_argument("--annals", required=True)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--every", action="store_true")
    parser.add_argument("--work")
    parser.add_argument("--out")
    args = parser.parse_args()
    program = os.path.abspath(args.annals)
    git = Git(args.repository)
    steps = list(git.steps(["--no-merges"] if args.every else ["--first-parent", "-m"]))
    total = len(steps)
    if args.steps and args.steps < total:
        steps = [steps[at * total // args.steps] for at in range(args.steps)]
    began = time.time()
    same, scores, estimated, only_git, only_ours, exact, absent = 0, [], [], [], [], 0, 0
    with tempfile.TemporaryDirectory(dir=args.work) as root:
        annals = Annals(program, root)
        for number, (old, new) in enumerate(steps):
            before, after = {}, {}
            try:
                for _, old_mode, new_mode, a, b, path in git.changes(old, new):
                    for files, mode, blob in ((before, old_mode, a), (after, new_mode, b)):
                        if mode not in (b"000000", b"160000"):
                            files[path] = (mode, git.blob(blob))
            except Absent:
                absent += 1
                continue
            annals.record(before)
            annals.record(after)
            theirs, ours = git.renames(old, new), annals.renames()
            theirs = {pair: score for pair, score in theirs.items() if pair[0] in before and pair[1] in after}
            size = lambda pair: max(len(before[pair[0]][1]), len(after[pair[1]][1]))
            for pair, score in theirs.items():
                is_large = size(pair) > SMALL
                if pair not in ours:
                    only_git.append((new, pair, score, size(pair)))
                    continue
                same += 1
                exact += score == 100 and ours[pair] == 100
                if not (score == 100 and ours[pair] == 100):
                    (estimated if is_large else scores).append(abs(score - ours[pair]))
            for pair, score in ours.items():
                if pair not in theirs:
                    only_ours.append((new, pair, score, size(pair)))
            if sys.stderr.isatty() or number % 200 == 0:
                print(f"{number}/{len(steps)}", file=sys.stderr)
    report = []
    say = report.append
    name = os.path.basename(os.path.abspath(args.repository).rstrip("/"))
    if name in ("repo", ".git"):
        name = os.path.basename(os.path.dirname(os.path.abspath(args.repository)))
    say(f"### {name}\n")
    either = same + len(only_git) + len(only_ours)
    version = run(program, "--version").decode().strip()
    say(f"{version}, {git('--version').decode().strip()}, {platform.machine()}, {os.cpu_count()} processors, "
        f"Linux {platform.release()}; {len(steps) - absent} of {total} "
        f"{'commits' if args.every else 'first-parent steps'} that add and delete files, "
        f"{time.time() - began:.0f} s\n")
    say("| | |\n|---|---|")
    say(f"| pairs in both | {same} ({100 * same / max(either, 1):.2f} % of all in either) |")
    say(f"| of git's pairs found | {100 * same / max(same + len(only_git), 1):.2f} % |")
    say(f"| only git's | {len(only_git)} |")
    say(f"| only ours | {len(only_ours)} |")
    say(f"| of those in both: equal contents | {exact} |")
    for what, values in (("at most 16 KiB", scores), ("with a side above 16 KiB", estimated)):
        if values:
            near = sum(value <= 10 for value in values)
            say(f"| similar, {what} | {len(values)}: mean difference {sum(values) / len(values):.2f} points, "
                f"equal {sum(value == 0 for value in values)}, within 10 points {100 * near / len(values):.2f} %, "
                f"largest {max(values)} |")
    for title, rows in (("only git's", only_git), ("only ours", only_ours)):
        if rows:
            say(f"\n{title} (commit, score, larger size, paths):\n")
            for commit, (a, b), score, size in rows:
                names = " → ".join(part.decode(errors="replace") for part in (a, b))
                say(f"- {commit[:12]} {score} % {size} {names}")
    text = "\n".join(report) + "\n"
    print(text)
    if args.out:
        with open(args.out, "a") as file:
            file.write(text + "\n")


main()
