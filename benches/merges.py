#!/usr/bin/env python3
"""Compares merges with git's, on the real merges of a history and on cherry-picks across it.

    merges.py GITREPO --annals PATH [--imported DIR] [--merges N] [--picks N] [--critical N] [--seed S]
              [--work DIR] [--out FILE.md]

GITREPO is a git repository, bare or not; it is only read. It is imported, or DIR is a repository of annals it was
imported into before, which is copied. Three kinds of merges are tried:

  * merges: commits with two parents, which are merged again;
  * picks: a commit C with one parent is taken to another commit O, `merge-tree --merge-base=C^ O C`, as cherry-pick
    does it. C is any commit, O any that is near by in the order of dates;
  * critical picks: a rename is between C and O. Either C renamed what is different in O, or C changed a file that has
    another name in O.

So many of each, chosen by the seed; all if there are not so many. Each is made by `git merge-tree --write-tree` (with
merge.directoryRenames=true and no limit for renames) and by `annals merge-tree --json`. Compared are whether it is
clean, the paths in conflict, and all files of the merged tree with their bytes. Two merges are equal if only texts
with markers differ; how many do is told apart. All others are listed.

Of each clean merge of annals no line may be gone from all files that every base has at most as often as each side: a
side must have deleted it. Where there are several bases, what git makes of merging them counts as one too.

Needs Python 3.9 or later, git, and room in DIR (default: a temporary directory) for the imported repository.
"""

import argparse
import collections
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time

CONFIG = ["-c", "merge.directoryRenames=true", "-c", "merge.renameLimit=0", "-c", "core.attributesFile=/dev/null"]
GITLINK, TREE = "160000", "040000"


def run(*words, right=(0,), **options):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode not in right:
        raise Failed(f"{' '.join(words)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


class Failed(Exception):
    """A program could not do it."""


class Git:
    """A git repository; what is made of it goes elsewhere."""

    def __init__(self, path, scratch):
        self.path = path
        there = run("git", "-C", path, "rev-parse", "--git-path", "objects").decode().strip()
        os.makedirs(scratch)
        self.environment = dict(os.environ, GIT_OBJECT_DIRECTORY=scratch, GIT_CONFIG_NOSYSTEM="1", HOME=scratch,
                                GIT_ALTERNATE_OBJECT_DIRECTORIES=os.path.join(os.path.abspath(path), there))
        self.batch = subprocess.Popen(["git", "-C", path, "cat-file", "--batch"], env=self.environment,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, *words, right=(0,), **options):
        return run("git", "-C", self.path, *CONFIG, *words, right=right, env=self.environment, **options)

    def blob(self, name):
        self.batch.stdin.write(name.encode() + b"\n")
        self.batch.stdin.flush()
        header = self.batch.stdout.readline().split()
        if len(header) < 3:
            raise Failed(f"git has no {name}")
        data = self.batch.stdout.read(int(header[2]))
        self.batch.stdout.read(1)
        return data

    def changes(self, old, new):
        """{path: ((mode, blob) before, (mode, blob) after)}."""
        words = self("diff-tree", "-r", "-z", "--no-renames", "--raw", "--no-abbrev", old, new).split(b"\0")
        found = {}
        for at in range(0, len(words) - 1, 2):
            old_mode, new_mode, a, b, _ = words[at][1:].decode().split(" ")
            found[words[at + 1]] = tuple(None if mode == "000000" else (mode, blob)
                                         for mode, blob in ((old_mode, a), (new_mode, b)))
        return found

    def bases(self, ours, theirs):
        """All best common ancestors, and what merging them gives."""
        bases = self("merge-base", "--all", ours, theirs, right=(0, 1)).decode().split()
        more = []
        if len(bases) > 1:
            for other in bases[1:]:
                made = self("merge-tree", "--write-tree", "--allow-unrelated-histories", bases[0], other, right=(0, 1))
                more.append(made.split(b"\n")[0].decode())
                more += self("merge-base", "--all", bases[0], other, right=(0, 1)).decode().split()
        return bases, bases + more

    def merge(self, base, ours, theirs):
        words = ["merge-tree", "--write-tree", "-z"] + ([f"--merge-base={base}"] if base else []) + [ours, theirs]
        fields = self(*words, right=(0, 1)).split(b"\0")
        paths, at = set(), 1
        while fields[at]:
            paths.add(fields[at].split(b"\t", 1)[1])
            at += 1
        return fields[0].decode(), paths, b"\n".join(f for f in fields[at:] if b" " in f).decode(errors="replace")


class Annals:
    """The same history in annals."""

    def __init__(self, program, root):
        self.program, self.root = program, root
        self.environment = dict(os.environ, HOME=os.path.dirname(root), NO_COLOR="1")
        for who in ("AUTHOR", "COMMITTER"):
            self.environment[f"ANNALS_{who}_NAME"] = "Ada"
            self.environment[f"ANNALS_{who}_EMAIL"] = "ada@example.org"

    def __call__(self, *words, right=(0,)):
        return run(self.program, "-C", self.root, *words, right=right, env=self.environment)

    def changes(self, old, new):
        found = {}
        for line in self("diff", "--no-renames", "--json", old, new).splitlines():
            change = json.loads(line)
            found[name(change["path"])] = tuple(entry(change[side]) for side in ("old", "new"))
        return found

    def merge(self, base, ours, theirs):
        words = ["merge-tree", "--json"] + ([f"--merge-base={base}"] if base else []) + [ours, theirs]
        said = json.loads(self(*words, right=(0, 1)))
        staged = [c for c in said["conflicts"] if c["base"] or c["ours"] or c["theirs"]]
        messages = "\n".join(m["text"] for m in said["messages"] if m["kind"])
        return said["tree"], {name(c["path"]) for c in staged}, messages, said["clean"]

    def contents(self, wanted):
        """The bytes of (id, size) each."""
        found, at = {}, 0
        wanted = [one for one in wanted if one[1]]
        while at < len(wanted):
            some = wanted[at:at + 200]
            data, start = self("cat", *(one[0] for one in some)), 0
            for content, size in some:
                found[content, size] = data[start:start + size]
                start += size
            at += len(some)
        return found


def name(text):
    """A path of --json: text, or its bytes where it is none."""
    return text.encode() if isinstance(text, str) else bytes.fromhex(text["bytes"])


def entry(value):
    """(mode of git, (content, size)); None for what git does not have."""
    if value is None or value["kind"] == "directory":
        return None
    mode = {"symlink": "120000", "gitlink": GITLINK}.get(value["kind"])
    if mode is None:
        mode = "100755" if int(value["mode"], 8) & 0o100 else "100644"
    return mode, (value["content"], value["size"])


def same_commits(git, annals):
    """{commit of git: commit of annals}, found from the names of branches and tags."""
    tips = {}
    for line in git("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", "refs/heads",
                    "refs/tags").decode().splitlines():
        words = line.split()
        tips[words[0]] = words[-1]
    parents = {}
    for line in git("rev-list", "--parents", "--branches", "--tags").decode().splitlines():
        words = line.split()
        parents[words[0]] = words[1:]
    ours, stack = {}, []
    for line in annals("log", "--all", "--decorate=full", "--format=%H|%P|%D").decode().splitlines():
        commit, above, names = line.split("|", 2)
        ours[commit] = above.split()
        for ref in names.replace("HEAD -> ", "").replace("tag: ", "").split(", "):
            if tips.get(ref) in parents:
                stack.append((tips[ref], commit))
    known = {}
    while stack:
        commit, our = stack.pop()
        if commit in known:
            continue
        known[commit] = our
        if len(parents[commit]) != len(ours[our]):
            raise Failed(f"{commit} has other parents in annals: {our}")
        stack.extend(zip(parents[commit], ours[our]))
    return known


class History:
    """Commits in the order of dates, and what each changed."""

    def __init__(self, git, known):
        self.git, self.known = git, known
        self.merges, self.order, self.parent = [], [], {}
        for line in git("rev-list", "--date-order", "--parents", "--branches", "--tags").decode().splitlines():
            commit, *parents = line.split()
            if commit not in known:
                continue
            if len(parents) == 2:
                self.merges.append((commit, parents))
            if len(parents) == 1:
                self.parent[commit] = parents[0]
                self.order.append(commit)
        self.place = {commit: at for at, commit in enumerate(self.order)}

    def renames(self):
        """(old path, new path) by the commits that renamed them, and by path the commits that changed it."""
        found, touched = collections.defaultdict(list), collections.defaultdict(list)
        said = self.git("log", "--no-merges", "--branches", "--tags", "-M", "-l0", "--raw", "-z", "--no-abbrev",
                        "--format=%x01%H")
        for part in said.split(b"\x01")[1:]:
            head, _, rest = part.partition(b"\0")
            commit = head.decode().strip()
            if commit not in self.parent:
                continue
            words, at = rest.split(b"\0"), 0
            while at < len(words):
                if not words[at].lstrip(b"\n").startswith(b":"):
                    at += 1
                    continue
                status = words[at].split(b" ")[-1]
                paths = words[at + 1:at + (3 if status[:1] in (b"R", b"C") else 2)]
                if status[:1] == b"R":
                    found[commit].append(tuple(paths))
                elif status[:1] == b"M":
                    touched[paths[0]].append(commit)
                at += 1 + len(paths)
        return found, touched

    def near(self, choose, commit, reach=4000):
        at = self.place[commit]
        return self.order[choose.randrange(max(0, at - reach), min(len(self.order), at + reach))]

    def picks(self, choose, count):
        found = set()
        for _ in range(20 * count):
            commit = choose.choice(self.order)
            other = self.near(choose, commit)
            if other not in (commit, self.parent[commit]):
                found.add((self.parent[commit], other, commit))
            if len(found) == count:
                break
        return sorted(found)

    def has(self, commit, path):
        return bool(self.git("ls-tree", commit, "--", path.decode(errors="surrogateescape")))

    def critical(self, choose, count):
        renames, touched = self.renames()
        commits = sorted(renames)
        found = set()
        for _ in range(20 * count if renames else 0):
            renamed = choose.choice(commits)
            old, new = choose.choice(renames[renamed])
            at = self.place[renamed]
            how = choose.randrange(3)
            if how == 0:
                # The rename goes to where the file is another.
                commit, other = renamed, choose.choice(touched[old] or touched[new] or [renamed])
                if not self.has(other, old):
                    other = self.parent.get(other)
            else:
                # A change goes to the other side of the rename.
                near = sorted(touched[old if how == 1 else new], key=lambda c: abs(self.place[c] - at))[:30]
                if not near:
                    continue
                commit = choose.choice(near)
                other = renamed if how == 1 else self.parent[renamed]
                if how == 1 and choose.randrange(2):
                    other = self.order[choose.randrange(max(0, at - 1000), at + 1)]
                here, there = (old, new) if how == 1 else (new, old)
                if not self.has(self.parent[commit], here) or not self.has(other, there) or self.has(other, here):
                    continue
            if other and other != commit and other in self.known and other != self.parent[commit]:
                found.add((self.parent[commit], other, commit))
            if len(found) == count:
                break
        return sorted(found)


class Judge:
    def __init__(self, git, annals, known):
        self.git, self.annals, self.known = git, annals, known
        self.same = {}  # blobs of git that are known to be contents of annals
        self.differ, self.lost, self.failed = [], [], []

    def judge(self, kind, base, ours, theirs, tally):
        """Merges with both programs and compares; `base` only for picks."""
        known = self.known
        label = f"{kind} {ours[:12]} {theirs[:12]}" + (f" from {base[:12]}" if base else "")
        tree, paths, messages = self.git.merge(base, ours, theirs)
        mapped = known.get(base) if base else None
        our_tree, our_paths, our_messages, clean = self.annals.merge(mapped, known[ours], known[theirs])
        names = [(ours.encode(), b"OURS"), (theirs.encode(), b"THEIRS"), (known[ours].encode(), b"OURS"),
                 (known[theirs].encode(), b"THEIRS")]
        made = self.git.changes(ours, tree)
        ours_made = self.annals.changes(known[ours], our_tree)
        in_doubt = {replaced(path, names) for path in paths & our_paths}
        why, texts = self.compare(plain(made, names), plain(ours_made, names), names, in_doubt)
        rename = lambda paths: {replaced(path, names) for path in paths}
        if rename(paths) != rename(our_paths):
            only = [sorted(rename(a) - rename(b)) for a, b in ((paths, our_paths), (our_paths, paths))]
            why.append(f"in conflict only in git: {shown(only[0])}; only in annals: {shown(only[1])}")
        tally["all"] += 1
        tally["clean"] += clean
        tally["equal"] += not why
        tally["to the byte"] += not why and not texts
        if why:
            self.differ.append((label, why, messages, our_messages))
        if clean:
            tally["checked for lines"] += 1
            lost = self.lost_lines(base, ours, theirs, our_tree)
            if lost:
                self.lost.append((label, lost, not why))
        return why

    def compare(self, made, ours_made, names, in_doubt=()):
        """What differs between two sets of changes to the same tree; apart those that are in doubt in both."""
        why, texts, unknown = [], [], {}
        for path in sorted(set(made) | set(ours_made)):
            theirs, ours = (side.get(path, (None, None))[1] for side in (made, ours_made))
            if path not in made or path not in ours_made:
                why.append(f"{shown([path])}: changed only by {'git' if path in made else 'annals'}")
            elif (theirs is None) != (ours is None) or theirs and theirs[0] != ours[0]:
                why.append(f"{shown([path])}: git {theirs and theirs[0]}, annals {ours and ours[0]}")
            elif theirs and theirs[0] != GITLINK and self.same.get(theirs[1]) != ours[1]:
                unknown[path] = theirs[1], ours[1]
        contents = self.annals.contents(sorted({ours for _, ours in unknown.values()})) if unknown else {}
        for path, (theirs, ours) in unknown.items():
            a, b = self.git.blob(theirs), contents.get(ours, b"")
            if a == b:
                self.same[theirs] = ours
            elif replaced(a, names) != replaced(b, names):
                (texts if path in in_doubt else why).append(f"{shown([path])}: other content")
        return why, texts

    def lost_lines(self, base, ours, theirs, our_tree):
        """Lines that are gone from the merge of annals though no side has fewer of them than any base."""
        bases, ancestors = ([base], [base]) if base else self.git.bases(ours, theirs)
        if not bases:
            return []
        taken = Lines(self.annals("diff", "--no-renames", "-U0", self.known[ours], our_tree))
        sides = [[Lines(self.git("diff-tree", "-p", "-U0", "--no-renames", "--no-ext-diff", "--no-textconv", ancestor, side))
                  for side in (ours, theirs)] for ancestor in ancestors]
        # Only what the merge took from our tree, or did not take of what they added, can be lost.
        suspects = {line for line in set(taken.gone) | set(sides[0][1].new) if line not in taken.new}
        suspects = {line for line in suspects if all(side.more(line) >= 0 for both in sides for side in both)}
        # A line of ours that the merge left alone is there, and so is one that a base had.
        there = lambda line: line not in taken.gone and any(line in ours.new or line in theirs.gone for ours, theirs in sides)
        suspects = {line for line in suspects if not there(line)}
        return sorted(suspects - self.standing(ours, taken, suspects)) if suspects else []

    def standing(self, commit, taken, lines):
        """Those of the lines that a commit has more often than the merge took away."""
        said = self.git("grep", "-h", "-F", "-f", "-", commit, right=(0, 1), input=b"\n".join(sorted(lines)) + b"\n")
        counted = collections.Counter(said.split(b"\n"))
        return {line for line in lines if counted[line] + taken.more(line) > 0}


class Lines:
    """The lines of a patch."""

    def __init__(self, patch):
        self.gone, self.new = collections.Counter(), collections.Counter()
        minus = plus = 0
        for line in patch.split(b"\n"):
            if minus > 0 and line[:1] == b"-":
                self.count(self.gone, line[1:])
                minus -= 1
            elif plus > 0 and line[:1] == b"+":
                self.count(self.new, line[1:])
                plus -= 1
            elif line.startswith(b"@@ "):
                minus, plus = (int((word.split(b",") + [b"1"])[1]) for word in line.split(b" ")[1:3])

    @staticmethod
    def count(lines, line):
        # Empty lines say nothing, and what a link to another repository is shown as is no line.
        if line.strip() and not line.startswith(b"Subproject commit "):
            lines[line] += 1

    def more(self, line):
        """How many more of a line there are behind it."""
        return self.new[line] - self.gone[line]


def replaced(text, names):
    for old, new in names:
        text = text.replace(old, new)
    return text


def plain(changes, names):
    return {replaced(path, names): change for path, change in changes.items() if change != (None, None)}


def shown(paths):
    return ", ".join(path.decode(errors="replace") for path in paths[:6]) + (" …" if len(paths) > 6 else "") or "none"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository")
    parser.add_argument("--annals", required=True)
    parser.add_argument("--imported")
    parser.add_argument("--merges", type=int, default=1000)
    parser.add_argument("--picks", type=int, default=1000)
    parser.add_argument("--critical", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work")
    parser.add_argument("--out")
    args = parser.parse_args()
    program = os.path.abspath(args.annals)
    with tempfile.TemporaryDirectory(dir=args.work, prefix="merges-") as root:
        git = Git(args.repository, os.path.join(root, "objects"))
        place = os.path.join(root, "annals")
        if args.imported:
            shutil.copytree(args.imported, place)
        else:
            run(program, "import", "git", os.path.abspath(args.repository), place, "--bare", "--quiet", right=(0, 1))
        text = compare(args, git, Annals(program, place))
    print(text)
    if args.out:
        with open(args.out, "a") as file:
            file.write(text + "\n")


def compare(args, git, annals):
    began = time.time()
    known = same_commits(git, annals)
    history = History(git, known)
    choose = random.Random(args.seed)
    merges = sorted(history.merges)
    choose.shuffle(merges)
    work = [("merges", [(None, *parents) for _, parents in merges[:args.merges]]),
            ("picks", history.picks(choose, args.picks)), ("critical picks", history.critical(choose, args.critical))]
    judge, rows = Judge(git, annals, known), []
    for kind, cases in work:
        tally = collections.Counter()
        for number, case in enumerate(cases):
            try:
                judge.judge(kind, *case, tally)
            except KeyboardInterrupt:
                break  # What was tried is reported.
            except Failed as error:
                judge.failed.append(f"{kind} {case}: {error}")
            if sys.stderr.isatty() or number % 50 == 0:
                print(f"{kind} {number}/{len(cases)}, {tally['equal']} equal", file=sys.stderr)
        rows.append((kind, tally))
    place = os.path.abspath(args.repository).rstrip("/")
    if os.path.basename(place) in ("repo", ".git"):
        place = os.path.dirname(place)
    report = [f"### {os.path.basename(place)}", ""]
    report.append(f"{annals('--version').decode().strip()}, {git('--version').decode().strip()}, {platform.machine()}, "
                  f"Linux {platform.release()}; {len(known)} commits, {len(history.merges)} merges of two, seed "
                  f"{args.seed}, {time.time() - began:.0f} s")
    report += ["", "| | tried | clean | equal | | markers too | checked for lost lines |",
               "|---|---|---|---|---|---|---|"]
    for kind, tally in rows:
        share = 100 * tally["equal"] / max(tally["all"], 1)
        report.append(f"| {kind} | {tally['all']} | {tally['clean']} | {tally['equal']} | {share:.2f} % | "
                      f"{tally['to the byte']} | {tally['checked for lines']} |")
    report += ["", f"Lines lost that nobody deleted: {sum(len(lost) for _, lost, _ in judge.lost)}."]
    for label, lost, as_git in judge.lost:
        report.append(f"- {label}{' (as in git)' if as_git else ''}: {shown(lost)}")
    if judge.failed:
        report += ["", f"Could not be tried: {len(judge.failed)}."] + [f"- {text[:300]}" for text in judge.failed]
    report += ["", f"Other than git's: {len(judge.differ)}."]
    for label, why, messages, our_messages in judge.differ:
        report.append(f"- {label}")
        report += [f"  - {reason}" for reason in why[:8]]
        for who, said in (("git", messages), ("annals", our_messages)):
            said = [line for line in said.split("\n") if line and "Auto-merging" not in line]
            if said:
                report.append(f"  - {who}: " + "; ".join(said[:4]) + (" …" if len(said) > 4 else ""))
    return "\n".join(report) + "\n"


if __name__ == "__main__":
    main()
