//! Writes files in every way that `wasi:filesystem` has, good or bad, and logs what came of each: `act|outcome`.
//!
//! An act is a word and what it is done to, parted by spaces. `to` is the first folder that may be written to, `from` the
//! first that may only be read.

#[cfg(target_family = "wasm")]
mod guest {
    use palisade_hostile_support::description;
    use palisade_sdk::bindings::wasi::filesystem::preopens::get_directories;
    use palisade_sdk::bindings::wasi::filesystem::types::{
        Descriptor, DescriptorFlags as Flags, ErrorCode, OpenFlags, PathFlags,
    };
    use palisade_sdk::{Analyser, Context, Description, Failure, FailureKind, Request, Result};
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        /// What is done, one after the other.
        acts: Vec<String>,
        /// How often all of it is.
        times: u64,
        /// Fails when all is done.
        fails: bool,
    }

    struct FileWriter;

    impl Analyser for FileWriter {
        type Config = Config;
        type Partial = ();

        fn describe() -> Description {
            description("file-writer", "Writes where it may and where it may not")
                .request(Request::fs_write("to attack the host by files").optional())
        }

        fn run(ctx: &Context, config: Config) -> Result<()> {
            let (mut to, mut from) = (None, None);
            for (folder, name) in get_directories() {
                let writes = folder.get_flags().is_ok_and(|flags| flags.contains(Flags::MUTATE_DIRECTORY));
                ctx.log().info(format!("preopen|{name}|{}", if writes { "written" } else { "read" }));
                if writes {
                    to.get_or_insert(folder)
                } else {
                    from.get_or_insert(folder)
                };
            }
            let none = || Failure::new(FailureKind::Failed, "there is no folder to write to");
            let world = World { to: to.ok_or_else(none)?, from };
            for time in 0..config.times {
                for act in &config.acts {
                    let act = act.replace("{n}", &time.to_string());
                    let words: Vec<&str> = act.split(' ').collect();
                    let outcome = match world.act(&words) {
                        Ok(text) => text,
                        Err(code) => code.name().to_owned(),
                    };
                    ctx.log().info(format!("{act}|{outcome}"));
                }
            }
            match config.fails {
                true => Err(Failure::new(FailureKind::Failed, "it was told to fail")),
                false => Ok(()),
            }
        }
    }

    palisade_sdk::export!(FileWriter);

    struct World {
        to: Descriptor,
        from: Option<Descriptor>,
    }

    impl World {
        fn open(&self, path: &str, how: OpenFlags, flags: Flags) -> std::result::Result<Descriptor, ErrorCode> {
            self.to.open_at(PathFlags::empty(), path, how, flags)
        }

        fn from(&self) -> std::result::Result<&Descriptor, ErrorCode> {
            self.from.as_ref().ok_or(ErrorCode::BadDescriptor)
        }

        fn act(&self, words: &[&str]) -> std::result::Result<String, ErrorCode> {
            let number = |text: &str| text.parse::<u64>().map_err(|_| ErrorCode::Invalid);
            let (both, none) = (Flags::READ | Flags::WRITE, OpenFlags::empty());
            match words {
                ["make", path] => self.open(path, OpenFlags::CREATE | OpenFlags::EXCLUSIVE, Flags::WRITE).map(drop)?,
                ["write", path, offset, length] => {
                    let file = self.open(path, OpenFlags::CREATE, both)?;
                    let bytes = vec![b'x'; usize::try_from(number(length)?).map_err(|_| ErrorCode::Invalid)?];
                    return file.write(&bytes, number(offset)?).map(|written| written.to_string());
                }
                ["stream", path, length] => {
                    let stream = self.open(path, OpenFlags::CREATE, both)?.write_via_stream(0)?;
                    for _ in 0..number(length)? {
                        stream.blocking_write_and_flush(b"y").map_err(|_| ErrorCode::Io)?;
                    }
                }
                ["append", path, text] => {
                    let stream = self.open(path, none, both)?.append_via_stream()?;
                    stream.blocking_write_and_flush(text.as_bytes()).map_err(|_| ErrorCode::Io)?;
                }
                ["size", path, size] => self.open(path, OpenFlags::CREATE, both)?.set_size(number(size)?)?,
                ["folder", path] => self.to.create_directory_at(path)?,
                ["rename", old, new] => self.to.rename_at(old, &self.to, new)?,
                ["unlink", path] => self.to.unlink_file_at(path)?,
                ["rmdir", path] => self.to.remove_directory_at(path)?,
                ["link", old, new] => self.to.link_at(PathFlags::empty(), old, &self.to, new)?,
                ["symlink", old, new] => self.to.symlink_at(old, new)?,
                ["readlink", path] => return self.to.readlink_at(path),
                ["read", path] => {
                    let (bytes, _) = self.open(path, none, Flags::READ)?.read(1 << 20, 0)?;
                    return Ok(String::from_utf8_lossy(&bytes).into_owned());
                }
                ["read-unasked", path] => {
                    return self.open(path, none, Flags::WRITE)?.read(1, 0).map(|_| String::new());
                }
                ["write-unasked", path] => {
                    return self.open(path, none, Flags::READ)?.write(b"x", 0).map(|written| written.to_string());
                }
                ["size-unasked", path] => self.open(path, none, Flags::READ)?.set_size(0)?,
                ["truncate-unasked", path] => self.open(path, OpenFlags::TRUNCATE, Flags::READ).map(drop)?,
                ["make-in-reading", folder, path] => {
                    let folder = self.open(folder, OpenFlags::DIRECTORY, Flags::READ)?;
                    folder.open_at(PathFlags::empty(), path, OpenFlags::CREATE, Flags::WRITE).map(drop)?;
                }
                ["size-of", path] => {
                    return self.to.stat_at(PathFlags::empty(), path).map(|stat| stat.size.to_string());
                }
                ["list", path] => {
                    let entries = self.open(path, OpenFlags::DIRECTORY, Flags::READ)?.read_directory()?;
                    let mut names = Vec::new();
                    while let Some(entry) = entries.read_directory_entry()? {
                        names.push(entry.name);
                    }
                    return Ok(names.join(","));
                }
                ["link-from", old, new] => self.from()?.link_at(PathFlags::empty(), old, &self.to, new)?,
                ["rename-from", old, new] => self.from()?.rename_at(old, &self.to, new)?,
                ["rename-back", old, new] => self.to.rename_at(old, self.from()?, new)?,
                ["symlink-in-from", old, new] => self.from()?.symlink_at(old, new)?,
                ["unlink-in-from", path] => self.from()?.unlink_file_at(path)?,
                ["folder-in-from", path] => self.from()?.create_directory_at(path)?,
                ["write-in-from", path] => {
                    self.from()?.open_at(PathFlags::empty(), path, none, both).map(drop)?;
                }
                ["truncate-in-from", path] => {
                    self.from()?.open_at(PathFlags::empty(), path, OpenFlags::TRUNCATE, Flags::READ).map(drop)?;
                }
                ["size-in-from", path] => {
                    self.from()?.open_at(PathFlags::empty(), path, none, Flags::READ)?.set_size(0)?;
                }
                _ => return Err(ErrorCode::Unsupported),
            }
            Ok("ok".to_owned())
        }
    }
}
