//! A git repository to be made up and looked into by tests.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A git repository in a directory of a world.
pub(super) struct GitRepository {
    path: PathBuf,
    seconds: std::cell::Cell<i64>,
}

impl GitRepository {
    /// An empty one with a working tree; `None`, aloud, without git.
    pub(super) fn new(path: &Path) -> Option<Self> {
        Self::with(path, &["-b", "main"])
    }

    /// An empty one, made with these options.
    pub(super) fn with(path: &Path, options: &[&str]) -> Option<Self> {
        if Command::new("git").arg("version").output().is_err() {
            eprintln!("skipped: there is no git here");
            return None;
        }
        let git = Self { path: path.to_owned(), seconds: std::cell::Cell::new(1_600_000_000) };
        std::fs::create_dir_all(path).unwrap();
        git.run(&[&["init", "-q"], options].concat());
        Some(git)
    }

    /// One that is there already.
    pub(super) fn open(path: &Path) -> Self {
        Self { path: path.to_owned(), seconds: std::cell::Cell::new(1_600_000_000) }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        let now = format!("{} +0130", self.seconds.get());
        command
            .arg("-C")
            .arg(&self.path)
            .args(["-c", "core.symlinks=true", "-c", "protocol.file.allow=always"])
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.path)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Ada Ü")
            .env("GIT_AUTHOR_EMAIL", "ada@example.org")
            .env("GIT_AUTHOR_DATE", &now)
            .env("GIT_COMMITTER_NAME", "Carl")
            .env("GIT_COMMITTER_EMAIL", "carl@example.org")
            .env("GIT_COMMITTER_DATE", &now)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs git; what it printed, without the last line feed.
    #[track_caller]
    pub(super) fn run(&self, args: &[&str]) -> String {
        String::from_utf8(self.feed(args, b"")).unwrap().trim_end().to_owned()
    }

    /// Runs git with this input; what it printed.
    #[track_caller]
    pub(super) fn feed(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = self.command(args).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {}: {said}", args.join(" "));
        output.stdout
    }

    /// Writes an object as it is; its id.
    #[track_caller]
    pub(super) fn object(&self, kind: &str, bytes: &[u8]) -> String {
        let args = ["hash-object", "-t", kind, "-w", "--literally", "--stdin"];
        String::from_utf8(self.feed(&args, bytes)).unwrap().trim().to_owned()
    }

    /// A tree of entries (mode, name, id), written in this order whatever git thinks of it.
    #[track_caller]
    pub(super) fn tree(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend_from_slice(mode.as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(name);
            bytes.push(0);
            let digits = id.as_bytes().chunks(2);
            let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            bytes.extend(digits.map(byte));
        }
        self.object("tree", &bytes)
    }

    pub(super) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Records everything.
    #[track_caller]
    pub(super) fn commit(&self, message: &str) -> String {
        self.seconds.set(self.seconds.get() + 60);
        self.run(&["add", "-A"]);
        self.run(&["commit", "-q", "--allow-empty", "-m", message]);
        self.run(&["rev-parse", "HEAD"])
    }

    /// All refs with what they point to.
    pub(super) fn refs(&self) -> Vec<String> {
        let asked = ["for-each-ref", "--format=%(refname) %(objectname)"];
        self.run(&asked).lines().map(str::to_owned).collect()
    }

    /// A history with a bit of everything: merges, an octopus, several roots, tags of all kinds,
    /// links, executables, a submodule, odd headers and trees that git would not write.
    pub(super) fn fill(&self) {
        use std::os::unix::fs::{PermissionsExt, symlink};
        self.write("readme", "hello\n");
        self.write("src/main.c", "int main;\n".repeat(3000));
        self.write("src/lib/x.c", "x\n");
        self.write("src-x", "sorts between\n");
        self.write("empty", "");
        self.write("run.sh", "#!/bin/sh\n");
        self.write("blob.bin", (0u32..40_000).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
        std::fs::set_permissions(self.path.join("run.sh"), PermissionsExt::from_mode(0o755))
            .unwrap();
        symlink("src/main.c", self.path.join("link")).unwrap();
        for number in 0..300 {
            self.write(&format!("many/file-{number}"), format!("{number}\n"));
        }
        let first = self.commit("first");
        self.run(&["tag", "light"]);
        self.run(&["tag", "-a", "-m", "one\n\nwords", "v1"]);
        for number in 0..40 {
            self.write(&format!("many/file-{}", number * 7), format!("again {number}\n"));
            self.write("src/main.c", format!("int main{number};\n").repeat(3000));
            self.commit(&format!("number {number}"));
        }
        self.commit("nothing changed");
        for side in ["a", "b", "c"] {
            self.run(&["switch", "-q", "-c", side, "main"]);
            self.write(&format!("{side}.txt"), side);
            self.commit(side);
        }
        self.run(&["switch", "-q", "main"]);
        self.write("main.txt", "main");
        self.commit("main");
        self.run(&["merge", "-q", "-m", "octopus", "a", "b", "c"]);
        self.run(&["switch", "-q", "--orphan", "other-root"]);
        self.write("alone", "alone");
        self.commit("another root");
        self.run(&["switch", "-q", "main"]);
        self.run(&["merge", "-q", "--allow-unrelated-histories", "-m", "roots", "other-root"]);
        let link = format!("160000,{first},sub/module");
        self.run(&["update-index", "--add", "--cacheinfo", &link]);
        self.run(&["commit", "-q", "-m", "a submodule"]);
        let tree = self.run(&["rev-parse", "HEAD^{tree}"]);
        let who = "A <a@b> 1600000000 +0000";
        let odd = [
            format!(
                "tree {tree}\nparent {first}\nauthor A <a@b> 1 +051800\ncommitter {who}\n\nzone\n"
            ),
            format!("tree {tree}\nauthor {who}\ncommitter {who}\nencoding ISO-8859-1\n\n\u{fc}\n"),
            format!("tree {tree}\nauthor  <> 0 -0000\ncommitter {who}\n\nno name"),
            format!(
                "tree {tree}\nparent {first}\nparent {first}\nauthor {who}\ncommitter {who}\n\
                 mergetag object {first}\n type commit\n tag v1\n tagger {who}\n \n words\n\
                 gpgsig -----BEGIN PGP SIGNATURE-----\n \n wsBcBAAB\n -----END PGP SIGNATURE-----\n \n\
                 \n\nsigned\n"
            ),
            format!("tree {tree}\nauthor {who}\ncommitter {who}\nHG:extra x\n\n"),
        ];
        for (number, text) in odd.iter().enumerate() {
            let id = self.object("commit", text.as_bytes());
            self.run(&["update-ref", &format!("refs/heads/odd/{number}"), &id]);
        }
        // Trees that git would not write.
        let blob = self.object("blob", b"content\n");
        let long = vec![b'n'; 1500];
        let inner = self.tree(&[("100664", b"old mode", &blob), ("100644", b"plain", &blob)]);
        let names: [&[u8]; 5] = [b".annals", b"..", b"twice", b"twice", &long];
        let bad: Vec<(&str, &[u8], &str)> =
            names.iter().map(|name| ("100644", *name, &blob[..])).collect();
        let bad = self.tree(&bad);
        let nothing = self.object("blob", b"");
        let empty = self.tree(&[]);
        let top = self.tree(&[
            ("40000", b"z last", &inner),
            ("040000", b"bad", &bad),
            ("120000", b"link to nothing", &nothing),
            ("40000", b"empty", &empty),
            ("100644", b"a", &blob),
        ]);
        let parent = self.run(&["rev-parse", "main"]);
        let text =
            format!("tree {top}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nodd trees\n");
        let id = self.object("commit", text.as_bytes());
        self.run(&["update-ref", "refs/heads/odd/trees", &id]);
        // Tags of everything.
        let tag = |kind: &str, id: &str, name: &str| {
            let text = format!("object {id}\ntype {kind}\ntag {name}\ntagger {who}\n\nwords\n");
            self.object("tag", text.as_bytes())
        };
        let large = self.run(&["rev-parse", "main:src/main.c"]);
        for (name, id) in [
            ("blob", blob.clone()),
            ("large", large.clone()),
            ("tree", tree.clone()),
            ("odd-tree", top.clone()),
            ("of-blob", tag("blob", &large, "of-blob")),
            ("of-tree", tag("tree", &top, "of-tree")),
            ("of-tag", tag("tag", &tag("commit", &first, "inner"), "of-tag")),
            (
                "old",
                self.object("tag", format!("object {first}\ntype commit\ntag old\n\nx").as_bytes()),
            ),
        ] {
            self.run(&["update-ref", &format!("refs/tags/{name}"), &id]);
        }
    }
}
