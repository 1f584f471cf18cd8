//! Names that private keys have: files of such names are not read unless a grant names them.

/// Endings of files that hold private keys, in lower case.
const ENDINGS: [&[u8]; 5] = [b".pem", b".key", b".p12", b".pfx", b".jks"];
/// Whole names of files and folders that hold private keys, in lower case.
const NAMES: [&[u8]; 6] = [b"id_rsa", b"id_dsa", b"id_ecdsa", b"id_ed25519", b".ssh", b".gnupg"];
/// What the operator says is in these files: no component writes them, wherever they are.
const SETTINGS: [&[u8]; 2] = [b"palisade.toml", b"palisade.lock"];
/// The folder of Palisade's own data: no grant reaches into it.
const OWN_FOLDER: &[u8] = b".palisade";

/// Says whether a file or folder of that name holds private keys, as far as a name can tell. Case does not matter.
#[must_use]
pub fn is_key_file_name(name: &[u8]) -> bool {
    let ends = |ending: &[u8]| name.len().checked_sub(ending.len()).and_then(|at| name.get(at..));
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
        || ENDINGS.iter().any(|ending| ends(ending).is_some_and(|end| end.eq_ignore_ascii_case(ending)))
}

/// Says whether a file of that name holds what the operator says. Case does not matter.
pub(crate) fn is_settings_name(name: &[u8]) -> bool {
    SETTINGS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Says whether that name is the one of Palisade's own folder. Case does not matter.
pub(crate) fn is_own_folder_name(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(OWN_FOLDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_files_are_known_by_their_names() {
        for name in ["server.pem", "A.KEY", "store.p12", "x.pfx", "x.jks", "id_rsa", "ID_ED25519", ".ssh", ".gnupg"] {
            assert!(is_key_file_name(name.as_bytes()), "{name}");
        }
        for name in ["server.pem.txt", "keys", "id_rsa.pub", "monkey", "ssh", "x.crt", "pem"] {
            assert!(!is_key_file_name(name.as_bytes()), "{name}");
        }
    }
}
