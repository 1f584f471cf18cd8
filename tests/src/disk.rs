//! Backends of the store that differ from the real disk in some operations.

/// Has a backend do the named operations as the real disk does: within `impl Backend for …`.
#[macro_export]
macro_rules! as_the_disk {
    ($($operation:ident)*) => { $($crate::as_the_disk!(@ $operation);)* };
    (@ create_folder) => {
        fn create_folder(&self, folder: &std::path::Path) -> std::io::Result<()> {
            palisade_store::Disk.create_folder(folder)
        }
    };
    (@ create) => {
        fn create(&self, path: &std::path::Path) -> std::io::Result<std::fs::File> {
            palisade_store::Disk.create(path)
        }
    };
    (@ scratch) => {
        fn scratch(&self, path: &std::path::Path) -> std::io::Result<std::fs::File> {
            palisade_store::Disk.scratch(path)
        }
    };
    (@ open) => {
        fn open(&self, path: &std::path::Path) -> std::io::Result<std::fs::File> {
            palisade_store::Disk.open(path)
        }
    };
    (@ append) => {
        fn append(&self, file: &std::fs::File, bytes: &[u8]) -> std::io::Result<()> {
            palisade_store::Disk.append(file, bytes)
        }
    };
    (@ read_at) => {
        fn read_at(&self, file: &std::fs::File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
            palisade_store::Disk.read_at(file, buffer, offset)
        }
    };
    (@ sync) => {
        fn sync(&self, file: &std::fs::File) -> std::io::Result<()> {
            palisade_store::Disk.sync(file)
        }
    };
    (@ sync_folder) => {
        fn sync_folder(&self, folder: &std::path::Path) -> std::io::Result<()> {
            palisade_store::Disk.sync_folder(folder)
        }
    };
    (@ rename) => {
        fn rename(&self, from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
            palisade_store::Disk.rename(from, to)
        }
    };
    (@ remove) => {
        fn remove(&self, path: &std::path::Path) -> std::io::Result<()> {
            palisade_store::Disk.remove(path)
        }
    };
}
