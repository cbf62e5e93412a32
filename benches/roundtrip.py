#!/usr/bin/env python3
"""There and back: a history of git goes into Annals and out again.

    benches/roundtrip.py GITREPO [--annals PATH] [--branches PATTERN] [--keep DIR] [--no-speed]

Imports GITREPO, exports it into a new git repository, and compares: every ref, every commit id,
every tree. In the same run `git fast-export | git fast-import` shows what git takes for reading
and writing the same history, and `git repack -a -d -f` how small it gets. Figures are medians of
nothing: one run each, on whatever else the machine does, so only the ratios count.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time


def run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, **options).stdout


def timed(command, **options):
    """Runs; wall seconds, processor seconds, peak memory of the largest process in MB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    subprocess.run(command, check=True, **options)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def peak(command):
    """Runs under GNU time; wall, processor seconds of all processes, peak MB of annals itself."""
    start = time.monotonic()
    done = subprocess.run(["/usr/bin/time", "-f", "%M %U %S", *command], stderr=subprocess.PIPE)
    wall = time.monotonic() - start
    last = done.stderr.decode().strip().splitlines()[-1].split()
    if done.returncode not in (0, 1):
        sys.exit(done.stderr.decode())
    return wall, float(last[1]) + float(last[2]), int(last[0]) / 1024


def size(path):
    total = 0
    for folder, _, names in os.walk(path):
        total += sum(os.path.getsize(os.path.join(folder, name)) for name in names)
    return total


def refs(repo, patterns):
    listed = run("git", "-C", repo, "for-each-ref", "--format=%(refname) %(objectname)", *patterns)
    return listed.decode().splitlines()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository")
    parser.add_argument("--annals", default="target/release/annals")
    parser.add_argument("--branches", help="only this branch, and the tags it leads to")
    parser.add_argument("--keep", help="keep the imported repository here")
    parser.add_argument("--no-speed", action="store_true", help="leave out git's own times and sizes")
    args = parser.parse_args()
    source = os.path.abspath(args.repository)
    annals = os.path.abspath(args.annals)
    work = tempfile.mkdtemp(prefix="roundtrip-")
    try:
        return judge(args, source, annals, work)
    finally:
        shutil.rmtree(work)


def judge(args, source, annals, work):
    ours, back = os.path.join(work, "ours"), os.path.join(work, "back")
    patterns = ["refs/heads", "refs/tags"]
    command = [annals, "import", "git", source, ours, "--bare", "--quiet"]
    if args.branches:
        command += ["--branches", args.branches]
        tip = run("git", "-C", source, "rev-parse", "refs/heads/" + args.branches).decode().strip()
        merged = refs(source, [f"--merged={tip}", "refs/tags"])
        expected = sorted(merged + [f"refs/heads/{args.branches} {tip}"])
    else:
        expected = sorted(refs(source, patterns))
    names = [line.split()[0] for line in expected]
    wall, cpu, memory = peak(command)
    meta, table = size(os.path.join(ours, "packs")), size(os.path.join(ours, "lookup"))
    print(f"import: {wall:.1f} s, {cpu:.1f} s of processor, {memory:.0f} MB at most")
    print(f"  packs {meta / 1e6:.1f} MB, and derived {table / 1e6:.1f} MB")
    if args.keep:
        shutil.copytree(ours, args.keep)
    wall, cpu, memory = peak([annals, "-C", ours, "export", "git", back, "--quiet"])
    print(f"export: {wall:.1f} s, {cpu:.1f} s of processor, {memory:.0f} MB at most")
    found = sorted(refs(back, patterns))
    listed = lambda repo: set(
        run("git", "-C", repo, "log", "--format=%H %T", "--stdin",
            input="\n".join(names).encode()).decode().splitlines())
    theirs, again = listed(source), listed(back)
    same = len(theirs & again)
    print(f"refs: {len(set(expected) & set(found))} of {len(expected)} the same, {len(found)} found")
    print(f"commits with their trees: {same} of {len(theirs)} the same, {len(again)} found")
    objects = lambda repo: set(
        line.split(b" ")[0] for line in run(
            "git", "-C", repo, "rev-list", "--objects", "--stdin",
            input="\n".join(names).encode()).splitlines())
    wanted, there = objects(source), objects(back)
    print(f"objects: {len(wanted & there)} of {len(wanted)} the same, {len(there)} found")
    run("git", "-C", back, "fsck", "--no-dangling", "--no-progress", "--connectivity-only")
    if not args.no_speed:
        compare(source, back, names, work)
    good = found == expected and theirs == again and wanted == there
    print("everything came back" if good else "SOMETHING IS MISSING")
    return 0 if good else 1


def compare(source, back, names, work):
    quick = os.path.join(work, "quick")
    run("git", "init", "-q", "--bare", quick)
    feed = os.path.join(work, "names")
    with open(feed, "w") as file:
        file.write("\n".join(names) + "\n")
    pipe = (f"git -C '{source}' fast-export --signed-tags=verbatim --tag-of-filtered-object=drop "
            f"--reencode=no --stdin < '{feed}' | git -C '{quick}' fast-import --quiet")
    try:
        wall, cpu = timed(["bash", "-o", "pipefail", "-c", pipe])
        print(f"git fast-export | git fast-import: {wall:.1f} s, {cpu:.1f} s of processor")
    except subprocess.CalledProcessError:
        print("git fast-export | git fast-import: cannot do this history")
    wall, cpu = timed(["git", "-C", back, "repack", "-a", "-d", "-f", "-q"])
    packs = os.path.join(back, "objects", "pack")
    print(f"git repack -a -d -f: {wall:.1f} s, {cpu:.1f} s of processor")
    parts = {}
    for name in os.listdir(packs):
        end = name.rsplit(".", 1)[-1]
        parts[end] = parts.get(end, 0) + os.path.getsize(os.path.join(packs, name))
    shown = ", ".join(f"{end} {bytes / 1e6:.1f} MB" for end, bytes in sorted(parts.items()))
    print(f"  {sum(parts.values()) / 1e6:.1f} MB: {shown}")


if __name__ == "__main__":
    sys.exit(main())
